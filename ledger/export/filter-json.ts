import type { JsonObject } from '#kernel'
import type { LedgerFilter } from '../read/entry-index.ts'

/** A filter as exports tell it: moments in UTC, conditions in one order. */
export function filterJson({ trace, component, event, callId, since, until, afterIndex, limit }: LedgerFilter): JsonObject {
  const moment = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString())
  const conditions = {
    trace,
    component,
    event,
    call_id: callId,
    since: moment(since),
    until: moment(until),
    after: afterIndex,
    limit
  }
  return Object.fromEntries(Object.entries(conditions).filter(([, value]) => value !== undefined)) as JsonObject
}
