/**
 * The bridges of one call: H.323, WebRTC and NDI beside an expert's sound. Each goes on by itself when another fails; all end with the call.
 */
import {
  type BridgedCall,
  type CallBridge,
  type CallBridgeSession,
  type CallBridgeState,
  type CallContext,
  type Clock,
  errorCode,
  type JsonObject,
  type Log,
  type Witness,
  type WitnessHaste
} from '#kernel'
import type { BridgeView } from './view.ts'

export interface BridgeChange {
  readonly view: BridgeView
  readonly previous: CallBridgeState
  /** Of the call. */
  readonly state: CallBridgeState
}

/** What came of the wish to open a bridge anew: the bridges that are tried again, or why none is. */
export type RetryOutcome =
  | { readonly ok: true; readonly bridges: readonly BridgeView[] }
  | {
      readonly ok: false
      readonly code: 'bridge.call-unknown' | 'bridge.not-connected' | 'bridge.call-over' | 'bridge.unknown' | 'bridge.not-failed'
      readonly reason: string
    }

export interface RunningBridges {
  readonly views: () => readonly BridgeView[]
  /** Of the call, as {@link callBridgeState} has it. */
  readonly state: () => CallBridgeState
  /** Opens what can be opened; what cannot is skipped with its reason. Once only, and not after the end. */
  readonly start: (bridges: readonly CallBridge[], context: CallContext, call: BridgedCall) => void
  /**
   * Opens anew what has FAILED, with all its attempts.
   *
   * @param target null for every one of the kind
   * @param by who wants it, for the record
   */
  readonly retry: (bridge: string, target: string | null, by: string) => RetryOutcome
  /** Resolves when nothing is left of any of them, or the time for that is over. Idempotent. */
  readonly stop: (reason: string) => Promise<void>
}

type Running = Pick<BridgeView, 'state' | 'skipped'>

/** The state of a call's bridges by its first rule that holds. What is skipped does not count. */
const callStateRules: readonly (readonly [CallBridgeState, (each: readonly CallBridgeState[]) => boolean])[] = [
  ['IDLE', (each) => each.length === 0],
  ['CLOSED', (each) => each.every((state) => state === 'CLOSED')],
  ['FAILED', (each) => each.every((state) => state === 'FAILED' || state === 'CLOSED')],
  ['DEGRADED', (each) => each.some((state) => state === 'FAILED' || state === 'DEGRADED')],
  ['CONNECTING', (each) => each.some((state) => state === 'CONNECTING' || state === 'IDLE')],
  ['ACTIVE', () => true]
]

export function callBridgeState(bridges: readonly Running[]): CallBridgeState {
  const states = bridges.filter(({ skipped }) => skipped === null).map(({ state }) => state)
  return callStateRules.find(([, holds]) => holds(states))![0]
}

/** A bridge closes within 10 s by its own clock; one that does not is left behind soon after. */
const closeLimitMs = 12_000

const component = 'IF.bridge.call'

export interface BridgesPorts {
  readonly clock: Clock
  readonly log: Log
  readonly witness: Pick<Witness, 'record'>
}

/**
 * @param facts stand in every entry
 * @param changed told of every bridge that was skipped, and of every change of state
 * @param retried told of every bridge that is opened anew, before it changes its state
 */
