import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Ledger } from '../ledger.ts'

export interface MetricSources {
  readonly size: () => Promise<number>
  /** Null for a service that only reads. */
  readonly figures: Ledger['figures'] | null
  readonly spooled: (() => number) | null
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Figures of others, told with these. */
  readonly registries: readonly Registry[]
}

/** Figures of the service. Labels are routes, statuses and the witnesses of the policy: nothing that a caller chose. */
export function createMetrics({ size, figures, spooled, now, registries }: MetricSources) {
  const registers = [new Registry()]
  const registry = registers[0]!
  new Gauge({
    name: 'ledger_entries',
    help: 'Entries in the log',
    registers,
    async collect() {
      this.set(await size())
    }
  })
  if (figures !== null) witnessMetrics(registers, figures, now)
  if (spooled !== null) {
    new Gauge({
      name: 'ledger_spooled_entries',
      help: 'Entries told by this process and not yet in the ledger',
      registers,
      collect() {
        this.set(spooled())
      }
    })
  }
  return {
    requests: new Counter({
      name: 'ledger_http_requests_total',
      help: 'Requests answered',
      labelNames: ['operation', 'status'] as const,
      registers
    }),
    seconds: new Histogram({
      name: 'ledger_http_request_seconds',
      help: 'Time to answer, without streams',
      labelNames: ['operation'] as const,
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
      registers
    }),
    limited: new Counter({ name: 'ledger_http_limited_total', help: 'Requests refused for their rate', registers }),
    unauthenticated: new Counter({ name: 'ledger_http_unauthenticated_total', help: 'Requests without a good token', registers }),
    appended: new Counter({ name: 'ledger_http_appended_total', help: 'Entries taken from producers', registers }),
    followers: new Gauge({ name: 'ledger_http_followers', help: 'Streams open now', registers }),
    dropped: new Counter({
      name: 'ledger_http_followers_dropped_total',
      help: 'Streams ended because they were read too slowly',
      registers
    }),
    text: () => Registry.merge([registry, ...registries]).metrics(),
    mediaType: registry.contentType
  }
}

/** How the publishing of heads stands. Counts are those of the ledger: they are read, not counted again. */
function witnessMetrics(registers: Registry[], figures: Ledger['figures'], now: () => number): void {
  new Counter({
    name: 'ledger_heads_published_total',
    help: 'Heads published',
    registers,
    collect() {
      this.reset()
      this.inc(figures().published)
    }
  })
  new Counter({
    name: 'ledger_cosignatures_total',
    help: 'Witnesses asked for a cosignature, cosignatures received, and those that came late or not at all',
    labelNames: ['seat', 'outcome'] as const,
    registers,
    collect() {
      this.reset()
      for (const [seat, counts] of Object.entries(figures().seats)) {
        for (const outcome of ['asked', 'received', 'late'] as const) this.inc({ seat, outcome }, counts[outcome])
      }
    }
  })
  new Gauge({
    name: 'ledger_witnessed_age_seconds',
    help: 'Since a head was published with its quorum; none while there was none',
    registers,
    collect() {
      this.reset()
      this.remove()
      const { witnessedAtMs } = figures()
      if (witnessedAtMs !== null) this.set(Math.max(0, (now() - witnessedAtMs) / 1000))
    }
  })
  new Gauge({
    name: 'ledger_queued_appends',
    help: 'Appends that wait for their answer',
    registers,
    collect() {
      this.set(figures().queued)
    }
  })
}

export type Metrics = ReturnType<typeof createMetrics>
