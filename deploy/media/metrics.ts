import { Histogram, type Registry } from 'prom-client'
import type { LegStats } from '#kernel'
import type { MediaPlane, WorkerMetrics } from '#media'
import { openFigures } from '../figures.ts'

const codecs = ['PCMU', 'PCMA', 'G722', 'G729', 'OPUS', 'L16'] as const

/** Names of codecs come from session descriptions: those that are not spoken here are one. */
const codecLabel = (codec: string | null): string => codecs.find((name) => name === codec?.toUpperCase()) ?? 'other'

/** Figures of the media plane: how legs sounded that are over, and what the threads do now. Labels are codecs and fixed words. */
export function mediaMetrics(running: () => MediaPlane | null): {
  readonly registry: Registry
  ended: (stats: LegStats) => void
} {
  const { registry, gauge, counter } = openFigures()
  const registers = [registry]
  const perCodec = { labelNames: ['codec'] as const, registers }
  const score = new Histogram({
    name: 'media_leg_mos',
    help: 'Opinion score of what came in on a leg, at its end, by the E-model',
    labelNames: ['codec', 'kind'] as const,
    buckets: [1.5, 2, 2.5, 3, 3.5, 3.8, 4, 4.2, 4.4],
    registers
  })
  const loss = new Histogram({
    name: 'media_leg_loss_ratio',
    help: 'Share of packets of a leg that were not played, lost for good or too late',
    buckets: [0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5],
    ...perCodec
  })
  const jitter = new Histogram({
    name: 'media_leg_jitter_seconds',
    help: 'Largest interarrival jitter of a leg',
    buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2],
    ...perCodec
  })
  const roundTrip = new Histogram({
    name: 'media_leg_round_trip_seconds',
    help: 'Last round trip of a leg that RTCP told',
    buckets: [0.001, 0.005, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1],
    ...perCodec
  })
  let asked: Promise<WorkerMetrics | null> | null = null
  /** One question to the media threads for all figures that are collected together; null while the plane is not there. */
  const threads = () => {
    asked ??= (running()?.metrics() ?? Promise.resolve(null))
      .catch(() => null)
      .finally(() => {
        asked = null
      })
    return asked
  }
  const now = (name: string, help: string, value: (metrics: WorkerMetrics) => number) =>
    gauge(name, help, [], async () => {
      const metrics = await threads()
      return metrics === null ? null : value(metrics)
    })
  now('media_legs', 'Legs now', ({ legs }) => legs)
  now('media_legs_express', 'Legs that the express lane carries now', ({ express }) => express)
  now(
    'media_encoder_economy',
    'Time that encoders save because a thread has little left: 0 none, 1 for octets, 2 for sound',
    ({ economy }) => economy
  )
  now('media_conferences', 'Conferences now', ({ conferences }) => conferences)
  now('media_tick_late_seconds', 'Lateness of frames, p99 of the last 20 s', ({ lateP99Ms }) => lateP99Ms / 1000)
  now('media_gc_pause_seconds', 'Longest pause for garbage collection since last asked', ({ gcMaxMs }) => gcMaxMs / 1000)
  counter('media_overruns_total', 'Frames mixed more than one frame late', [], async () => (await threads())?.overruns ?? 0)
  counter('media_packets_total', 'RTP packets by what became of them', ['direction', 'outcome'], async () => {
    const metrics = await threads()
    if (metrics === null) return null
    const carried = (['received', 'sent'] as const).flatMap((direction) => {
      const { packets, errors, dropped } = metrics[direction]
      return Object.entries({ carried: packets, error: errors, dropped }).map(
        ([outcome, count]) => [{ direction, outcome }, count] as const
      )
    })
    return [...carried, [{ direction: 'received', outcome: 'stranger' }, metrics.strangers]]
  })
  return {
    registry,
    ended: ({ codec: name, quality, roundTripMs }) => {
      if (quality === null) return
      const codec = codecLabel(name)
      score.observe({ codec, kind: 'listening' }, quality.mosListening)
      score.observe({ codec, kind: 'conversational' }, quality.mosConversational)
      loss.observe({ codec }, (quality.lost + quality.discarded) / quality.expected)
      jitter.observe({ codec }, quality.jitterMaxMs / 1000)
      if (roundTripMs !== null) roundTrip.observe({ codec }, roundTripMs / 1000)
    }
  }
}
