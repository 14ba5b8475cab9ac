import { availableParallelism, cpus } from 'node:os'
import type { MediaDelay } from '#media'
import { type CallFigures, type CallPlan, failed, type Side } from './measure-calls.ts'
import { largeConference, type MediaFigures, smallConference } from './measure-media.ts'
import { figure, type Metric, quantile, summarise, summaryHead, summaryRow, table } from './report.ts'

export interface Found {
  /** Null when no calls were asked for. */
  readonly calls: CallFigures | null
  readonly media: MediaFigures | null
  readonly plan: CallPlan
  /** What was raised or made for the load. */
  readonly setting: string
  readonly syncMs: number
  readonly jitterTargetMs: number
}

/** The figures that are kept from run to run. */
export function metricsOf({ calls, media, plan, setting, syncMs, jitterTargetMs }: Found): readonly Metric[] {
  const metrics: Metric[] = []
  const machine = `${availableParallelism()} cores (${cpus()[0]?.model ?? 'unknown'})`
  if (calls !== null) {
    const setup = summarise(calls.with.setup)
    const withMs = quantile(calls.with.authenticated, 0.5)
    const withoutMs = quantile(calls.without.authenticated, 0.5)
    const gaps = plan.spacing === 'even' ? 'even' : 'exponential'
    const what =
      'first INVITE to 200 at the phone: TLS edge with all its layers, digest challenge, IF.guard, ledger with fsync, conference; ' +
      `${setting}; ${setup.count} calls at ${plan.rate}/s with ${gaps} gaps, ${failed(calls.with)} failed; fsync of this disk ${figure(syncMs)} ms; ${machine}`
    metrics.push(
      { metric: 'call.setup_p50_ms', value: setup.p50, unit: 'ms', note: what },
      { metric: 'call.setup_p99_ms', value: setup.p99, unit: 'ms', note: what },
      {
        metric: 'call.guard_and_ledger_ms',
        value: withMs - withoutMs,
        unit: 'ms',
        note:
          `median from the INVITE with credentials to its 200: ${figure(withMs)} ms with, ${figure(withoutMs)} ms (${calls.without.authenticated.length} calls) ` +
          `with a guard that approves at once and a witness that keeps nothing; ratio ${figure(withMs / withoutMs)}; same suite, alternating blocks`
      }
    )
  }
  if (media !== null)
    metrics.push({
      metric: 'media.delay_added_p99_ms',
      value: media.small.addedP99Ms,
      unit: 'ms',
      note:
        `packet out to mixed packet in, less the jitter buffer's ${jitterTargetMs} ms; ${smallConference} participants, ${media.small.samples} clicks at all phases of the mixer's tick; ` +
        `no calls at the time; phones in the suite's process: what holds it up counts; ${machine}`
    })
  return metrics
}

/** What people want to know beside the metrics. */
export function details({ calls, media }: Pick<Found, 'calls' | 'media'>): string {
  return [...(calls === null ? [] : [callDetails(calls)]), ...(media === null ? [] : [mediaDetails(media)])].join('\n\n')
}

function callDetails(calls: CallFigures): string {
  const rows = (side: Side, name: string): (readonly string[])[] => {
    const row = (what: string, values: readonly number[]) => summaryRow(`${name}: ${what}`, summarise(values))
    return [
      row('first INVITE to 200', side.setup),
      row('first INVITE to 407', side.challenge),
      row('INVITE with credentials to 200', side.authenticated),
      row('of that, in the application', side.inside),
      row('call begun late by the caller', side.late)
    ]
  }
  const entries = (side: Side) => figure(side.entries / Math.max(1, side.setup.length))
  return [
    table([summaryHead, ...rows(calls.with, 'guard and ledger'), ...rows(calls.without, 'without them')]),
    `ledger entries a call: ${entries(calls.with)} with, ${entries(calls.without)} without`
  ].join('\n')
}

function mediaDetails({ small, large }: MediaFigures): string {
  const row = ({ samples, addedP50Ms, addedP99Ms, mouthToEarP50Ms, mouthToEarP99Ms }: MediaDelay, participants: number) => [
    `${participants} participants`,
    String(samples),
    ...[addedP50Ms, addedP99Ms, mouthToEarP50Ms, mouthToEarP99Ms].map(figure)
  ]
  return table([
    ['milliseconds', 'clicks', 'added p50', 'added p99', 'mouth to ear p50', 'mouth to ear p99'],
    row(small, smallConference),
    row(large, largeConference)
  ])
}
