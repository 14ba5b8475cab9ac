/**
 * The bridges of calls that belong to no escalation of this run: of experts who call in, as for those who are called out, with what the configuration lets
 * them have; and of calls that are taken up after a restart, with what they had.
 */
import { type BridgeView, type BridgeWish, type Escalator, type RetryOutcome, type RunningBridges, runBridges } from '#escalate'
import type { CallBridge, CallBridgeState, Clock, Log, Witness } from '#kernel'
import type { CallSnapshot } from '#sip'
import type { SuiteEvent } from '../events.ts'

/** The bridges of one call. */
export interface CallBridgesView {
  readonly traceId: string
  /** Null for an expert who called in, and for a call that was taken up after a restart. */
  readonly escalation: string | null
  readonly expert: string
  readonly conference: string
  readonly state: CallBridgeState
  readonly bridges: readonly BridgeView[]
}

/** Of every call of an expert that is not over, called out or in. */
export function bridgedCalls(escalator: Escalator | null, dialIns: DialInBridges | null): readonly CallBridgesView[] {
  const escalated = (escalator?.list() ?? [])
    .filter(({ state }) => state === 'connected')
    .map(({ id, trace_id, conference, legs, bridge_state, bridges }) => {
      const branch = legs[0]!.branches.find(({ state }) => state === 'connected')
      const expert = branch?.expert ?? ''
      return { traceId: branch?.call_trace_id ?? trace_id, escalation: id, expert, conference, state: bridge_state, bridges }
    })
  return [...escalated, ...(dialIns?.list() ?? [])]
}

/**
 * Opens bridges anew that have FAILED.
 *
 * @param call an escalation, or the trace of a call
 * @param target null for every one of the kind
 */
export function retryBridge(
  escalator: Escalator | null,
  dialIns: DialInBridges | null,
  call: string,
  bridge: string,
  target: string | null,
  by: string
): RetryOutcome {
  const escalation = escalator
    ?.list()
    .find(
      ({ id, legs }) => id === call || legs.some(({ branches }) => branches.some(({ call_trace_id }) => call_trace_id === call))
    )
  if (escalation !== undefined) return escalator!.retryBridge(escalation.id, bridge, target, by)
  return (
    dialIns?.retry(call, bridge, target, by) ?? {
      ok: false,
      code: 'bridge.call-unknown',
      reason: 'no expert is connected under this id: the call is over, or never was'
    }
  )
}

export interface DialInPorts {
  /** All calls; only that of the trace where one is named. */
  readonly calls: (traceId?: string) => readonly CallSnapshot[]
  readonly isExpert: (id: string) => boolean
  readonly bridges: (wish: BridgeWish) => readonly CallBridge[]
  /** What a call of an earlier run had, by its trace. */
  readonly left: (traceId: string) => { readonly parentTraceId?: string; readonly bridges: readonly CallBridge[] }
  readonly emit: (event: SuiteEvent) => void
  readonly witness: Witness
  readonly clock: Clock
  readonly log: Log
}

export interface DialInBridges {
  readonly take: (event: SuiteEvent) => void
  readonly list: () => readonly CallBridgesView[]
  /** Undefined for a call that is not there. */
  readonly retry: (traceId: string, bridge: string, target: string | null, by: string) => RetryOutcome | undefined
  /** Ends all, and resolves when nothing is left of them. Idempotent. */
  readonly close: () => Promise<void>
}

/** Why what was done for a call is given up: one for all, since to make an error with its stack for each takes longer than to abort. */
const callIsOver = new DOMException('the call is over', 'AbortError')

interface DialIn {
  readonly call: Omit<CallBridgesView, 'state' | 'bridges'>
  readonly running: RunningBridges
  readonly over: AbortController
}

/** @param kinds of bridges that are opened */
export function dialInBridges(kinds: readonly string[], ports: DialInPorts): DialInBridges {
  const { calls, isExpert, bridges, left, emit, witness, clock, log } = ports
  const open = new Map<string, DialIn>()
  let isClosed = false

  const begin = (traceId: string, conference: string) => {
    const found = calls(traceId)[0]
    if (isClosed || found === undefined || found.expertId === null || !isExpert(found.expertId)) return
    const { expertId: expert, takesUp } = found
    if (found.direction !== 'inbound' && takesUp === undefined) return
    const running = runBridges({ clock, log, witness }, takesUp === undefined ? {} : { takesUp }, ({ view, previous }) =>
      emit({ type: 'call-bridge', at: clock.now(), traceId, previous, ...view })
    )
    const over = new AbortController()
    open.set(traceId, { call: { traceId, escalation: null, expert, conference }, running, over })
    const had = takesUp === undefined ? null : left(takesUp)
    const parent = had?.parentTraceId === undefined ? {} : { parentTraceId: had.parentTraceId }
    const context = { traceId, ...parent, log: log.child({ traceId }), signal: over.signal, now: clock.now }
    const wanted =
      had?.bridges ?? bridges({ conference, ndiVideo: kinds.includes('ndi') }).filter(({ name }) => kinds.includes(name))
    running.start(wanted, context, { conference, expertId: expert })
  }

  const end = async (traceId: string): Promise<void> => {
    const found = open.get(traceId)
    if (found === undefined) return
    found.over.abort(callIsOver)
    await found.running.stop('call.ended')
    open.delete(traceId)
  }

  // those that went on before anybody looked
  for (const { traceId, state, conference } of calls())
    if (state === 'established' && conference !== null) begin(traceId, conference)

  return {
    take: (event) => {
      if (event.type === 'established' && !open.has(event.traceId)) begin(event.traceId, event.conference)
      else if (event.type === 'ended') void end(event.traceId)
    },
    list: () => [...open.values()].map(({ call, running }) => ({ ...call, state: running.state(), bridges: running.views() })),
    retry: (traceId, bridge, target, by) => open.get(traceId)?.running.retry(bridge, target, by),
    close: async () => {
      isClosed = true
      await Promise.all([...open.keys()].map(end))
    }
  }
}
