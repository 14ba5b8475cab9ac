/**
 * Offer and answer for one audio stream, as pure functions.
 *
 * @see RFC 8866 (SDP), RFC 3264 (offer/answer), RFC 4733 §7.1.1 (telephone-event), RFC 5761 (rtcp-mux), RFC 3611 §5 (rtcp-xr), RFC 3605 (rtcp attribute), RFC 4568 (keys), RFC 5576 (SSRC),
 *   RFC 8839 (ICE)
 */
import { isIP } from 'node:net'
import { parse } from 'sdp-transform'
import { DecodeError, type MediaRefusal, type MediaRefusalCode } from '#kernel'
import {
  answeredFormats,
  type CodecTerms,
  chooseCodec,
  type FormatLines,
  offeredFormats,
  receivedTypes,
  spokenCodecs
} from './codec/negotiation.ts'
import { IceCredentials, type IceTerms, iceLines, isUnknownYet, liteLine, mismatchLine, readIce } from './ice/ice-attributes.ts'
import type { Endpoint } from './latch.ts'
import { extendedReportLine, readWantedReports, type WantedReports } from './rtp/rtcp-xr-attribute.ts'
import { type CryptoAttribute, decodeCryptoAttribute, encodeCryptoAttribute, type OfferedKey } from './srtp/crypto-attribute.ts'
import { Secrecy, type SrtpTerms } from './srtp/secrecy.ts'
import { cryptoSuiteNamed } from './srtp/suites.ts'
import { type Family, familyOf, isUnicast, isUnspecified, plainAddress } from './udp/inet.ts'

/** Bounds on what a peer may send: far beyond any phone, far below what could hurt. */
const limits = { characters: 16_384, lines: 300, lineLength: 2048, media: 16 }

export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'

/** What both sides agree on for the audio stream. */
export interface AudioTerms extends CodecTerms {
  readonly remote: Endpoint
  /** Where control packets go; null when there is no such port. */
  readonly remoteControl: Endpoint | null
  readonly controlMuxed: boolean
  /** Seen from our side. */
  readonly direction: Direction
  /** The peer takes no sound from us, or wants none of it mixed: it has put the call on hold. */
  readonly held: boolean
  /** Null where packets go in clear. */
  readonly srtp: SrtpTerms | null
  /** Extended reports that the peer wants to be sent. */
  readonly reports: WantedReports
  /** Null where packets go where the description says. */
  readonly ice: IceTerms | null
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
  /** The offer is of ICE, but its addresses were changed on the way. */
  readonly iceMismatch: boolean
}

const refuse = (code: MediaRefusalCode, reason: string): MediaRefusal => ({ ok: false, code, reason })

/** A direction as the other side sees it. */
export const opposite: Readonly<Record<Direction, Direction>> = {
  sendrecv: 'sendrecv',
  sendonly: 'recvonly',
  recvonly: 'sendonly',
  inactive: 'inactive'
}

const plainProfiles = ['RTP/AVP', 'RTP/AVPF']
const secureProfiles = ['RTP/SAVP', 'RTP/SAVPF']

/** Nothing is encrypted. */
const inClear = new Secrecy('off')

/** No checks are answered. */
const withoutIce = new IceCredentials(false)

const everyFamily: readonly Family[] = [4, 6]

/**
 * Reads an offer: the first audio stream that is encrypted as we want it and has a codec of ours.
 *
 * @param families in which the stream can be received here
 */
export function readDescription(
  sdp: string,
  secrecy = inClear,
  ice = withoutIce,
  families = everyFamily
): ReadOffer | MediaRefusal {
  return read(sdp, secrecy, ice, families, false)
}

