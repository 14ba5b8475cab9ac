/**
 * A browser's session description and the parameters of mediasoup, as pure functions. mediasoup is an ICE-lite, passive peer: it takes what the browser offers.
 *
 * @see RFC 8829 (JSEP), RFC 9143 (BUNDLE), RFC 8839 (ICE in SDP), RFC 8122 (fingerprint), RFC 8285 (header extensions), RFC 5576 (SSRC)
 */
import { generateProfileLevelIdStringForAnswer, isSameProfile } from 'h264-profile-level-id'
import type { types } from 'mediasoup'
import { type ParsedMedia, type ParsedSession, parse } from 'sdp-transform'
import type { MediaRefusal, MediaRefusalCode } from '#kernel'
import { answeredFormats, type CodecTerms, chooseCodec, offeredEventsAt } from '../codec/negotiation.ts'
import { type Direction, opposite } from '../sdp.ts'

/** Bounds on what a browser may send: far beyond any, far below what could hurt. */
const limits = { characters: 65_536, lines: 2000, lineLength: 4096, media: 32 }

/** A stream of the browser that is taken. */
export interface WebRtcStream {
  readonly mid: string
  /** Seen from our side. */
  readonly direction: Direction
  /** What it sends; null when it sends nothing. */
  readonly sends: types.RtpParameters | null
  /** What of our packets it understands. */
  readonly receives: types.RtpCapabilities
}

export interface WebRtcAudio extends WebRtcStream {
  readonly terms: CodecTerms
  /** Format parameters as the browser wrote them, '' for none. */
  readonly parameters: string
}

export interface WebRtcVideo extends WebRtcStream {
  readonly payloadType: number
  readonly profileLevelId: string
}

export interface WebRtcOffer {
  readonly ok: true
  readonly ice: types.IceParameters
  readonly dtls: types.DtlsParameters
  /** Every m-line, in order: the answer has one for each. */
  readonly media: readonly {
    readonly type: string
    readonly protocol: string
    readonly formats: string
    readonly mid: string | null
    readonly extensions: readonly Extension[]
    readonly use: 'audio' | 'video' | null
  }[]
  readonly audio: WebRtcAudio
  readonly video: WebRtcVideo | null
  /** What the browser's router speaks, under the numbers of its description. */
  readonly codecs: types.RouterRtpCodecCapability[]
}

interface Extension {
  readonly id: number
  readonly uri: types.RtpHeaderExtensionUri
}

/** H.264 that all share, so that nothing is coded anew: constrained baseline, fragments, what every browser and room system has. @see RFC 6184 §8.1 */
export const sharedVideo = { 'packetization-mode': 1, 'profile-level-id': '42e01f', 'level-asymmetry-allowed': 1 } as const

/** Codecs of the plane that mediasoup forwards. */
const forwarded = ['opus', 'g722', 'pcmu', 'pcma']
const kept = ['telephone-event', ...forwarded]
/** Header extensions that are taken, and the number under which mediasoup sends each, asked for or not. */
const extensionUris: ReadonlyMap<string, number> = new Map([
  ['urn:ietf:params:rtp-hdrext:sdes:mid', 1],
  ['http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time', 4],
  ['http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01', 5]
])
/** Numbers of further ones that it may send. */
const sentBeside: readonly number[] = [8, 10, 11, 12, 13, 14]
/** Whether a browser that gives this number to the extension would take another one for it: a wrong mid, and the packet is lost. */
const mistaken = (id: number, uri: string) =>
  sentBeside.includes(id) || [...extensionUris].some(([other, number]) => number === id && other !== uri)

const feedback: readonly types.RtcpFeedback[] = [
  { type: 'nack' },
  { type: 'nack', parameter: 'pli' },
  { type: 'ccm', parameter: 'fir' },
  { type: 'goog-remb' },
  { type: 'transport-cc' }
]
const hashes: readonly string[] = ['sha-256', 'sha-384', 'sha-512']
const profile = 'UDP/TLS/RTP/SAVPF'

const text = (value: string | number | undefined) => String(value ?? '')
const refuse = (code: MediaRefusalCode, reason: string): MediaRefusal => ({ ok: false, code, reason })

const mediaLine = /^m=([a-z]{1,20}) (\d{1,5})(?:\/\d{1,3})? ([A-Za-z0-9/]{1,40}) ([!-~]+(?: [!-~]+){0,127})$/

