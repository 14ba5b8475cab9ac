/** What a run came to: one plain object, the JSON that the command prints. */
import type { SippError } from './error-log.ts'
import type { SippOutcome } from './exit.ts'
import type { MessageCount } from './message-counts.ts'
import { type ResponseTimeSummary, summarise } from './response-times.ts'
import type { Partition, SippStatistics } from './statistics.ts'

export interface SippResult {
  /** File name. */
  readonly scenario: string
  readonly transport: 'udp' | 'tcp' | 'tls'
  readonly outcome: SippOutcome
  /** Null when a signal ended the process. 254 and 255 are SIPp's −2 and −1. */
  readonly exitCode: number | null
  readonly signal: string | null
  readonly durationMs: number
  readonly calls: SippStatistics['calls']
  /** Calls a second over the whole run. */
  readonly rate: number
  readonly retransmissions: number
  readonly warnings: number
  /** By rtd number or name: every call measured (exact percentiles), and SIPp's own partitions. */
  readonly responseTimes: Readonly<Record<string, ResponseTimeSummary & { readonly partitions: readonly Partition[] }>>
  readonly callLength: SippStatistics['callLength'] | null
  readonly messages: readonly MessageCount[]
  /** `first` is what went wrong first; that SIPp itself was held up only where nothing else did. */
  readonly errors: { readonly count: number; readonly first: SippError | null }
}

/** What the process left behind. */
export interface SippRemains {
  readonly scenario: string
  readonly transport: SippResult['transport']
  readonly outcome: SippOutcome
  readonly exitCode: number | null
  readonly signal: string | null
  readonly durationMs: number
  readonly statistics: SippStatistics | null
  readonly responseTimes: ReadonlyMap<string, readonly number[]>
  readonly messages: readonly MessageCount[]
  readonly errors: readonly SippError[]
}

export function sippResult(remains: SippRemains): SippResult {
  const { statistics, responseTimes, errors, ...plain } = remains
  const summaries: Record<string, SippResult['responseTimes'][string]> = {}
  for (const [name, times] of responseTimes) {
    const summary = summarise(times)
    if (summary !== null) summaries[name] = { ...summary, partitions: statistics?.responseTimes[name]?.partitions ?? [] }
  }
  return {
    ...plain,
    calls: statistics?.calls ?? { created: 0, current: 0, successful: 0, failed: 0, failures: {} },
    rate: statistics?.rate.overall ?? 0,
    retransmissions: statistics?.retransmissions ?? 0,
    warnings: statistics?.warnings ?? 0,
    responseTimes: summaries,
    callLength: statistics?.callLength ?? null,
    errors: { count: errors.length, first: errors.find(({ text }) => !text.startsWith('Overload warning')) ?? errors[0] ?? null }
  }
}

/** One sentence: what failed first. Null when nothing did. */
export function failureText(result: SippResult): string | null {
  if (result.outcome === 'passed') return null
  const { calls, errors } = result
  const total = result.outcome === 'failed' ? `${calls.failed} of ${calls.created} calls failed` : `run ended: ${result.outcome}`
  const first = errors.first
  if (first === null) return total
  return `${total}; first: ${first.text}${first.received === null ? '' : `, received ${first.received}`}`
}
