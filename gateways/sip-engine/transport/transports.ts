/** UDP, TCP and TLS sockets behind the transport port. */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer, type SecureContextOptions } from 'node:tls'
import { type Clock, InfraFabricError } from '#kernel'
import type {
  Destination,
  Endpoint,
  Flow,
  Listener,
  SendFailed,
  TransportEvents,
  TransportLimits,
  TransportName,
  TransportPort
} from './port.ts'
import { createStreamFramer } from './stream-framer.ts'

export interface ListenConfig {
  readonly transport: TransportName
  /** Address of this host to listen on; no wildcard, since it stands in Via and Contact unless `advertise` is given. */
  readonly address: string
  /** 0: any free port. */
  readonly port: number
  /** Host that stands in Via and Contact in place of `address`. */
  readonly advertise?: string
  /** Key and certificate in PEM; `ca` to check peers of connections we open. */
  readonly tls?: TlsConfig
}

export interface TlsConfig {
  readonly key: SecureContextOptions['key']
  readonly cert: SecureContextOptions['cert']
  readonly ca?: SecureContextOptions['ca']
  /** Whether the certificate of a server we connect to must be valid for the name or address dialled. Default true. */
  readonly verifyServer?: boolean
}

export interface Transports extends TransportPort {
  /** Open stream connections. */
  readonly connections: () => number
  readonly close: () => Promise<void>
}

interface Connection {
  readonly id: number
  readonly socket: Socket
  readonly flow: Flow
  readonly key: string
  open: boolean
}