export function runBridges(
  { clock, log, witness }: BridgesPorts,
  facts: JsonObject,
  changed: (change: BridgeChange) => void,
  retried: (view: BridgeView, by: string) => void = () => {}
): RunningBridges {
  type Entry = {
    readonly view: { -readonly [K in keyof BridgeView]: BridgeView[K] }
    readonly open: () => void
    session: CallBridgeSession | null
    /** The end of one that was tried again. */
    former: Promise<void>
  }
  let entries: readonly Entry[] = []
  let stopping: Promise<void> | null = null
  /** The traces under which all is recorded. */
  let trace: Pick<CallContext, 'traceId' | 'parentTraceId'> | null = null

  const record = (event: string, payload: JsonObject, haste?: WitnessHaste) => {
    witness
      .record({ component, event, ...trace!, payload: { ...facts, ...payload } }, haste)
      .catch((error: unknown) => log.error({ event, code: errorCode(error) }, 'entry not recorded'))
  }

  const tell = (entry: Entry, previous: CallBridgeState) => {
    const { bridge, target, skipped, reason, state: now } = entry.view
    if (skipped === null) record('BRIDGE_STATE_CHANGED', { bridge, target, reason, previous, state: now })
    // what was never opened is not taken up after a crash: its entry goes along with others
    else record('BRIDGE_SKIPPED', { bridge, target, reason, skipped }, 'soon')
    changed({ view: { ...entry.view }, previous, state: state() })
  }

  const views = () => entries.map(({ view }) => ({ ...view }))
  const state = () => callBridgeState(entries.map(({ view }) => view))

  const move = (entry: Entry, next: CallBridgeState, reason: string | null) => {
    const previous = entry.view.state
    // CLOSED is the last word, whatever a session that others hold too goes on to tell
    if (next === previous || previous === 'CLOSED') return
    entry.view.state = next
    entry.view.reason = reason
    tell(entry, previous)
  }

  const openOne = (entry: Entry, bridge: CallBridge, context: CallContext, call: BridgedCall) => {
    try {
      const opened = bridge.open(context, call)
      if (!opened.ok) {
        const previous = entry.view.state
        entry.view.state = 'IDLE'
        entry.view.skipped = opened.skipped
        entry.view.reason = opened.detail
        tell(entry, previous)
        return
      }
      const { session } = opened
      entry.session = session
      if (session.state() !== 'IDLE') move(entry, 'CONNECTING', null)
      session.onChange((change) => {
        if (entry.session === session) move(entry, change.state, change.reason)
      })
      move(entry, session.state(), null)
    } catch (error) {
      log.warn({ bridge: bridge.name, code: errorCode(error) }, 'a bridge could not be opened')
      move(entry, 'FAILED', errorCode(error))
    }
  }

  const closeOne = async (entry: Entry, reason: string): Promise<void> => {
    let cancel = () => {}
    const late = new Promise<string>((resolve) => {
      cancel = clock.after(closeLimitMs, () => resolve('bridge.close.timeout'))
    })
    const closed = Promise.all([entry.former, entry.session?.close(reason)]).then(
      () => null,
      (error: unknown) => errorCode(error)
    )
    const problem = await Promise.race([closed, late])
    cancel()
    if (problem != null) log.error({ bridge: entry.view.bridge, code: problem }, 'a bridge did not close')
    if (entry.view.skipped === null) move(entry, 'CLOSED', problem ?? entry.view.reason ?? reason)
  }

  /** A session that has FAILED only ends; what comes after it is another one. */
  const openAnew = (entry: Entry, by: string) => {
    const { bridge, target, reason } = entry.view
    const failed = entry.session
    record('BRIDGE_RETRIED', { bridge, target, reason, by })
    retried({ ...entry.view }, by)
    entry.session = null
    entry.former = failed?.close('bridge.retried') ?? Promise.resolve()
    move(entry, 'CONNECTING', null)
    void entry.former.then(() => {
      if (stopping === null) entry.open()
    })
  }

  return {
    views,
    state,
    retry: (bridge, target, by) => {
      const refused = (code: Extract<RetryOutcome, { ok: false }>['code'], reason: string) =>
        ({ ok: false, code, reason }) as const
      if (stopping !== null) return refused('bridge.call-over', 'the call is over')
      if (trace === null) return refused('bridge.not-connected', 'no expert is connected: there are no bridges yet')
      const wanted = entries.filter(({ view }) => view.bridge === bridge && (target === null || view.target === target))
      if (wanted.length === 0) return refused('bridge.unknown', 'the call has no such bridge')
      const failed = wanted.filter(({ view }) => view.state === 'FAILED')
      if (failed.length === 0) {
        const states = [...new Set(wanted.map(({ view }) => (view.skipped === null ? view.state : 'skipped')))].join(', ')
        return refused('bridge.not-failed', `only what has FAILED is tried again: it is ${states}`)
      }
      for (const entry of failed) openAnew(entry, by)
      return { ok: true, bridges: failed.map(({ view }) => ({ ...view })) }
    },
    start: (bridges, context, call) => {
      if (stopping !== null || trace !== null) return
      const { traceId, parentTraceId } = context
      trace = parentTraceId === undefined ? { traceId } : { traceId, parentTraceId }
      entries = bridges.map((bridge) => {
        const entry: Entry = {
          view: { bridge: bridge.name, target: bridge.target ?? null, state: 'IDLE', skipped: null, reason: null },
          session: null,
          former: Promise.resolve(),
          open: () => openOne(entry, bridge, context, call)
        }
        return entry
      })
      for (const entry of entries) entry.open()
    },
    stop: (reason) => {
      stopping ??= Promise.all(entries.map((entry) => closeOne(entry, reason))).then(() => {})
      return stopping
    }
  }
}
