/**
 * A browser in a conference: ICE and DTLS-SRTP end in mediasoup, its sound goes on to the mixer over loopback, its picture to the switch.
 *
 *     browser ⇄ WebRtcTransport ⇄ PlainTransport ⇄ leg of the mixer
 *                               ⇄ DirectTransport ⇄ switch
 */
import { randomInt } from 'node:crypto'
import type { types } from 'mediasoup'
import { parse } from 'sdp-transform'
import {
  type Clock,
  type ConferenceLeg,
  type ConferencePort,
  InfraFabricError,
  type LegEvent,
  type LegStats,
  type Log,
  type MediaRefusal
} from '#kernel'
import { answeredFormats } from '../codec/negotiation.ts'
import { asksForPicture } from '../rtp/rtcp-feedback.ts'
import { type Direction, opposite } from '../sdp.ts'
import type { Stage } from '../video/stage.ts'
import { readWebRtcOffer, sharedVideo, type WebRtcOffer, type WebRtcStream, writeWebRtcAnswer } from './sdp-webrtc.ts'

/** How the way to the browser is doing. */
export type ConnectionEvent =
  | { readonly type: 'ice'; readonly state: types.IceState }
  | { readonly type: 'dtls'; readonly state: types.DtlsState }

/** A leg of a browser. */
export interface RoomLeg extends ConferenceLeg {
  readonly onConnection: (listener: (event: ConnectionEvent) => void) => void
}

export interface PeerSettings {
  readonly connectTimeoutMs: number
  readonly clock: Clock
  readonly log: Log
}

/** What mediasoup has opened for a peer. */
export interface PeerTransports {
  readonly router: types.Router
  readonly web: types.WebRtcTransport
  readonly plain: types.PlainTransport
  readonly direct: types.DirectTransport
}

const loopback = '127.0.0.1'

/** Suite between mediasoup and the mixer, where the plane takes nothing in clear: the one that costs least. */
export const bridgeSuite = 'AEAD_AES_128_GCM'

/** The leg's other end in the words of a telephone: the transport of mediasoup on loopback. */
export function bridgeDescription(
  { tuple, srtpParameters }: Pick<types.PlainTransport, 'tuple' | 'srtpParameters'>,
  { audio }: WebRtcOffer,
  direction: Direction
): string {
  const { payloadTypes, attributes } = answeredFormats(audio.terms)
  const { payloadType } = audio.terms
  const parameters = audio.parameters === '' ? [] : [`a=fmtp:${payloadType} ${audio.parameters}`]
  const lines = [
    'v=0',
    `o=- 0 0 IN IP4 ${loopback}`,
    's=-',
    `c=IN IP4 ${loopback}`,
    't=0 0',
    `m=audio ${tuple.localPort} ${srtpParameters === undefined ? 'RTP/AVP' : 'RTP/SAVP'} ${payloadTypes.join(' ')}`,
    ...attributes.filter((line) => !line.startsWith(`a=fmtp:${payloadType} `)),
    ...parameters,
    'a=rtcp-mux',
    `a=${direction}`,
    ...(srtpParameters === undefined ? [] : [`a=crypto:1 ${srtpParameters.cryptoSuite} inline:${srtpParameters.keyBase64}`])
  ]
  return `${lines.join('\r\n')}\r\n`
}

/** Where the leg listens, the stream that it sends, and its keys where it has some. @throws {TypeError} when the description names no stream */
export function bridgeEnd(sdp: string): {
  readonly port: number
  readonly ssrc: number
  readonly srtp: types.SrtpParameters | null
} {
  const stream = parse(sdp).media.find(({ ssrcs }) => ssrcs !== undefined)
  const [port, ssrc] = [Number(stream?.port), Number(stream?.ssrcs?.[0]?.id)]
  if (!(port > 0) || !Number.isInteger(ssrc)) throw new TypeError('the leg names no stream of its own')
  const keyBase64 = new RegExp(`^a=crypto:1 ${bridgeSuite} inline:(\\S+)$`, 'm').exec(sdp.replaceAll('\r', ''))?.[1]
  return { port, ssrc, srtp: keyBase64 === undefined ? null : { cryptoSuite: bridgeSuite, keyBase64 } }
}

