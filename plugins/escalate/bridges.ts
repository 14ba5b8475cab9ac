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
  type Witness
} from '#kernel'
import type { BridgeView } from './view.ts'

export interface BridgeChange {
  readonly view: BridgeView
  readonly previous: CallBridgeState
  /** Of the call. */
  readonly state: CallBridgeState
}

export interface RunningBridges {
  readonly views: () => readonly BridgeView[]
  /** Of the call, as {@link callBridgeState} has it. */
  readonly state: () => CallBridgeState
  /** Opens what can be opened; what cannot is skipped with its reason. Once only, and not after the end. */
  readonly start: (bridges: readonly CallBridge[], context: CallContext, call: BridgedCall) => void
  /** Resolves when nothing is left of any of them, or the time for that is over. Idempotent. */
  readonly stop: (reason: string) => Promise<void>
}

type Running = Pick<BridgeView, 'state' | 'skipped'>

/** The state of a call's bridges by its first rule that holds. What is skipped does not count. */
export const callStateRules: readonly (readonly [CallBridgeState, (each: readonly CallBridgeState[]) => boolean])[] = [
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
 */
export function runBridges(
  { clock, log, witness }: BridgesPorts,
  facts: JsonObject,
  changed: (change: BridgeChange) => void
): RunningBridges {
  type Entry = { readonly view: { -readonly [K in keyof BridgeView]: BridgeView[K] }; session: CallBridgeSession | null }
  let entries: readonly Entry[] = []
  let stopping: Promise<void> | null = null
  /** The traces under which all is recorded. */
  let trace: Pick<CallContext, 'traceId' | 'parentTraceId'> | null = null

  const tell = (entry: Entry, previous: CallBridgeState) => {
    const { bridge, target, skipped, reason, state: now } = entry.view
    const event = skipped === null ? 'BRIDGE_STATE_CHANGED' : 'BRIDGE_SKIPPED'
    const payload = { ...facts, bridge, target, reason, ...(skipped === null ? { previous, state: now } : { skipped }) }
    witness
      .record({ component, event, ...trace!, payload })
      .catch((error: unknown) => log.error({ event, code: errorCode(error) }, 'entry not recorded'))
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
        entry.view.skipped = opened.skipped
        entry.view.reason = opened.detail
        tell(entry, 'IDLE')
        return
      }
      const { session } = opened
      entry.session = session
      move(entry, 'CONNECTING', null)
      session.onChange((change) => move(entry, change.state, change.reason))
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
    const closed = entry.session?.close(reason).then(
      () => null,
      (error: unknown) => errorCode(error)
    )
    const problem = await Promise.race([closed, late])
    cancel()
    if (problem != null) log.error({ bridge: entry.view.bridge, code: problem }, 'a bridge did not close')
    if (entry.view.skipped === null) move(entry, 'CLOSED', problem ?? entry.view.reason ?? reason)
  }

  return {
    views,
    state,
    start: (bridges, context, call) => {
      if (stopping !== null || trace !== null) return
      const { traceId, parentTraceId } = context
      trace = parentTraceId === undefined ? { traceId } : { traceId, parentTraceId }
      entries = bridges.map(({ name, target }) => ({
        view: { bridge: name, target: target ?? null, state: 'IDLE', skipped: null, reason: null },
        session: null
      }))
      for (const [at, entry] of entries.entries()) openOne(entry, bridges[at]!, context, call)
    },
    stop: (reason) => {
      stopping ??= Promise.all(entries.map((entry) => closeOne(entry, reason))).then(() => {})
      return stopping
    }
  }
}
