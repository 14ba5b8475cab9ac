/** What entries cost, as they tell it, else by their tokens and the rate of their model at their time; summed up one after the other, without Node. */
import type { LedgerEntry } from '../log/entry.ts'
import { add, compare, type Decimal, parseDecimal, zero } from './decimal.ts'
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