const takes = ({ direction }: WebRtcStream) => direction === 'sendrecv' || direction === 'sendonly'

/** What a new offer may not change, in words; null when it does not. */
function changes(before: WebRtcOffer, after: WebRtcOffer): string | null {
  if (JSON.stringify(before.dtls.fingerprints) !== JSON.stringify(after.dtls.fingerprints)) return 'another certificate'
  if (before.audio.mid !== after.audio.mid || JSON.stringify(before.audio.terms) !== JSON.stringify(after.audio.terms)) {
    return 'another audio codec, number or mid'
  }
  const [one, other] = [before.video, after.video]
  const same = one === null || other === null || (one.mid === other.mid && one.payloadType === other.payloadType)
  return same ? null : 'another number or mid of video'
}

const sourceKey = ({ sends }: WebRtcStream) => JSON.stringify(sends?.encodings ?? null)

export class WebRtcPeer implements RoomLeg {
  readonly #participant: string
  readonly #transports: PeerTransports
  readonly #inner: ConferenceLeg
  readonly #stage: Stage
  readonly #settings: PeerSettings
  readonly #origin = { sessionId: String(randomInt(2 ** 47)), version: 0 }
  #listeners: ((event: LegEvent) => void)[] = []
  #connectionListeners: ((event: ConnectionEvent) => void)[] = []
  #failed: LegEvent | null = null
  #sdp = ''
  #offer: WebRtcOffer
  #left: Promise<LegStats> | null = null
  #microphone: { readonly producer: types.Producer; readonly source: string } | null = null
  #mix: types.Consumer | null = null
  #camera: { readonly producer: types.Producer; readonly tap: types.Consumer; readonly source: string } | null = null
  #picture: types.Consumer | null = null
  /** Whether the picture is shown to others. */
  #seen: boolean
  readonly #stopWaiting: () => void

  private constructor(
    participant: string,
    seen: boolean,
    offer: WebRtcOffer,
    transports: PeerTransports,
    inner: ConferenceLeg,
    stage: Stage,
    settings: PeerSettings
  ) {
    this.#participant = participant
    this.#seen = seen
    this.#offer = offer
    this.#transports = transports
    this.#inner = inner
    this.#stage = stage
    this.#settings = settings
    const { web, direct } = transports
    web.on('icestatechange', (state) => {
      this.#tellConnection({ type: 'ice', state })
      // mediasoup says so when the browser has not asked for half a minute (RFC 7675)
      if (state === 'disconnected') this.#fail('the browser is out of reach')
    })
    web.on('dtlsstatechange', (state) => {
      this.#tellConnection({ type: 'dtls', state })
      if (state === 'connected') this.#stopWaiting()
      if (state === 'failed') this.#fail('the DTLS handshake failed')
      if (state === 'closed') this.#fail('the browser has closed the connection')
    })
    web.on('routerclose', () => this.#fail('the worker of mediasoup is gone'))
    direct.on('rtcp', (packet) => {
      if (asksForPicture(packet)) stage.refresh(participant, settings.clock.monotonicMs())
    })
    inner.onEvent((event) => {
      if (event.type === 'failed') this.#fail(event.reason)
      else for (const listener of this.#listeners) listener(event)
    })
    this.#stopWaiting = settings.clock.after(settings.connectTimeoutMs, () => this.#fail('the browser did not connect in time'))
  }

  /**
   * Brings a browser into the conference; on an error, what was opened is closed.
   *
   * @param stage of the conference, asked for when there is one
   * @throws {InfraFabricError} `media.mediasoup.lost`
   * @throws {Error} of mediasoup, which does not take the streams
   */
  static async open(
    participant: string,
    seen: boolean,
    offer: WebRtcOffer,
    transports: PeerTransports,
    join: (sdp: string) => ReturnType<ConferencePort['join']>,
    stage: () => Stage,
    settings: PeerSettings
  ): Promise<{ readonly ok: true; readonly leg: WebRtcPeer; readonly sdp: string } | MediaRefusal> {
    const { router, plain, web } = transports
    const joined = await join(bridgeDescription(plain, offer, opposite[offer.audio.direction])).catch((error) => {
      router.close()
      throw error
    })
    if (!joined.ok) {
      router.close()
      return joined
    }
    const peer = new WebRtcPeer(participant, seen, offer, transports, joined.leg, stage(), settings)
    try {
      const { port, ssrc, srtp } = bridgeEnd(joined.sdp)
      await plain.connect({ ip: loopback, port, ...(srtp === null ? {} : { srtpParameters: srtp }) })
      await web.connect({ dtlsParameters: offer.dtls })
      await peer.#hear(ssrc)
      await peer.#streams(offer)
      return { ok: true, leg: peer, sdp: peer.#answer(offer) }
    } catch (error) {
      const lost = router.closed
      await peer.leave()
      throw lost
        ? new InfraFabricError('media.mediasoup.lost', 'the browser or the worker of mediasoup went away', { cause: error })
        : error
    }
  }

  /** The mix, on its way to the browser. */
  async #hear(ssrc: number): Promise<void> {
    const { plain, web } = this.#transports
    const { audio, codecs } = this.#offer
    const { kind, preferredPayloadType, ...codec } = codecs[0]!
    const producer = await plain.produce({
      kind,
      rtpParameters: { codecs: [{ ...codec, payloadType: preferredPayloadType! }], encodings: [{ ssrc }] }
    })
    this.#mix = await web.consume({
      producerId: producer.id,
      rtpCapabilities: audio.receives,
      mid: audio.mid,
      paused: !takes(audio)
    })
  }

