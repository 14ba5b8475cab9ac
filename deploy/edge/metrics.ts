import { Counter, Gauge, type Registry } from 'prom-client'
import type { Edge } from '#kamailio'

/** Numbers that Kamailio tells, by their names. */
type Numbers = ReadonlyMap<string, number>

/** What is asked of Kamailio's RPC, once for all figures of one reading. */
const questions = [
  ['stats.fetchn', ['core:', 'sl:', 'pike:', 'usrloc:']],
  ['tm.stats', []],
  ['core.shmmem', []],
  ['core.tcp_info', []]
] as const

interface Figure {
  readonly name: string
  readonly help: string
  /** Values of the label by the number that each has; a figure without a label has one number. */
  readonly of: string | { readonly label: string; readonly values: Readonly<Record<string, string>> }
}

const counters: readonly Figure[] = [
  {
    name: 'kamailio_requests_total',
    help: 'Requests that Kamailio received, and those it could not read',
    of: { label: 'outcome', values: { received: 'core.rcv_requests', malformed: 'core.err_requests' } }
  },
  {
    name: 'kamailio_replies_total',
    help: 'Replies that Kamailio received, sent on, or gave by itself without a transaction',
    of: { label: 'outcome', values: { received: 'core.rcv_replies', sent: 'rpl_sent', own: 'sl.sent_replies' } }
  },
  {
    name: 'kamailio_transactions_total',
    help: 'Transactions by the class of their final response',
    of: {
      label: 'class',
      values: Object.fromEntries([2, 3, 4, 5, 6].map((digit) => [`${digit}xx`, `${digit}xx`]))
    }
  },
  { name: 'kamailio_send_failures_total', help: 'Replies that could not be sent', of: 'sl.failures' }
]

const gauges: readonly Figure[] = [
  { name: 'kamailio_transactions', help: 'Transactions in memory', of: 'current' },
  { name: 'kamailio_blocked_addresses', help: 'Addresses that send too much (layer 1)', of: 'pike.blocked_ips' },
  { name: 'kamailio_registered_phones', help: 'Phones that have registered', of: 'usrloc.location_contacts' },
  {
    name: 'kamailio_connections',
    help: 'Open connections',
    of: { label: 'transport', values: { all: 'opened_connections', tls: 'opened_tls_connections' } }
  },
  {
    name: 'kamailio_shared_memory_bytes',
    help: 'Shared memory',
    of: { label: 'state', values: { used: 'real_used', free: 'free' } }
  }
]

/**
 * Figures of Kamailio, as it tells them by RPC. Where it does not answer they are not there.
 *
 * @returns takes them out again
 */
export function edgeMetrics(registry: Registry, rpc: Edge['rpc']): () => void {
  const registers = [registry]
  let asked: Promise<Numbers> | null = null
  const numbers = () => {
    asked ??= Promise.all(questions.map(([method, params]) => rpc(method, params)))
      .then((answers) => new Map(answers.flat().flatMap((answer) => numbersOf(answer))))
      .catch(() => new Map<string, number>())
      .finally(() => {
        asked = null
      })
    return asked
  }
  const settings = ({ name, help, of }: Figure) => ({
    name,
    help,
    labelNames: typeof of === 'string' ? [] : [of.label],
    registers,
    async collect(this: Counter | Gauge) {
      this.reset()
      if (typeof of === 'string') this.remove()
      const told = await numbers()
      for (const [value, number] of Object.entries(typeof of === 'string' ? { '': of } : of.values)) {
        const found = told.get(number)
        if (found !== undefined) this.inc(typeof of === 'string' ? {} : { [of.label]: value }, found)
      }
    }
  })
  for (const figure of counters) new Counter(settings(figure))
  for (const figure of gauges) new Gauge(settings(figure))
  return () => {
    for (const { name } of [...counters, ...gauges]) registry.removeSingleMetric(name)
  }
}

function numbersOf(answer: unknown): [string, number][] {
  if (typeof answer !== 'object' || answer === null) return []
  return Object.entries(answer).filter((entry): entry is [string, number] => typeof entry[1] === 'number')
}