const pong = Buffer.from('\r\n')
const ping = Buffer.from('\r\n\r\n')

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
  const datagramSockets = new Map<Listener, DatagramSocket>()
  const servers: Server[] = []
  const tlsOf = new Map<Listener, TlsConfig>()
  const connections = new Map<number, Connection>()
  const byRemote = new Map<string, Connection>()
  const perAddress = new Map<string, number>()
  let nextConnection = 1
  let closing = false

  const openUdp = async (config: ListenConfig): Promise<void> => {
    const socket = createSocket({
      type: config.address.includes(':') ? 'udp6' : 'udp4',
      recvBufferSize: 4_194_304,
      sendBufferSize: 1_048_576
    })
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.bind(config.port, config.address, () => {
        socket.off('error', reject)
        resolve()
      })
    })
    const listener: Listener = { transport: 'udp', address: config.advertise ?? config.address, port: socket.address().port }
    socket.on('error', () => events.dropped('socketError'))
    socket.on('message', (bytes, remote) => {
      if (isKeepAlive(bytes)) {
        if (bytes.length >= 4) socket.send(pong, remote.port, remote.address, () => undefined)
        return
      }
      events.message(bytes, { listener, remote: { address: remote.address, port: remote.port }, connection: 0 })
    })
    listeners.push(listener)
    datagramSockets.set(listener, socket)
  }

  const openStream = async (config: ListenConfig): Promise<void> => {
    let listener: Listener
    const accept = (socket: Socket): void => {
      const address = socket.remoteAddress
      if (address === undefined || closing) return void socket.destroy()
      adopt(socket, listener, { address, port: socket.remotePort ?? 0 })
    }
    const crowded = (socket: Socket): boolean => {
      const address = socket.remoteAddress ?? ''
      if (connections.size < limits.connections && (perAddress.get(address) ?? 0) < limits.connectionsPerAddress) return false
      events.dropped('tooManyConnections')
      socket.on('error', () => undefined)
      socket.destroy()
      return true
    }
    let server: Server
    if (config.transport === 'tls') {
      const tls = createTlsServer({
        key: config.tls?.key,
        cert: config.tls?.cert,
        minVersion: 'TLSv1.2',
        handshakeTimeout: limits.handshakeMs
      })
      tls.on('secureConnection', (socket) => {
        if (!crowded(socket)) accept(socket)
      })
      tls.on('tlsClientError', (_, socket) => {
        events.dropped('tlsHandshake')
        socket.destroy()
      })
      server = tls
    } else {
      server = createServer({ noDelay: true }, (socket) => {
        if (!crowded(socket)) accept(socket)
      })
    }
    server.maxConnections = limits.connections
    server.on('drop', () => events.dropped('tooManyConnections'))
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(config.port, config.address, () => {
        server.off('error', reject)
        resolve()
      })
    })
    server.on('error', () => events.dropped('socketError'))
    listener = {
      transport: config.transport,
      address: config.advertise ?? config.address,
      port: (server.address() as AddressInfo).port
    }
    if (config.tls !== undefined) tlsOf.set(listener, config.tls)
    listeners.push(listener)
    servers.push(server)
  }

  /** Takes a connection into the table and reads messages from it. */
  const adopt = (socket: Socket, listener: Listener, remote: Endpoint): Connection => {
    const id = nextConnection++
    const key = remoteKey(listener.transport, remote)
    const connection: Connection = { id, socket, key, open: true, flow: { listener, remote, connection: id } }
    const framer = createStreamFramer(limits)
    let cancelDeadline: (() => void) | undefined
    connections.set(id, connection)
    byRemote.set(key, connection)
    perAddress.set(remote.address, (perAddress.get(remote.address) ?? 0) + 1)
    socket.setNoDelay(true)
    socket.setTimeout(limits.idleMs, () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      for (const item of framer.push(chunk)) {
        cancelDeadline?.()
        cancelDeadline = undefined
        if (item.type === 'message') events.message(item.bytes, connection.flow)
        else if (item.type === 'ping') socket.write(pong)
        else if (item.type === 'oversized') {
          events.oversized(item.head, connection.flow)
          socket.end()
        } else {
          events.dropped('streamFraming')
          socket.destroy()
        }
      }
      if (framer.midMessage()) {
        cancelDeadline ??= clock.after(limits.messageMs, () => {
          events.dropped('streamStalled')
          socket.destroy()
        })
      }
    })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      connection.open = false
      cancelDeadline?.()
      connections.delete(id)
      if (byRemote.get(key) === connection) byRemote.delete(key)
      const left = (perAddress.get(remote.address) ?? 1) - 1
      if (left > 0) perAddress.set(remote.address, left)
      else perAddress.delete(remote.address)
    })
    return connection
  }

  const write = (connection: Connection, bytes: Buffer, failed: SendFailed): void => {
    const { socket } = connection
    if (socket.writableLength > limits.sendQueue) {
      socket.destroy()
      failed(new InfraFabricError('sip-engine.send-queue', 'peer does not read'))
      return
    }
    socket.write(bytes, (error) => {
      if (error) failed(error)
    })
  }

  const dial = (listener: Listener, destination: Destination, bytes: Buffer, failed: SendFailed): void => {
    if (connections.size >= limits.connections) {
      failed(new InfraFabricError('sip-engine.connections', 'too many connections'))
      return
    }
    const tls = tlsOf.get(listener)
    const where = { host: destination.address, port: destination.port }
    const socket =
      destination.transport === 'tls'
        ? connectTls({
            ...where,
            ...(destination.name === undefined ? {} : { servername: destination.name }),
            key: tls?.key,
            cert: tls?.cert,
            ca: tls?.ca,
            rejectUnauthorized: tls?.verifyServer ?? true,
            minVersion: 'TLSv1.2'
          })
        : connect(where)
    const connection = adopt(socket, listener, { address: destination.address, port: destination.port })
    const waiting: { bytes: Buffer; failed: SendFailed }[] = [{ bytes, failed }]
    dialling.set(connection.id, waiting)
    let reason: Error = new InfraFabricError('sip-engine.connect', 'connection closed')
    const cancel = clock.after(limits.connectMs, () => {
      reason = new InfraFabricError('sip-engine.connect-timeout', 'connection was not accepted in time')
      socket.destroy()
    })
    socket.on('error', (error) => {
      reason = error
    })
    socket.once(destination.transport === 'tls' ? 'secureConnect' : 'connect', () => {
      cancel()
      dialling.delete(connection.id)
      for (const item of waiting) write(connection, item.bytes, item.failed)
    })
    socket.once('close', () => {
      cancel()
      if (!dialling.delete(connection.id)) return
      for (const item of waiting) item.failed(reason)
    })
  }
  const dialling = new Map<number, { bytes: Buffer; failed: SendFailed }[]>()

  const sendStream = (listener: Listener, destination: Destination, bytes: Buffer, failed: SendFailed): void => {
    const connection = byRemote.get(remoteKey(destination.transport, destination))
    if (connection === undefined || !connection.open || connection.socket.destroyed || connection.socket.writableEnded) {
      dial(listener, destination, bytes, failed)
      return
    }
    const waiting = dialling.get(connection.id)
    if (waiting === undefined) write(connection, bytes, failed)
    else if (waiting.length >= 1024)
      failed(new InfraFabricError('sip-engine.send-queue', 'too many messages wait for the connection'))
    else waiting.push({ bytes, failed })
  }

  const sendDatagram = (listener: Listener, to: Endpoint, bytes: Buffer, failed: SendFailed): void => {
    const socket = datagramSockets.get(listener)
    if (socket === undefined || closing) {
      failed(new InfraFabricError('sip-engine.closed', 'transport is closed'))
      return
    }
    socket.send(bytes, to.port, to.address, (error) => {
      if (error) failed(error)
    })
  }

  const close = async (): Promise<void> => {
    closing = true
    for (const { socket } of connections.values()) socket.destroy()
    await Promise.all([
      ...[...datagramSockets.values()].map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))),
      ...servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())))
    ])
  }

  try {
    for (const config of listen) await (config.transport === 'udp' ? openUdp(config) : openStream(config))
  } catch (error) {
    await close()
    throw new InfraFabricError('sip-engine.listen', `cannot listen: ${(error as Error).message}`, { cause: error })
  }

  return {
    listeners,
    connections: () => connections.size,
    reply: (flow, fallback, bytes, failed) => {
      if (flow.listener.transport === 'udp') return sendDatagram(flow.listener, flow.remote, bytes, failed)
      const connection = connections.get(flow.connection)
      if (connection?.open && !connection.socket.writableEnded) return write(connection, bytes, failed)
      sendStream(flow.listener, { transport: flow.listener.transport, ...fallback }, bytes, failed)
    },
    send: (listener, destination, bytes, failed) => {
      if (destination.transport === 'udp') sendDatagram(listener, destination, bytes, failed)
      else sendStream(listener, destination, bytes, failed)
    },
    close
  }
}

function isKeepAlive(bytes: Buffer): boolean {
  if (bytes.length === 0 || bytes.length > ping.length) return bytes.length === 0
  for (const octet of bytes) if (octet !== 13 && octet !== 10 && octet !== 0) return false
  return true
}

function remoteKey(transport: TransportName, remote: Endpoint): string {
  return `${transport}|${remote.address}|${remote.port}`
}
