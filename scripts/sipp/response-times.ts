/**
 * The response time file of SIPp (`-trace_rtt`): `Date_ms;response_time_ms;rtd_no`, one line per measured call.
 *
 * SIPp reads its clock once per scheduling round, in whole milliseconds: single values are exact to about ±1 ms.
 */
import { DecodeError } from '#kernel'

export interface ResponseTimeSummary {
  readonly count: number
  readonly minMs: number
  readonly meanMs: number
  readonly p50Ms: number
  readonly p90Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  /** 101 values: within the n-th, n of a hundred calls were answered; the first is the least. */
  readonly curveMs: readonly number[]
}

/** Measured times in milliseconds, in file order, by rtd number or name. @throws {DecodeError} `sipp.response-times` */
export function parseResponseTimes(text: string): ReadonlyMap<string, readonly number[]> {
  const lines = text.split('\n').slice(0, -1)
  const times = new Map<string, number[]>()
  if (lines.length === 0) return times
  if (!/^Date_ms;response_time_ms;rtd_no\r?$/.test(lines[0]!))
    throw new DecodeError('sipp.response-times', 'not a response time file', { path: 'header', bitOffset: 0 })
  for (const [index, line] of lines.slice(1).entries()) {
    const match = /^[\d.e+]+;([\d.]+(?:e\+?\d+)?);(\S+?)\r?$/.exec(line)
    if (match === null)
      throw new DecodeError('sipp.response-times', 'not a response time', { path: `line ${index + 2}`, bitOffset: 0 })
    const list = times.get(match[2]!)
    if (list === undefined) times.set(match[2]!, [Number(match[1])])
    else list.push(Number(match[1]))
  }
  return times
}

/** Nearest-rank percentiles: each is a value that was measured. Null when nothing was. */
export function summarise(timesMs: readonly number[]): ResponseTimeSummary | null {
  if (timesMs.length === 0) return null
  const sorted = Float64Array.from(timesMs).sort()
  const rank = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!
  return {
    count: sorted.length,
    minMs: sorted[0]!,
    meanMs: sorted.reduce((sum, value) => sum + value, 0) / sorted.length,
    p50Ms: rank(0.5),
    p90Ms: rank(0.9),
    p95Ms: rank(0.95),
    p99Ms: rank(0.99),
    maxMs: sorted.at(-1)!,
    curveMs: Array.from({ length: 101 }, (_, percent) => rank(percent / 100))
  }
}
