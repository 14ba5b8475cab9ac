/** What a log, a trace or an H.323 call costs. */
import { InfraFabricError } from '#kernel'
import { openEntry } from '../log/entry.ts'
import { entriesOf } from '../log/segment.ts'
import type { LedgerReader } from '../read/reader.ts'
import { add, type Decimal, decimalOf, multiply, parseDecimal, zero } from './decimal.ts'
import type { Rates } from './rates.ts'
import { type CostReport, createCostTally, type Grouping } from './tally.ts'

/** What is to be summed up; conditions add up. */
export interface CostQuery {
  readonly grouping: Grouping
  readonly rates: Rates
  /** Only this trace and those under it. */
  readonly trace?: string
  readonly component?: string
}

/** Entries asked for at once where the index finds them. */
const pageSize = 1_000

/**
 * Reads through the log, or, for one trace, through what the index finds of it, keeping one segment or page in memory at a time.
 *
 * @param progress told how many entries of how many have been read
 * @param signal ends the reading early
 * @throws {InfraFabricError} `ledger.cost.aborted`; as openEntry
 */
export async function reportCost(
  reader: LedgerReader,
  { grouping, rates, trace, component }: CostQuery,
  progress: (read: number, of: number) => void = () => undefined,
  signal?: AbortSignal
): Promise<CostReport> {
  const tally = createCostTally(rates, grouping)
  const goOn = (): void => {
    if (signal?.aborted) throw new InfraFabricError('ledger.cost.aborted', 'stopped before the end of the log was reached')
  }
  if (trace !== undefined) {
    const filter = { trace, ...(component === undefined ? {} : { component }), limit: pageSize }
    for (let afterIndex = -1; ; ) {
      goOn()
      const page = await reader.query({ ...filter, afterIndex })
      for (const { entry } of page) tally.take(entry)
      if (page.length < pageSize) return tally.report()
      afterIndex = page.at(-1)!.entry.index
    }
  }
  const size = await reader.size()
  for await (const { first, count, data } of reader.log.segments(0, size)) {
    goOn()
    for (const bytes of entriesOf(data)) {
      if (!mayCount(bytes, grouping)) continue
      const entry = openEntry(bytes)
      if (component === undefined || entry.component === component) tally.take(entry)
    }
    progress(Math.min(first + count, size), size)
  }
  return tally.report()
}

const members = ['"cost":', '"tokens_in":', '"tokens_out":'].map((text) => Buffer.from(text))
const parentMember = Buffer.from('"parent_trace_id":')

/** Whether an entry can change the sums: most have none of the members, and need not be parsed. Members of a payload may let through too many. */
function mayCount(bytes: Uint8Array, grouping: Grouping): boolean {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return members.some((member) => view.includes(member)) || (grouping === 'trace' && view.includes(parentMember))
}

/** Parts of what an H.323 session costs, US dollars. */
export const h323Prices = {
  callSetUp: parseDecimal('0.0005'),
  mbitMinute: parseDecimal('0.001'),
  keepAliveMinute: parseDecimal('0.00001')
} as const

/** US dollars for one H.323 call: set-up, bandwidth and the gatekeeper's keep-alive. */
export function h323SessionCost(mbitPerSecond: Decimal, minutes: Decimal): Decimal {
  const bandwidth = multiply(h323Prices.mbitMinute, multiply(mbitPerSecond, minutes))
  return add(h323Prices.callSetUp, add(bandwidth, multiply(h323Prices.keepAliveMinute, minutes)))
}

const minutesOfCall = 30n

/**
 * US dollars for a month of calls of 30 minutes each; a call begun counts as one set up.
 *
 * @param minutesPerDay whole minutes of calls a day
 * @param days of the month
 */
export function h323MonthlyCost(mbitPerSecond: Decimal, minutesPerDay: number, days = 30): Decimal {
  if (minutesPerDay === 0 || days === 0) return zero
  const minutes = BigInt(minutesPerDay) * BigInt(days)
  const calls = ((BigInt(minutesPerDay) + minutesOfCall - 1n) / minutesOfCall) * BigInt(days)
  const oneSetUp = h323SessionCost(mbitPerSecond, decimalOf(minutes))
  return add(oneSetUp, multiply(h323Prices.callSetUp, decimalOf(calls - 1n)))
}
