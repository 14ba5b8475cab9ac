/** How requests of this side reach their next hop. */
import { BlockList, isIP } from 'node:net'
import type { NameAddress } from '../codec/address.ts'
import { parseSipUri, type SipUri } from '../codec/uri.ts'
import type { Session } from '../dialog/sessions.ts'
import {
  type Destination,
  type Flow,
  type Listener,
  type SendFailed,
  type TransportPort,
  transportTraits
} from '../transport/port.ts'
import type { NextHop } from './resolution.ts'
import { listenerFor, nextHopOf, type Resolver } from './resolver.ts'

export interface Path {
  /** Stands in Via. */
  readonly listener: Listener
  /** Null when the next hop's name does not resolve: sending fails. */
  readonly destination: Destination | null
  readonly transmit: (bytes: Buffer, failed: SendFailed) => void
  /** What an application is told when nothing could be sent. */
  readonly failure: { readonly status: number; readonly reason: string }
  /** The next address to try (RFC 3263 §4.3). */
  readonly next: Path | null
  /** The way over TCP, for a request that is large. */
  readonly large: Path | null
  /** The way over UDP where `large` was refused. */
  readonly small: Path | null
}

/** Why a request is not answered on a path. */
export type PathFailure = 'transportError' | 'timeout' | 'unavailable'

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
  /** The path for a request of so many octets. @see RFC 3261 §18.1.1 */
  readonly fitting: (path: Path, octets: number) => Path
  /**
   * The path to try when a request got no answer on this one; null when there is none left. Its destination is tried last by later requests
   * for a time.
   */
  readonly after: (path: Path, cause: PathFailure) => Path | null
  /** Whether a destination is one of our own listeners. */
  readonly isOwn: (destination: Destination) => boolean
  /**
   * Remembers that a registered contact is reached on the flow it registered on; `expiresS` 0 forgets it. A contact that another address of
   * record holds on an open flow of its own stays that one's: nobody takes over the requests of somebody else.
   */
  readonly register: (owner: string, contact: NameAddress, flow: Flow, expiresS: number) => void
  /** Path to a registered contact, while its registration holds. */
  readonly registered: (uri: string) => Path | undefined
  /** Look-ups that are still under way find nobody. */
  readonly close: () => void
}

/** One way to a registered contact. */
interface Binding {
  /** Address of record. */
  readonly owner: string
  readonly flow: Flow
  readonly until: number
  /** Instance and flow number of a client that keeps several flows; empty where it keeps one (RFC 5626 §4.1). */
  readonly outbound: string
}

const maxRegistered = 100_000
const maxBindings = 8
/** So long a destination that failed stands behind the others: about as long as it takes a transaction to find out. */
const avoidMs = 32_000
const maxAvoided = 1024

const unavailable = { status: 503, reason: 'Service Unavailable' }

