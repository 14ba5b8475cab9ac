/**
 * The council page's service: serves the page, and a WebSocket for each page that is open.
 *
 * A page proves itself by the token of its seat, in its first message: it stands in the fragment of the link, which browsers do not send.
 */
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import { ConfigError, errorCode, InfraFabricError } from '#kernel'
import { Invitations } from './invitations.ts'
import { type PageFile, pageFiles } from './page/bundle.ts'
import type { CouncilPorts } from './ports.ts'
import { type PageChannel, Seat } from './seat.ts'
import { largestSignal, type PageSignal, readPageSignal, type ServiceSignal } from './signals.ts'

export interface CouncilConfig {
  readonly address: string
  /** 0 takes a free one. */
  readonly port: number
  /** PEM files. Browsers give their microphones to pages of loopback or TLS only. */
  readonly tls: { readonly certificate: string; readonly key: string } | null
  /** Where browsers reach the service, where that is not its own address: `https://council.example`. */
  readonly url: string | null
  /** How long an invitation is good. */
  readonly seatMs: number
  /** How long a seat is kept for a page that is gone. Default 30,000. */
  readonly graceMs?: number
}

/** A council page that is served. */
export interface CouncilService {
  readonly url: string
  /**
   * Gives a seat away.
   *
   * @param id party of the registry
   * @returns the link, and until when it is good; null for nobody's id
   */
  readonly invite: (id: string, conference: string) => { readonly url: string; readonly expiresAt: number } | null
  /** Names of participants on seats. */
  readonly seated: () => readonly string[]
  /** Frees every seat. Idempotent. */
  readonly close: () => Promise<void>
}

const subprotocol = 'council.1'
const firstSignalMs = 10_000
const pingMs = 10_000
const rosterMs = 100
const mostPages = 500
const mostInvitations = 10_000
/** Messages of one page: so many at once, and one more each 100 ms. */
const burst = 40
const refillMs = 100
/** A page that does not read is ended. */
const mostUnread = 1 << 20

const securityHeaders = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'microphone=(self), camera=(self)',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; media-src 'self' blob:; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

async function makeServer(
  tls: CouncilConfig['tls'],
  serve: (request: IncomingMessage, response: ServerResponse) => void
): Promise<Server> {
  const limits = { requestTimeout: 10_000, headersTimeout: 10_000, maxHeaderSize: 16_384 }
  if (tls === null) return createServer(limits, serve)
  try {
    const [cert, key] = await Promise.all([readFile(tls.certificate), readFile(tls.key)])
    return createSecureServer({ ...limits, cert, key, minVersion: 'TLSv1.2' }, serve)
  } catch (error) {
    throw new ConfigError('webrtc', [`tls: certificate or key cannot be used (${errorCode(error)})`])
  }
}

