/**
 * A browser's connection for data channels: ICE, DTLS and SCTP end in mediasoup, which hands messages on to this process.
 *
 *     browser ⇄ WebRtcTransport (SCTP) ⇄ DirectTransport ⇄ pipes
 *
 * mediasoup speaks no DCEP (RFC 8832): both ends agree on the number of a channel by other means (`negotiated: true` in browsers).
 */
import { randomInt } from 'node:crypto'
import type { types } from 'mediasoup'
import { InfraFabricError, type MediaRefusal } from '#kernel'
import { type DataOffer, readDataOffer, writeDataAnswer } from './sdp-data.ts'

/** One data channel: ordered, reliable. */
export interface DataPipe {
  /** Number of its SCTP stream, which the browser is to open. */
  readonly stream: number
  /**
   * Hands a message over: octets, or text. Resolves when SCTP has taken it.
   *
   * @throws {InfraFabricError} `media.data.full` when what waits is more than SCTP keeps, `media.data.closed`
   */
  readonly send: (message: Buffer | string) => Promise<void>
  /** Resolves when at most `lowOctets` wait to be sent (RFC 8831 §6.6); at once when the pipe is closed. */
  readonly drained: () => Promise<void>
  /** One listener; it is told what came before it, too. */
  readonly onMessage: (listener: (message: Buffer, isText: boolean) => void) => void
  /** Idempotent. */
  readonly close: () => void
}

export interface DataLinkEvent {
  readonly type: 'ice' | 'dtls' | 'sctp'
  readonly state: string
}

export interface DataLink {
  readonly sdp: () => string
  readonly onEvent: (listener: (event: DataLinkEvent) => void) => void
  /** Told once, when the browser is gone or mediasoup is. */
  readonly onGone: (listener: (reason: string) => void) => void
  /** Resolves when messages can be sent. @throws {InfraFabricError} `media.data.closed` */
  readonly connected: () => Promise<void>
  /** Takes the browser's offer of another way (RFC 8839 §4.4.1.1.1). @returns the answer */
  readonly restart: (offer: string) => Promise<{ readonly ok: true; readonly sdp: string } | MediaRefusal>
  /** @throws {InfraFabricError} `media.data.closed` */
  readonly open: (label: string) => Promise<DataPipe>
  /** Idempotent. */
  readonly close: () => void
}

/** Octets of one message that we take. */
const mostMessageOctets = 262_144
/** What SCTP keeps of a link. What a pipe may have under way is below it, so that nothing is dropped. */
const sctpSendOctets = 4 << 20
/** A pipe is drained when no more than this waits. */
const lowOctets = 512 << 10
/** Messages kept until somebody listens. */
const mostEarly = 16

const closedError = () => new InfraFabricError('media.data.closed', 'the data channel is closed')

/** Text, and empty text. @see RFC 8831 §8 */
const textPpids = new Set([51, 56])

export async function openDataLink(
  router: types.Router,
  listenInfo: types.TransportListenInfo,
  offerSdp: string
): Promise<{ readonly ok: true; readonly link: DataLink; readonly sdp: string } | MediaRefusal> {
  const read = readDataOffer(offerSdp)
  if (!read.ok) {
    router.close()
    return read
  }
  try {
    const [web, direct] = await Promise.all([
      router.createWebRtcTransport({
        listenInfos: [listenInfo],
        enableSctp: true,
        maxSctpMessageSize: mostMessageOctets,
        sctpSendBufferSize: sctpSendOctets
      }),
      router.createDirectTransport({ maxMessageSize: mostMessageOctets })
    ])
    const link = makeLink(router, web, direct, read)
    await web.connect({ dtlsParameters: read.dtls })
    return { ok: true, link, sdp: link.sdp() }
  } catch (error) {
    router.close()
    throw error
  }
}

