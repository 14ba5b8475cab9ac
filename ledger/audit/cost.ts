/** What a log, a trace or an H.323 call costs. */
import { InfraFabricError } from '#kernel'
import { type LedgerEntry, openEntry } from '../log/entry.ts'
import { entriesOf } from '../log/segment.ts'
import type { LedgerFilter } from '../read/entry-index.ts'
import type { LedgerReader } from '../read/reader.ts'
import { add, type Decimal, decimalOf, formatDecimal, multiply, parseDecimal, zero } from './decimal.ts'
import type { Rates } from './rates.ts'
import { type CostReport, type CostSum, createCostTally, type Grouping } from './tally.ts'

/** What is to be summed up; conditions add up. */
export interface CostQuery extends Omit<LedgerFilter, 'limit' | 'afterIndex'> {
  readonly grouping: Grouping
  readonly rates: Rates
}

/** Entries asked for at once where the index finds them. */
const pageSize = 1_000

/**
 * Reads through the log, or through what the index finds where one trace, call or kind of event is asked for, keeping one segment or page in memory at a
 * time. With `since` the log is read from the first entry on that is of that time.
 *
 * @param progress told how many entries of how many have been read
 * @param signal ends the reading early
 * @throws {InfraFabricError} `ledger.cost.aborted`; as openEntry
 */
export async function reportCost(
  reader: LedgerReader,
  { grouping, rates, ...filter }: CostQuery,
  progress: (read: number, of: number) => void = () => undefined,
  signal?: AbortSignal
): Promise<CostReport> {
  const tally = createCostTally(rates, grouping)
  if (filter.trace !== undefined || filter.callId !== undefined || filter.event !== undefined) {
    for (let afterIndex = -1; ; ) {
      await nextTurn()
      expectGoingOn(signal)
      const page = await reader.query({ ...filter, afterIndex, limit: pageSize })
      for (const { entry } of page) tally.take(entry)
      if (page.length < pageSize) return tally.report()
      afterIndex = page.at(-1)!.entry.index
    }
  }
  const { component, since, until } = filter
  const size = await reader.size()
  const from = since === undefined ? 0 : await firstSince(reader, since, size)
  const wanted = {
    mayCount: (bytes: Uint8Array) => mayCount(bytes, grouping),
    take: (entry: LedgerEntry) => {
      if ((component === undefined || entry.component === component) && isWithin(entry, since, until)) tally.take(entry)
    }
  }
  await scan(reader, { from, to: size }, wanted, progress, signal)
  return tally.report()
}

const longestTurnMs = 10
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Leaf number of the first entry of this time or later; the size of the log when there is none. */
const firstSince = async (reader: LedgerReader, since: number, size: number): Promise<number> =>
  (await reader.query({ since, limit: 1 }))[0]?.entry.index ?? size

async function scan(
  reader: LedgerReader,
  { from, to }: { readonly from: number; readonly to: number },
  wanted: { readonly mayCount: (bytes: Uint8Array) => boolean; readonly take: (entry: LedgerEntry) => void },
  progress: (read: number, of: number) => void,
  signal?: AbortSignal
): Promise<void> {
  let restedMs = Date.now()
  for await (const { first, count, data } of reader.log.segments(from, to)) {
    // the log is read without waiting for anything: others, and the signal, have to be let in
    if (Date.now() - restedMs > longestTurnMs) {
      await nextTurn()
      restedMs = Date.now()
    }
    expectGoingOn(signal)
    for (const [number, bytes] of entriesOf(data).entries())
      if (first + number >= from && first + number < to && wanted.mayCount(bytes)) wanted.take(openEntry(bytes))
    progress(Math.min(first + count, to) - from, to - from)
  }
}

function expectGoingOn(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new InfraFabricError('ledger.cost.aborted', 'stopped before the end of the log was reached')
}

/** What was spent in a stretch of time; asked again, it reads what has come since. */
export interface RunningCost {
  /** @throws as reportCost */
  readonly total: (progress?: (read: number, of: number) => void, signal?: AbortSignal) => Promise<CostSum>
}

/**
 * @param since milliseconds since 1970, inclusive
 * @param until exclusive
 */
export function runningCost(reader: LedgerReader, rates: Rates, since: number, until: number): RunningCost {
  let tally = createCostTally(rates, 'component')
  let next: number | null = null
  return {
    total: async (progress = () => undefined, signal) => {
      const size = await reader.size()
      next ??= await firstSince(reader, since, size)
      const wanted = {
        mayCount: (bytes: Uint8Array) => mayCount(bytes, 'component'),
        take: (entry: LedgerEntry) => {
          if (isWithin(entry, since, until)) tally.take(entry)
        }
      }
      try {
        await scan(reader, { from: next, to: size }, wanted, progress, signal)
      } catch (error) {
        tally = createCostTally(rates, 'component')
        next = null
        throw error
      }
      next = Math.max(next, size)
      return tally.report().total
    }
  }
}

const isWithin = ({ time }: LedgerEntry, since = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY): boolean => {
  if (since === Number.NEGATIVE_INFINITY && until === Number.POSITIVE_INFINITY) return true
  const timeMs = Date.parse(time)
  return timeMs >= since && timeMs < until
}

/** A sum as JSON: tokens and US dollars as text, since they may be more than a number of JSON holds exactly. */
export const costJson = ({ entries, tokensIn, tokensOut, cost, unpriced }: CostSum) => ({
  entries,
  tokens_in: tokensIn.toString(),
  tokens_out: tokensOut.toString(),
  cost: formatDecimal(cost),
  unpriced
})

const members = ['"cost":', '"tokens_in":', '"tokens_out":'].map((text) => Buffer.from(text))
const parentMember = Buffer.from('"parent_trace_id":')

/** Whether an entry can change the sums: most have none of the members, and need not be parsed. Members of a payload may let through too many. */
function mayCount(bytes: Uint8Array, grouping: Grouping): boolean {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return members.some((member) => view.includes(member)) || (grouping === 'trace' && view.includes(parentMember))
}

/** Parts of what an H.323 session costs, US dollars. */
const h323Prices = {
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
