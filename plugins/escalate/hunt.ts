import type { CallOutStop } from '#kernel'

/**
 * Hunting: who of several candidates is called, and when. Pure: calls, time and results come in as events and go out as effects.
 *
 * At most `width` candidates ring at a time: 1 is sequential hunting, all of them parallel. A candidate who is to be called again later gives up the
 * place meanwhile. Who claims the call first stops the others; should that one fail after all, those not called yet are.
 */
export interface Hunt<C> {
  readonly width: number
  readonly phase: 'hunting' | 'claimed' | 'connected' | 'over'
  /** Not called yet, in the order in which they will be. */
  readonly queue: readonly Attempt<C>[]
  readonly ringing: readonly Branch<C>[]
  /** To be called again when their time has come. */
  readonly delayed: readonly Branch<C>[]
  /** The branch that claimed the call. */
  readonly winner: number | null
  readonly nextBranch: number
}

export interface Attempt<C> {
  readonly candidate: C
  /** From 1 on. */
  readonly attempt: number
}

export interface Branch<C> extends Attempt<C> {
  readonly id: number
}

export type HuntEvent =
  | { readonly type: 'begin' }
  /** The callee of a branch has answered, and nobody hears it yet. */
  | { readonly type: 'claim'; readonly branch: number }
  /** It is in the conference. */
  | { readonly type: 'connected'; readonly branch: number }
  /** `again` is when to call the same candidate once more, null for never. */
  | { readonly type: 'failed'; readonly branch: number; readonly again: number | null }
  | { readonly type: 'due'; readonly branch: number }
  | { readonly type: 'cancelled' }

export type HuntEffect<C> =
  | { readonly type: 'call'; readonly branch: Branch<C> }
  | { readonly type: 'stop'; readonly branch: Branch<C>; readonly why: CallOutStop }
  /** Fire `due` for this branch after so long. */
  | { readonly type: 'wait'; readonly branch: Branch<C>; readonly delayMs: number }
  | { readonly type: 'unwait'; readonly branch: Branch<C> }
  /** Nobody is left to be called. Told once. */
  | { readonly type: 'exhausted' }

export interface HuntStep<C> {
  readonly hunt: Hunt<C>
  readonly effects: readonly HuntEffect<C>[]
}

export function newHunt<C>(candidates: readonly C[], width: number): Hunt<C> {
  const queue = candidates.map((candidate) => ({ candidate, attempt: 1 }))
  return { width, phase: 'hunting', queue, ringing: [], delayed: [], winner: null, nextBranch: 1 }
}

/** Takes one step. An event that means nothing in the state changes nothing. */
export function stepHunt<C>(hunt: Hunt<C>, event: HuntEvent): HuntStep<C> {
  const unchanged = { hunt, effects: [] }
  if (hunt.phase === 'over') return unchanged
  const ringing = 'branch' in event ? hunt.ringing.find(({ id }) => id === event.branch) : undefined
  switch (event.type) {
    case 'begin':
      return callNext(hunt)
    case 'claim':
      if (hunt.phase !== 'hunting' || ringing === undefined) return unchanged
      return {
        hunt: { ...hunt, phase: 'claimed', winner: ringing.id, delayed: [] },
        effects: [
          ...others(hunt, ringing.id).map((branch) => ({ type: 'stop', branch, why: 'answered-elsewhere' }) as const),
          ...hunt.delayed.map((branch) => ({ type: 'unwait', branch }) as const)
        ]
      }
    case 'connected':
      if (hunt.phase !== 'claimed' || hunt.winner !== event.branch) return unchanged
      return { hunt: { ...hunt, phase: 'connected', queue: [] }, effects: [] }
    case 'failed': {
      if (ringing === undefined || hunt.phase === 'connected') return unchanged
      const left = { ...hunt, ringing: others(hunt, ringing.id) }
      if (hunt.phase === 'claimed' && hunt.winner !== ringing.id) return { hunt: left, effects: [] }
      const freed: Hunt<C> = { ...left, phase: 'hunting', winner: null }
      if (event.again === null) return callNext(freed)
      const next = callNext({ ...freed, delayed: [...freed.delayed, ringing] })
      return { hunt: next.hunt, effects: [{ type: 'wait', branch: ringing, delayMs: event.again }, ...next.effects] }
    }
    case 'due': {
      const due = hunt.delayed.find(({ id }) => id === event.branch)
      if (due === undefined) return unchanged
      const delayed = hunt.delayed.filter(({ id }) => id !== due.id)
      return callNext({ ...hunt, delayed, queue: [...hunt.queue, { candidate: due.candidate, attempt: due.attempt + 1 }] })
    }
    case 'cancelled':
      return {
        hunt: { ...hunt, phase: 'over', queue: [], delayed: [], ringing: [] },
        effects: [
          ...hunt.ringing.map((branch) => ({ type: 'stop', branch, why: 'cancelled' }) as const),
          ...hunt.delayed.map((branch) => ({ type: 'unwait', branch }) as const)
        ]
      }
  }
}

const others = <C>({ ringing }: Hunt<C>, id: number): readonly Branch<C>[] => ringing.filter((branch) => branch.id !== id)

/** Calls as many of those who wait as there is room for. */
function callNext<C>(hunt: Hunt<C>): HuntStep<C> {
  if (hunt.phase !== 'hunting') return { hunt, effects: [] }
  const room = Math.max(0, hunt.width - hunt.ringing.length)
  const called = hunt.queue.slice(0, room).map((attempt, at) => ({ ...attempt, id: hunt.nextBranch + at }))
  const next: Hunt<C> = {
    ...hunt,
    queue: hunt.queue.slice(called.length),
    ringing: [...hunt.ringing, ...called],
    nextBranch: hunt.nextBranch + called.length
  }
  if (next.ringing.length === 0 && next.delayed.length === 0)
    return { hunt: { ...next, phase: 'over' }, effects: [{ type: 'exhausted' }] }
  return { hunt: next, effects: called.map((branch) => ({ type: 'call', branch })) }
}
