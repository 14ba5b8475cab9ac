/** Resolves next hops: the hosts file first, then the name service, whose answers are kept for a time. */
import { isIP } from 'node:net'
import type { Clock } from '#kernel'
import { parseSipUri } from '../codec/uri.ts'
import { type Destination, isTransportName, type Listener, type TransportName, transportTraits } from '../transport/port.ts'
import type { Hosts } from './hosts-file.ts'
import type { Answer, NameService } from './name-service.ts'
import { type NextHop, noRecords, type Question, type Records, resolution } from './resolution.ts'

export interface Resolver {
  /**
   * Calls back with the addresses to try, in order; none when the name does not resolve. At once where the host is a literal, or known
   * already.
   */
  readonly resolve: (hop: NextHop, found: (destinations: readonly Destination[]) => void) => void
  /** Nobody is called back any more. */
  readonly close: () => void
}

/**
 * Reads the next hop from a URI or `host[:port][;transport=…]`.
 *
 * @returns `unsupported` when the transport is none of ours; undefined when the text names no host.
 * @see RFC 3263 §4.1, RFC 3261 §26.2.2
 */
export function nextHopOf(text: string): NextHop | 'unsupported' | undefined {
  const uri = parseSipUri(/^sips?:/i.test(text) ? text : `sip:${text}`)
  if (uri === undefined) return undefined
  const named = uri.params.get('transport')?.toLowerCase() ?? null
  if (named !== null && !isTransportName(named)) return 'unsupported'
  const transport = uri.scheme === 'sips' && named !== null ? inTls[named] : named
  if (transport === undefined) return 'unsupported'
  const secure = uri.scheme === 'sips' || (transport !== null && transportTraits[transport].secure)
  return { secure, transport, host: uri.params.get('maddr')?.replace(/^\[(.*)\]$/, '$1') ?? uri.host, port: uri.port }
}

/** What a `sips:` URI means by its transport; UDP has no TLS. */
const inTls: Readonly<Partial<Record<TransportName, TransportName>>> = { tcp: 'tls', tls: 'tls', ws: 'wss', wss: 'wss' }

export interface ResolverLimits {
  /** Bounds on how long an answer is kept, whatever its TTL. */
  readonly leastTtlS: number
  readonly mostTtlS: number
  /** For answers that tell no TTL. */
  readonly usualTtlS: number
  /** For names that are not there, and servers that do not answer. */
  readonly absentTtlS: number
  /** A next hop must be found so soon. */
  readonly deadlineMs: number
  readonly answers: number
}

export const defaultResolverLimits: ResolverLimits = {
  leastTtlS: 5,
  mostTtlS: 3600,
  usualTtlS: 60,
  absentTtlS: 5,
  deadlineMs: 8000,
  answers: 4096
}

export interface ResolverParts {
  readonly clock: Clock
  readonly names: NameService
  readonly hosts: Hosts
  readonly listeners: () => readonly Listener[]
  readonly limits?: ResolverLimits
  readonly random?: () => number
}

