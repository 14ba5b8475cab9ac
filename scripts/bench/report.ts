/** What a benchmark found, for people and for programs. */

export interface Metric {
  readonly metric: string
  readonly value: number
  readonly unit: string
  /** What is in the figure. */
  readonly note: string
}

/** Latencies of one kind, milliseconds. */
export interface Summary {
  readonly count: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly max: number
}

/**
 * Nearest-rank quantile: the least value that a share `q` of all values does not exceed. `NaN` for no values.
 *
 * @param q from 0 to 1
 */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))] ?? Number.NaN
}

export const summarise = (values: readonly number[]): Summary => ({
  count: values.length,
  p50: quantile(values, 0.5),
  p90: quantile(values, 0.9),
  p99: quantile(values, 0.99),
  max: quantile(values, 1)
})

/** Two places after the point; a dash where nothing was measured. */
export const figure = (value: number): string => (Number.isFinite(value) ? value.toFixed(2) : '–')

/**
 * Rows as columns two blanks apart, numbers to the right.
 *
 * @param rows the first is the head; all of one length
 */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const isNumber = (cell: string) => /^[–\d.-]+$/.test(cell)
  const cell = (row: readonly string[], column: number) =>
    isNumber(row[column]!) ? row[column]!.padStart(widths[column]!) : row[column]!.padEnd(widths[column]!)
  return rows
    .map((row) =>
      widths
        .map((_, column) => cell(row, column))
        .join('  ')
        .trimEnd()
    )
    .join('\n')
}

export const summaryHead: readonly string[] = ['milliseconds', 'count', 'p50', 'p90', 'p99', 'max']

export const summaryRow = (name: string, { count, p50, p90, p99, max }: Summary): readonly string[] => [
  name,
  String(count),
  ...[p50, p90, p99, max].map(figure)
]

/** One JSON object a line; a value that was not measured is null. */
export const jsonLines = (metrics: readonly Metric[]): string =>
  metrics
    .map(({ metric, value, unit, note }) =>
      JSON.stringify({ metric, value: Number.isFinite(value) ? Math.round(value * 1000) / 1000 : null, unit, note })
    )
    .join('\n')

export const metricTable = (metrics: readonly Metric[]): string =>
  table([
    ['metric', 'value', 'unit', 'note'],
    ...metrics.map(({ metric, value, unit, note }) => [metric, figure(value), unit, note])
  ])
