/** How requests of this side reach their next hop. */
import { BlockList, isIP } from 'node:net'
import { parseSipUri, type SipUri } from '../codec/uri.ts'
import type { Destination, Flow, Listener, SendFailed, TransportPort } from '../transport/port.ts'
import { listenerFor, type NextHop, nextHopOf, type Resolver } from './resolver.ts'
import type { Session } from './sessions.ts'

export interface Path {
  /** Stands in Via. */
  readonly listener: Listener
  /** Null when the next hop's name does not resolve: sending fails. */
  readonly destination: Destination | null
  readonly transmit: (bytes: Buffer, failed: SendFailed) => void
}

export type PathFound = (path: Path | undefined) => void

export interface Paths {
  /**
   * Path to the next hop that a URI or `host[:port]` names; undefined when no listener of ours can send there. It is found at once where
   * the host is an address.
   */
  readonly to: (hop: NextHop, found: PathFound) => void
  /** Next hop of a URI that may be sent to from our listeners. */
  readonly hop: (text: string) => NextHop | 'unsupported' | undefined
  /** Path of a request in a dialog, past `nextHop` where the peer can only be reached on the flow it came on. */
  readonly inDialog: (session: Session, nextHop: string, found: PathFound) => void
  /** Whether a destination is one of our own listeners. */
  readonly isOwn: (destination: Destination) => boolean
  /** Remembers that a registered contact is reached on the connection it registered on; `expiresS` 0 forgets it. */
  readonly register: (contact: SipUri, flow: Flow, expiresS: number) => void
  /** Path to a registered contact, while its registration holds. */
  readonly registered: (uri: string) => Path | undefined
  /** Look-ups that are still under way find nobody. */
  readonly close: () => void
}

const maxRegistered = 100_000

export function createPaths(parts: {
  readonly transport: TransportPort
  readonly resolver: Resolver
  readonly nowMs: () => number
}): Paths {
  const { transport, resolver, nowMs } = parts
  const flows = new Map<string, { readonly flow: Flow; readonly until: number }>()

  let closed = false

  const unresolved = (hop: NextHop): Path | undefined => {
    const listener = transport.listeners.find((each) => each.transport === hop.transport) ?? transport.listeners[0]
    if (listener === undefined) return undefined
    const error = new Error(`name does not resolve: ${hop.host}`)
    return { listener, destination: null, transmit: (_, failed) => failed(error) }
  }

  const to = (hop: NextHop, found: PathFound): void =>
    resolver.resolve(hop, (destination) => {
      if (closed) return
      if (destination === null) {
        found(unresolved(hop))
        return
      }
      const listener = listenerFor(transport.listeners, hop.transport, destination.address)
      found(
        listener && {
          listener,
          destination,
          transmit: (bytes, failed) => transport.send(listener, destination, bytes, failed)
        }
      )
    })

  /** A next hop that names no transport may be reached by another one where there is no UDP listener. */
  const hop = (text: string): NextHop | 'unsupported' | undefined => {
    const named = nextHopOf(text)
    if (named === undefined || named === 'unsupported') return named
    if (transport.listeners.some((each) => each.transport === named.transport)) return named
    const other = transport.listeners[0]
    if (named.transport !== 'udp' || /;transport=/i.test(text) || other === undefined) return 'unsupported'
    return { ...named, transport: other.transport }
  }

  const onFlow = (flow: Flow, port: number): Path => {
    const { listener, remote } = flow
    const fallback = { address: remote.address, port }
    return {
      listener,
      destination: { transport: listener.transport, ...remote },
      transmit: (bytes, failed) => transport.reply(flow, fallback, bytes, failed)
    }
  }

  return {
    to,
    hop,
    inDialog: (session, nextHop, found) => {
      const { peerFlow } = session
      const contact = parseSipUri(nextHop)
      if (peerFlow !== null && session.dialog.routeSet.length === 0 && flowNeeded(contact, peerFlow)) {
        found(onFlow(peerFlow, contact?.port ?? peerFlow.remote.port))
        return
      }
      const next = hop(nextHop)
      if (next === undefined || next === 'unsupported') found(undefined)
      else to(next, found)
    },
    isOwn: (destination) =>
      transport.listeners.some(
        (each) =>
          each.transport === destination.transport && each.port === destination.port && each.address === destination.address
      ),
    register: (contact, flow, expiresS) => {
      const key = registrationKey(contact)
      flows.delete(key)
      if (expiresS <= 0) return
      if (flows.size >= maxRegistered) flows.delete(flows.keys().next().value!)
      flows.set(key, { flow, until: nowMs() + expiresS * 1000 })
    },
    registered: (uri) => {
      const contact = parseSipUri(uri)
      if (contact === undefined || flows.size === 0) return undefined
      const known = flows.get(registrationKey(contact))
      if (known === undefined) return undefined
      if (known.until > nowMs()) return onFlow(known.flow, contact.port ?? known.flow.remote.port)
      flows.delete(registrationKey(contact))
      return undefined
    },
    close: () => {
      closed = true
    }
  }
}

const privateAddresses = new BlockList()
for (const [net, prefix] of [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['100.64.0.0', 10],
  ['169.254.0.0', 16],
  ['127.0.0.0', 8]
] as const)
  privateAddresses.addSubnet(net, prefix, 'ipv4')
privateAddresses.addSubnet('fc00::', 7, 'ipv6')
privateAddresses.addSubnet('fe80::', 10, 'ipv6')

const isPrivate = (address: string): boolean => privateAddresses.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')

/** Whether an address a peer tells can only be its own side's: private, while its packets come from a public one. */
export function isBehindNat(told: string, source: string): boolean {
  return isPrivate(told) && !isPrivate(source)
}

function registrationKey(contact: SipUri): string {
  return `${contact.user ?? ''}@${contact.host}`
}

/**
 * Whether a peer without a proxy in between is better reached on the flow its message came on: always on a connection, since it may accept
 * none; on UDP where its Contact is not where its packets come from (RFC 3581, RFC 5626 §1).
 */
function flowNeeded(contact: SipUri | undefined, flow: Flow): boolean {
  if (flow.listener.transport !== 'udp') return true
  if (contact === undefined) return false
  return contact.host.endsWith('.invalid') || (isIP(contact.host) !== 0 && contact.host !== flow.remote.address)
}
