import { errorCode, type JsonObject, type Witness } from '#kernel'
import type { Ledger, LedgerReader, LocalWitness } from '#ledger'
import {
  bridgeComponent,
  bridgeEvent,
  dialogEvent,
  finalEvents,
  findOpenCalls,
  type LeftOpen,
  placeEvent,
  type RecordedEvent
} from './open-calls.ts'

/** Component under which the suite speaks of itself. */
export const suiteComponent = 'IF.suite'
export const suiteStarted = 'suite_started'
export const suiteStopped = 'suite_stopped'

const page = 2000

/**
 * Calls that an earlier run of `application` left open in the ledger. Every start closes them, so what stands before the last start is not looked at.
 */
async function openCallsInLedger(reader: Pick<LedgerReader, 'query'>, application: string): Promise<readonly LeftOpen[]> {
  let from = -1
  for await (const { index, payload } of entriesOf(reader, suiteStarted, -1))
    if (payload.application === application) from = index
  const told: RecordedEvent[] = []
  for (const event of ['INVITE', dialogEvent, placeEvent, ...finalEvents])
    for await (const each of entriesOf(reader, event, from)) told.push(each)
  for await (const each of entriesOf(reader, bridgeEvent, from, bridgeComponent)) told.push(each)
  return findOpenCalls(told, application)
}

/** What ran beside the calls that a killed run left ended with it: closes its record. */
async function closeLeftBridges(witness: Pick<Witness, 'record'>, calls: readonly LeftOpen[]): Promise<void> {
  await Promise.all(
    calls.flatMap(({ traceId, parentTraceId, bridges }) =>
      bridges.map(({ bridge, target, state: previous }) =>
        witness.record({
          component: bridgeComponent,
          event: bridgeEvent,
          traceId,
          ...(parentTraceId === undefined ? {} : { parentTraceId }),
          payload: { bridge, target, reason: 'application-restart', previous, state: 'CLOSED' }
        })
      )
    )
  )
}

const spoolDeliveryMs = 5000

/** The calls that an earlier run left. */
export interface LeftCalls {
  /** Finds those of an application, and closes the record of what ran beside them; none where the ledger is out of reach. */
  readonly find: (application: string) => Promise<readonly LeftOpen[]>
  readonly byTrace: (traceId: string) => LeftOpen | undefined
  /** They are known: the ledger held everything that earlier runs told, and could be read. Else the next start has to look for them again. */
  readonly isComplete: () => boolean
}

export function leftCalls({
  ledger,
  witness,
  warn
}: {
  readonly ledger: Pick<Ledger, 'reader'>
  readonly witness: LocalWitness
  readonly warn: (code: string, message: string) => void
}): LeftCalls {
  let isComplete = false
  let left: readonly LeftOpen[] = []
  return {
    find: async (application) => {
      try {
        await witness.flush(spoolDeliveryMs)
        const open = await openCallsInLedger(ledger.reader, application)
        await closeLeftBridges(witness, open)
        left = open
        isComplete = true
        return open
      } catch (error) {
        const problem = `the ledger is out of reach (${errorCode(error)}): calls of an earlier run are closed at the next start`
        warn('suite.open-calls.unknown', problem)
        return []
      }
    },
    byTrace: (wanted) => left.find(({ traceId }) => traceId === wanted),
    isComplete: () => isComplete
  }
}

async function* entriesOf(
  reader: Pick<LedgerReader, 'query'>,
  event: string,
  after: number,
  component?: string
): AsyncGenerator<RecordedEvent & { readonly index: number; readonly payload: JsonObject }> {
  for (let afterIndex = after; ; ) {
    const found = await reader.query({ event, afterIndex, limit: page, ...(component === undefined ? {} : { component }) })
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
