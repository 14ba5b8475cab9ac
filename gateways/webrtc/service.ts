/**
 * The council page's service: serves the page, and a WebSocket for each page that is open.
 *
 * A page proves itself by the token of its seat, in its first message: it stands in the fragment of the link, which browsers do not send.
 */
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import { ConfigError, errorCode, followTlsFiles, InfraFabricError, type JsonObject, newTraceId } from '#kernel'
import type { SeatedPage } from './evidence/ports.ts'
import { Invitations, type SeatTerms, seatName } from './invitations.ts'
import { keepAlive } from './keep-alive.ts'
import { Motions, votesComponent } from './motions.ts'
import { type PageFile, pageFiles } from './page/bundle.ts'
import type { Admission, CouncilPorts } from './ports.ts'
import { type Council, type PageChannel, Seat } from './seat.ts'
import { largestSignal, type PageSignal, readPageSignal, type ServiceSignal } from './signals.ts'

export interface CouncilConfig {
  readonly address: string
  /** 0 takes a free one. */
  readonly port: number
  /** PEM files, followed while it runs. Browsers give their microphones to pages of loopback or TLS only. */
  readonly tls: { readonly certificate: string; readonly key: string } | null
  /** Where browsers reach the service, where that is not its own address: `https://council.example`. */
  readonly url: string | null
  /** How long an invitation is good. */
  readonly seatMs: number
  /** How long a seat is kept for a page that is gone. Default 30,000. */
  readonly graceMs?: number
}

/** A seat that was given away, and who sits there. */
export interface SeatView extends SeatTerms {
  readonly seat: string
  readonly expiresAt: number
  /** Name in the conference; null while nobody has taken it. */
  readonly participant: string | null
}

/** A seat that was just given away. */
export interface Given {
  /** Link of the page, with the token. */
  readonly url: string
  readonly token: string
  readonly seat: string
  readonly expiresAt: number
}

/** A council page that is served. */
export interface CouncilService {
  readonly url: string
  /** Gives a seat away. @returns the link, and until when it is good; null for nobody's id */
  readonly invite: (terms: SeatTerms) => Given | null
  /** Seats that are given away, oldest first. */
  readonly seats: () => readonly SeatView[]
  /**
   * Takes seats back: whoever sits there is cut off at once.
   *
   * @param which those for which it is true
   * @returns names of the seats taken back
   */
  readonly revoke: (which: (seat: SeatView) => boolean) => Promise<readonly string[]>
  /** Takes back the seats of those who are no longer in the registry. */
  readonly registryChanged: () => Promise<void>
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
  'content-security-policy': "default-src 'none'"
}

