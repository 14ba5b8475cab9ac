/**
 * The lease of a log whose writers sit on several machines: it keeps them out of each other's way. That the log never forks is not its doing: the head
 * that each commit names sees to that, and the fencing token keeps a writer that was overtaken from trying.
 *
 *     idle ─begin─▶ asking ─acquired─▶ leading ⇄ renewing
 *                    │  ▲                 └──lost, expired──▶ asking
 *             refused▼  │retry
 *                   waiting
 */
import { type Clock, errorCode, step, type Table } from '#kernel'

/** Who writes to the log, as others are told. */
export interface Holder {
  readonly name: string
  /** Where its service is reached; empty when it has none. */
  readonly address: string
}

export type LeaseAnswer =
  | { readonly type: 'acquired'; readonly token: string }
  | { readonly type: 'refused'; readonly holder: Holder; readonly remainingMs: number }

/** The store's side of the lease. */
export interface LeaseLink {
  /** Takes the lease when nobody has it or this writer itself. Each time it is taken its token is a higher one. */
  readonly acquire: () => Promise<LeaseAnswer>
  /** Begins the lease's time anew. False when it is no longer this writer's. */
  readonly renew: (token: string) => Promise<boolean>
  readonly release: (token: string) => Promise<void>
}

export type Standing =
  | { readonly leads: true; readonly token: string }
  /** `holder` is null while it is not known; `code` tells what failed when the store was asked last. */
  | { readonly leads: false; readonly holder: Holder | null; readonly code: string | null }

export type LeaseState = 'idle' | 'asking' | 'waiting' | 'leading' | 'renewing' | 'closed'
export type LeaseTimer = 'retry' | 'renew' | 'expired'

export type LeaseEvent =
  | { readonly type: 'begin' | 'renewed' | 'lost' | 'end' | LeaseTimer }
  | LeaseAnswer
  | { readonly type: 'failed'; readonly code: string }

export type LeaseEffect =
  | { readonly type: 'acquire' | 'renew' }
  | { readonly type: 'release'; readonly token: string | null }
  | { readonly type: 'start'; readonly timer: LeaseTimer; readonly ms: number }
  | { readonly type: 'stop'; readonly timer: LeaseTimer }
  | { readonly type: 'stand'; readonly standing: Standing }

export interface LeaseTimes {
  /** How long a lease lasts that is not renewed. */
  readonly leaseMs: number
}

const stop = (timer: LeaseTimer): LeaseEffect => ({ type: 'stop', timer })
const follow = (holder: Holder | null, code: string | null = null): LeaseEffect => ({
  type: 'stand',
  standing: { leads: false, holder, code }
})
const acquire: LeaseEffect = { type: 'acquire' }
/** A lease is renewed three times in its time, and asked for as often. */
const pause = ({ leaseMs }: LeaseTimes): number => Math.ceil(leaseMs / 3)
const askAnew = () => [stop('renew'), stop('expired'), follow(null), acquire]

/** `expired` is measured from before the question was sent: this side never thinks that it leads for longer than the store does. */
export const leaseTable: Table<LeaseState, LeaseEvent, LeaseEffect, LeaseTimes> = {
  idle: { begin: ['asking', () => [acquire]], end: ['closed'] },
  asking: {
    acquired: [
      'leading',
      ({ token }, times) => [
        { type: 'stand', standing: { leads: true, token } },
        { type: 'start', timer: 'renew', ms: pause(times) },
        { type: 'start', timer: 'expired', ms: times.leaseMs }
      ]
    ],
    refused: [
      'waiting',
      ({ holder, remainingMs }, times) => [
        follow(holder),
        { type: 'start', timer: 'retry', ms: Math.min(remainingMs + 1, pause(times)) }
      ]
    ],
    failed: ['waiting', ({ code }, times) => [follow(null, code), { type: 'start', timer: 'retry', ms: pause(times) }]],
    end: ['closed']
  },
  waiting: { retry: ['asking', () => [acquire]], end: ['closed', () => [stop('retry')]] },
  leading: {
    renew: ['renewing', () => [{ type: 'renew' }]],
    lost: ['asking', askAnew],
    expired: ['asking', askAnew],
    end: ['closed', () => [stop('renew'), stop('expired'), { type: 'release', token: null }]]
  },
  renewing: {
    renewed: [
      'leading',
      (_, times) => [
        { type: 'start', timer: 'renew', ms: pause(times) },
        { type: 'start', timer: 'expired', ms: times.leaseMs }
      ]
    ],
    failed: ['leading', (_, times) => [{ type: 'start', timer: 'renew', ms: pause(times) / 4 }]],
    lost: ['asking', askAnew],
    expired: ['asking', askAnew],
    end: ['closed', () => [stop('expired'), { type: 'release', token: null }]]
  },
  // an answer that comes late must not keep the next writer waiting
  closed: { acquired: ['closed', ({ token }) => [{ type: 'release', token }]] }
}

export interface Lease {
  readonly standing: () => Standing
  /** Somebody else was seen to hold it. */
  readonly lost: () => void
  /** Gives the lease back. Idempotent. */
  readonly close: () => Promise<void>
}

/** Asks for the lease, and resolves with the first answer, whatever it is. From then on it is renewed while held and asked for while not. */
export async function holdLease(link: LeaseLink, clock: Clock, times: LeaseTimes): Promise<Lease> {
  let state: LeaseState = 'idle'
  let standing: Standing = { leads: false, holder: null, code: null }
  let token = ''
  const timers = new Map<LeaseTimer, () => void>()
  const underWay = new Set<Promise<void>>()
  const first = Promise.withResolvers<void>()

  const ask = (question: () => Promise<LeaseEvent>) => {
    const sentMs = clock.monotonicMs()
    const answered = question()
      .catch((error: unknown): LeaseEvent => ({ type: 'failed', code: errorCode(error) }))
      .then((event) => {
        underWay.delete(answered)
        take(event, sentMs)
        first.resolve()
      })
    underWay.add(answered)
  }

  const take = (event: LeaseEvent, sentMs = clock.monotonicMs()): void => {
    const next = step(leaseTable, state, event, times)
    state = next.state
    for (const effect of next.effects) carryOut(effect, sentMs)
  }

  const carryOut = (effect: LeaseEffect, sentMs: number): void => {
    switch (effect.type) {
      case 'acquire':
        ask(link.acquire)
        break
      case 'renew':
        ask(async () => ((await link.renew(token)) ? { type: 'renewed' } : { type: 'lost' }))
        break
      case 'release': {
        const released = link
          .release(effect.token ?? token)
          // it ends by itself in a moment
          .catch(() => undefined)
          .then(() => {
            underWay.delete(released)
          })
        underWay.add(released)
        break
      }
      case 'start': {
        const spent = effect.timer === 'expired' ? clock.monotonicMs() - sentMs : 0
        timers.get(effect.timer)?.()
        timers.set(
          effect.timer,
          clock.after(Math.max(0, effect.ms - spent), () => take({ type: effect.timer }))
        )
        break
      }
      case 'stop':
        timers.get(effect.timer)?.()
        timers.delete(effect.timer)
        break
      case 'stand':
        standing = effect.standing
        if (standing.leads) token = standing.token
    }
  }

  take({ type: 'begin' })
  await first.promise
  return {
    standing: () => standing,
    lost: () => take({ type: 'lost' }),
    close: async () => {
      take({ type: 'end' })
      standing = { leads: false, holder: null, code: null }
      while (underWay.size > 0) await Promise.all(underWay)
    }
  }
}