export function createResolver(parts: ResolverParts): Resolver {
  const { clock, names, hosts, limits = defaultResolverLimits, random = Math.random } = parts
  const known = new Map<string, { readonly records: Records | null; readonly until: number }>()
  const asked = new Map<string, ((records: Records | null) => void)[]>()
  const deadlines = new Set<() => void>()
  let closed = false

  const keepMs = (answer: Answer | null): number => {
    if (answer === null || isEmpty(answer.records)) return limits.absentTtlS * 1000
    return Math.min(limits.mostTtlS, Math.max(limits.leastTtlS, answer.ttlS ?? limits.usualTtlS)) * 1000
  }

  /** Questions of the same content share one look-up. */
  const ask = (question: Question, answered: (records: Records | null) => void) => {
    const name = question.name.toLowerCase()
    const here = hosts(name)
    if (here !== undefined) return answered(question.type === 'ADDRESS' ? { ...noRecords, addresses: here } : noRecords)
    const key = `${question.type} ${name}`
    const kept = known.get(key)
    if (kept !== undefined && kept.until > clock.monotonicMs()) return answered(kept.records)
    const waiting = asked.get(key)
    if (waiting !== undefined) return void waiting.push(answered)
    const queue = [answered]
    asked.set(key, queue)
    names.ask({ type: question.type, name }, (answer) => {
      asked.delete(key)
      known.delete(key)
      if (known.size >= limits.answers) known.delete(known.keys().next().value!)
      known.set(key, { records: answer?.records ?? null, until: clock.monotonicMs() + keepMs(answer) })
      if (!closed) for (const each of queue) each(answer?.records ?? null)
    })
  }

  /** Addresses of families we have listeners of, the family of the first listener first. */
  const reachable = (records: Records): Records => {
    if (records.addresses.length === 0) return records
    const families = parts.listeners().flatMap(({ address }) => isIP(address) || [4, 6])
    const rank = (address: string): number => families.indexOf(isIP(address))
    const addresses = records.addresses.filter((each) => rank(each) >= 0).sort((left, right) => rank(left) - rank(right))
    return { ...records, addresses }
  }

  return {
    resolve: (hop, found) => {
      const transports = [...new Set(parts.listeners().map(({ transport }) => transport))]
      const steps = resolution(asHost(hop, hosts), {
        transports: transports.filter((each) => transportTraits[each].dialled),
        random
      })
      let settled = false
      /** Set once name servers did not answer: they are not asked for services then, only for the address. */
      let silent = false
      const settle = (destinations: readonly Destination[]): void => {
        if (settled || closed) return
        settled = true
        deadline?.()
        found(destinations)
      }
      let deadline: (() => void) | undefined
      const advance = (step: ReturnType<typeof steps.next>) => {
        if (step.done) return settle(step.value)
        if (silent && step.value.type !== 'ADDRESS') return advance(steps.next(noRecords))
        ask(step.value, (records) => {
          if (records === null) silent = true
          if (!settled && !closed) advance(steps.next(reachable(records ?? noRecords)))
        })
      }
      advance(steps.next(noRecords))
      if (settled) return
      const cancel = clock.after(limits.deadlineMs, () => settle([]))
      deadline = () => {
        cancel()
        deadlines.delete(cancel)
      }
      deadlines.add(cancel)
    },
    close: () => {
      closed = true
      for (const cancel of deadlines) cancel()
      deadlines.clear()
      names.close()
    }
  }
}

/** A name of the hosts file is a single host: it is not asked for services. */
function asHost(hop: NextHop, hosts: Hosts): NextHop {
  if (isIP(hop.host) !== 0 || hop.port !== null || hosts(hop.host) === undefined) return hop
  return { ...hop, port: hop.transport === null ? (hop.secure ? 5061 : 5060) : transportTraits[hop.transport].defaultPort }
}

function isEmpty(records: Records): boolean {
  return records.naptr.length === 0 && records.srv.length === 0 && records.addresses.length === 0
}

/**
 * The listener a request to `destination` goes out from: same transport and address family, the longest common prefix of addresses first,
 * loopback last for others than loopback.
 */
export function listenerFor(listeners: readonly Listener[], transport: TransportName, address: string): Listener | undefined {
  let best: Listener | undefined
  let bestScore = -1
  for (const listener of listeners) {
    if (listener.transport !== transport) continue
    if (isIP(listener.address) !== 0 && isIP(listener.address) !== isIP(address)) continue
    const score = commonPrefix(listener.address, address)
    if (score > bestScore) {
      best = listener
      bestScore = score
    }
  }
  return best
}

function commonPrefix(left: string, right: string): number {
  const leftParts = left.split(/[.:]/)
  const rightParts = right.split(/[.:]/)
  let same = 0
  while (same < leftParts.length && leftParts[same] === rightParts[same]) same++
  return same
}
