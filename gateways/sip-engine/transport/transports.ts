/** UDP, TCP, TLS, WS and WSS sockets behind the transport port. */
import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { type Clock, InfraFabricError } from '#kernel'
import { createAdmission } from './admission.ts'
import { checkSipServer, peerIdentity } from './certificates.ts'
import { type Connection, createConnections, type Waiting } from './connections.ts'
import { type DatagramListener, openDatagram } from './datagram.ts'
import type { ListenConfig } from './listen-config.ts'
import {
  type Destination,
  type Listener,
  type SendFailed,
  type TransportEvents,
  type TransportLimits,
  type TransportPort,
  transportTraits
} from './port.ts'
import { readStream, type StreamEvents, socketChannel } from './stream.ts'
import { type Accepted, openStreamListener, type StreamListener } from './stream-listener.ts'
import { createTlsContexts, type TlsContexts } from './tls-contexts.ts'
import { webSocketChannel } from './web-socket.ts'

export interface Transports extends TransportPort {
  /** Open stream connections. */
  readonly connections: () => number
  /** The same by transport; every stream transport that is listened on has its entry. */
  readonly connectionsByTransport: () => Readonly<Record<string, number>>
  /**
   * Reads keys and certificates again; connections made from now on use them.
   *
   * @throws {InfraFabricError} `sip-engine.tls` when one cannot be used; all listeners keep the old ones then.
   */
  readonly reloadTls: () => void
  /** Tells when everything that waits in the socket of a UDP listener has been read. Never, where what tells it was lost. */
  readonly mark: (listener: Listener, reached: () => void) => void
  readonly close: () => Promise<void>
}

const maxWaiting = 1024

/**
 * Opens every listener.
 *
 * @throws {InfraFabricError} `sip-engine.listen` when one cannot be opened; those already open are closed again.
 */
