/**
 * A bridge of a call that is opened by attempts: tried again after 1, 2 and 4 s, each operation within 10 s, and taken down whole in whatever order
 * things happen.
 */

import type { Clock } from '../clock.ts'
import { errorCode } from '../errors.ts'
import type { Log } from '../log.ts'
import { step, type Table } from '../machine.ts'
import type { CallBridgeChange, CallBridgeSession, CallBridgeState } from './call-bridge.ts'

/** What an open bridge tells of itself. `lost` and `left` are its last words; what it still holds is freed by `close`. */
export type OpenBridgeEvent =
  /** Works in part. */
  | { readonly type: 'impaired'; readonly reason: string }
  | { readonly type: 'recovered' }
  /** Gone by a fault: it is opened anew. */
  | { readonly type: 'lost'; readonly reason: string }
  /** Gone because the other side wanted it so: it stays closed. */
  | { readonly type: 'left'; readonly reason: string }

export interface OpenBridge {
  /** Resolves when all that the attempt held is free. */
  readonly close: () => Promise<void>
}

export type BridgeAttempt =
  | { readonly ok: true; readonly bridge: OpenBridge }
  /** Not to be tried again. Nothing is held. */
  | { readonly ok: false; readonly reason: string }

/**
 * Opens the bridge once. A rejection is a failure that may be tried again, with nothing held.
 *
 * @param signal aborted when nobody waits any more: the attempt is to reject soon. What opens all the same is closed.
 */
export type OpenBridgeOnce = (signal: AbortSignal, tell: (event: OpenBridgeEvent) => void) => Promise<BridgeAttempt>

export interface BridgeTimes {
  /** Waits before each further attempt. Default 1, 2 and 4 s. */
  readonly retriesMs: readonly number[]
  /** For opening, and for closing. Default 10 s. */
  readonly operationMs: number
  /** A bridge that was active for so long has all its attempts again. Default 10 s. */
  readonly steadyMs: number
}

export const defaultBridgeTimes: BridgeTimes = { retriesMs: [1000, 2000, 4000], operationMs: 10_000, steadyMs: 10_000 }

export const bridgePhases = [
  'idle',
  'connecting',
  'active',
  'impaired',
  'clearing',
  'waiting',
  'reconnecting',
  'failed',
  'leaving',
  'ending',
  'closed'
] as const
export type BridgePhase = (typeof bridgePhases)[number]

export type BridgePhaseEvent =
  | { readonly type: 'begin' }
  | { readonly type: 'opened' }
  | { readonly type: 'failed'; readonly reason: string }
  | { readonly type: 'refused'; readonly reason: string }
  | { readonly type: 'timedOut' }
  | OpenBridgeEvent
  | { readonly type: 'steady' }
  /** What the last attempt held is free; `spent` where there is no attempt left. */
  | { readonly type: 'cleared' }
  | { readonly type: 'spent' }
  | { readonly type: 'due' }
  | { readonly type: 'end' }

export type BridgePhaseEffect = 'open' | 'abandon' | 'close'

/** Facts beside the phase, kept by the actions of the table. */
export interface BridgeFacts {
  reason: string | null
  /** Attempts since the bridge was last steady. */
  attempts: number
}

const why =
  (effect?: BridgePhaseEffect) =>
  (event: { readonly reason: string }, facts: BridgeFacts): readonly BridgePhaseEffect[] => {
    facts.reason = event.reason
    return effect === undefined ? [] : [effect]
  }
const open = (_: unknown, facts: BridgeFacts): readonly BridgePhaseEffect[] => {
  facts.attempts++
  return ['open']
}
const works = (_: unknown, facts: BridgeFacts): readonly BridgePhaseEffect[] => {
  facts.reason = null
  return []
}
const tooLate = (_: unknown, facts: BridgeFacts): readonly BridgePhaseEffect[] => {
  facts.reason = 'bridge.timeout'
  return ['abandon']
}
const refused = ({ reason }: { readonly reason: string }, facts: BridgeFacts): readonly BridgePhaseEffect[] => {
  facts.reason = reason
  facts.attempts = Number.POSITIVE_INFINITY
  return []
}
const steady = (_: unknown, facts: BridgeFacts): readonly BridgePhaseEffect[] => {
  facts.attempts = 1
  return []
}
const just = (effect: BridgePhaseEffect) => (): readonly BridgePhaseEffect[] => [effect]

export const bridgePhaseTable = {
  idle: { begin: ['connecting', open], end: ['closed'] },
  connecting: {
    opened: ['active', works],
    failed: ['clearing', why()],
    refused: ['clearing', refused],
    timedOut: ['clearing', tooLate],
    end: ['ending', just('abandon')]
  },
  active: {
    steady: ['active', steady],
    impaired: ['impaired', why()],
    lost: ['clearing', why('close')],
    left: ['leaving', why('close')],
    end: ['ending', just('close')]
  },
  impaired: {
    impaired: ['impaired', why()],
    recovered: ['active', works],
    lost: ['clearing', why('close')],
    left: ['leaving', why('close')],
    end: ['ending', just('close')]
  },
  clearing: { cleared: ['waiting'], spent: ['failed'], end: ['ending'] },
  waiting: { due: ['reconnecting', open], end: ['ending'] },
  reconnecting: {
    opened: ['active', works],
    failed: ['clearing', why()],
    refused: ['clearing', refused],
    timedOut: ['clearing', tooLate],
    end: ['ending', just('abandon')]
  },
  failed: { end: ['ending'] },
  leaving: { cleared: ['closed'], spent: ['closed'], end: ['ending'] },
  ending: { cleared: ['closed'], spent: ['closed'] },
  closed: {}
} satisfies Table<BridgePhase, BridgePhaseEvent, BridgePhaseEffect, BridgeFacts>

