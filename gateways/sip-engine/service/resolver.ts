/** From a URI to the address a request is sent to. */
import { lookup } from 'node:dns'
import { isIP } from 'node:net'
import { parseSipUri } from '../codec/uri.ts'
import type { Destination, Listener, TransportName } from '../transport/port.ts'

/** A next hop before its name is looked up. */
export interface NextHop {
  readonly transport: TransportName
  readonly host: string
  readonly port: number
}

export interface Resolver {
  /** Calls back with the address, at once where the host is a literal; null when the name does not resolve. */
  readonly resolve: (hop: NextHop, found: (destination: Destination | null) => void) => void
}

export type Lookup = (host: string, found: (address: string | null) => void) => void

/**
 * Reads the next hop from a URI or `host[:port][;transport=…]`.
 *
 * @returns `unsupported` when the transport is none of ours; undefined when the text names no host.
 * @see RFC 3263 §4.1: transport by parameter, TLS for sips, else UDP. NAPTR and SRV are not asked.
 */
export function nextHopOf(text: string): NextHop | 'unsupported' | undefined {
  const uri = parseSipUri(/^sips?:/i.test(text) ? text : `sip:${text}`)
  if (uri === undefined) return undefined
  const named = uri.params.get('transport')?.toLowerCase()
  let transport: TransportName
  if (uri.scheme === 'sips') {
    if (named !== undefined && named !== 'tcp' && named !== 'tls') return 'unsupported'
    transport = 'tls'
  } else if (named === undefined) transport = 'udp'
  else if (named === 'udp' || named === 'tcp' || named === 'tls') transport = named
  else return 'unsupported'
  const host = uri.params.get('maddr') ?? uri.host
  return { transport, host, port: uri.port ?? (transport === 'tls' ? 5061 : 5060) }
}

const keepMs = 30_000
const maxNames = 1024

/** Looks names up through the system (hosts file included) and keeps answers for 30 s. Questions for one name share one look-up. */
export function createResolver(now: () => number, ask: Lookup = systemLookup): Resolver {
  const known = new Map<string, { address: string; until: number }>()
  const asked = new Map<string, ((address: string | null) => void)[]>()
  return {
    resolve: (hop, found) => {
      const answer = (address: string | null): void =>
        found(address === null ? null : { transport: hop.transport, address, port: hop.port, name: hop.host })
      if (isIP(hop.host) !== 0) return found({ transport: hop.transport, address: hop.host, port: hop.port })
      const kept = known.get(hop.host)
      if (kept !== undefined && kept.until > now()) return answer(kept.address)
      const waiting = asked.get(hop.host)
      if (waiting !== undefined) return void waiting.push(answer)
      const queue = [answer]
      asked.set(hop.host, queue)
      ask(hop.host, (address) => {
        asked.delete(hop.host)
        if (address !== null) {
          if (known.size >= maxNames) known.clear()
          known.set(hop.host, { address, until: now() + keepMs })
        }
        for (const each of queue) each(address)
      })
    }
  }
}

const systemLookup: Lookup = (host, found) => lookup(host, (error, address) => found(error ? null : address))

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