/** Whether a description is of WebRTC rather than of a telephone: it has a fingerprint and a name for ICE. */
export const isWebRtc = (sdp: string): boolean => /^a=fingerprint:/m.test(sdp) && /^a=ice-ufrag:/m.test(sdp)

/** What is wrong with the outer form, else the m-lines. */
function checkForm(sdp: string): string | RegExpExecArray[] {
  if (sdp.length > limits.characters) return `longer than ${limits.characters} characters`
  const lines = sdp.split(/\r?\n/)
  if (lines.length > limits.lines) return `more than ${limits.lines} lines`
  if (lines[0] !== 'v=0') return 'does not begin with v=0'
  const media: RegExpExecArray[] = []
  for (const [at, line] of lines.entries()) {
    if (line === '' && at === lines.length - 1) continue
    if (line.length > limits.lineLength) return `line ${at + 1} is longer than ${limits.lineLength} characters`
    if (!/^[a-z]=/.test(line) || /[\u0000-\u0008\u000b-\u001f\u007f]/.test(line)) return `line ${at + 1} is not <type>=<value>`
    if (!line.startsWith('m=')) continue
    const match = mediaLine.exec(line)
    if (match === null) return `line ${at + 1} is no media description`
    if (media.push(match) > limits.media) return `more than ${limits.media} streams`
  }
  return media
}

interface Section {
  readonly type: string
  readonly port: number
  readonly protocol: string
  readonly formats: string
  readonly mid: string | null
  readonly parsed: ParsedMedia
  readonly extensions: readonly Extension[]
}