/** What is seen of a phase; null leaves what was seen before, until all is free. */
export const seenOf: Readonly<Record<BridgePhase, CallBridgeState | null>> = {
  idle: 'IDLE',
  connecting: 'CONNECTING',
  active: 'ACTIVE',
  impaired: 'DEGRADED',
  clearing: 'DEGRADED',
  waiting: 'DEGRADED',
  reconnecting: 'DEGRADED',
  failed: 'FAILED',
  leaving: null,
  ending: null,
  closed: 'CLOSED'
}

interface Attempt {
  readonly abort: AbortController
  /** Told before the attempt has resolved. */
  readonly early: OpenBridgeEvent[]
  bridge: OpenBridge | null
}

export interface BridgeSessionOptions extends Partial<BridgeTimes> {
  readonly clock: Clock
  readonly log: Log
  /** What is waited for before the first attempt, in IDLE; `signal` is aborted when nobody waits any more. */
  readonly ready?: (signal: AbortSignal) => Promise<void>
}

/** Begins at once, or when what it needs is there. */
export function startBridgeSession(
  openOnce: OpenBridgeOnce,
  { clock, log, ready, ...given }: BridgeSessionOptions
): CallBridgeSession {
  const times: BridgeTimes = { ...defaultBridgeTimes, ...given }
  const facts: BridgeFacts = { reason: null, attempts: 0 }
  const listeners: ((change: CallBridgeChange) => void)[] = []
  const over = Promise.withResolvers<void>()
  let phase: BridgePhase = 'idle'
  let seen: CallBridgeState = 'IDLE'
  /** What is under way or open, or is being closed: one at a time. */
  let current: Attempt | null = null
  let stopTimer = () => {}

  const isClearing = () => phase === 'clearing' || phase === 'leaving' || phase === 'ending'

  function take(event: BridgePhaseEvent): void {
    const before = phase
    const next = step<BridgePhase, BridgePhaseEvent, BridgePhaseEffect, BridgeFacts>(bridgePhaseTable, phase, event, facts)
    if (!next.allowed) {
      log.debug({ phase, event: event.type }, 'no row for this event of a bridge')
      return
    }
    phase = next.state
    if (phase !== before) startPhaseTimer()
    for (const effect of next.effects) perform(effect)
    if (isClearing() && current === null) {
      cleared()
      return
    }
    show()
    if (phase === 'closed') over.resolve()
  }

  function cleared(): void {
    take({ type: facts.attempts > times.retriesMs.length ? 'spent' : 'cleared' })
  }

  function show(): void {
    const state = seenOf[phase] ?? seen
    if (state === seen) return
    const change: CallBridgeChange = { state, previous: seen, reason: facts.reason }
    seen = state
    for (const listener of listeners) listener(change)
  }

  function startPhaseTimer(): void {
    stopTimer()
    stopTimer = () => {}
    if (phase === 'connecting' || phase === 'reconnecting')
      stopTimer = clock.after(times.operationMs, () => take({ type: 'timedOut' }))
    else if (phase === 'active') stopTimer = clock.after(times.steadyMs, () => take({ type: 'steady' }))
    else if (phase === 'waiting') stopTimer = clock.after(times.retriesMs[facts.attempts - 1]!, () => take({ type: 'due' }))
    else if (isClearing() && current !== null)
      stopTimer = clock.after(times.operationMs, () => {
        log.warn({ phase }, 'a bridge is not free in time')
        current = null
        cleared()
      })
  }

  function perform(effect: BridgePhaseEffect): void {
    if (effect === 'open') void openNow()
    else if (effect === 'abandon') current?.abort.abort()
    else if (current !== null) void closeNow(current)
  }

  async function openNow(): Promise<void> {
    const attempt: Attempt = { abort: new AbortController(), early: [], bridge: null }
    current = attempt
    const tell = (event: OpenBridgeEvent) => {
      if (attempt.bridge === null) attempt.early.push(event)
      else if (current === attempt && !isClearing()) take(event)
    }
    try {
      const result = await openOnce(attempt.abort.signal, tell)
      const isWanted = current === attempt && (phase === 'connecting' || phase === 'reconnecting')
      if (result.ok) {
        attempt.bridge = result.bridge
        if (!isWanted) return await closeNow(attempt)
        take({ type: 'opened' })
        for (const event of attempt.early) tell(event)
      } else free(attempt, { type: 'refused', reason: result.reason }, isWanted)
    } catch (error) {
      free(attempt, { type: 'failed', reason: errorCode(error) }, current === attempt && !isClearing())
    }
  }

  async function closeNow(attempt: Attempt): Promise<void> {
    try {
      await attempt.bridge?.close()
    } catch (error) {
      log.warn({ code: errorCode(error) }, 'a bridge did not close cleanly')
    }
    free(attempt, null, false)
  }

  /** Nothing is left of an attempt. */
  function free(attempt: Attempt, event: BridgePhaseEvent | null, isWanted: boolean): void {
    if (current !== attempt) return
    current = null
    if (isWanted && event !== null) take(event)
    else if (isClearing()) cleared()
  }

  const waiting = new AbortController()
  if (ready === undefined) take({ type: 'begin' })
  else
    ready(waiting.signal).then(
      () => take({ type: 'begin' }),
      (error: unknown) => log.debug({ code: errorCode(error) }, 'what a bridge waits for does not come')
    )
  return {
    state: () => seen,
    onChange: (listener) => void listeners.push(listener),
    close: (reason) => {
      if (phase !== 'closed' && phase !== 'ending') {
        facts.reason ??= reason
        waiting.abort()
        take({ type: 'end' })
      }
      return over.promise
    }
  }
}