export function createPaths(parts: {
  readonly transport: TransportPort
  readonly resolver: Resolver
  /** Requests above this size leave UDP, octets. */
  readonly datagram: number
  readonly nowMs: () => number
}): Paths {
  const { transport, resolver, datagram, nowMs } = parts
  const registrations = new Map<string, readonly Binding[]>()
  const avoided = new Map<string, number>()

  const failing = (listener: Listener, failure: Path['failure'], destination: Destination | null): Path => {
    const error = new Error(failure.reason)
    return { listener, destination, transmit: (_, failed) => failed(error), failure, next: null, large: null, small: null }
  }

  const direct = (listener: Listener, destination: Destination, next: Path | null): Path => ({
    listener,
    destination,
    transmit: (bytes, failed) => transport.send(listener, destination, bytes, failed),
    failure: unavailable,
    next,
    large: null,
    small: null
  })

  const pathTo = (destination: Destination, next: Path | null): Path | null => {
    const listener = listenerFor(transport.listeners, destination.transport, destination.address)
    if (listener === undefined) return null
    const path = direct(listener, destination, next)
    if (destination.transport !== 'udp') return path
    const stream = listenerFor(transport.listeners, 'tcp', destination.address)
    if (stream === undefined) return path
    const large = { ...direct(stream, { ...destination, transport: 'tcp' }, next), small: path }
    return { ...path, large }
  }

  const destinationKey = ({ transport: name, address, port }: Destination): string => `${name} ${address} ${port}`

  const isAvoided = (destination: Destination): boolean => {
    const until = avoided.get(destinationKey(destination))
    if (until === undefined) return false
    if (until > nowMs()) return true
    avoided.delete(destinationKey(destination))
    return false
  }

  const chain = (destinations: readonly Destination[]): Path | null => {
    const good = avoided.size === 0 ? destinations : destinations.filter((each) => !isAvoided(each))
    const bad = good.length === destinations.length ? [] : destinations.filter(isAvoided)
    return [...good, ...bad].reduceRight<Path | null>((next, each) => pathTo(each, next) ?? next, null)
  }

  const to = (hop: NextHop, found: PathFound): void =>
    resolver.resolve(hop, (destinations) => {
      if (destinations.length > 0) return found(chain(destinations) ?? undefined)
      const listener = transport.listeners.find((each) => each.transport === hop.transport) ?? transport.listeners[0]
      found(listener && failing(listener, { status: 503, reason: 'DNS Error' }, null))
    })

  const hop = (text: string): NextHop | 'unsupported' | undefined => {
    const named = nextHopOf(text)
    if (named === undefined || named === 'unsupported') return named
    const fits = transport.listeners.some(({ transport: ours }) =>
      named.transport === null ? transportTraits[ours].dialled && (!named.secure || ours === 'tls') : ours === named.transport
    )
    return fits ? named : 'unsupported'
  }

  const onFlow = (flow: Flow, next: Path | null): Path => ({
    listener: flow.listener,
    destination: { transport: flow.listener.transport, ...flow.remote },
    transmit: (bytes, failed) => transport.sendOnFlow(flow, bytes, failed),
    failure: flowFailed,
    next,
    large: null,
    small: null
  })

  /** A flow that may be left for a new connection to the peer's Contact when it is gone. */
  const onFlowOrBack = (flow: Flow, port: number): Path => {
    const fallback = { address: flow.remote.address, port }
    return {
      ...onFlow(flow, null),
      transmit: (bytes, failed) => transport.reply(flow, fallback, bytes, failed),
      failure: unavailable
    }
  }

  const registered = (uri: string): Path | undefined => {
    if (registrations.size === 0) return undefined
    const contact = parseSipUri(uri)
    if (contact === undefined) return undefined
    const key = registrationKey(contact)
    const bindings = registrations.get(key)?.filter(({ until }) => until > nowMs())
    if (bindings === undefined || bindings.length === 0) {
      registrations.delete(key)
      return undefined
    }
    const open = bindings.filter(({ flow }) => transport.isOpen(flow))
    // The latest first: a client that lost a flow has just made a new one.
    const path = open.reduce<Path | null>((next, { flow }) => onFlow(flow, next), null)
    if (path !== null) return path
    const last = bindings.at(-1)!
    const lost = last.outbound !== '' || onlyByFlow(contact)
    return lost ? failing(last.flow.listener, flowFailed, null) : undefined
  }

  return {
    to,
    hop,
    registered,
    inDialog: (session, nextHop, found) => {
      const { peerFlow } = session
      const contact = parseSipUri(nextHop)
      if (peerFlow !== null && session.dialog.routeSet.length === 0 && flowNeeded(contact, peerFlow)) {
        if (transport.isOpen(peerFlow)) return found(onFlowOrBack(peerFlow, contact?.port ?? peerFlow.remote.port))
        const again = registered(nextHop)
        if (again !== undefined) return found(again)
        if (contact === undefined || onlyByFlow(contact)) return found(failing(peerFlow.listener, flowFailed, null))
        return found(onFlowOrBack(peerFlow, contact.port ?? peerFlow.remote.port))
      }
      const next = hop(nextHop)
      if (next === undefined || next === 'unsupported') found(undefined)
      else to(next, found)
    },
    fitting: (path, octets) => (octets > datagram && path.large !== null ? path.large : path),
    after: (path, cause) => {
      if (cause === 'transportError' && path.small !== null) return path.small
      if (path.next === null) return null
      if (path.destination !== null) {
        if (avoided.size >= maxAvoided) avoided.delete(avoided.keys().next().value!)
        avoided.set(destinationKey(path.destination), nowMs() + avoidMs)
      }
      return path.next
    },
    isOwn: (destination) =>
      transport.listeners.some(
        (each) =>
          each.transport === destination.transport && each.port === destination.port && each.address === destination.address
      ),
    register: (owner, contact, flow, expiresS) => {
      const uri = parseSipUri(contact.uri)
      if (uri === undefined) return
      const outbound = outboundFlow(contact)
      if (flow.listener.transport === 'udp' && outbound === '' && !onlyByFlow(uri)) return
      const key = registrationKey(uri)
      const known = (registrations.get(key) ?? []).filter(({ until }) => until > nowMs())
      if (known.some((each) => each.owner !== owner && !isSameFlow(each.flow, flow) && transport.isOpen(each.flow))) return
      const others = known.filter((each) => each.outbound !== outbound)
      registrations.delete(key)
      if (expiresS > 0) others.push({ owner, flow, until: nowMs() + expiresS * 1000, outbound })
      if (others.length === 0) return
      if (registrations.size >= maxRegistered) registrations.delete(registrations.keys().next().value!)
      registrations.set(key, others.slice(-maxBindings))
    },
    close: () => resolver.close()
  }
}

/** RFC 5626 §11.6 */
const flowFailed = { status: 430, reason: 'Flow Failed' }

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

function isSameFlow(left: Flow, right: Flow): boolean {
  if (left.listener !== right.listener || left.connection !== right.connection) return false
  return left.connection !== 0 || (left.remote.address === right.remote.address && left.remote.port === right.remote.port)
}

/** Which of its flows a client registers; empty where it does not speak of flows. @see RFC 5626 §4.2 */
function outboundFlow({ params }: NameAddress): string {
  const instance = params.get('+sip.instance')
  const number = params.get('reg-id')
  return instance && number && /^[1-9]\d{0,9}$/.test(number) ? `${instance} ${number}` : ''
}

/** Whether nobody can connect to this contact: browsers write such ones, and whoever asks to be called on its flow (RFC 5626 §4.3). */
function onlyByFlow({ host, params }: SipUri): boolean {
  const transport = params.get('transport')?.toLowerCase()
  return host.endsWith('.invalid') || params.has('ob') || transport === 'ws' || transport === 'wss'
}

/**
 * Whether a peer without a proxy in between is better reached on the flow its message came on: always on a connection, since it may accept
 * none; on UDP where its Contact is not where its packets come from, or asks for it (RFC 3581, RFC 5626 §1).
 */
function flowNeeded(contact: SipUri | undefined, flow: Flow): boolean {
  if (flow.listener.transport !== 'udp') return true
  if (contact === undefined) return false
  return onlyByFlow(contact) || (isIP(contact.host) !== 0 && contact.host !== flow.remote.address)
}