/** Starts the service. @throws {ConfigError} for a certificate that cannot be used; {InfraFabricError} `webrtc.listen` */
export async function startCouncilService(config: CouncilConfig, ports: CouncilPorts): Promise<CouncilService> {
  const { rooms, clock, log, roleOf } = ports
  const { graceMs = 30_000 } = config
  const invitations = new Invitations(clock, config.seatMs, mostInvitations)
  /** By the invitation's name. */
  const seats = new Map<string, Seat>()
  let closing: Promise<void> | null = null

  const respond = (request: IncomingMessage, response: ServerResponse, { mediaType, octets, lasting }: PageFile) => {
    response.writeHead(200, {
      ...securityHeaders,
      'content-type': mediaType,
      'content-length': octets.length,
      'cache-control': lasting ? 'public, max-age=31536000, immutable' : 'no-cache'
    })
    response.end(request.method === 'HEAD' ? undefined : octets)
  }
  const server = await makeServer(config.tls, (request, response) => {
    const refuse = (status: number) => response.writeHead(status, { ...securityHeaders, 'content-length': 0 }).end()
    request.resume()
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      refuse(405)
      return
    }
    pageFiles().then(
      (files) => {
        const file = files.get(request.url ?? '')
        if (file === undefined) refuse(404)
        else respond(request, response, file)
      },
      (error: unknown) => {
        log.error({ error: String(error) }, 'the council page cannot be made')
        refuse(500)
      }
    )
  })
  server.maxConnections = mostPages * 2

  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: largestSignal,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has(subprotocol) ? subprotocol : false)
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    const { origin, host } = request.headers
    // a page of somebody else's must not speak for whoever looks at it (RFC 6455 §10.2)
    const foreign = origin === undefined || URL.parse(origin)?.host !== host
    const full = closing !== null || sockets.clients.size >= mostPages
    const problem = foreign
      ? '403 Forbidden'
      : request.url !== '/signals'
        ? '404 Not Found'
        : full
          ? '503 Service Unavailable'
          : null
    if (problem === null) sockets.handleUpgrade(request, socket, head, welcome)
    else socket.end(`HTTP/1.1 ${problem}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
  })

  function welcome(socket: WebSocket): void {
    let seat: Seat | null = null
    let tokens = burst
    let filledAt = clock.monotonicMs()
    let alive = true
    let stopPinging = () => {}
    const page: PageChannel = {
      send: (signal) => send(socket, signal),
      refuse: (code, reason) => {
        send(socket, { type: 'refused', code, reason })
        socket.close(1008, code)
      }
    }
    const stopWaiting = clock.after(firstSignalMs, () => socket.terminate())
    const ping = () => {
      if (!alive) {
        socket.terminate()
        return
      }
      alive = false
      socket.ping()
      stopPinging = clock.after(pingMs, ping)
    }
    stopPinging = clock.after(pingMs, ping)
    socket.on('pong', () => {
      alive = true
    })
    socket.on('error', (error) => log.info({ code: errorCode(error) }, 'the connection of a page failed'))
    socket.on('close', () => {
      stopWaiting()
      stopPinging()
      seat?.pageGone(page)
    })
    const take = (signal: PageSignal) => {
      const opens = signal.type === 'join' || signal.type === 'resume'
      if (opens !== (seat === null)) page.refuse('signal.invalid', `${signal.type}: not now`)
      else if (opens) {
        stopWaiting()
        seat = sit(signal, page)
      } else seat?.take(signal)
    }
    socket.on('message', (data: RawData, binary: boolean) => {
      const now = clock.monotonicMs()
      tokens = Math.min(burst, tokens + (now - filledAt) / refillMs) - 1
      filledAt = now
      if (tokens < 0) {
        socket.terminate()
        return
      }
      try {
        if (binary) throw new InfraFabricError('webrtc.signal.invalid', 'expected text')
        take(readPageSignal(data.toString()))
      } catch (error) {
        if (!(error instanceof InfraFabricError)) throw error
        page.refuse('signal.invalid', error.message)
      }
    })
  }

  /** @returns the seat that the page has now; null when it was refused one */
  function sit({ type, token, offer }: Extract<PageSignal, { offer: string }>, page: PageChannel): Seat | null {
    const found = invitations.find(token)
    const role = found === null ? undefined : roleOf(found.invitation.id)
    if (found === null || role === undefined) {
      page.refuse('seat.unknown', 'this link is not good, or no longer')
      return null
    }
    const { key, invitation } = found
    const before = seats.get(key)
    if (type === 'resume') {
      if (before === undefined || before.over) {
        page.refuse('seat.gone', 'the seat is free again: join anew')
        return null
      }
      void before.resume(page, offer)
      return before
    }
    void before?.end('taken-over', { code: 'seat.taken-over', reason: 'another page has taken the seat' })
    const seat = new Seat({ id: invitation.id, conference: invitation.conference, role }, page, ports, graceMs, (gone) => {
      if (seats.get(key) === gone) seats.delete(key)
    })
    seats.set(key, seat)
    void seat.join(offer)
    return seat
  }

  const changed = new Set<string>()
  let stopTelling = () => {}
  rooms.onChange((conference) => {
    if (changed.size === 0)
      stopTelling = clock.after(rosterMs, () => {
        for (const seat of seats.values()) if (changed.has(seat.conference)) seat.tellRoster()
        changed.clear()
      })
    changed.add(conference)
  })

  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(config.port, config.address, resolve)
    })
  } catch (error) {
    throw new InfraFabricError('webrtc.listen', `cannot listen on ${config.address}:${config.port} (${errorCode(error)})`, {
      cause: error
    })
  }
  server.on('error', (error) => log.error({ code: errorCode(error) }, 'the council page’s server failed'))
  const { port } = server.address() as AddressInfo
  const url = config.url ?? `${config.tls === null ? 'http' : 'https'}://${config.address}:${port}`
  return {
    url,
    invite: (id, conference) => {
      if (roleOf(id) === undefined) return null
      const { token, expiresAt } = invitations.add(id, conference)
      return { url: `${url}/#${token}`, expiresAt }
    },
    seated: () => [...seats.values()].filter(({ over }) => !over).map(({ participant }) => participant),
    close: () => {
      closing ??= (async () => {
        stopTelling()
        const reason = 'the council’s page is closed'
        await Promise.all([...seats.values()].map((seat) => seat.end('closed', { code: 'service.closed', reason })))
        for (const socket of sockets.clients) socket.terminate()
        sockets.close()
        await new Promise<void>((resolve) => {
          server.close(() => resolve())
          server.closeAllConnections()
        })
      })()
      return closing
    }
  }
}

function send(socket: WebSocket, signal: ServiceSignal): void {
  if (socket.readyState !== socket.OPEN) return
  if (socket.bufferedAmount > mostUnread) socket.terminate()
  else socket.send(JSON.stringify(signal))
}
