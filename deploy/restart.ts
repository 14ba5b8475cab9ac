import type { JsonObject } from '#kernel'
import type { LedgerReader } from '#ledger'
import type { OpenCall } from '#sip'
import { dialogEvent, finalEvents, findOpenCalls, placeEvent, type RecordedEvent } from './open-calls.ts'

/** Component under which the suite speaks of itself. */
export const suiteComponent = 'IF.suite'
export const suiteStarted = 'suite_started'
export const suiteStopped = 'suite_stopped'

const page = 2000

/**
 * Calls that an earlier run of `application` left open in the ledger. Every start closes them, so what stands before the last start is not looked at.
 */
export async function openCallsInLedger(reader: Pick<LedgerReader, 'query'>, application: string): Promise<readonly OpenCall[]> {
  let from = -1
  for await (const { index, payload } of entriesOf(reader, suiteStarted, -1))
    if (payload.application === application) from = index
  const told: RecordedEvent[] = []
  for (const event of ['INVITE', dialogEvent, placeEvent, ...finalEvents])
    for await (const each of entriesOf(reader, event, from)) told.push(each)
  return findOpenCalls(told, application)
}

async function* entriesOf(
  reader: Pick<LedgerReader, 'query'>,
  event: string,
  after: number
): AsyncGenerator<RecordedEvent & { readonly index: number; readonly payload: JsonObject }> {
  for (let afterIndex = after; ; ) {
    const found = await reader.query({ event, afterIndex, limit: page })
    for (const { entry } of found) {
      yield {
        index: entry.index,
        event: entry.event,
        traceId: entry.trace_id,
        parentTraceId: entry.parent_trace_id,
        at: Date.parse(entry.time),
        payload: entry.payload
      }
      afterIndex = entry.index
    }
    if (found.length < page) return
  }
}
