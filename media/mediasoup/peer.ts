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
import {
  ourCodecs,
  ourMids,
  readWebRtcAnswer,
  readWebRtcOffer,
  sharedVideo,
  type WebRtcOffer,
  type WebRtcStream,
  type WebRtcVideo,
  writeWebRtcAnswer,
  writeWebRtcOffer
} from './sdp-webrtc.ts'
import { wayBeyond } from './way.ts'

/** Browsers report about every 5 s (RFC 3550 §6.2). */
const measureEveryMs = 5000
/** How long a process of mediasoup may take to tell what it has measured. */
const measureWithinMs = 1000

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

/** Suite between mediasoup and the mixer, where the plane takes nothing in clear: one that the plane offers, too. */
export const bridgeSuite = 'AEAD_AES_256_GCM'

/** The leg's other end in the words of a telephone: the transport of mediasoup on loopback. */
function bridgeDescription(
  { tuple, srtpParameters }: Pick<types.PlainTransport, 'tuple' | 'srtpParameters'>,
  { audio }: WebRtcOffer,
  direction: Direction,
  tag = 1
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
    ...(srtpParameters === undefined ? [] : [`a=crypto:${tag} ${srtpParameters.cryptoSuite} inline:${srtpParameters.keyBase64}`])
  ]
  return `${lines.join('\r\n')}\r\n`
}

/** Where a leg listens, and the stream that it sends. */
export interface BridgeEnd {
  readonly port: number
  readonly ssrc: number
  /** Its key of {@link bridgeSuite}, and the tag of that; null where it has none. */
  readonly srtp: { readonly tag: number; readonly parameters: types.SrtpParameters } | null
}

