/** Connections of pages: a WebSocket by which each is made, and data channels on it, one for each call. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import { type Clock, errorCode, InfraFabricError, type Log } from '#kernel'
import { keepAlive } from '../keep-alive.ts'
import type { Evidence } from './evidence.ts'
import type { EvidencePorts, PageChannels, PageConnection, PagePipe, SeatedPage } from './ports.ts'
import {
  type EvidencePageSignal,
  type EvidenceServiceSignal,
  evidenceSubprotocol,
  largestEvidenceSignal,
  readEvidenceSignal
} from './signals.ts'

export interface EvidencePages {
  /** Takes a WebSocket of the subprotocol `evidence.1`. @param seatOf whose seat a token is, while somebody sits on it */
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer, seatOf: (token: string) => SeatedPage | null) => void
  /** Nobody sits on this seat any more. */
  readonly left: (key: string) => void
  readonly close: () => void
}

const mostPages = 500
const firstSignalMs = 10_000
const connectMs = 10_000
const pingMs = 10_000
/** Messages of one page, in all: one `join`, one `opened` for each call. */
const mostSignals = 2000

interface OpenPage {
  readonly socket: WebSocket
  readonly end: () => void
}

export function createEvidencePages(
  evidence: Evidence,
  { openData, clock, log }: Pick<EvidencePorts, 'openData' | 'clock' | 'log'>
): EvidencePages {
  const pages = new Map<string, OpenPage>()
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: largestEvidenceSignal,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has(evidenceSubprotocol) ? evidenceSubprotocol : false)
  })

  function refuse(socket: WebSocket, code: Extract<EvidenceServiceSignal, { type: 'refused' }>['code'], reason: string): void {
    say(socket, { type: 'refused', code, reason })
    socket.close(1008, code)
  }

  function welcome(socket: WebSocket, seatOf: (token: string) => SeatedPage | null): void {
    let signals = 0
    let page: Promise<OpenedPage | null> | null = null
    const stopWaiting = clock.after(firstSignalMs, () => socket.terminate())
    const stopPinging = keepAlive(socket, clock, pingMs)
    socket.on('error', (error) => log.info({ code: errorCode(error) }, 'the connection of a page failed'))
    socket.on('close', () => {
      stopWaiting()
      stopPinging()
      void page?.then((opened) => opened?.gone())
    })
    const take = (signal: EvidencePageSignal) => {
      if ((signal.type === 'join') !== (page === null)) throw new InfraFabricError('evidence.signal.invalid', 'not now')
      if (signal.type === 'opened') {
        void page?.then((opened) => opened?.opened(signal.call))
        return
      }
      stopWaiting()
      const seat = seatOf(signal.token)
      if (seat === null) {
        refuse(socket, 'seat.unknown', 'nobody sits on this seat')
        return
      }
      page = join(socket, seat, signal.offer)
    }
    socket.on('message', (data: RawData, binary: boolean) => {
      if (++signals > mostSignals) {
        socket.terminate()
        return
      }
      try {
        if (binary) throw new InfraFabricError('evidence.signal.invalid', 'expected text')
        take(readEvidenceSignal(data.toString()))
      } catch (error) {
        if (!(error instanceof InfraFabricError)) throw error
        refuse(socket, 'signal.invalid', error.message)
      }
    })
  }

  return {
    upgrade: (request, socket, head, seatOf) => {
      if (sockets.clients.size < mostPages) sockets.handleUpgrade(request, socket, head, (page) => welcome(page, seatOf))
      else socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    },
    left: (key) => {
      pages.get(key)?.socket.close(1000)
      pages.get(key)?.end()
      evidence.left(key)
    },
    close: () => {
      for (const socket of sockets.clients) refuse(socket, 'service.closed', 'the council’s page is closed')
      sockets.close()
      for (const { end } of pages.values()) end()
    }
  }

  async function join(socket: WebSocket, seat: SeatedPage, offer: string): Promise<OpenedPage | null> {
    try {
      const opened = await openData(offer)
      if (!opened.ok) {
        refuse(socket, 'connection.failed', opened.reason)
        return null
      }
      const before = pages.get(seat.key)
      if (before !== undefined) {
        refuse(before.socket, 'seat.taken-over', 'another page has taken the seat')
        before.end()
      }
      const page = openedPage(seat, opened.link, evidence, clock, log, (signal) => say(socket, signal))
      const mine = { socket, end: page.gone }
      pages.set(seat.key, mine)
      opened.link.onGone(() => socket.close(1000))
      socket.once('close', () => pages.get(seat.key) === mine && pages.delete(seat.key))
      say(socket, { type: 'answer', sdp: opened.sdp, participant: seat.participant })
      return page
    } catch (error) {
      log.warn({ code: errorCode(error) }, 'a page gets no data channels')
      refuse(socket, 'connection.failed', 'the connection cannot be made now')
      return null
    }
  }
}

interface OpenedPage {
  readonly opened: (call: string) => void
  readonly gone: () => void
}

function openedPage(
  seat: SeatedPage,
  connection: PageConnection,
  evidence: Evidence,
  clock: Clock,
  log: Log,
  tell: (signal: EvidenceServiceSignal) => void
): OpenedPage {
  const waiting = new Map<string, () => void>()
  let lost = () => {}
  let over = false
  const gone = () => {
    if (over) return
    over = true
    lost()
    for (const give of waiting.values()) give()
    connection.close()
  }
  const channels: PageChannels = {
    open: async (call): Promise<PagePipe> => {
      const pipe = await connection.open(call)
      const opened = new Promise<boolean>((resolve) => {
        const settle = (ok: boolean) => {
          stop()
          waiting.delete(call)
          resolve(ok)
        }
        const stop = clock.after(connectMs, () => settle(false))
        waiting.set(call, () => settle(!over))
      })
      tell({ type: 'channel', call, stream: pipe.stream })
      if (await opened) return pipe
      pipe.close()
      throw new InfraFabricError('evidence.channel', 'the page did not open its channel')
    }
  }
  const stop = clock.after(connectMs, gone)
  connection.onGone(gone)
  connection.connected().then(
    () => {
      stop()
      if (!over) lost = evidence.seat(seat, channels)
    },
    (error: unknown) => log.info({ code: errorCode(error) }, 'a page did not connect')
  )
  return { opened: (call) => waiting.get(call)?.(), gone }
}

function say(socket: WebSocket, signal: EvidenceServiceSignal): void {
  if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(signal))
}
