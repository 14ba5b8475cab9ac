import type { JsonObject } from '#kernel'
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

/**
 * Calls that an application took and that have no end in the record: it was killed while they went on.
 *
 * @param application name under which the application writes its `INVITE` entries: calls of others may be going on.
 */
export function findOpenCalls(entries: Iterable<RecordedEvent>, application: string): readonly OpenCall[] {
  const open = new Map<string, OpenCall>()
  for (const { event, traceId, parentTraceId, at, payload } of entries) {
    if (event === 'INVITE' && payload.application === application && typeof payload.callId === 'string')
      open.set(traceId, {
        traceId,
        ...(parentTraceId === undefined ? {} : { parentTraceId }),
        callId: payload.callId,
        receivedAt: at
      })
    else if (event === dialogEvent && open.has(traceId))
      open.set(traceId, { ...open.get(traceId)!, dialog: readRecordedDialog(payload) })
    else if (event === placeEvent && open.has(traceId) && typeof payload.conference === 'string')
      open.set(traceId, {
        ...open.get(traceId)!,
        place: { conference: payload.conference, hazard: typeof payload.hazard === 'string' ? payload.hazard : null }
      })
    else if (finalEvents.has(event)) open.delete(traceId)
  }
  return [...open.values()]
}
