/**
 * SIP over WebSocket: the handshake, and a WebSocket as a channel of SIP messages, one in each.
 *
 * @see RFC 7118, RFC 6455
 */
import { isUtf8 } from 'node:buffer'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { type Clock, InfraFabricError } from '#kernel'
import type { Channel } from './connections.ts'
import type { WebSocketConfig } from './listen-config.ts'
import type { DropReason, TransportLimits } from './port.ts'
import { watchReader } from './stream.ts'

const subprotocol = 'sip'
const maxHandshake = 8192
const ping = Buffer.from('\r\n\r\n')

/**
 * An HTTP server that knows only the WebSocket handshake. It listens nowhere: sockets are handed to it as `connection` events.
 *
 * @param opened called with a socket whose handshake is done.
 */
export function createHandshaker(
  config: WebSocketConfig,
  limits: TransportLimits,
  opened: (webSocket: WebSocket, socket: Socket) => void
): Server {
  const webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    autoPong: false,
    maxPayload: limits.headerSection + limits.body,
    handleProtocols: () => subprotocol
  })
  const origins = config.origins && new Set(config.origins.map((origin) => origin.toLowerCase()))
  const http = createServer({ maxHeaderSize: maxHandshake, keepAlive: false }, (_request, response) => {
    response.writeHead(426, { Connection: 'close, Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' })
    response.end()
  })
  http.on('upgrade', (request, duplex, head) => {
    duplex.on('error', () => duplex.destroy())
    const { origin } = request.headers
    if (!offersSip(request)) return refuse(duplex, '400 Bad Request')
    if (origins !== undefined && origin !== undefined && !origins.has(origin.toLowerCase()))
      return refuse(duplex, '403 Forbidden')
    webSockets.handleUpgrade(request, duplex, head, (webSocket) => opened(webSocket, request.socket))
  })
  http.on('clientError', (_error, duplex) => refuse(duplex, '400 Bad Request'))
  return http
}

/** RFC 7118 §4.1: the client offers the subprotocol `sip`. */
function offersSip(request: IncomingMessage): boolean {
  const offered = request.headers['sec-websocket-protocol'] ?? ''
  return offered.split(',').some((each) => each.trim().toLowerCase() === subprotocol)
}

function refuse(socket: Duplex, status: string): void {
  if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
  else socket.destroy()
}

export interface WebSocketEvents {
  readonly message: (bytes: Buffer) => void
  readonly dropped: (reason: DropReason) => void
}

/** Reads messages from a WebSocket, keeps it alive and notices when its peer is gone, stalls or does not read. */
export function webSocketChannel(
  webSocket: WebSocket,
  socket: Socket,
  limits: TransportLimits,
  clock: Clock,
  events: WebSocketEvents
): Channel {
  const reads = watchReader(socket, limits, clock, events.dropped)
  let alive = true
  let cancelPing: (() => void) | undefined
  let cancelStall: (() => void) | undefined
  const whole = (): void => {
    alive = true
    cancelStall?.()
    cancelStall = undefined
  }
  const keepAlive = (): void => {
    cancelPing = clock.after(limits.pingMs, () => {
      if (!alive) return webSocket.terminate()
      alive = false
      webSocket.ping()
      keepAlive()
    })
  }
  // Before the WebSocket reads them, so that the frames these octets complete cancel what they start.
  socket.prependListener('data', () => {
    cancelStall ??= clock.after(limits.messageMs, () => {
      events.dropped('streamStalled')
      webSocket.terminate()
    })
  })
  webSocket.on('message', (data: Buffer) => {
    whole()
    if (data.equals(ping)) {
      if (reads()) webSocket.send('\r\n', ignored)
    } else if (!isBlank(data)) events.message(data)
  })
  webSocket.on('ping', (data) => {
    whole()
    if (reads()) webSocket.pong(data, false, ignored)
  })
  webSocket.on('pong', whole)
  webSocket.on('error', () => events.dropped('webSocketProtocol'))
  socket.on('close', () => {
    cancelPing?.()
    cancelStall?.()
  })
  keepAlive()
  return {
    write: (bytes, failed) => {
      if (!reads()) return failed(new InfraFabricError('sip-engine.send-queue', 'peer does not read'))
      // A text frame must be UTF-8; RFC 7118 §4.2 leaves the choice to the sender.
      webSocket.send(bytes, { binary: !isUtf8(bytes) }, (error) => {
        if (error) failed(error)
      })
    },
    usable: () => webSocket.readyState === webSocket.OPEN,
    destroy: () => webSocket.terminate()
  }
}

const ignored = (): void => undefined

function isBlank(data: Buffer): boolean {
  return data.length <= ping.length && data.every((octet) => octet === 13 || octet === 10 || octet === 0)
}