/** Reads the leg's description. @throws {TypeError} when it names no stream */
function bridgeEnd(sdp: string): BridgeEnd {
  const stream = parse(sdp).media.find(({ ssrcs }) => ssrcs !== undefined)
  const [port, ssrc] = [Number(stream?.port), Number(stream?.ssrcs?.[0]?.id)]
  if (!(port > 0) || !Number.isInteger(ssrc)) throw new TypeError('the leg names no stream of its own')
  const key = new RegExp(`^a=crypto:(\\d+) ${bridgeSuite} inline:(\\S+)$`, 'm').exec(sdp.replaceAll('\r', ''))
  const parameters = (keyBase64: string) => ({ cryptoSuite: bridgeSuite, keyBase64 }) as const
  return { port, ssrc, srtp: key === null ? null : { tag: Number(key[1]), parameters: parameters(key[2]!) } }
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

/** The leg of the mixer; the router is closed when there is none. */
async function joinOrClose(
  router: types.Router,
  joining: ReturnType<ConferencePort['join']>
): ReturnType<ConferencePort['join']> {
  try {
    const joined = await joining
    if (!joined.ok) router.close()
    return joined
  } catch (error) {
    router.close()
    throw error
  }
}

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
  /** What the browser said last; null until it has answered our offer. */
  #offer: WebRtcOffer | null
  /** Where the leg is, until the browser has answered. */
  #end: BridgeEnd | null = null
  #left: Promise<LegStats> | null = null
  #microphone: { readonly producer: types.Producer; readonly source: string } | null = null
  #mix: types.Consumer | null = null
  #camera: { readonly producer: types.Producer; readonly tap: types.Consumer; readonly source: string } | null = null
  #picture: types.Consumer | null = null
  /** Whether the picture is shown to others. */
  #seen: boolean
  #stopWaiting = () => {}
  #stopMeasuring = () => {}

  private constructor(
    participant: string,
    seen: boolean,
    offer: WebRtcOffer | null,
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
  }

  /** Brings up the ways to the mixer and to the browser. */
  async #connect({ port, srtp }: BridgeEnd, { dtls }: WebRtcOffer): Promise<void> {
    const { plain, web } = this.#transports
    const { clock, connectTimeoutMs } = this.#settings
    this.#stopWaiting = clock.after(connectTimeoutMs, () => this.#fail('the browser did not connect in time'))
    const encrypted = plain.srtpParameters !== undefined && srtp !== null
    await plain.connect({ ip: loopback, port, ...(encrypted ? { srtpParameters: srtp.parameters } : {}) })
    await web.connect({ dtlsParameters: dtls })
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
    const { router, plain } = transports
    const joined = await joinOrClose(router, join(bridgeDescription(plain, offer, opposite[offer.audio.direction])))
    if (!joined.ok) return joined
    const peer = new WebRtcPeer(participant, seen, offer, transports, joined.leg, stage(), settings)
    const sdp = await peer.#orLeave(async () => {
      const end = bridgeEnd(joined.sdp)
      await peer.#connect(end, offer)
      await peer.#hear(end.ssrc, offer.codecs[0]!, offer.audio)
      await peer.#streams(offer)
      return peer.#answer(offer)
    })
    return { ok: true, leg: peer, sdp }
  }

  /**
   * Invites a browser: the offer is ours, and `answered` of the leg takes its answer.
   *
   * @param stage of the conference, asked for when there is one
   * @throws {InfraFabricError} `media.mediasoup.lost`
   */
  static async invite(
    participant: string,
    seen: boolean,
    transports: PeerTransports,
    join: () => ReturnType<ConferencePort['join']>,
    stage: () => Stage,
    settings: PeerSettings
  ): Promise<{ readonly ok: true; readonly leg: WebRtcPeer; readonly sdp: string } | MediaRefusal> {
    const { router, web } = transports
    const joined = await joinOrClose(router, join())
    if (!joined.ok) return joined
    const peer = new WebRtcPeer(participant, seen, null, transports, joined.leg, stage(), settings)
    const sdp = await peer.#orLeave(async () => {
      const receives = router.rtpCapabilities as types.RtpCapabilities
      peer.#end = bridgeEnd(joined.sdp)
      await peer.#hear(peer.#end.ssrc, ourCodecs[0]!, { mid: ourMids.audio, receives })
      await peer.#show({ mid: ourMids.video, receives, payloadType: ourCodecs[2]!.preferredPayloadType! })
      const local = { ice: web.iceParameters, candidates: web.iceCandidates, dtls: web.dtlsParameters }
      peer.#origin.version++
      const ours = { audio: peer.#mix!.rtpParameters, video: peer.#picture!.rtpParameters }
      peer.#sdp = writeWebRtcOffer(peer.#origin, local, ours)
      return peer.#sdp
    })
    return { ok: true, leg: peer, sdp }
  }

  /** Leaves when the work fails. */
  async #orLeave<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      const lost = this.#transports.router.closed
      await this.leave()
      throw lost
        ? new InfraFabricError('media.mediasoup.lost', 'the browser or the worker of mediasoup went away', { cause: error })
        : error
    }
  }

  /** The mix, on its way to the browser. */
  async #hear(
    ssrc: number,
    { kind, preferredPayloadType, ...codec }: types.RouterRtpCodecCapability,
    { mid, receives }: Pick<WebRtcStream, 'mid' | 'receives'>
  ): Promise<void> {
    const { plain, web } = this.#transports
    const producer = await plain.produce({
      kind,
      rtpParameters: { codecs: [{ ...codec, payloadType: preferredPayloadType! }], encodings: [{ ssrc }] }
    })
    this.#mix = await web.consume({ producerId: producer.id, rtpCapabilities: receives, mid, paused: true })
    void this.#measureAgain()
  }

  /** Tells the leg what mediasoup knows of the way to the browser. Never rejects; without an answer in time, what was known before stays. */
  async #measure(): Promise<void> {
    const mix = this.#mix
    if (mix === null || mix.closed) return
    let stop = () => {}
    const late = new Promise<null>((resolve) => {
      stop = this.#settings.clock.after(measureWithinMs, () => resolve(null))
    })
    const stats = await Promise.race([mix.getStats().catch(() => null), late])
    stop()
    if (stats !== null) this.#inner.tellBeyond?.(wayBeyond(stats))
  }

  async #measureAgain(): Promise<void> {
    await this.#measure()
    if (this.#left === null) this.#stopMeasuring = this.#settings.clock.after(measureEveryMs, () => void this.#measureAgain())
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
  async #show({ payloadType, receives, mid }: Pick<WebRtcVideo, 'payloadType' | 'receives' | 'mid'>): Promise<void> {
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
    const before = this.#offer
    if (before === null) return { ok: false, code: 'sdp.unsupported-profile', reason: 'an offer of ours waits for its answer' }
    const problem = changes(before, read)
    if (problem !== null) return { ok: false, code: 'sdp.unsupported-profile', reason: problem }
    const { web, plain } = this.#transports
    // what was not there from the beginning has no number in the router
    const added = read.video !== null && before.video === null
    const offer: WebRtcOffer = added
      ? { ...read, video: null, media: read.media.map((line) => (line.use === 'video' ? { ...line, use: null } : line)) }
      : read
    if (read.ice.usernameFragment !== before.ice.usernameFragment) await web.restartIce()
    const inner = await this.#inner.offered(bridgeDescription(plain, offer, opposite[offer.audio.direction]))
    if (!inner.ok) return inner
    await this.#streams(offer)
    return { ok: true, sdp: this.#answer(offer), held: inner.held }
  }

  readonly answered = async (sdp: string): Promise<{ ok: true; held: boolean } | MediaRefusal> => {
    if (this.#left !== null) throw new InfraFabricError('media.leg.left', 'the participant has left the conference')
    const end = this.#end
    if (end === null) return { ok: false, code: 'sdp.malformed', reason: 'no offer of ours is open' }
    const read = readWebRtcAnswer(sdp)
    if (!read.ok) return read
    const description = bridgeDescription(this.#transports.plain, read, opposite[read.audio.direction], end.srtp?.tag)
    const inner = await this.#inner.answered(description)
    if (!inner.ok) return inner
    this.#end = null
    this.#offer = read
    await this.#orLeave(async () => {
      await this.#connect(end, read)
      await this.#streams(read)
    })
    return inner
  }

  readonly stats = async (): Promise<LegStats> => {
    if (this.#left !== null) return this.#left
    await this.#measure()
    return { ...(await this.#inner.stats()), encrypted: true }
  }

  readonly leave = (): Promise<LegStats> => {
    if (this.#left !== null) return this.#left
    this.#stopWaiting()
    this.#stopMeasuring()
    // a way that has failed tells nothing new
    const leaving = this.#failed === null ? this.#measure().then(() => this.#inner.leave()) : this.#inner.leave()
    this.#left = leaving.then((stats) => ({ ...stats, encrypted: true }))
    this.#listeners = []
    this.#connectionListeners = []
    this.#stage.leave(this.#participant, this.#settings.clock.monotonicMs())
    const { router } = this.#transports
    this.#left = this.#left.finally(() => router.close())
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
