/**
 * Offer and answer for one audio stream, as pure functions.
 *
 * @see RFC 8866 (SDP), RFC 3264 (offer/answer), RFC 4733 §7.1.1 (telephone-event), RFC 5761 (rtcp-mux), RFC 3605 (rtcp attribute)
 */
import { isIPv4 } from 'node:net'
import { type ParsedMedia, parse } from 'sdp-transform'
import type { MediaRefusal, MediaRefusalCode } from '#kernel'
import { codecNamed, codecs } from './codec/codecs.ts'
import type { Endpoint } from './latch.ts'

/** Bounds on what a peer may send: far beyond any phone, far below what could hurt. */
const limits = { characters: 16_384, lines: 300, lineLength: 2048, media: 16 }

export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'

/** What both sides agree on for the audio stream. */
export interface AudioTerms {
  readonly codec: string
  readonly payloadType: number
  /** Payload type of telephone-event; null when the peer has none. */
  readonly eventPayloadType: number | null
  readonly remote: Endpoint
  /** Where control packets go; null when there is no such port. */
  readonly remoteControl: Endpoint | null
  readonly controlMuxed: boolean
  /** Seen from our side. */
  readonly direction: Direction
  /** The peer takes no sound from us, or wants none of it mixed: it has put the call on hold. */
  readonly held: boolean
}

/** What a session description says about the stream we would use, and what is needed to answer it. */
export interface ReadOffer {
  readonly ok: true
  readonly terms: AudioTerms
  /** Every m-line of the offer, in order: the answer has one for each. */
  readonly media: readonly {
    readonly type: string
    readonly protocol: string
    readonly formats: string
    readonly chosen: boolean
  }[]
}

const refuse = (code: MediaRefusalCode, reason: string): MediaRefusal => ({ ok: false, code, reason })

const opposite: Readonly<Record<Direction, Direction>> = {
  sendrecv: 'sendrecv',
  sendonly: 'recvonly',
  recvonly: 'sendonly',
  inactive: 'inactive'
}

const unspecifiedAddress = '0.0.0.0'

/** Reads an offer: the first audio stream over RTP/AVP with a codec of ours. */
export function readDescription(sdp: string): ReadOffer | MediaRefusal {
  const malformed = checkForm(sdp)
  if (malformed !== null) return refuse('sdp.malformed', malformed)
  const session = parse(sdp)
  const lines = sdp
    .split(/\r?\n/)
    .map((line) => mediaLine.exec(line)?.groups)
    .filter((groups) => groups !== undefined)
  const media = lines.map(({ type, port, count, protocol, formats }, at) => ({
    type: type!,
    port: Number(port),
    count: Number(count ?? 1),
    protocol: protocol!,
    formats: formats!,
    parsed: session.media[at]!
  }))
  const audio = media.filter(({ type, port, count }) => type === 'audio' && port !== 0 && count === 1)
  if (audio.length === 0) return refuse('sdp.no-audio', 'no audio stream is offered')
  const plain = audio.filter(({ protocol }) => protocol === 'RTP/AVP' || protocol === 'RTP/AVPF')
  if (plain.length === 0) {
    return refuse(
      'sdp.unsupported-profile',
      `audio only over ${audio.map(({ protocol }) => protocol).join(', ')}; RTP/AVP is spoken here`.slice(0, 200)
    )
  }
  for (const stream of plain) {
    const { parsed, port } = stream
    const address = text(parsed.connection?.ip ?? session.connection?.ip)
    if (address === '') return refuse('sdp.malformed', 'the audio stream has no connection address')
    if (!isUnicast(address)) return refuse('sdp.no-audio', 'the audio stream has no IPv4 unicast address')
    if (port > 65_535) return refuse('sdp.malformed', 'the audio port is out of range')
    const controlPort = Number(parsed.rtcp?.port ?? port + 1)
    if (parsed.rtcp !== undefined && (controlPort < 1 || controlPort > 65_535)) {
      return refuse('sdp.malformed', 'the RTCP port is out of range')
    }
    const chosen = chooseCodec(parsed, stream.formats)
    if (chosen === null) continue
    const theirs = text(parsed.direction ?? session.direction ?? 'sendrecv') as Direction
    const asked =
      address === unspecifiedAddress ? (theirs === 'recvonly' || theirs === 'inactive' ? 'inactive' : 'sendonly') : theirs
    const controlMuxed = parsed.rtcpMux !== undefined
    const terms: AudioTerms = {
      ...chosen,
      remote: { address, port },
      remoteControl: controlMuxed ? { address, port } : controlPort > 65_535 ? null : { address, port: controlPort },
      controlMuxed,
      direction: opposite[asked],
      held: asked === 'sendonly' || asked === 'inactive'
    }
    return { ok: true, terms, media: media.map((line) => ({ ...line, chosen: line === stream })) }
  }
  return refuse(
    'sdp.no-common-codec',
    `none of the codecs offered; ${codecs.map(({ name }) => name).join(' and ')} are spoken here`
  )
}

/**
 * Reads the answer to an offer of ours.
 *
 * @param eventPayloadType under which we offered telephone-event: the peer sends events with our number, whatever its own is.
 * @see RFC 3264 §6.1
 */
export function readAnswer(sdp: string, eventPayloadType: number | null): ReadOffer | MediaRefusal {
  const read = readDescription(sdp)
  if (!read.ok) return read
  const events = read.terms.eventPayloadType === null ? null : eventPayloadType
  return { ...read, terms: { ...read.terms, eventPayloadType: events } }
}

const text = (value: string | number | undefined) => String(value ?? '')