/** @param webSocket of the edge, to which a page may speak SIP */
const policyFor = (webSocket: string | null): string =>
  `default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'${webSocket === null ? '' : ` ${new URL(webSocket).origin}`}; media-src 'self' blob:; img-src data: blob:; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

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
  const { rooms, calls, clock, log, roleOf, witness, evidence } = ports
  const { graceMs = 30_000 } = config
  const invitations = new Invitations(clock, config.seatMs, mostInvitations)
  /** By the invitation's name. */
  const seats = new Map<string, Seat>()
  const rosterChanged = new Set<string>()
  const contextChanged = new Set<string>()
  let stopTelling = () => {}
  /** Tells the seats of a conference soon, and all that has changed until then at once. */
  const tellSoon = (changed: Set<string>, conference: string) => {
    if (rosterChanged.size + contextChanged.size === 0)
      stopTelling = clock.after(rosterMs, () => {
        for (const seat of seats.values()) {
          if (rosterChanged.has(seat.conference)) seat.tellRoster()
          if (contextChanged.has(seat.conference)) seat.tellContext()
        }
        rosterChanged.clear()
        contextChanged.clear()
      })
    changed.add(conference)
  }
  const motions = new Motions(witness, clock, log, (conference) => tellSoon(contextChanged, conference))
  const council: Council = {
    motions,
    roster: (conference) => {
      const here = [...seats.values()].filter((seat) => seat.conference === conference)
      // who is heard by SIP is in the conference under the name of that call, and here under that of the seat
      const byVoice = new Map(here.map((seat) => [seat.voice ?? seat.participant, seat]))
      const heard = rooms.roster(conference).map((member) => {
        const { participant = member.participant, kind = 'person' } = byVoice.get(member.participant) ?? {}
        return { ...member, participant, kind }
      })
      const silent = here.filter((seat) => seat.silent)
      const nothing = { muted: true, mutedBySelf: false, handRaised: false, speaking: false, dominant: false }
      return [...heard, ...silent.map(({ participant, role, kind }) => ({ participant, role, kind, ...nothing }))]
    },
    deliver: (conference, from, to, body) => {
      const reached = [...seats.values()].filter(
        (seat) =>
          seat.conference === conference && seat.participant !== from && (to === null || seat.participant === to) && !seat.over
      )
      for (const seat of reached) seat.tellData(from, to, body)
      return reached.length > 0
    },
    changed: (conference) => tellSoon(rosterChanged, conference)
  }
  const record = (event: string, payload: JsonObject) =>
    witness
      .record({ component: votesComponent, event, traceId: newTraceId(), payload })
      .catch((error: unknown) => log.error({ code: errorCode(error), event }, 'unrecorded'))
  const views = (): SeatView[] =>
    invitations.all().map(([key, invitation]) => {
      const seat = seats.get(key)
      return { seat: seatName(key), ...invitation, participant: seat === undefined || seat.over ? null : seat.participant }
    })
  const revoke = async (which: (seat: SeatView) => boolean): Promise<readonly string[]> => {
    const taken = new Map(views().flatMap((view) => (which(view) ? [[view.seat, view] as const] : [])))
    const ending: Promise<void>[] = []
    for (const [key] of invitations.all()) {
      const view = taken.get(seatName(key))
      if (view === undefined) continue
      invitations.revoke(key)
      const { id, conference, participant, seat } = view
      void record('seat_revoked', { party: id, conference, seat, participant })
      const reason = 'your seat was taken back'
      ending.push(ports.revoked(seat))
      ending.push(seats.get(key)?.end('revoked', { code: 'seat.revoked', reason }) ?? Promise.resolve())
    }
    await Promise.all(ending)
    return [...taken.keys()]
  }
  let closing: Promise<void> | null = null

  const respond = (request: IncomingMessage, response: ServerResponse, { mediaType, octets, lasting }: PageFile) => {
    response.writeHead(200, {
      ...securityHeaders,
      'content-security-policy': policyFor(ports.sip?.url() ?? null),
      'content-type': mediaType,
      'content-length': octets.length,
      'cache-control': lasting ? 'public, max-age=31536000, immutable' : 'no-cache'
    })
    response.end(request.method === 'HEAD' ? undefined : octets)
  }
  const server = await makeServer(config.tls, (request, response) => {
    const refuse = (status: number) => response.writeHead(status, { ...securityHeaders, 'content-length': 0 }).end()
    request.resume()
    if (evidence !== undefined && request.url?.startsWith('/evidence/') === true) {
      evidence.serve(request, response)
      return
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      refuse(405)
      return
    }
    pageFiles().then(
      (files) => {
        const file = files.get(request.url?.split('?')[0] ?? '')
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
    if (evidence !== undefined && request.url === '/evidence' && !foreign && closing === null) {
      evidence.upgrade(request, socket, head, seatOf)
      return
    }
    const problem = foreign
      ? '403 Forbidden'
      : request.url !== '/signals'
        ? '404 Not Found'
        : full
          ? '503 Service Unavailable'
          : null
    if (problem === null) sockets.handleUpgrade(request, socket, head, (page) => welcome(page, wayOf(request)))
    else socket.end(`HTTP/1.1 ${problem}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
  })

  /** Whoever has joined by this token. */
  function seatOf(token: string): SeatedPage | null {
    const found = invitations.find(token)
    const seat = found === null ? undefined : seats.get(found.key)
    if (found === null || seat === undefined || seat.over) return null
    const { participant, role, conference } = seat
    return { key: found.key, party: found.invitation.id, participant, role, conference }
  }

  function welcome(socket: WebSocket, from: Admission['from']): void {
    let seat: Seat | null = null
    let tokens = burst
    let filledAt = clock.monotonicMs()
    const page: PageChannel = {
      send: (signal) => send(socket, signal),
      refuse: (code, reason) => {
        send(socket, { type: 'refused', code, reason })
        socket.close(1008, code)
      }
    }
    const stopWaiting = clock.after(firstSignalMs, () => socket.terminate())
    const stopPinging = keepAlive(socket, clock, pingMs)
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
        seat = sit(signal, page, from)
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
  function sit(
    signal: Extract<PageSignal, { type: 'join' | 'resume' }>,
    page: PageChannel,
    from: Admission['from']
  ): Seat | null {
    const { token, offer } = signal
    const found = invitations.find(token)
    const role = found === null ? undefined : roleOf(found.invitation.id)
    if (found === null || role === undefined) {
      page.refuse('seat.unknown', 'this link is not good, or no longer')
      return null
    }
    const { key, invitation } = found
    const before = seats.get(key)
    if (signal.type === 'resume') {
      if (before === undefined || before.over) {
        page.refuse('seat.gone', 'the seat is free again: join anew')
        return null
      }
      void before.resume(page, offer)
      return before
    }
    if (offer === null && invitation.kind === 'person' && !signal.bySip) {
      page.refuse('signal.invalid', 'offer: expected a session description')
      return null
    }
    const sip = signal.bySip ? (ports.sip?.terms(seatName(key), invitation.conference, invitation.hazard) ?? null) : null
    if (signal.bySip && sip === null) {
      page.refuse('signal.invalid', 'bySip: no calls are taken over WebSocket here')
      return null
    }
    void before?.end('taken-over', { code: 'seat.taken-over', reason: 'another page has taken the seat' })
    const taker = { ...invitation, key, role, voteKey: signal.voteKey, sip, from }
    const seat = new Seat(taker, page, ports, council, graceMs, (gone) => {
      if (seats.get(key) !== gone) return
      seats.delete(key)
      evidence?.left(key)
    })
    seats.set(key, seat)
    void seat.join(offer)
    return seat
  }

  rooms.onChange((conference) => tellSoon(rosterChanged, conference))
  ports.sip?.onVoice((name, participant, isHere) => {
    for (const [key, seat] of seats) if (seatName(key) === name) seat.heardAs(participant, isHere)
  })
  calls.onChange((conference) => tellSoon(contextChanged, conference))

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
  const stopFollowing =
    config.tls === null
      ? () => undefined
      : followTlsFiles(config.tls, { clock, log }, (pair) =>
          (server as SecureServer).setSecureContext({ ...pair, minVersion: 'TLSv1.2' })
        )
  const { port } = server.address() as AddressInfo
  const url = config.url ?? `${config.tls === null ? 'http' : 'https'}://${config.address}:${port}`
  return {
    url,
    invite: (terms) => {
      const { id, conference, kind, mayVote, hazard } = terms
      if (roleOf(id) === undefined) return null
      const { token, key, expiresAt } = invitations.add({ id, conference, kind, mayVote, hazard })
      const seat = seatName(key)
      const until = new Date(expiresAt).toISOString()
      void record('seat_given', { party: id, conference, seat, kind, mayVote, hazard, until })
      return { url: `${url}/#${token}`, token, seat, expiresAt }
    },
    seats: views,
    revoke,
    registryChanged: async () => {
      await revoke(({ id }) => roleOf(id) === undefined)
    },
    seated: () => [...seats.values()].filter(({ over }) => !over).map(({ participant }) => participant),
    close: () => {
      closing ??= (async () => {
        stopTelling()
        stopFollowing()
        await motions.closeAll()
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

/** Where a page comes from, as IF.guard is told. */
function wayOf({ socket }: IncomingMessage): Admission['from'] {
  const sourceAddress = socket.remoteAddress ?? '0.0.0.0'
  if (!(socket instanceof TLSSocket)) return { sourceAddress, transport: 'ws', tlsVersion: null, tlsCipher: null }
  const { standardName } = socket.getCipher()
  return { sourceAddress, transport: 'wss', tlsVersion: socket.getProtocol(), tlsCipher: standardName }
}

function send(socket: WebSocket, signal: ServiceSignal): void {
  if (socket.readyState !== socket.OPEN) return
  if (socket.bufferedAmount > mostUnread) socket.terminate()
  else socket.send(JSON.stringify(signal))
}
