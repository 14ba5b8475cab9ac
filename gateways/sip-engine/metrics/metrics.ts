/** Metrics of one engine for Prometheus. Every label has a bounded set of values: nothing that a caller writes becomes a label. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { glance } from '../capture/glance.ts'
import type { CaptureCounters } from '../capture/hep-sender.ts'
import type { WireObserver } from '../capture/wire.ts'
import type { EngineCounters, EngineStats } from '../common/stats.ts'
import type { TransactionEnded } from '../transaction/transaction.ts'

export interface MetricsSources {
  readonly stats: () => EngineStats
  /** Open connections by transport. */
  readonly connections: () => Readonly<Record<string, number>>
  /** Of the capture, when there is one. */
  readonly capture: Readonly<CaptureCounters> | null
}

export interface EngineMetrics {
  readonly contentType: string
  /** Text exposition of everything now. */
  readonly text: () => Promise<string>
  /** Counts messages by method and status. */
  readonly onWire: WireObserver
  readonly onTransaction: (ended: TransactionEnded) => void
  readonly close: () => void
}

const methods = [
  'INVITE',
  'ACK',
  'BYE',
  'CANCEL',
  'OPTIONS',
  'REGISTER',
  'PRACK',
  'UPDATE',
  'INFO',
  'MESSAGE',
  'SUBSCRIBE',
  'NOTIFY',
  'REFER',
  'PUBLISH'
]
const known = new Set(methods)
/** Status codes registered with IANA; others are counted by their class. */
const statuses = new Set([
  100, 180, 181, 182, 183, 199, 200, 202, 204, 300, 301, 302, 305, 380, 400, 401, 402, 403, 404, 405, 406, 407, 408, 410, 412,
  413, 414, 415, 416, 417, 420, 421, 422, 423, 424, 425, 428, 429, 430, 433, 436, 437, 438, 439, 440, 469, 470, 480, 481, 482,
  483, 484, 485, 486, 487, 488, 489, 491, 493, 494, 500, 501, 502, 503, 504, 505, 513, 555, 580, 600, 603, 604, 606, 607, 608
])

/** The method where it is one of the fourteen standard ones, else `other`. */
export function methodLabel(method: string): string {
  return known.has(method) ? method : 'other'
}

/** The status code where it is a registered one, else its class: `4xx`. */
export function statusLabel(status: number): string {
  return statuses.has(status) ? String(status) : `${Math.floor(status / 100)}xx`
}

/** What each counter of the engine says; the compiler wants a line for every one. */
const counterHelp: Readonly<Record<keyof EngineCounters, readonly [name: string, help: string]>> = {
  requestsReceived: ['requests_received_total', 'Requests received, without retransmissions.'],
  responsesReceived: ['responses_received_total', 'Responses received.'],
  requestsSent: ['requests_sent_total', 'Requests sent, without retransmissions.'],
  responsesSent: ['responses_sent_total', 'Responses sent, without retransmissions.'],
  retransmissionsReceived: ['retransmissions_received_total', 'Retransmissions received and absorbed.'],
  retransmissionsSent: ['retransmissions_sent_total', 'Messages sent again because no answer came.'],
  malformed: ['malformed_total', 'SIP that could not be read.'],
  oversized: ['oversized_total', 'Messages larger than allowed.'],
  stray: ['stray_total', 'Messages that belong to nothing: late responses, ACKs without a call.'],
  unhandled: ['unhandled_total', 'Requests refused because no application handles their method.'],
  shed: ['shed_total', 'New requests refused because of too much load.'],
  unanswered: ['unanswered_total', 'Requests whose application gave no answer, or went away before it did.'],
  ackTimeouts: ['ack_timeouts_total', 'Calls ended because no ACK followed the 2xx.'],
  sessionsExpired: ['sessions_expired_total', 'Calls ended because their session timer was not refreshed.'],
  transportErrors: ['transport_errors_total', 'Messages that the network did not take.'],
  connectionsRefused: [
    'connections_refused_total',
    'Connections closed for broken framing, slowness, a failed handshake or a limit.'
  ],
  loginsRefused: ['logins_refused_total', 'Application connections that did not log in.'],
  framesRefused: ['frames_refused_total', 'Frames of applications that could not be read.'],
  defects: ['defects_total', 'Messages dropped by a fault of the engine itself; should stay 0.']
}