  /** Opens, stops and closes streams as the description says. */
  async #streams({ audio, video }: WebRtcOffer): Promise<void> {
    const { web, plain } = this.#transports
    await (takes(audio) ? this.#mix!.resume() : this.#mix!.pause())
    if (audio.sends === null) await this.#microphone?.producer.pause()
    else if (this.#microphone?.source === sourceKey(audio)) await this.#microphone.producer.resume()
    else {
      this.#microphone?.producer.close()
      const producer = await web.produce({ kind: 'audio', rtpParameters: audio.sends })
      this.#microphone = { producer, source: sourceKey(audio) }
      await plain.consume({ producerId: producer.id, rtpCapabilities: this.#transports.router.rtpCapabilities })
    }
    if (video === null) return
    if (takes(video)) await this.#show(video)
    else await this.#picture?.pause()
    if (video.sends === null) await this.#camera?.producer.pause()
    else if (this.#camera?.source === sourceKey(video)) await this.#camera.producer.resume()
    else await this.#film(video.sends, sourceKey(video))
    this.#place()
  }

  async #film(sends: types.RtpParameters, source: string): Promise<void> {
    const { web, direct, router } = this.#transports
    this.#camera?.producer.close()
    const producer = await web.produce({ kind: 'video', rtpParameters: sends })
    // no header extensions: with them mediasoup would measure the bandwidth of a way that has no bounds
    const rtpCapabilities = { codecs: router.rtpCapabilities.codecs, headerExtensions: [] }
    const tap = await direct.consume({ producerId: producer.id, rtpCapabilities, enableRtx: false })
    this.#camera = { producer, tap, source }
    const { ssrc } = tap.rtpParameters.encodings![0]!
    const { monotonicMs } = this.#settings.clock
    // packets that probe the bandwidth have an SSRC of their own
    tap.on('rtp', (packet) => {
      if (packet.length >= 12 && packet.readUInt32BE(8) === ssrc) this.#stage.packet(this.#participant, packet, monotonicMs())
    })
  }

  /** Opens the way of pictures to the browser. */
  async #show({ payloadType, receives, mid }: NonNullable<WebRtcOffer['video']>): Promise<void> {
    if (this.#picture !== null) {
      await this.#picture.resume()
      return
    }
    const { web, direct } = this.#transports
    const ssrc = randomInt(1, 2 ** 32)
    const rtcpFeedback = [{ type: 'nack' }, { type: 'nack', parameter: 'pli' }, { type: 'ccm', parameter: 'fir' }] as const
    const codec = { mimeType: 'video/H264', payloadType, clockRate: 90_000, parameters: { ...sharedVideo } }
    const producer = await direct.produce({
      kind: 'video',
      rtpParameters: { codecs: [{ ...codec, rtcpFeedback: [...rtcpFeedback] }], encodings: [{ ssrc }] }
    })
    this.#picture = await web.consume({ producerId: producer.id, rtpCapabilities: receives, mid })
    const screen = { ssrc, payloadType, sequence: randomInt(2 ** 16), timestamp: randomInt(2 ** 32) }
    const send = (packet: Buffer) => {
      if (!producer.closed) producer.send(Buffer.from(packet))
    }
    this.#stage.watch(this.#participant, { ...screen, send }, this.#settings.clock.monotonicMs())
  }

  /** Takes the picture on the stage, or from it. */
  #place(): void {
    if (this.#camera === null) return
    const { producer, tap } = this.#camera
    // one that is just being closed has no picture to give
    const askKeyFrame = () => void tap.requestKeyFrame().catch(() => undefined)
    const camera = this.#seen && !producer.paused ? { askKeyFrame } : null
    this.#stage.film(this.#participant, camera, this.#settings.clock.monotonicMs())
  }

  /** Whether others see the picture: not that of an observer. */
  show(seen: boolean): void {
    this.#seen = seen
    if (this.#left === null) this.#place()
  }

  #answer(offer: WebRtcOffer): string {
    const { web } = this.#transports
    const local = { ice: web.iceParameters, candidates: web.iceCandidates, dtls: web.dtlsParameters }
    this.#offer = offer
    this.#origin.version++
    this.#sdp = writeWebRtcAnswer(offer, this.#origin, local, {
      audio: this.#mix?.rtpParameters ?? null,
      video: this.#picture?.rtpParameters ?? null
    })
    return this.#sdp
  }