function read(
  written: string,
  secrecy: Secrecy,
  ice: IceCredentials,
  families: readonly Family[],
  answered: boolean
): ReadOffer | MediaRefusal {
  if (written.length > limits.characters) return refuse('sdp.malformed', `longer than ${limits.characters} characters`)
  const sdp = withoutBlanks(written)
  const malformed = checkForm(sdp)
  if (malformed !== null) return refuse('sdp.malformed', malformed)
  const session = parse(sdp)
  const [sessionLines, ...sections] = sectionsOf(sdp)
  const media = sections.map((lines, at) => {
    const { type, port, count, protocol, formats } = mediaLine.exec(lines[0]!)!.groups!
    return {
      type: type!,
      port: Number(port),
      count: Number(count ?? 1),
      protocol: protocol!,
      formats: formats!,
      parsed: session.media[at]!,
      lines,
      reports: readWantedReports([...sessionLines!, ...lines]),
      crypto: lines.filter((line) => line.startsWith(cryptoLine)).map((line) => line.slice(cryptoLine.length))
    }
  })
  const audio = media.filter(({ type, port, count }) => type === 'audio' && port !== 0 && count === 1)
  if (audio.length === 0) return refuse('sdp.no-audio', 'no audio stream is offered')
  const spoken = audio.filter(({ protocol }) => plainProfiles.includes(protocol) || secureProfiles.includes(protocol))
  if (spoken.length === 0) {
    return refuse(
      'sdp.unsupported-profile',
      `audio only over ${audio.map(({ protocol }) => protocol).join(', ')}; RTP/AVP and RTP/SAVP are spoken here`.slice(0, 200)
    )
  }
  const ways: { stream: (typeof spoken)[number]; keys: readonly CryptoAttribute[] }[] = []
  for (const stream of spoken) {
    const keys = secrecy.policy === 'off' ? [] : readCrypto(stream.crypto)
    if (keys === null) return refuse('sdp.malformed', 'a crypto attribute is malformed')
    ways.push({ stream, keys })
  }
  const secure = ways.filter(({ keys }) => keys.length > 0)
  const clear = ways.filter(({ stream }) => secrecy.policy !== 'required' && plainProfiles.includes(stream.protocol))
  if (secure.length + clear.length === 0) {
    const wanted = secrecy.policy === 'off' ? 'audio in clear' : 'keys (a=crypto) of a suite spoken here'
    return refuse(
      'sdp.unsupported-profile',
      `audio over ${spoken.map(({ protocol }) => protocol).join(', ')}; expected ${wanted}`
    )
  }
  for (const { stream, keys } of [...secure, ...clear.map(({ stream }) => ({ stream, keys: [] as const }))]) {
    const { parsed, port } = stream
    const written = text(parsed.connection?.ip ?? session.connection?.ip)
    if (written === '') return refuse('sdp.malformed', 'the audio stream has no connection address')
    const address = readAddress(written)
    if (address === null || !(isUnspecified(address) || families.includes(familyOf(address)))) {
      const served = families.map((family) => `IPv${family}`).join(' or ')
      return refuse('sdp.no-address', `the audio stream has no ${served} unicast address`)
    }
    if (port > 65_535) return refuse('sdp.malformed', 'the audio port is out of range')
    const controlPort = Number(parsed.rtcp?.port ?? port + 1)
    if (parsed.rtcp !== undefined && (controlPort < 1 || controlPort > 65_535)) {
      return refuse('sdp.malformed', 'the RTCP port is out of range')
    }
    const chosen = chooseCodec(parsed, stream.formats)
    if (chosen === null) continue
    const srtp = keys.length === 0 ? null : secrecy.choose(keys, answered)
    if (srtp === null && keys.length > 0) continue
    const offeredIce = readIce(sessionLines!, stream.lines, { address, port })
    const laterTold = offeredIce.kind === 'ice' && isUnknownYet({ address, port })
    const theirs = text(parsed.direction ?? session.direction ?? 'sendrecv') as Direction
    const asked =
      isUnspecified(address) && !laterTold ? (theirs === 'recvonly' || theirs === 'inactive' ? 'inactive' : 'sendonly') : theirs
    const controlMuxed = parsed.rtcpMux !== undefined
    const terms: AudioTerms = {
      ...chosen,
      remote: { address, port },
      remoteControl: controlMuxed
        ? { address, port }
        : controlPort > 65_535
          ? null
          : { address: readControlAddress(text(parsed.rtcp?.address), address), port: controlPort },
      controlMuxed,
      direction: opposite[asked],
      held: asked === 'sendonly' || asked === 'inactive',
      srtp,
      reports: stream.reports,
      ice: ice.choose(offeredIce, answered)
    }
    const iceMismatch = offeredIce.kind === 'mismatch'
    return { ok: true, terms, media: media.map((line) => ({ ...line, chosen: line === stream })), iceMismatch }
  }
  return refuse('sdp.no-common-codec', `none of the codecs offered; ${spokenCodecs().join(', ')} are spoken here`)
}

/**
 * Reads the answer to an offer of ours. The peer sends with the payload types of our offer, and is sent to with its own.
 *
 * @see RFC 3264 §6.1
 */
export function readAnswer(sdp: string, secrecy = inClear, ice = withoutIce, families = everyFamily): ReadOffer | MediaRefusal {
  const answer = read(sdp, secrecy, ice, families, true)
  if (!answer.ok) return answer
  return { ...answer, terms: { ...answer.terms, received: receivedTypes(answer.terms) } }
}

const cryptoLine = 'a=crypto:'

/** The lines before the first media description, then those of each, the m= line first. */
function sectionsOf(sdp: string): string[][] {
  const sections: string[][] = [[]]
  for (const line of sdp.split(/\r?\n/)) {
    if (line.startsWith('m=')) sections.push([line])
    else sections.at(-1)!.push(line)
  }
  return sections
}

