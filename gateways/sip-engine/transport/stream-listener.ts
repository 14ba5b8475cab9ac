/** One TCP, TLS, WS or WSS listener: accepts, admits, lets the handshakes happen in time, and hands over what is then open. */
import type { Server as HttpServer } from 'node:http'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { createServer as createTlsServer, TLSSocket, type Server as TlsServer } from 'node:tls'
import type { WebSocket } from 'ws'
import type { Clock } from '#kernel'
import type { Admission } from './admission.ts'
import { peerIdentity } from './certificates.ts'
import type { ListenConfig } from './listen-config.ts'
import {
  type DropReason,
  type Endpoint,
  type Listener,
  type PeerIdentity,
  type TransportLimits,
  transportTraits
} from './port.ts'
import type { TlsContexts } from './tls-contexts.ts'
import { createHandshaker } from './web-socket.ts'

export interface Accepted {
  readonly listener: Listener
  readonly remote: Endpoint
  readonly identity: PeerIdentity | null
  readonly socket: Socket
  /** Null on TCP and TLS. */
  readonly webSocket: WebSocket | null
}

export interface StreamListener {
  readonly listener: Listener
  /** @see TlsContexts.reload */
  readonly reloadTls: () => () => void
  /** Stops accepting and drops connections whose handshake is not done. */
  readonly close: () => Promise<void>
}

/** A connection that was let in, until it closes. */
interface Entrance {
  readonly raw: Socket
  readonly remote: Endpoint
  readonly done: () => void
}

export interface StreamListenerParts {
  readonly config: ListenConfig
  /** For `tls` and `wss`. */
  readonly tls: TlsContexts | null
  readonly limits: TransportLimits
  readonly clock: Clock
  readonly admission: Admission
  readonly dropped: (reason: DropReason) => void
  readonly accepted: (accepted: Accepted) => void
}

/** @throws what the system says when the address or port cannot be taken. */
export async function openStreamListener(parts: StreamListenerParts): Promise<StreamListener> {
  const { config, limits, clock, admission, dropped } = parts
  const traits = transportTraits[config.transport]
  const isWeb = config.transport === 'ws' || config.transport === 'wss'
  const handshakes = traits.secure || isWeb
  /** By remote address and port, while their handshakes run. */
  const entering = new Map<string, Entrance>()
  let listener: Listener

  const enter = (raw: Socket) => {
    raw.on('error', () => raw.destroy())
    const { remoteAddress: address, remotePort: port } = raw
    if (address === undefined || port === undefined) return void raw.destroy()
    const refusal = admission.enter(address, handshakes, clock.monotonicMs())
    if (refusal !== undefined) {
      dropped(refusal)
      raw.destroy()
      return
    }
    raw.once('close', () => admission.leave(address))
    const remote = { address, port }
    if (!handshakes) return parts.accepted({ listener, remote, identity: null, socket: raw, webSocket: null })
    const key = remoteKey(remote)
    const cancel = clock.after(limits.handshakeMs, () => raw.destroy())
    const settle = (): void => {
      cancel()
      entering.delete(key)
      admission.established()
      raw.off('close', failed)
    }
    const failed = (): void => {
      settle()
      dropped(isWeb ? 'webSocketHandshake' : 'tlsHandshake')
    }
    raw.once('close', failed)
    entering.set(key, { raw, remote, done: settle })
    if (tls !== null) tls.emit('connection', raw)
    else http!.emit('connection', raw)
  }

  const finished = (socket: Socket, webSocket: WebSocket | null): void => {
    const entrance = entering.get(remoteKey({ address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 }))
    if (entrance === undefined) return void socket.destroy()
    entrance.done()
    const identity = socket instanceof TLSSocket ? peerIdentity(socket) : null
    parts.accepted({ listener, remote: entrance.remote, identity, socket, webSocket })
  }

  const http: HttpServer | null = isWeb
    ? createHandshaker(config.webSocket ?? {}, limits, (webSocket, socket) => finished(socket, webSocket))
    : null
  const tls = parts.tls === null ? null : tlsServer(parts.tls)
  tls?.on('secureConnection', (socket) => {
    socket.on('error', () => socket.destroy())
    if (http === null) finished(socket, null)
    else http.emit('connection', socket)
  })
  tls?.on('tlsClientError', (_error, socket) => socket.destroy())

  const server = createServer({ noDelay: true }, enter)
  server.maxConnections = limits.connections
  server.on('drop', () => dropped('tooManyConnections'))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port: config.port, host: config.address, ipv6Only: true, backlog: 1024 }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  server.on('error', () => dropped('socketError'))
  listener = {
    transport: config.transport,
    address: config.advertise ?? config.address,
    port: (server.address() as AddressInfo).port
  }
  return {
    listener,
    reloadTls: () => {
      const use = parts.tls?.reload()
      return () => {
        if (tls === null || parts.tls === null) return
        use?.()
        tls.setSecureContext(ownContext(parts.tls))
      }
    },
    close: () => {
      for (const { raw } of entering.values()) raw.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    }
  }
}

/** A TLS server that listens nowhere: sockets are handed to it as `connection` events. */
function tlsServer(contexts: TlsContexts): TlsServer {
  const { clientCertificate = 'none' } = contexts.config()
  return createTlsServer({
    ...ownContext(contexts),
    requestCert: clientCertificate !== 'none',
    rejectUnauthorized: clientCertificate === 'require',
    SNICallback: (name, found) => found(null, contexts.forName(name))
  })
}

function ownContext(contexts: TlsContexts) {
  const { key, cert, ca } = contexts.config()
  return { key, cert, ...(ca === undefined ? {} : { ca }), minVersion: 'TLSv1.2' as const }
}

function remoteKey(remote: Endpoint): string {
  return `${remote.address}|${remote.port}`
}
