import { type BudgetState, formatDecimal, formatRounded } from '#ledger'

const cents = 2

/** `month 2026-11` */
export const nameOf = ({ span }: BudgetState): string => `${span.period} ${span.name}`

/** A budget's state as JSON: amounts in US dollars as exact decimals. */
export function budgetJson(state: BudgetState) {
  const { budget, span, spent, remaining, percent, forecast, unpriced, reached } = state
  return {
    period: span.period,
    span: span.name,
    from: new Date(span.from).toISOString(),
    until: new Date(span.until).toISOString(),
    limit: formatDecimal(budget.limit),
    spent: formatDecimal(spent),
    remaining: formatDecimal(remaining),
    percent: formatDecimal(percent),
    forecast: formatDecimal(forecast),
    unpriced,
    level: reached.at(-1) ?? null
  }
}

/** Spent of limit: `261.50 of 500.00 USD (52.3 %)`. Spending is shown to the millionth, since entries cost fractions of cents. */
export function spentOf({ budget, spent, percent }: BudgetState): string {
  return `${formatRounded(spent, 6)} of ${formatRounded(budget.limit, cents)} USD (${formatRounded(percent, 1)} %)`
}

const barWidth = 30

/** How full the budget is, as a bar; more than full looks full. */
export function bar(state: BudgetState): string {
  const full = Math.min(barWidth, Math.floor((Number(formatDecimal(state.percent)) / 100) * barWidth))
  return `${'█'.repeat(full)}${'░'.repeat(barWidth - full)}`
}

export const colourOf = { notice: 'yellow', warning: 'yellow', error: 'red' } as const