  get left(): boolean {
    return this.#left !== null
  }

  readonly codec = () => this.#inner.codec()
  readonly localSdp = () => this.#sdp

  readonly offered = async (sdp: string): Promise<{ ok: true; sdp: string; held: boolean } | MediaRefusal> => {
    if (this.#left !== null) throw new InfraFabricError('media.leg.left', 'the participant has left the conference')
    const read = readWebRtcOffer(sdp)
    if (!read.ok) return read
    const problem = changes(this.#offer, read)
    if (problem !== null) return { ok: false, code: 'sdp.unsupported-profile', reason: problem }
    const { web, plain } = this.#transports
    // what was not there from the beginning has no number in the router
    const added = read.video !== null && this.#offer.video === null
    const offer: WebRtcOffer = added
      ? { ...read, video: null, media: read.media.map((line) => (line.use === 'video' ? { ...line, use: null } : line)) }
      : read
    if (read.ice.usernameFragment !== this.#offer.ice.usernameFragment) await web.restartIce()
    const inner = await this.#inner.offered(bridgeDescription(plain, offer, opposite[offer.audio.direction]))
    if (!inner.ok) return inner
    await this.#streams(offer)
    return { ok: true, sdp: this.#answer(offer), held: inner.held }
  }

  readonly answered = (): Promise<MediaRefusal> =>
    Promise.resolve({ ok: false, code: 'sdp.malformed', reason: 'no offer of ours is open: a browser offers' })

  readonly stats = async (): Promise<LegStats> => this.#left ?? { ...(await this.#inner.stats()), encrypted: true }

  readonly leave = (): Promise<LegStats> => {
    if (this.#left !== null) return this.#left
    this.#stopWaiting()
    this.#left = this.#inner.leave().then((stats) => ({ ...stats, encrypted: true }))
    this.#listeners = []
    this.#connectionListeners = []
    this.#stage.leave(this.#participant, this.#settings.clock.monotonicMs())
    this.#transports.router.close()
    return this.#left
  }

  readonly onEvent = (listener: (event: LegEvent) => void): void => {
    this.#listeners.push(listener)
    const failed = this.#failed
    if (failed !== null) queueMicrotask(() => listener(failed))
  }

  readonly onConnection = (listener: (event: ConnectionEvent) => void): void => {
    this.#connectionListeners.push(listener)
  }

  #tellConnection(event: ConnectionEvent): void {
    for (const listener of this.#connectionListeners) listener(event)
  }

  #fail(reason: string): void {
    if (this.#failed !== null || this.#left !== null) return
    this.#failed = { type: 'failed', reason }
    this.#settings.log.warn({ reason }, 'browser leg failed')
    for (const listener of this.#listeners) listener(this.#failed)
    void this.leave()
  }
}