const gaugeHelp: Readonly<Record<Exclude<keyof EngineStats, keyof EngineCounters | 'connections'>, readonly [string, string]>> = {
  applications: ['applications', 'Applications logged in.'],
  dialogs: ['dialogs', 'Dialogs, early and confirmed.'],
  serverTransactions: ['server_transactions', 'Server transactions that have not ended.'],
  clientTransactions: ['client_transactions', 'Client transactions that have not ended.'],
  proxied: ['proxied_requests', 'Requests on their way through the proxy.']
}

/** Transaction durations: a local answer takes a millisecond, ringing takes minutes. */
const durationBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180]
const lagQuantiles = [50, 99, 100]

export function createMetrics(sources: MetricsSources): EngineMetrics {
  const registry = new Registry()
  const registers = [registry]
  const lag = monitorEventLoopDelay({ resolution: 10 })
  lag.enable()
  const startedS = Date.now() / 1000 - process.uptime()

  const read = (name: string, help: string, value: () => number): void => {
    if (name.endsWith('_total')) {
      new Counter({
        name,
        help,
        registers,
        collect() {
          this.reset()
          this.inc(value())
        }
      })
    } else {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(value())
        }
      })
    }
  }

  /** As of the scrape under way. */
  let stats: Partial<EngineStats> = {}
  for (const [key, [name, help]] of Object.entries(counterHelp)) {
    read(`sip_engine_${name}`, help, () => stats[key as keyof EngineCounters] ?? 0)
  }
  for (const [key, [name, help]] of Object.entries(gaugeHelp)) {
    read(`sip_engine_${name}`, help, () => stats[key as keyof EngineStats] ?? 0)
  }
  new Gauge({
    name: 'sip_engine_connections',
    help: 'Open stream connections.',
    labelNames: ['transport'],
    registers,
    collect() {
      for (const [transport, count] of Object.entries(sources.connections())) this.set({ transport }, count)
    }
  })
  if (sources.capture !== null) {
    const { capture } = sources
    new Counter({
      name: 'sip_engine_capture_packets_total',
      help: 'HEP3 packets by what became of them.',
      labelNames: ['result'],
      registers,
      collect() {
        this.reset()
        this.inc({ result: 'sent' }, capture.sent)
        this.inc({ result: 'queue_full' }, capture.queueFull)
        this.inc({ result: 'too_large' }, capture.tooLarge)
        this.inc({ result: 'failed' }, capture.failed)
      }
    })
  }
  new Gauge({
    name: 'sip_engine_event_loop_lag_seconds',
    help: 'Event loop lag since the scrape before: median, 99 % and largest.',
    labelNames: ['quantile'],
    registers,
    collect() {
      for (const percent of lagQuantiles) {
        const seconds = lag.count === 0 ? 0 : lag.percentile(percent) / 1e9
        this.set({ quantile: String(percent / 100) }, seconds)
      }
      lag.reset()
    }
  })
  read('process_cpu_seconds_total', 'CPU time of the process.', () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  })
  read('process_resident_memory_bytes', 'Resident memory of the process.', () => process.memoryUsage.rss())
  read('process_start_time_seconds', 'Start of the process, Unix time.', () => startedS)

  const requests = new Counter({
    name: 'sip_engine_wire_requests_total',
    help: 'Requests on the wire, retransmissions included.',
    labelNames: ['direction', 'transport', 'method'],
    registers
  })
  const responses = new Counter({
    name: 'sip_engine_wire_responses_total',
    help: 'Responses on the wire, retransmissions included, by the method they answer.',
    labelNames: ['direction', 'transport', 'method', 'status'],
    registers
  })
  const durations = new Histogram({
    name: 'sip_engine_transaction_duration_seconds',
    help: 'From the request to its final response, or to the timeout or transport error that stands for one.',
    labelNames: ['role', 'method', 'result'],
    buckets: durationBuckets,
    registers
  })

  return {
    contentType: registry.contentType,
    text: () => {
      stats = sources.stats()
      return registry.metrics()
    },
    onWire: ({ direction, transport, bytes }) => {
      const seen = glance(bytes)
      if (seen === undefined) return
      const method = methodLabel(seen.method)
      if (seen.status === 0) requests.inc({ direction, transport, method })
      else responses.inc({ direction, transport, method, status: statusLabel(seen.status) })
    },
    onTransaction: ({ role, method, status, durationMs }) => {
      const result = status === 0 ? 'unanswered' : `${Math.floor(status / 100)}xx`
      durations.observe({ role, method: methodLabel(method), result }, durationMs / 1000)
    },
    close: () => {
      lag.disable()
      registry.clear()
    }
  }
}