export async function openTransports(
  listen: readonly ListenConfig[],
  limits: TransportLimits,
  clock: Clock,
  events: TransportEvents
): Promise<Transports> {
  const listeners: Listener[] = []
  const datagrams = new Map<Listener, DatagramListener>()
  const streams: StreamListener[] = []
  const connections = createConnections()
  const admission = createAdmission(limits)
  const origins = new Map<Listener, { readonly config: ListenConfig; readonly tls: TlsContexts | null }>()
  let closing = false

  const eventsOf = (connection: () => Connection): StreamEvents => ({
    message: (bytes) => events.message(bytes, connection().flow),
    oversized: (head) => events.oversized(head, connection().flow),
    dropped: events.dropped
  })

  const accepted = ({ listener, remote, identity, socket, webSocket }: Accepted): void => {
    if (closing) return void socket.destroy()
    const streamEvents = eventsOf(() => connection)
    const channel =
      webSocket === null
        ? socketChannel(socket, limits, clock, events.dropped)
        : webSocketChannel(webSocket, socket, limits, clock, streamEvents)
    const connection: Connection = connections.add({
      listener,
      remote,
      identity,
      channel,
      dialledName: null,
      opening: false
    })
    socket.once('close', () => connections.remove(connection))
    if (webSocket === null) readStream(socket, channel, limits, clock, streamEvents)
  }

  const dial = (listener: Listener, destination: Destination, first: Waiting) => {
    const { address, port, transport, name } = destination
    if (!transportTraits[transport].dialled) {
      return first.failed(new InfraFabricError('sip-engine.no-connection', 'the peer has no open WebSocket'))
    }
    if (connections.size() >= limits.connections) {
      return first.failed(new InfraFabricError('sip-engine.connections', 'too many connections'))
    }
    const origin = origins.get(listener)
    const where = { host: address, port, ...localAddress(origin?.config.address, address) }
    const tls = origin?.tls?.config()
    const socket: Socket =
      transport === 'tls'
        ? connectTls({
            ...where,
            ...(name === undefined ? {} : { servername: name }),
            ...(tls === undefined ? {} : { key: tls.key, cert: tls.cert, ...(tls.ca === undefined ? {} : { ca: tls.ca }) }),
            rejectUnauthorized: tls?.verifyServer ?? true,
            checkServerIdentity: checkSipServer,
            minVersion: 'TLSv1.2'
          })
        : connect(where)
    const connection = connections.add({
      listener,
      remote: { address, port },
      identity: null,
      channel: socketChannel(socket, limits, clock, events.dropped),
      dialledName: name?.toLowerCase() ?? null,
      opening: true
    })
    connection.waiting!.push(first)
    readStream(
      socket,
      connection.channel,
      limits,
      clock,
      eventsOf(() => connection)
    )
    let reason: Error = new InfraFabricError('sip-engine.connect', 'connection closed')
    const cancel = clock.after(limits.connectMs, () => {
      reason = new InfraFabricError('sip-engine.connect-timeout', 'connection was not accepted in time')
      socket.destroy()
    })
    socket.on('error', (error) => {
      reason = error
      socket.destroy()
    })
    socket.once(transport === 'tls' ? 'secureConnect' : 'connect', () => {
      cancel()
      if (transport === 'tls') connections.identify(connection, peerIdentity(socket as TLSSocket))
      const waiting = connection.waiting ?? []
      connection.waiting = null
      for (const { bytes, failed } of waiting) connection.channel.write(bytes, failed)
    })
    socket.once('close', () => {
      cancel()
      connections.remove(connection)
      const waiting = connection.waiting ?? []
      connection.waiting = null
      for (const { failed } of waiting) failed(reason)
    })
  }

  const write = (connection: Connection, bytes: Buffer, failed: SendFailed): void => {
    const { waiting } = connection
    if (waiting === null) connection.channel.write(bytes, failed)
    else if (waiting.length < maxWaiting) waiting.push({ bytes, failed })
    else failed(new InfraFabricError('sip-engine.send-queue', 'too many messages wait for the connection'))
  }

  const send = (listener: Listener, destination: Destination, bytes: Buffer, failed: SendFailed) => {
    if (closing) return failed(new InfraFabricError('sip-engine.closed', 'transport is closed'))
    const datagram = datagrams.get(listener)
    if (datagram !== undefined) return datagram.send(bytes, destination, failed)
    const connection = connections.find(destination)
    if (connection === undefined) dial(listener, destination, { bytes, failed })
    else write(connection, bytes, failed)
  }

  const openOf = ({ connection }: { readonly connection: number }): Connection | undefined => {
    const found = connections.get(connection)
    return found?.channel.usable() ? found : undefined
  }

  const close = async (): Promise<void> => {
    closing = true
    for (const { channel } of connections.all()) channel.destroy()
    await Promise.all([...datagrams.values(), ...streams].map((each) => each.close()))
  }

  try {
    for (const config of listen) {
      if (config.transport === 'udp') {
        const opened = await openDatagram(config, events)
        datagrams.set(opened.listener, opened)
        listeners.push(opened.listener)
        continue
      }
      const tls = transportTraits[config.transport].secure && config.tls !== undefined ? createTlsContexts(config.tls) : null
      const opened = await openStreamListener({ config, tls, limits, clock, admission, dropped: events.dropped, accepted })
      streams.push(opened)
      origins.set(opened.listener, { config, tls })
      listeners.push(opened.listener)
    }
  } catch (error) {
    await close()
    throw new InfraFabricError('sip-engine.listen', `cannot listen: ${(error as Error).message}`, { cause: error })
  }

  return {
    listeners,
    connections: () => connections.size(),
    connectionsByTransport: () => {
      const counts: Record<string, number> = {}
      for (const { transport } of listeners) if (transport !== 'udp') counts[transport] = 0
      for (const { flow } of connections.all()) {
        const { transport } = flow.listener
        counts[transport] = (counts[transport] ?? 0) + 1
      }
      return counts
    },
    reply: (flow, fallback, bytes, failed) => {
      const datagram = datagrams.get(flow.listener)
      if (datagram !== undefined && !closing) return datagram.send(bytes, flow.remote, failed)
      const connection = openOf(flow)
      if (connection !== undefined) return write(connection, bytes, failed)
      send(flow.listener, { transport: flow.listener.transport, ...fallback }, bytes, failed)
    },
    send,
    sendOnFlow: (flow, bytes, failed) => {
      const datagram = datagrams.get(flow.listener)
      if (datagram !== undefined && !closing) return datagram.send(bytes, flow.remote, failed)
      const connection = openOf(flow)
      if (connection !== undefined) return write(connection, bytes, failed)
      failed(new InfraFabricError('sip-engine.flow', 'the connection of the flow is gone'))
    },
    isOpen: (flow) => datagrams.has(flow.listener) || openOf(flow) !== undefined,
    alias: (flow, port) => {
      const connection = openOf(flow)
      if (connection !== undefined) connections.alias(connection, port)
    },
    mark: (listener, reached) => {
      if (!closing) datagrams.get(listener)?.mark(reached)
    },
    reloadTls: () => {
      for (const use of streams.map((stream) => stream.reloadTls())) use()
    },
    close
  }
}

/**
 * A connection leaves from the address of its listener, so that peers know it by that; not where the listener has no single address, or one
 * of this host only while the peer is another.
 */
function localAddress(own: string | undefined, remote: string): { localAddress?: string } {
  if (own === undefined || own === '0.0.0.0' || own === '::' || isIP(own) !== isIP(remote)) return {}
  return isLoopback(own) && !isLoopback(remote) ? {} : { localAddress: own }
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.')
}
