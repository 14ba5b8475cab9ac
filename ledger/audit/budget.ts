/**
 * Budgets: what may be spent in a month, a week or a day, how much of it is gone, and what is told when. A budget stands in the ledger as the latest
 * entry `budget_changed` of its period; nothing else remembers it.
 */
import type { JsonObject, WitnessEvent } from '#kernel'
import type { LedgerReader } from '../read/reader.ts'
import { type RunningCost, runningCost } from './cost.ts'
import { compare, type Decimal, decimalOf, formatDecimal, multiply, parseDecimal, subtract, timesRatio } from './decimal.ts'
import type { Rates } from './rates.ts'
import { type Period, periods, type Span, spanAt } from './span.ts'

/** Component of what the ledger is told about budgets. */
const budgetComponent = 'IF.optimise'

export interface Budget {
  readonly period: Period
  /** US dollars, more than zero. */
  readonly limit: Decimal
}

/** The event by which a budget is set, or taken away. @param limit null takes it away */
export function budgetChanged(period: Period, limit: Decimal | null, before: Decimal | null, traceId: string): WitnessEvent {
  const text = (amount: Decimal | null): string | null => (amount === null ? null : formatDecimal(amount))
  return {
    event: 'budget_changed',
    component: budgetComponent,
    traceId,
    payload: { period, limit: text(limit), before: text(before), currency: 'USD' }
  }
}

const pageSize = 500

/** The budgets there are, longest period first. Entries that are no change of a budget in our form are passed over. */
export async function readBudgets(reader: LedgerReader): Promise<Budget[]> {
  const limits = new Map<Period, Decimal | null>()
  for (let afterIndex = -1; ; ) {
    const page = await reader.query({ component: budgetComponent, event: 'budget_changed', afterIndex, limit: pageSize })
    for (const { entry } of page) {
      const period = periods.find((each) => each === entry.payload.period)
      const limit = limitOf(entry.payload)
      if (period !== undefined && limit !== undefined) limits.set(period, limit)
    }
    if (page.length < pageSize) break
    afterIndex = page.at(-1)!.entry.index
  }
  return periods.flatMap((period) => {
    const limit = limits.get(period) ?? null
    return limit === null ? [] : [{ period, limit }]
  })
}

function limitOf({ limit }: JsonObject): Decimal | null | undefined {
  if (limit === null) return null
  if (typeof limit !== 'string' || !isLimit(limit)) return undefined
  return parseDecimal(limit)
}

/** Whether a text is an amount that a budget can have: more than zero, at most 18 digits before and behind the point. */
export const isLimit = (text: string): boolean => /^\d{1,18}(?:\.\d{1,18})?$/.test(text) && /[1-9]/.test(text)

export const alertLevels = [
  { level: 'notice', percent: 50 },
  { level: 'warning', percent: 80 },
  { level: 'error', percent: 100 }
] as const
export type AlertLevel = (typeof alertLevels)[number]['level']

/** How a budget stands. */
export interface BudgetState {
  readonly budget: Budget
  readonly span: Span
  readonly spent: Decimal
  /** Entries with tokens whose model has no rate: their cost is not in `spent`. */
  readonly unpriced: number
  /** Negative when more is spent than there was. */
  readonly remaining: Decimal
  /** Spent of a hundred, to two digits behind the point, rounded down. */
  readonly percent: Decimal
  /** What will have been spent at the end when it goes on as it did, to two digits. */
  readonly forecast: Decimal
  /** Levels reached, lowest first. */
  readonly reached: readonly AlertLevel[]
}

/** @param nowMs within `span`, or behind it */
export function judgeBudget(budget: Budget, span: Span, spent: Decimal, unpriced: number, nowMs: number): BudgetState {
  const elapsed = Math.max(1, Math.min(nowMs, span.until) - span.from)
  return {
    budget,
    span,
    spent,
    unpriced,
    remaining: subtract(budget.limit, spent),
    percent: timesRatio(spent, 100, budget.limit, 2),
    forecast: timesRatio(spent, span.until - span.from, decimalOf(elapsed), 2),
    reached: alertLevels
      .filter(({ percent }) => compare(multiply(spent, decimalOf(100)), multiply(budget.limit, decimalOf(percent))) >= 0)
      .map(({ level }) => level)
  }
}

/** How budgets stand, asked again and again: what was read of the log is not read again. */
export interface BudgetWatch {
  /** How every budget stands at a moment. @throws as reportCost */
  readonly states: (nowMs: number, progress?: (read: number, of: number) => void, signal?: AbortSignal) => Promise<BudgetState[]>
}

export function watchBudgets(reader: LedgerReader, rates: Rates): BudgetWatch {
  const costs = new Map<Period, { readonly name: string; readonly cost: RunningCost }>()
  const costOf = ({ period, name, from, until }: Span): RunningCost => {
    const known = costs.get(period)
    if (known?.name === name) return known.cost
    const cost = runningCost(reader, rates, from, until)
    costs.set(period, { name, cost })
    return cost
  }
  return {
    states: async (nowMs, progress, signal) => {
      const states: BudgetState[] = []
      for (const budget of await readBudgets(reader)) {
        const span = spanAt(budget.period, nowMs)
        const { cost, unpriced } = await costOf(span).total(progress, signal)
        states.push(judgeBudget(budget, span, cost, unpriced, nowMs))
      }
      return states
    }
  }
}

/** What the ledger is told of a level that was reached, and the key under which it is told once, however many processes see it. */
export interface BudgetAlert {
  readonly event: WitnessEvent
  readonly key: string
  readonly level: AlertLevel
}

/** Alerts of a budget, lowest level first: each stands once for its level, span and limit. A limit that was raised is watched anew. */
export function alertsOf({ budget, span, spent, reached }: BudgetState, traceId: string): BudgetAlert[] {
  const limit = formatDecimal(budget.limit)
  return reached.map((level) => ({
    level,
    key: `budget-alert ${span.name} ${limit} ${level}`,
    event: {
      event: 'budget_alert',
      component: budgetComponent,
      traceId,
      payload: { level, period: span.period, span: span.name, limit, spent: formatDecimal(spent), currency: 'USD' }
    }
  }))
}

/** Leaf numbers of the alerts of this budget and span that stand in the ledger already. */
export async function knownAlerts(reader: LedgerReader, { budget, span }: BudgetState): Promise<Map<AlertLevel, number>> {
  const known = new Map<AlertLevel, number>()
  const limit = formatDecimal(budget.limit)
  for (let afterIndex = -1; ; ) {
    const page = await reader.query({ component: budgetComponent, event: 'budget_alert', afterIndex, limit: pageSize })
    for (const { entry } of page) {
      const found = alertLevels.find(({ level }) => level === entry.payload.level)
      if (found !== undefined && entry.payload.span === span.name && entry.payload.limit === limit)
        known.set(found.level, entry.index)
    }
    if (page.length < pageSize) return known
    afterIndex = page.at(-1)!.entry.index
  }
}
