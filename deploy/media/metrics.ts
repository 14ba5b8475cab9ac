import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { LegStats } from '#kernel'
import type { MediaPlane, WorkerMetrics } from '#media'

const codecs = ['PCMU', 'PCMA', 'G722', 'G729', 'OPUS', 'L16'] as const

/** Names of codecs come from session descriptions: those that are not spoken here are one. */
const codecLabel = (codec: string | null): string => codecs.find((name) => name === codec?.toUpperCase()) ?? 'other'

/** Figures of the media plane: how legs sounded that are over, and what the threads do now. Labels are codecs and fixed words. */
export function mediaMetrics(running: () => MediaPlane | null): {
  readonly registry: Registry
  ended: (stats: LegStats) => void
} {
  const registers = [new Registry()]
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
  const gauge = (name: string, help: string, value: (metrics: WorkerMetrics) => number) =>
    new Gauge({
      name,
      help,
      registers,
      async collect() {
        const metrics = await threads()
        if (metrics !== null) this.set(value(metrics))
      }
    })
  gauge('media_legs', 'Legs now', ({ legs }) => legs)
  gauge('media_legs_express', 'Legs that the express lane carries now', ({ express }) => express)
  gauge('media_conferences', 'Conferences now', ({ conferences }) => conferences)
  gauge('media_tick_late_seconds', 'Lateness of frames, p99 of the last 20 s', ({ lateP99Ms }) => lateP99Ms / 1000)
  gauge('media_gc_pause_seconds', 'Longest pause for garbage collection since last asked', ({ gcMaxMs }) => gcMaxMs / 1000)
  new Counter({
    name: 'media_overruns_total',
    help: 'Frames mixed more than one frame late',
    registers,
    async collect() {
      const metrics = await threads()
      this.reset()
      this.inc(metrics?.overruns ?? 0)
    }
  })
  new Counter({
    name: 'media_packets_total',
    help: 'RTP packets by what became of them',
    labelNames: ['direction', 'outcome'] as const,
    registers,
    async collect() {
      const metrics = await threads()
      this.reset()
      if (metrics === null) return
      for (const direction of ['received', 'sent'] as const) {
        const { packets, errors, dropped } = metrics[direction]
        this.inc({ direction, outcome: 'carried' }, packets)
        this.inc({ direction, outcome: 'error' }, errors)
        this.inc({ direction, outcome: 'dropped' }, dropped)
      }
      this.inc({ direction: 'received', outcome: 'stranger' }, metrics.strangers)
    }
  })
  return {
    registry: registers[0]!,
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
