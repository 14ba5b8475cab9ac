import { Counter, Gauge, Histogram, Registry } from 'prom-client'

/** Figures of the service. Labels are routes, methods, statuses and roles: nothing that a caller chose. */
export function createMetrics(size: () => Promise<number>) {
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
    text: () => registry.metrics(),
    mediaType: registry.contentType
  }
}

export type Metrics = ReturnType<typeof createMetrics>
