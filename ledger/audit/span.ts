/** Months, weeks and days for which money is counted, UTC. */

export const periods = ['month', 'week', 'day'] as const
export type Period = (typeof periods)[number]

/** One month, week or day, UTC. */
export interface Span {
  readonly period: Period
  /** `2026-11`, `2026-W47` (ISO 8601), `2026-11-21`. */
  readonly name: string
  /** Milliseconds since 1970, inclusive. */
  readonly from: number
  /** Exclusive. */
  readonly until: number
}

const dayMs = 86_400_000

/** The span in which a moment lies. Weeks begin on Monday, and belong to the year of their Thursday (ISO 8601). */
export function spanAt(period: Period, timeMs: number): Span {
  const time = new Date(timeMs)
  const [year, month] = [time.getUTCFullYear(), time.getUTCMonth()]
  const midnight = Math.floor(timeMs / dayMs) * dayMs
  const text = time.toISOString()
  if (period === 'day') return { period, name: text.slice(0, 10), from: midnight, until: midnight + dayMs }
  if (period === 'month') return { period, name: text.slice(0, 7), from: Date.UTC(year, month), until: Date.UTC(year, month + 1) }
  const monday = midnight - ((time.getUTCDay() + 6) % 7) * dayMs
  const thursdayYear = new Date(monday + 3 * dayMs).getUTCFullYear()
  const week = 1 + Math.floor((monday + 3 * dayMs - Date.UTC(thursdayYear, 0)) / (7 * dayMs))
  return { period, name: `${thursdayYear}-W${String(week).padStart(2, '0')}`, from: monday, until: monday + 7 * dayMs }
}
