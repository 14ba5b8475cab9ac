import type { ClaimEnd, Task } from '#coordinator'
import type { JsonObject } from '#kernel'
import { addDecimals, compareDecimals, formatDecimal, parseDecimal, timesRatio } from '#ledger/money'
import type { StateStore, WitnessedTransaction } from '#store'
import { rootsOf } from './match.ts'

/** Claims that ended in one way, and what they cost: US dollars as exact decimals. */
export interface EndTally extends JsonObject {
  readonly claims: number
  readonly told: string
  /** Estimates of those of which nobody told a cost. */
  readonly supposed: string
}

/** What became of the claims of a swarm on tasks of one kind. */
export interface Outcome extends JsonObject {
  readonly swarm: string
  /** Roots of the capabilities that the tasks require, joined by `+`; `any` where they require none. */
  readonly kind: string
  readonly ends: Readonly<Partial<Record<ClaimEnd, EndTally>>>
  /** Of completed tasks with an estimate that told their cost: how many, the sum of estimates and of costs. */
  readonly estimates: { readonly tasks: number; readonly estimated: string; readonly cost: string }
}

export const costGroups = ['capability', 'swarm'] as const
export type CostGroup = (typeof costGroups)[number]

export interface CostLine extends JsonObject {
  readonly group: string
  /** Claims that ended, those given back or cancelled included. */
  readonly claims: number
  readonly completed: number
  readonly cost: string
  /** The part of `cost` that is estimates. */
  readonly supposed: string
  /** The part of `cost` that went to claims without a result. */
  readonly wasted: string
  /** Percent of the cost, to a tenth; null where nothing was spent. */
  readonly wastedPct: string | null
  /** Cost for each completed task, waste included; to a millionth, null where none is complete. */
  readonly perCompleted: string | null
}

export interface WasteLine extends JsonObject {
  readonly swarm: string
  readonly kind: string
  readonly end: ClaimEnd
  readonly claims: number
  readonly cost: string
}

export interface WasteReport {
  readonly total: CostLine
  /** The dearest first. */
  readonly lines: readonly WasteLine[]
}

const prefix = 'outcomes/'
const longestKind = 100
const nothing: EndTally = { claims: 0, told: '0', supposed: '0' }
export const sumOf = (...amounts: readonly string[]): string =>
  formatDecimal(amounts.map((text) => parseDecimal(text)).reduce(addDecimals, parseDecimal('0')))
export const compareAmounts = (a: string, b: string): number => compareDecimals(parseDecimal(a), parseDecimal(b))

/** a × factor ÷ b; null where b is 0. */
export function ratioOf(a: string, factor: number, b: string, places: number): string | null {
  if (compareAmounts(b, '0') === 0) return null
  return formatDecimal(timesRatio(parseDecimal(a), factor, parseDecimal(b), places))
}

export function kindOf({ requires }: Pick<Task, 'requires'>): string {
  const roots = rootsOf(requires)
  return roots.length === 0 ? 'any' : roots.join('+').slice(0, longestKind)
}

/** Given back, or taken away by others: that is no failure of the swarm, and its cost is not guessed. */
export const saysNothing = (end: ClaimEnd): boolean => end === 'released' || end === 'cancelled'

/** Adds the end of a claim to what is known of its swarm. */
export async function bookOutcome(
  transaction: WitnessedTransaction,
  task: Task,
  swarm: string,
  how: ClaimEnd,
  cost: string | null
): Promise<void> {
  // the last attempt fails by its lease; whoever fails a task himself does so before it ends
  const end = how === 'failed' && task.leaseUntil !== null && task.leaseUntil <= transaction.at ? 'lease-expired' : how
  const kind = kindOf(task)
  const key = `${prefix}${swarm}/${kind}`
  const none: Outcome = { swarm, kind, ends: {}, estimates: { tasks: 0, estimated: '0', cost: '0' } }
  const before = (await transaction.get<Outcome>(key)) ?? none
  const { claims, told, supposed } = before.ends[end] ?? nothing
  const guess = cost !== null || saysNothing(end) ? '0' : (task.estimate ?? '0')
  const { tasks, estimated, cost: wasCost } = before.estimates
  const compared = end === 'complete' && cost !== null && task.estimate !== null
  transaction.put(key, {
    ...before,
    ends: { ...before.ends, [end]: { claims: claims + 1, told: sumOf(told, cost ?? '0'), supposed: sumOf(supposed, guess) } },
    estimates: compared
      ? { tasks: tasks + 1, estimated: sumOf(estimated, task.estimate), cost: sumOf(wasCost, cost) }
      : before.estimates
  } satisfies Outcome)
}

export async function readOutcomes({ store }: { readonly store: Pick<StateStore, 'list'> }): Promise<Outcome[]> {
  return (await store.list(prefix)).records.map(({ value }) => value as Outcome)
}

/** Mean cost of the claims that came to an end with something to judge, US dollars: a measure, no amount of money. Null before the first. */
export function usualCostOf(outcomes: readonly Outcome[]): number | null {
  let [claims, cost] = [0, 0]
  for (const { ends } of outcomes)
    for (const [end, tally] of Object.entries(ends) as [ClaimEnd, EndTally][]) {
      if (saysNothing(end)) continue
      claims += tally.claims
      cost += Number(tally.told) + Number(tally.supposed)
    }
  return claims === 0 ? null : cost / claims
}

export function costLine(group: string, outcomes: readonly Outcome[]): CostLine {
  const ends = outcomes.flatMap((outcome) => Object.entries(outcome.ends) as [ClaimEnd, EndTally][])
  const amounts = (chosen: readonly [ClaimEnd, EndTally][]) =>
    sumOf(...chosen.flatMap(([, { told, supposed }]) => [told, supposed]))
  const count = (chosen: readonly [ClaimEnd, EndTally][]) => chosen.reduce((sum, [, { claims }]) => sum + claims, 0)
  const cost = amounts(ends)
  const wasted = amounts(ends.filter(([end]) => end !== 'complete'))
  const completed = count(ends.filter(([end]) => end === 'complete'))
  return {
    group,
    claims: count(ends),
    completed,
    cost,
    supposed: sumOf(...ends.map(([, { supposed }]) => supposed)),
    wasted,
    wastedPct: ratioOf(wasted, 100, cost, 1),
    perCompleted: ratioOf(cost, 1, String(completed), 6)
  }
}

/** By swarm, or by kind of task; the dearest first. */
export function analyzeCosts(outcomes: readonly Outcome[], by: CostGroup): CostLine[] {
  const groups = Map.groupBy(outcomes, ({ swarm, kind }) => (by === 'swarm' ? swarm : kind))
  return [...groups].map(([group, own]) => costLine(group, own)).sort((a, b) => compareAmounts(b.cost, a.cost))
}

export function reportWaste(outcomes: readonly Outcome[]): WasteReport {
  const lines = outcomes.flatMap(({ swarm, kind, ends }) =>
    (Object.entries(ends) as [ClaimEnd, EndTally][])
      .filter(([end]) => end !== 'complete')
      .map(([end, { claims, told, supposed }]): WasteLine => ({ swarm, kind, end, claims, cost: sumOf(told, supposed) }))
  )
  return { total: costLine('all', outcomes), lines: lines.sort((a, b) => compareAmounts(b.cost, a.cost) || b.claims - a.claims) }
}