/** Keys without those that are not spoken here; null when one is malformed. */
function readCrypto(attributes: readonly string[]): CryptoAttribute[] | null {
  try {
    return attributes.map(decodeCryptoAttribute).filter((attribute) => attribute !== null)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return null
  }
}

const text = (value: string | number | undefined) => String(value ?? '')

const mediaLine =
  /^m=(?<type>[a-z]+) (?<port>\d{1,5})(?:\/(?<count>\d{1,3}))? (?<protocol>[A-Za-z0-9/]{1,40}) (?<formats>[!-~]+(?: [!-~]+){0,63})$/

/** Without blanks at the ends of lines, and empty lines at the end, as some phones write them: they are no part of any value. */
function withoutBlanks(written: string): string {
  const lines = written.split(/\r?\n/).map((line) => line.trimEnd())
  while (lines.at(-1) === '') lines.pop()
  return lines.map((line) => `${line}\r\n`).join('')
}

/** What is wrong with the outer form, null when nothing is. */
function checkForm(sdp: string): string | null {
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

/** An address at which sound can be received, or which says that there is none yet; null for any other. */
function readAddress(written: string): string | null {
  if (isIP(written) === 0 || written.includes('%')) return null
  const address = plainAddress(written)
  return isUnspecified(address) || isUnicast(address) ? address : null
}

/** Where reports go: another host only where it can be reached from the same socket. @see RFC 3605 §2.1 */
function readControlAddress(written: string, address: string): string {
  const own = readAddress(written)
  return own === null || isUnspecified(own) || familyOf(own) !== familyOf(address) ? address : own
}

/** Whom a description is from: the o= line. */
export interface Origin {
  readonly sessionId: string
  readonly version: number
  readonly address: string
  /** Of the stream that we send, where it is known. */
  readonly source?: StreamSource
}

/** Names a stream in a description, for peers that take no other. @see RFC 5576 §4.1 */
export interface StreamSource {
  readonly ssrc: number
  readonly cname: string
}

function head({ sessionId, version, address }: Origin): string[] {
  const place = `IN IP${familyOf(address)} ${address}`
  return ['v=0', `o=- ${sessionId} ${version} ${place}`, 's=-', `c=${place}`, 't=0 0']
}

function audioLines(
  port: number,
  protocol: string,
  { payloadTypes, attributes }: FormatLines,
  direction: Direction,
  controlMuxed: boolean,
  extendedReports: boolean,
  source: StreamSource | undefined,
  keys: readonly OfferedKey[],
  ice: readonly string[]
): string[] {
  return [
    `m=audio ${port} ${protocol} ${payloadTypes.join(' ')}`,
    ...attributes,
    `a=${direction}`,
    ...(controlMuxed ? ['a=rtcp-mux'] : []),
    ...(extendedReports ? [extendedReportLine] : []),
    ...(source === undefined ? [] : [`a=ssrc:${source.ssrc} cname:${source.cname}`]),
    ...keys.map((key) => `a=crypto:${encodeCryptoAttribute(key)}`),
    ...ice
  ]
}

/** The answer to an offer: one codec, other streams refused with port 0. @see RFC 3264 §6 */
export function writeAnswer(offer: ReadOffer, origin: Origin, port: number): string {
  const { terms, iceMismatch } = offer
  const lines = [...head(origin), ...(terms.ice === null ? [] : [liteLine])]
  for (const { type, protocol, formats, chosen } of offer.media) {
    if (!chosen) lines.push(`m=${type} 0 ${protocol} ${formats}`)
    else {
      const { srtp } = terms
      const keys = srtp === null ? [] : [{ tag: srtp.tag, suite: cryptoSuiteNamed(srtp.suite)!, key: srtp.localKey }]
      const { direction, controlMuxed, reports } = terms
      const extended = reports.voip || reports.summary !== null
      const ice = terms.ice === null ? [] : iceLines(terms.ice, origin.address, port, controlMuxed ? 1 : 2)
      const said = iceMismatch ? [mismatchLine] : ice
      lines.push(
        ...audioLines(port, protocol, answeredFormats(terms), direction, controlMuxed, extended, origin.source, keys, said)
      )
    }
  }
  return `${lines.join('\r\n')}\r\n`
}

/**
 * An offer of every codec we speak.
 *
 * @param secure encryption is demanded, also where the policy leaves it to the peer
 * @see RFC 3264 §5
 */
export function writeOffer(
  origin: Origin,
  port: number,
  secrecy: Secrecy = inClear,
  secure = secrecy.policy === 'required'
): string {
  // keys with RTP/AVP: a phone that knows none of it takes the stream in clear (RFC 8643)
  const profile = secure ? 'RTP/SAVP' : 'RTP/AVP'
  const lines = audioLines(port, profile, offeredFormats(), 'sendrecv', true, true, origin.source, secrecy.offer(), [])
  return `${[...head(origin), ...lines].join('\r\n')}\r\n`
}