const mediaLine =
  /^m=(?<type>[a-z]+) (?<port>\d{1,5})(?:\/(?<count>\d{1,3}))? (?<protocol>[A-Za-z0-9/]{1,40}) (?<formats>[!-~]+(?: [!-~]+){0,63})$/

/** What is wrong with the outer form, null when nothing is. */
function checkForm(sdp: string): string | null {
  if (sdp.length > limits.characters) return `longer than ${limits.characters} characters`
  const lines = sdp.split(/\r?\n/)
  if (lines.length > limits.lines) return `more than ${limits.lines} lines`
  if (lines[0] !== 'v=0') return 'does not begin with v=0'
  let streams = 0
  for (const [at, line] of lines.entries()) {
    if (line === '' && at === lines.length - 1) continue
    if (line.length > limits.lineLength) return `line ${at + 1} is longer than ${limits.lineLength} characters`
    if (!/^[a-z]=/.test(line) || /[\u0000-\u0008\u000b-\u001f\u007f]/.test(line)) return `line ${at + 1} is not <type>=<value>`
    if (line.startsWith('m=')) {
      if (!mediaLine.test(line)) return `line ${at + 1} is no media description`
      if (++streams > limits.media) return `more than ${limits.media} streams`
    }
  }
  return lines.some((line) => line.startsWith('o=')) ? null : 'has no origin'
}

function isUnicast(address: string): boolean {
  if (!isIPv4(address)) return false
  const first = Number(address.split('.')[0])
  return address === unspecifiedAddress || (first > 0 && first < 224)
}

/** The first codec of the offer that we speak, and the event format that goes with its clock. */
function chooseCodec(
  stream: ParsedMedia,
  formats: string
): Pick<AudioTerms, 'codec' | 'payloadType' | 'eventPayloadType'> | null {
  const numbers = formats
    .split(' ')
    .filter((format) => /^\d{1,3}$/.test(format))
    .map(Number)
    .filter((number) => number <= 127)
  const mapped = new Map(
    stream.rtp.map(({ payload, codec, rate, encoding }) => [
      Number(payload),
      { codec: text(codec), rate: Number(rate), channels: Number(encoding ?? 1) }
    ])
  )
  for (const number of numbers) {
    const map = mapped.get(number)
    const codec = map === undefined ? codecs.find(({ staticPayloadType }) => staticPayloadType === number) : codecNamed(map.codec)
    if (codec === undefined || (map?.rate ?? codec.clockRateHz) !== codec.clockRateHz || (map?.channels ?? 1) !== 1) continue
    const events = numbers.find((other) => {
      const event = mapped.get(other)
      return event?.codec.toLowerCase() === 'telephone-event' && event.rate === codec.clockRateHz
    })
    return { codec: codec.name, payloadType: number, eventPayloadType: events ?? null }
  }
  return null
}

/** Whom a description is from: the o= line. */
export interface Origin {
  readonly sessionId: string
  readonly version: number
  readonly address: string
}

const ptimeMs = 20

function head({ sessionId, version, address }: Origin): string[] {
  return ['v=0', `o=- ${sessionId} ${version} IN IP4 ${address}`, 's=-', `c=IN IP4 ${address}`, 't=0 0']
}

function audioLines(
  port: number,
  protocol: string,
  formats: readonly { readonly payloadType: number; readonly name: string; readonly clockRateHz: number }[],
  eventPayloadType: number | null,
  direction: Direction,
  controlMuxed: boolean
): string[] {
  const clock = formats[0]!.clockRateHz
  const numbers = [...formats.map(({ payloadType }) => payloadType), ...(eventPayloadType === null ? [] : [eventPayloadType])]
  return [
    `m=audio ${port} ${protocol} ${numbers.join(' ')}`,
    ...formats.map(({ payloadType, name, clockRateHz }) => `a=rtpmap:${payloadType} ${name}/${clockRateHz}`),
    ...(eventPayloadType === null
      ? []
      : [`a=rtpmap:${eventPayloadType} telephone-event/${clock}`, `a=fmtp:${eventPayloadType} 0-15`]),
    `a=ptime:${ptimeMs}`,
    `a=${direction}`,
    ...(controlMuxed ? ['a=rtcp-mux'] : [])
  ]
}

/** The answer to an offer: one codec, other streams refused with port 0. @see RFC 3264 §6 */
export function writeAnswer(offer: ReadOffer, origin: Origin, port: number): string {
  const { terms } = offer
  const codec = codecNamed(terms.codec)!
  const lines = head(origin)
  for (const { type, protocol, formats, chosen } of offer.media) {
    if (!chosen) lines.push(`m=${type} 0 ${protocol} ${formats}`)
    else {
      const format = { payloadType: terms.payloadType, name: codec.name, clockRateHz: codec.clockRateHz }
      lines.push(...audioLines(port, protocol, [format], terms.eventPayloadType, terms.direction, terms.controlMuxed))
    }
  }
  return `${lines.join('\r\n')}\r\n`
}

/** Payload type under which we offer telephone-event. */
export const offeredEvents = 101

/** An offer of every codec we speak. @see RFC 3264 §5 */
export function writeOffer(origin: Origin, port: number): string {
  const formats = codecs.map((codec, at) => ({
    payloadType: codec.staticPayloadType ?? 96 + at,
    name: codec.name,
    clockRateHz: codec.clockRateHz
  }))
  return `${[...head(origin), ...audioLines(port, 'RTP/AVP', formats, offeredEvents, 'sendrecv', true)].join('\r\n')}\r\n`
}
