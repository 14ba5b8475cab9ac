/** What entries cost: as they tell it, else by their tokens and the rate of their model at their time. */
import { InfraFabricError } from '#kernel'
import { type LedgerEntry, openEntry } from '../log/entry.ts'
import { entriesOf } from '../log/segment.ts'
import type { LedgerReader } from '../read/reader.ts'
import { add, compare, type Decimal, decimalOf, multiply, parseDecimal, zero } from './decimal.ts'
import { type Rates, rateAt, tokenCost } from './rates.ts'

/** US dollars; null when the entry has tokens and no rate is known for them; undefined when it has neither cost nor tokens. */
export function entryCost(entry: LedgerEntry, rates: Rates): Decimal | null | undefined {
  if (entry.cost !== undefined) return parseDecimal(entry.cost)
  if (entry.tokens_in === undefined && entry.tokens_out === undefined) return undefined
  const rate = entry.model === undefined ? undefined : rateAt(rates, entry.model, Date.parse(entry.time))
  return rate === undefined ? null : tokenCost(rate, entry.tokens_in ?? 0, entry.tokens_out ?? 0)
}

/** What a group of entries came to. */
export interface CostSum {
  /** Entries that tell of a cost or of tokens. */
  readonly entries: number
  readonly tokensIn: bigint
  readonly tokensOut: bigint
  /** US dollars. */
  readonly cost: Decimal
  /** Entries with tokens whose model has no rate: their cost is not in `cost`. */
  readonly unpriced: number
}

export interface CostGroup extends CostSum {
  /** Component, model, day (UTC) or trace; entries that name no model stand under ''. */
  readonly group: string
}

export interface CostReport {
  readonly total: CostSum
  /** By the cost, the highest first; days in their order. */
  readonly groups: readonly CostGroup[]
}

export const groupings = ['component', 'model', 'day', 'trace'] as const
export type Grouping = (typeof groupings)[number]

const keyOf: Readonly<Record<Grouping, (entry: LedgerEntry) => string>> = {
  component: ({ component }) => component,
  model: ({ model }) => model ?? '',
  day: ({ time }) => time.slice(0, 10),
  trace: ({ trace_id }) => trace_id
}

interface Sum {
  entries: number
  tokensIn: bigint
  tokensOut: bigint
  cost: Decimal
  unpriced: number
}

const nothing = (): Sum => ({ entries: 0, tokensIn: 0n, tokensOut: 0n, cost: zero, unpriced: 0 })

/** Sums up entries one after the other; keeps the groups alone, and which trace hangs under which. */
export interface CostTally {
  readonly take: (entry: LedgerEntry) => void
  readonly report: () => CostReport
}

/**
 * @param grouping by `trace`, a trace holds what hangs under it as well: the groups are the traces that hang under none
 */
export function createCostTally(rates: Rates, grouping: Grouping): CostTally {
  const groups = new Map<string, Sum>()
  const parents = new Map<string, string>()
  const sumOf = (sums: Map<string, Sum>, key: string): Sum => {
    let sum = sums.get(key)
    if (sum === undefined) {
      sum = nothing()
      sums.set(key, sum)
    }
    return sum
  }
  return {
    take: (entry) => {
      if (grouping === 'trace' && entry.parent_trace_id !== undefined && !parents.has(entry.trace_id))
        parents.set(entry.trace_id, entry.parent_trace_id)
      const cost = entryCost(entry, rates)
      if (cost === undefined) return
      const sum = sumOf(groups, keyOf[grouping](entry))
      sum.entries++
      sum.tokensIn += BigInt(entry.tokens_in ?? 0)
      sum.tokensOut += BigInt(entry.tokens_out ?? 0)
      if (cost === null) sum.unpriced++
      else sum.cost = add(sum.cost, cost)
    },
    report: () => {
      const total = nothing()
      const rolled = new Map<string, Sum>()
      for (const [key, sum] of groups) {
        accumulate(total, sum)
        accumulate(sumOf(rolled, grouping === 'trace' ? rootOf(key, parents) : key), sum)
      }
      const list = [...rolled].map(([group, sum]): CostGroup => ({ group, ...sum }))
      return { total, groups: list.sort(grouping === 'day' ? byName : byCost) }
    }
  }
}

/** The trace above all others over this one; of traces that hang under each other in a ring, the first by name. */
function rootOf(trace: string, parents: ReadonlyMap<string, string>): string {
  const way = new Set([trace])
  let at = trace
  for (let parent = parents.get(at); parent !== undefined; parent = parents.get(at)) {
    if (way.has(parent)) {
      const list = [...way]
      return list.slice(list.indexOf(parent)).sort()[0]!
    }
    way.add(parent)
    at = parent
  }
  return at
}

function accumulate(into: Sum, sum: CostSum): void {
  into.entries += sum.entries
  into.tokensIn += sum.tokensIn
  into.tokensOut += sum.tokensOut
  into.cost = add(into.cost, sum.cost)
  into.unpriced += sum.unpriced
}

const byName = (a: CostGroup, b: CostGroup): number => (a.group < b.group ? -1 : a.group > b.group ? 1 : 0)
const byCost = (a: CostGroup, b: CostGroup): number => compare(b.cost, a.cost) || byName(a, b)

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
