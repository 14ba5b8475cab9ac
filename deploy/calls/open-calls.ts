import { type CallBridgeState, callBridgeStates, type JsonObject } from '#kernel'
import { type OpenCall, readRecordedDialog } from '#sip'

/** What is needed of a ledger entry to find calls without an end. */
export interface RecordedEvent {
  readonly event: string
  readonly traceId: string
  readonly parentTraceId?: string | undefined
  /** Wall clock, milliseconds since 1970. */
  readonly at: number
  readonly payload: JsonObject
}

/** Events of which a call's record has exactly one, as its last word. */
export const finalEvents: ReadonlySet<string> = new Set(['TERMINATED', 'REJECTED', 'SECURITY_REJECTED'])

/** Tells of the dialog of a call, by which its peer can be told that it is over. */
export const dialogEvent = 'sip_dialog_established'

/** Tells in which conference a call is, and what about. */
export const placeEvent = 'CONNECTED'

/** Component and event that tell of the bridges beside a call. */
export const bridgeComponent = 'IF.bridge.call'
export const bridgeEvent = 'BRIDGE_STATE_CHANGED'

/** A bridge beside a call, as it stood when its run was killed. */
export interface LeftBridge {
  readonly bridge: string
  readonly target: string | null
  readonly state: CallBridgeState
}

/** A call that a killed run left, with what ran beside it. */
export interface LeftOpen extends OpenCall {
  /** Those that were not over. */
  readonly bridges: readonly LeftBridge[]
}

/**
 * Calls that an application took and that have no end in the record: it was killed while they went on.
 *
 * @param application name under which the application writes its `INVITE` entries: calls of others may be going on.
 */
export function findOpenCalls(entries: Iterable<RecordedEvent>, application: string): readonly LeftOpen[] {
  const open = new Map<string, LeftOpen>()
  for (const { event, traceId, parentTraceId, at, payload } of entries) {
    if (event === 'INVITE' && payload.application === application && typeof payload.callId === 'string')
      open.set(traceId, {
        traceId,
        ...(parentTraceId === undefined ? {} : { parentTraceId }),
        callId: payload.callId,
        receivedAt: at,
        bridges: []
      })
    else if (event === dialogEvent && open.has(traceId))
      open.set(traceId, { ...open.get(traceId)!, dialog: readRecordedDialog(payload) })
    else if (event === placeEvent && open.has(traceId) && typeof payload.conference === 'string')
      open.set(traceId, {
        ...open.get(traceId)!,
        place: { conference: payload.conference, hazard: typeof payload.hazard === 'string' ? payload.hazard : null }
      })
    else if (event === bridgeEvent && open.has(traceId)) {
      const call = open.get(traceId)!
      open.set(traceId, { ...call, bridges: withChange(call.bridges, payload) })
    } else if (finalEvents.has(event)) open.delete(traceId)
  }
  return [...open.values()]
}

/** @param change payload of a {@link bridgeEvent}; of another component it changes nothing */
function withChange(bridges: readonly LeftBridge[], { bridge, target = null, state }: JsonObject): readonly LeftBridge[] {
  const now = callBridgeStates.find((each) => each === state)
  if (typeof bridge !== 'string' || (target !== null && typeof target !== 'string') || now === undefined) return bridges
  const others = bridges.filter((each) => each.bridge !== bridge || each.target !== target)
  return now === 'CLOSED' ? others : [...others, { bridge, target, state: now }]
}