const token = /^[!#-'*+\-./0-9A-Z^_`a-z{|}~]{1,32}$/

function section(match: RegExpExecArray, parsed: ParsedMedia): Section {
  const [, type, port, protocol, formats] = match
  const mid = text(parsed.mid)
  const extensions = (parsed.ext ?? []).flatMap(({ value, uri }) => {
    const id = Number(value)
    const known = extensionUris.has(text(uri)) && Number.isInteger(id) && id >= 1 && id <= 14 && !mistaken(id, text(uri))
    return known ? [{ id, uri: text(uri) as types.RtpHeaderExtensionUri }] : []
  })
  return {
    type: type!,
    port: Number(port),
    protocol: protocol!,
    formats: formats!,
    mid: token.test(mid) ? mid : null,
    parsed,
    extensions: extensions.filter(
      ({ id, uri }, at) => extensions.findIndex((other) => other.id === id || other.uri === uri) === at
    )
  }
}

const usable = ({ port, protocol, parsed, mid }: Section) =>
  protocol === profile && mid !== null && parsed.rtcpMux !== undefined && (port !== 0 || parsed.bundleOnly !== undefined)

/** Where an offer's or an answer's transport is described: of a bundle, the first stream that is taken. @see RFC 9143 §7.3 */
function readTransport(
  session: ParsedSession,
  { parsed }: Section,
  answered: boolean
): Pick<WebRtcOffer, 'ice' | 'dtls'> | MediaRefusal {
  const usernameFragment = text(parsed.iceUfrag ?? session.iceUfrag)
  const password = text(parsed.icePwd ?? session.icePwd)
  if (!/^[\w+/]{4,256}$/.test(usernameFragment) || !/^[\w+/]{22,256}$/.test(password)) {
    return refuse('sdp.malformed', 'no username and password of ICE')
  }
  const { type, hash } = parsed.fingerprint ?? session.fingerprint ?? {}
  const algorithm = text(type).toLowerCase()
  if (!hashes.includes(algorithm)) return refuse('sdp.unsupported-profile', 'no fingerprint by SHA-256, SHA-384 or SHA-512')
  const octets = Number(algorithm.slice(4)) / 8
  const value = text(hash).toUpperCase()
  if (!/^[0-9A-F]{2}(:[0-9A-F]{2})*$/.test(value) || value.length !== 3 * octets - 1) {
    return refuse('sdp.malformed', 'the fingerprint is malformed')
  }
  const setup = text(parsed.setup ?? session.setup)
  // we answer actpass as the passive side (RFC 8842 §5.3), so that the browser begins
  const role = setup === 'active' || (setup === 'actpass' && !answered) ? 'client' : setup === 'passive' ? 'server' : null
  if (role === null) return refuse('sdp.malformed', 'no a=setup')
  return {
    ice: { usernameFragment, password },
    dtls: { role, fingerprints: [{ algorithm: algorithm as types.FingerprintAlgorithm, value }] }
  }
}

const directionOf = (session: ParsedSession, { parsed }: Section): Direction =>
  opposite[text(parsed.direction ?? session.direction ?? 'sendrecv') as Direction] ?? 'inactive'

/** Streams of the section: the first SSRC, and that of its retransmissions. */
function readSources({ parsed }: Section): types.RtpEncodingParameters {
  const isSource = (value: number) => Number.isInteger(value) && value > 0 && value <= 0xffff_ffff
  const known = (parsed.ssrcs ?? []).map(({ id }) => Number(id)).filter(isSource)
  const ssrc = known[0]
  // none is named: the stream is known by its mid
  if (ssrc === undefined) return {}
  const pair = (parsed.ssrcGroups ?? [])
    .filter(({ semantics }) => semantics === 'FID')
    .map(({ ssrcs }) => text(ssrcs).split(' ').map(Number))
    .find(([first]) => first === ssrc)
  const retransmissions = pair?.[1]
  return retransmissions !== undefined && isSource(retransmissions) && retransmissions !== ssrc
    ? { ssrc, rtx: { ssrc: retransmissions } }
    : { ssrc }
}

const cnameOf = ({ parsed }: Section) =>
  text(parsed.ssrcs?.find(({ attribute }) => attribute === 'cname')?.value).slice(0, 255) || undefined

const configOf = ({ parsed }: Section, payloadType: number) =>
  text(parsed.fmtp?.find(({ payload }) => Number(payload) === payloadType)?.config)

/** `a=1;b=x` as an object, numbers where they are. */
function parameters(config: string): Record<string, string | number> {
  const found = new Map<string, string | number>()
  for (const part of config.split(';').slice(0, 32)) {
    const match = /^\s*([\w-]{1,40})\s*=\s*([\w.-]{1,40})\s*$/.exec(part)
    if (match !== null) found.set(match[1]!.toLowerCase(), /^\d{1,9}$/.test(match[2]!) ? Number(match[2]) : match[2]!)
  }
  // the profile is hexadecimal, whatever it looks like
  const profileLevelId = found.get('profile-level-id')
  if (profileLevelId !== undefined) found.set('profile-level-id', String(profileLevelId).padStart(6, '0'))
  return Object.fromEntries(found)
}

/** mediasoup drops telephone-event on the way to consumers, since that is no media to it; what it takes for a codec it forwards, and does not look into. */
function forwardedKeys(codec: string) {
  return { mimeType: codec === 'PCMA' ? 'audio/PCMU' : 'audio/PCMA', clockRate: 8000, parameters: {} }
}

/** What we offer a browser: Opus, which it must have (RFC 7874 §3), its keys, and the video that all share. */
export const ourMids = { audio: '0', video: '1' } as const
const ourEvents = offeredEventsAt(48_000)
export const ourCodecs: readonly types.RouterRtpCodecCapability[] = [
  {
    kind: 'audio',
    mimeType: 'audio/opus',
    clockRate: 48_000,
    channels: 2,
    preferredPayloadType: 111,
    parameters: { useinbandfec: 1 }
  },
  { kind: 'audio', ...forwardedKeys('opus'), preferredPayloadType: ourEvents },
  { kind: 'video', mimeType: 'video/H264', clockRate: 90_000, preferredPayloadType: 108, parameters: { ...sharedVideo } }
]

/** Nothing tells the packets of this stream from those of another. */
const isNameless = ({ encodings, headerExtensions }: types.RtpParameters) =>
  encodings?.[0]?.ssrc === undefined &&
  headerExtensions?.some(({ uri }) => uri === 'urn:ietf:params:rtp-hdrext:sdes:mid') !== true

function readAudio(
  session: ParsedSession,
  stream: Section
): { audio: WebRtcAudio; codecs: types.RouterRtpCodecCapability[] } | null {
  const numbers = stream.formats.split(' ')
  const names = new Map(stream.parsed.rtp.map(({ payload, codec }) => [text(payload), text(codec).toLowerCase()]))
  const terms = chooseCodec(stream.parsed, numbers.filter((number) => kept.includes(names.get(number) ?? '')).join(' '))
  if (terms === null) return null
  const config = configOf(stream, terms.payloadType)
  const channels = terms.codec.toLowerCase() === 'opus' ? 2 : undefined
  const sound = {
    mimeType: `audio/${terms.codec}`,
    clockRate: terms.clockRateHz,
    ...(channels === undefined ? {} : { channels }),
    parameters: parameters(config)
  }
  const keys = forwardedKeys(terms.codec)
  const all = [
    { ...sound, payloadType: terms.payloadType },
    ...(terms.eventPayloadType === null ? [] : [{ ...keys, payloadType: terms.eventPayloadType }])
  ]
  const offersFeedback = (stream.parsed.rtcpFb ?? []).some(({ type }) => type === 'transport-cc')
  const rtcpFeedback: types.RtcpFeedback[] = offersFeedback ? [{ type: 'transport-cc' }] : []
  const codecs = all.map(({ payloadType, ...codec }) => ({ kind: 'audio' as const, preferredPayloadType: payloadType, ...codec }))
  return {
    audio: {
      ...streamOf(
        session,
        stream,
        all.map((codec) => ({ ...codec, rtcpFeedback })),
        codecs.map((codec) => ({ ...codec, rtcpFeedback }))
      ),
      terms,
      parameters: config
    },
    codecs
  }
}

function readVideo(
  session: ParsedSession,
  stream: Section
): { video: WebRtcVideo; codecs: types.RouterRtpCodecCapability[] } | null {
  const numbers = stream.formats.split(' ').map(Number)
  for (const payloadType of numbers) {
    const map = stream.parsed.rtp.find(({ payload }) => Number(payload) === payloadType)
    if (text(map?.codec).toUpperCase() !== 'H264' || Number(map?.rate) !== 90_000) continue
    const theirs = parameters(configOf(stream, payloadType))
    if (theirs['packetization-mode'] !== 1 || !isSameProfile(sharedVideo, theirs)) continue
    const profileLevelId = generateProfileLevelIdStringForAnswer(sharedVideo, theirs) ?? sharedVideo['profile-level-id']
    const offered = (stream.parsed.rtcpFb ?? []).filter(({ payload }) => payload === '*' || Number(payload) === payloadType)
    const rtcpFeedback = feedback.filter(({ type, parameter }) =>
      offered.some((line) => text(line.type) === type && text(line.subtype) === (parameter ?? ''))
    )
    const codec = {
      mimeType: 'video/H264',
      clockRate: 90_000,
      parameters: { ...sharedVideo, 'profile-level-id': profileLevelId }
    }
    const again = numbers.find(
      (number) =>
        stream.parsed.rtp.some(({ payload, codec }) => Number(payload) === number && text(codec).toLowerCase() === 'rtx') &&
        parameters(configOf(stream, number)).apt === payloadType
    )
    const source = readSources(stream)
    const repeats =
      again === undefined || source.rtx === undefined
        ? []
        : [{ mimeType: 'video/rtx', payloadType: again, clockRate: 90_000, parameters: { apt: payloadType }, rtcpFeedback: [] }]
    const capability = { kind: 'video' as const, preferredPayloadType: payloadType, ...codec }
    return {
      video: {
        ...streamOf(session, stream, [{ ...codec, payloadType, rtcpFeedback }, ...repeats], [{ ...capability, rtcpFeedback }]),
        payloadType,
        profileLevelId
      },
      codecs: [capability]
    }
  }
  return null
}

function streamOf(
  session: ParsedSession,
  stream: Section,
  codecs: types.RtpCodecParameters[],
  capabilities: types.RtpCodecCapability[]
): WebRtcStream {
  const direction = directionOf(session, stream)
  const repeats = codecs.some(({ mimeType }) => mimeType === 'video/rtx')
  const { rtx, ...source } = readSources(stream)
  const sends = direction === 'sendrecv' || direction === 'recvonly'
  const cname = cnameOf(stream)
  return {
    mid: stream.mid!,
    direction,
    sends: sends
      ? {
          mid: stream.mid!,
          codecs,
          headerExtensions: stream.extensions.map(({ id, uri }) => ({ id, uri })),
          encodings: [repeats && rtx !== undefined ? { ...source, rtx } : source],
          rtcp: { ...(cname === undefined ? {} : { cname }), reducedSize: stream.parsed.rtcpRsize !== undefined }
        }
      : null,
    receives: {
      codecs: capabilities,
      // mediasoup sends extensions under numbers of its own: those that the browser gave the same number are kept
      headerExtensions: stream.extensions.map(({ id, uri }) => ({
        kind: stream.type as types.MediaKind,
        uri,
        preferredId: id
      }))
    }
  }
}

/** The first H.264 whose number is not among those taken. */
function firstPicture(session: ParsedSession, sections: readonly Section[], taken: readonly (number | undefined)[]) {
  for (const stream of sections) {
    const read = stream.type === 'video' && usable(stream) ? readVideo(session, stream) : null
    if (read !== null && !taken.includes(read.video.payloadType)) return { stream, read }
  }
  return null
}

/** Reads a browser's offer: its first audio stream and, in the same bundle, its first H.264. */
export const readWebRtcOffer = (sdp: string): WebRtcOffer | MediaRefusal => read(sdp, false)

/** Reads a browser's answer to {@link writeWebRtcOffer}: what it says of itself, as an offer of the same streams would. */
export function readWebRtcAnswer(sdp: string): WebRtcOffer | MediaRefusal {
  const answer = read(sdp, true)
  if (!answer.ok) return answer
  const { audio, video } = answer
  const sound = ourCodecs[0]!.preferredPayloadType
  if (audio.mid !== ourMids.audio || audio.terms.payloadType !== sound || answer.media.length !== 2)
    return refuse('sdp.no-common-codec', 'the answer is none to our offer')
  const picture = ourCodecs[2]!.preferredPayloadType
  const same = video === null || (video.mid === ourMids.video && video.payloadType === picture)
  return same ? answer : refuse('sdp.no-common-codec', 'the answer is none to our offer')
}

function read(sdp: string, answered: boolean): WebRtcOffer | MediaRefusal {
  const form = checkForm(sdp)
  if (typeof form === 'string') return refuse('sdp.malformed', form)
  const session = parse(sdp)
  if (session.media.length !== form.length) return refuse('sdp.malformed', 'media descriptions cannot be told apart')
  const sections = form.map((match, at) => section(match, session.media[at]!))
  const mids = sections.flatMap(({ mid }) => (mid === null ? [] : [mid]))
  if (new Set(mids).size !== mids.length) return refuse('sdp.malformed', 'two streams have one mid')
  if (!sections.some(({ type }) => type === 'audio')) return refuse('sdp.no-audio', 'no audio stream is offered')
  const sound = sections.filter((stream) => stream.type === 'audio' && usable(stream))
  if (sound.length === 0) {
    return refuse('sdp.unsupported-profile', `no audio over ${profile} with a mid and RTCP on the same port`)
  }
  for (const stream of sound) {
    const heard = readAudio(session, stream)
    if (heard === null) continue
    const group = (session.groups ?? [])
      .filter(({ type }) => type === 'BUNDLE')
      .map(({ mids }) => text(mids).split(' '))
      .find((bundle) => bundle.includes(stream.mid!)) ?? [stream.mid!]
    const numbers = heard.codecs.map(({ preferredPayloadType }) => preferredPayloadType)
    const picture = firstPicture(
      session,
      sections.filter((other) => group.includes(other.mid ?? '')),
      numbers
    )
    const nameless = [heard.audio, picture?.read.video].some((each) => each?.sends != null && isNameless(each.sends))
    if (nameless) return refuse('sdp.unsupported-profile', 'a stream has neither an SSRC nor a mid in its packets')
    const taken = picture === null ? [stream] : [stream, picture.stream]
    const first = group.map((mid) => taken.find((each) => each.mid === mid)).find((each) => each !== undefined) ?? stream
    const transport = readTransport(session, first, answered)
    if ('ok' in transport) return transport
    return {
      ok: true,
      ...transport,
      media: sections.map((each) => {
        const { type, protocol, formats, mid, extensions } = each
        const use = each === stream ? 'audio' : each === picture?.stream ? 'video' : null
        return { type, protocol, formats, mid, extensions, use } as const
      }),
      audio: heard.audio,
      video: picture?.read.video ?? null,
      codecs: [...heard.codecs, ...(picture?.read.codecs ?? [])]
    }
  }
  return refuse('sdp.no-common-codec', `none of the codecs offered; ${forwarded.join(', ')} are spoken here`)
}

/** What our side of the transport is. */
export interface LocalTransport {
  readonly ice: types.IceParameters
  readonly candidates: readonly types.IceCandidate[]
  readonly dtls: types.DtlsParameters
}

/** What we send in a stream of the browser's; null when we send nothing. */
export interface LocalStreams {
  readonly audio: types.RtpParameters | null
  readonly video: types.RtpParameters | null
}

const candidateLine = ({ foundation, priority, address, protocol, port, type, tcpType }: types.IceCandidate) =>
  `a=candidate:${foundation} 1 ${protocol} ${priority} ${address} ${port} typ ${type}${tcpType === undefined ? '' : ` tcptype ${tcpType}`}`

/** The direction of an answer: what the offer allows and we do. */
function answeredDirection(direction: Direction, sending: boolean): Direction {
  if (sending) return direction
  return direction === 'sendrecv' ? 'recvonly' : direction === 'sendonly' ? 'inactive' : direction
}

function videoFormats({ payloadType, profileLevelId, receives, sends }: WebRtcVideo): string[] {
  const codec = receives.codecs?.[0]
  const again = sends?.codecs.find(({ mimeType }) => mimeType === 'video/rtx')?.payloadType
  return [
    `a=rtpmap:${payloadType} H264/90000`,
    ...(codec?.rtcpFeedback ?? []).map(
      ({ type, parameter }) =>
        `a=rtcp-fb:${payloadType} ${type}${parameter === undefined || parameter === '' ? '' : ` ${parameter}`}`
    ),
    `a=fmtp:${payloadType} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=${profileLevelId}`,
    ...(again === undefined ? [] : [`a=rtpmap:${again} rtx/90000`, `a=fmtp:${again} apt=${payloadType}`])
  ]
}

/** The answer: both streams on one transport, all others refused. */
export function writeWebRtcAnswer(
  offer: WebRtcOffer,
  origin: { readonly sessionId: string; readonly version: number },
  transport: LocalTransport,
  streams: LocalStreams
): string {
  const { ice, candidates, dtls } = transport
  const fingerprint = dtls.fingerprints.find(({ algorithm }) => algorithm === 'sha-256')!
  const taken = offer.media.flatMap(({ use, mid }) => (use === null ? [] : [mid]))
  const address = candidates[0]?.address ?? '0.0.0.0'
  const lines = [
    'v=0',
    `o=- ${origin.sessionId} ${origin.version} IN IP4 0.0.0.0`,
    's=-',
    't=0 0',
    'a=ice-lite',
    `a=group:BUNDLE ${taken.join(' ')}`,
    'a=msid-semantic: WMS *'
  ]
  for (const { type, protocol, formats, mid, extensions, use } of offer.media) {
    if (use === null) {
      lines.push(
        `m=${type} 0 ${protocol} ${formats}`,
        'c=IN IP4 0.0.0.0',
        'a=inactive',
        ...(mid === null ? [] : [`a=mid:${mid}`])
      )
      continue
    }
    const sent = streams[use]
    const { direction } = use === 'audio' ? offer.audio : offer.video!
    const { payloadTypes, attributes } =
      use === 'audio'
        ? answeredFormats(offer.audio.terms)
        : {
            payloadTypes: [
              offer.video!.payloadType,
              ...(offer.video!.sends?.codecs.slice(1).map((codec) => codec.payloadType) ?? [])
            ],
            attributes: videoFormats(offer.video!)
          }
    const ours = answeredDirection(direction, sent !== null)
    const source = sent?.encodings?.[0]?.ssrc
    const sending = source !== undefined && (ours === 'sendrecv' || ours === 'sendonly')
    lines.push(
      `m=${type} ${candidates[0]?.port ?? 9} ${protocol} ${payloadTypes.join(' ')}`,
      `c=IN IP4 ${address}`,
      `a=mid:${mid}`,
      `a=${ours}`,
      'a=rtcp-mux',
      'a=rtcp-rsize',
      `a=ice-ufrag:${ice.usernameFragment}`,
      `a=ice-pwd:${ice.password}`,
      `a=fingerprint:${fingerprint.algorithm} ${fingerprint.value}`,
      `a=setup:${offer.dtls.role === 'client' ? 'passive' : 'active'}`,
      ...candidates.map(candidateLine),
      'a=end-of-candidates',
      ...attributes,
      ...extensions.map(({ id, uri }) => `a=extmap:${id} ${uri}`),
      ...(use === 'audio' && offer.audio.receives.codecs?.[0]?.rtcpFeedback?.length
        ? [`a=rtcp-fb:${offer.audio.terms.payloadType} transport-cc`]
        : []),
      ...(sending ? [`a=msid:conference ${use}`, `a=ssrc:${source} cname:${sent?.rtcp?.cname ?? 'conference'}`] : [])
    )
  }
  return `${lines.join('\r\n')}\r\n`
}

/** An offer of ours: sound and a picture, both ways, on one transport. */
export function writeWebRtcOffer(
  origin: { readonly sessionId: string; readonly version: number },
  { ice, candidates, dtls }: LocalTransport,
  streams: { readonly audio: types.RtpParameters; readonly video: types.RtpParameters }
): string {
  const fingerprint = dtls.fingerprints.find(({ algorithm }) => algorithm === 'sha-256')!
  const lines = ['v=0', `o=- ${origin.sessionId} ${origin.version} IN IP4 0.0.0.0`, 's=-', 't=0 0', 'a=ice-lite']
  lines.push(`a=group:BUNDLE ${ourMids.audio} ${ourMids.video}`, 'a=msid-semantic: WMS *')
  for (const kind of ['audio', 'video'] as const) {
    const { codecs, headerExtensions, encodings, rtcp } = streams[kind]
    const [source] = encodings!
    const numbers = [...codecs.map(({ payloadType }) => payloadType), ...(kind === 'audio' ? [ourEvents] : [])]
    const cname = `cname:${rtcp?.cname ?? 'conference'}`
    lines.push(
      `m=${kind} ${candidates[0]?.port ?? 9} ${profile} ${numbers.join(' ')}`,
      `c=IN IP4 ${candidates[0]?.address ?? '0.0.0.0'}`,
      `a=mid:${ourMids[kind]}`,
      'a=sendrecv',
      'a=rtcp-mux',
      'a=rtcp-rsize',
      `a=ice-ufrag:${ice.usernameFragment}`,
      `a=ice-pwd:${ice.password}`,
      `a=fingerprint:${fingerprint.algorithm} ${fingerprint.value}`,
      'a=setup:actpass',
      ...candidates.map(candidateLine),
      'a=end-of-candidates',
      ...codecs.flatMap((codec) => codecLines(codec)),
      ...(kind === 'audio' ? [`a=rtpmap:${ourEvents} telephone-event/48000`, `a=fmtp:${ourEvents} 0-15`] : []),
      ...(headerExtensions ?? []).filter(({ uri }) => extensionUris.has(uri)).map(({ id, uri }) => `a=extmap:${id} ${uri}`),
      `a=msid:conference ${kind}`,
      ...(source?.rtx === undefined ? [] : [`a=ssrc-group:FID ${source.ssrc} ${source.rtx.ssrc}`]),
      `a=ssrc:${source?.ssrc} ${cname}`,
      ...(source?.rtx === undefined ? [] : [`a=ssrc:${source.rtx.ssrc} ${cname}`])
    )
  }
  return `${lines.join('\r\n')}\r\n`
}

function codecLines({
  mimeType,
  payloadType,
  clockRate,
  channels,
  parameters,
  rtcpFeedback
}: types.RtpCodecParameters): string[] {
  const name = mimeType.split('/')[1]
  const config = Object.entries(parameters ?? {}).map(([key, value]) => `${key}=${value}`)
  return [
    `a=rtpmap:${payloadType} ${name}/${clockRate}${channels === undefined || channels === 1 ? '' : `/${channels}`}`,
    ...(config.length === 0 ? [] : [`a=fmtp:${payloadType} ${config.join(';')}`]),
    ...(rtcpFeedback ?? []).map(({ type, parameter }) => `a=rtcp-fb:${payloadType} ${type}${parameter ? ` ${parameter}` : ''}`)
  ]
}