function makeLink(router: types.Router, web: types.WebRtcTransport, direct: types.DirectTransport, first: DataOffer): DataLink {
  const origin = { sessionId: String(randomInt(2 ** 47)), version: 0 }
  const listeners = new Set<(event: DataLinkEvent) => void>()
  const goneListeners = new Set<(reason: string) => void>()
  let gone: string | null = null
  let sdp = ''
  let offer = first
  const tell = (event: DataLinkEvent) => {
    for (const listener of listeners) listener(event)
  }
  const lost = (reason: string) => {
    if (gone !== null) return
    gone = reason
    router.close()
    for (const listener of goneListeners) listener(reason)
  }
  const answer = () => {
    origin.version++
    const local = { ice: web.iceParameters, candidates: web.iceCandidates, dtls: web.dtlsParameters }
    sdp = writeDataAnswer(offer, origin, local, { port: web.sctpParameters!.port, maxMessageSize: mostMessageOctets })
    return sdp
  }
  web.on('icestatechange', (state) => {
    tell({ type: 'ice', state })
    if (state === 'disconnected') lost('the browser is out of reach')
  })
  web.on('dtlsstatechange', (state) => {
    tell({ type: 'dtls', state })
    if (state === 'failed') lost('the DTLS handshake failed')
    if (state === 'closed') lost('the browser has closed the connection')
  })
  web.on('sctpstatechange', (state) => {
    tell({ type: 'sctp', state })
    if (state === 'failed' || state === 'closed') lost('the SCTP association is over')
  })
  web.on('routerclose', () => lost('the worker of mediasoup is gone'))
  answer()

  return {
    sdp: () => sdp,
    onEvent: (listener) => void listeners.add(listener),
    onGone: (listener) => {
      if (gone === null) goneListeners.add(listener)
      else listener(gone)
    },
    connected: () =>
      new Promise((resolve, reject) => {
        if (gone !== null) reject(closedError())
        else if (web.sctpState === 'connected') resolve()
        else {
          listeners.add(({ type, state }) => type === 'sctp' && state === 'connected' && resolve())
          goneListeners.add(() => reject(closedError()))
        }
      }),
    restart: async (again) => {
      if (gone !== null) throw closedError()
      const read = readDataOffer(again)
      if (!read.ok) return read
      if (JSON.stringify(read.dtls.fingerprints) !== JSON.stringify(offer.dtls.fingerprints) || read.mid !== offer.mid)
        return { ok: false, code: 'sdp.unsupported-profile', reason: 'another certificate or mid' }
      if (read.usernameFragment !== offer.usernameFragment) await web.restartIce()
      offer = read
      return { ok: true, sdp: answer() }
    },
    open: async (label) => {
      if (gone !== null) throw closedError()
      return openPipe(web, direct, label)
    },
    close: () => {
      gone ??= 'closed'
      router.close()
    }
  }
}

async function openPipe(web: types.WebRtcTransport, direct: types.DirectTransport, label: string): Promise<DataPipe> {
  // consumers need a producer to be of: ours says nothing, messages are given to the consumer itself, which tells when it cannot take one
  const source = await direct.produceData({ label })
  const outgoing = await web.consumeData({ dataProducerId: source.id })
  const stream = outgoing.sctpStreamParameters!.streamId
  const incoming = await web.produceData({ sctpStreamParameters: { streamId: stream, ordered: true }, label })
  const tap = await direct.consumeData({ dataProducerId: incoming.id })
  await outgoing.setBufferedAmountLowThreshold(lowOctets)
  // the browser may speak before anybody listens here
  let early: [message: Buffer, isText: boolean][] | null = []
  let hear = (message: Buffer, isText: boolean) => {
    if (early !== null && early.length < mostEarly) early.push([message, isText])
  }
  tap.on('message', (message, ppid) => hear(message, textPpids.has(ppid)))
  let closed = false
  let waiting: (() => void)[] = []
  const wake = () => {
    const woken = waiting
    waiting = []
    for (const each of woken) each()
  }
  outgoing.on('bufferedamountlow', wake)
  const close = () => {
    if (closed) return
    closed = true
    for (const each of [tap, incoming, outgoing, source]) each.close()
    wake()
  }
  outgoing.on('transportclose', close)
  return {
    stream,
    send: async (message) => {
      if (closed) throw closedError()
      try {
        await outgoing.send(message)
      } catch (error) {
        throw closed ? closedError() : new InfraFabricError('media.data.full', 'more waits than SCTP keeps', { cause: error })
      }
    },
    drained: async () => {
      if (closed) return
      const low = new Promise<void>((resolve) => waiting.push(resolve))
      // the event comes only when the amount falls through the threshold
      const amount = await outgoing.getBufferedAmount().catch(() => 0)
      if (amount <= lowOctets) wake()
      await low
    },
    onMessage: (listener) => {
      hear = listener
      const heard = early ?? []
      early = null
      for (const [message, isText] of heard) listener(message, isText)
    },
    close
  }
}
