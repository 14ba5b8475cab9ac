/**
 * The video stream of a telephone or room system, as pure functions beside those of sdp.ts, which answers for sound and refuses the rest: here one refused stream is taken after all.
 *
 * @see RFC 3264 §6, RFC 6184 §8.2.2 (H.264), RFC 4585 §4.2 (rtcp-fb), RFC 3605, RFC 4796 (content), RFC 5761
 */
import { isIPv4 } from 'node:net'
import { generateProfileLevelIdStringForAnswer, isSameProfile } from 'h264-profile-level-id'
import { type ParsedMedia, parse } from 'sdp-transform'
import { h264Levels, type PictureKind, type PictureLimits } from '#kernel'
import type { Endpoint } from '../latch.ts'
import { type Direction, opposite, type StreamSource } from '../sdp.ts'

export interface VideoTerms {
  /** Which m-line of the offer, from 0. */
  readonly at: number
  readonly kind: PictureKind
  readonly protocol: string
  /** Of what goes out, and of what comes in where `receivedPayloadType` names no other. */
  readonly payloadType: number
  readonly receivedPayloadType?: number
  readonly profileLevelId: string
  readonly remote: Endpoint
  readonly remoteControl: Endpoint
  readonly controlMuxed: boolean
  /** Seen from our side. */
  readonly direction: Direction
  /** Whether the peer knows PLI; else it is asked by FIR. */
  readonly pictureLoss: boolean
  readonly takes: PictureLimits | null
}

/** What browsers can decode; room systems that say baseline use nothing of it that they could not. */
const profiles = ['42e01f', '42001f'] as const

/** What is shown beside people goes one way: who may show what is not settled by SDP (BFCP, RFC 8856, is not spoken). */
const withoutReceiving = { sendrecv: 'sendonly', sendonly: 'sendonly', recvonly: 'inactive', inactive: 'inactive' } as const

const text = (value: string | number | undefined) => String(value ?? '')
const port = (value: number) => (Number.isInteger(value) && value > 0 && value <= 65_535 ? value : null)

/** A parameter of a format, hexadecimal or decimal; undefined where it is not there. */
function parameter(stream: ParsedMedia, payloadType: number, name: string): string | undefined {
  const config = text(stream.fmtp?.find(({ payload }) => Number(payload) === payloadType)?.config)
  return new RegExp(`(?:^|;)\\s*${name}=([0-9a-f]{1,6})\\s*(?:;|$)`, 'i').exec(config)?.[1]
}

function readProfile(stream: ParsedMedia, payloadType: number): string | null {
  const map = stream.rtp.find(({ payload }) => Number(payload) === payloadType)
  if (text(map?.codec).toUpperCase() !== 'H264' || Number(map?.rate) !== 90_000) return null
  const value = (name: string) => parameter(stream, payloadType, name)
  // without fragments (mode 0) a browser's pictures do not fit
  if (value('packetization-mode') !== '1') return null
  const level = value('profile-level-id')
  const theirs = { 'level-asymmetry-allowed': 1, ...(level === undefined ? {} : { 'profile-level-id': level }) }
  for (const profileLevelId of profiles) {
    const ours = { 'level-asymmetry-allowed': 1, 'profile-level-id': profileLevelId }
    if (isSameProfile(ours, theirs)) return generateProfileLevelIdStringForAnswer(ours, theirs) ?? null
  }
  return null
}

/** constraint_set3_flag: with level_idc 11 it says level 1b. @see ITU-T H.264 §A.2.1 */
const constraintSet3 = 0x10
/** Level 1, which a format has that says none. @see RFC 6184 §8.1 */
const leastLevel = 10

/** What the peer can be sent: by its level, by max-fs (RFC 6184 §8.1), by the bandwidth of the stream (RFC 4566 §5.8, RFC 3890). */
function readLimits(stream: ParsedMedia, payloadType: number): PictureLimits {
  const profile = Number.parseInt(parameter(stream, payloadType, 'profile-level-id') ?? '', 16)
  const idc = profile & 0xff
  const level = idc === 11 && (profile & (constraintSet3 << 8)) !== 0 ? 9 : idc
  const { macroblocks, bitsPerSecond } = h264Levels.get(level) ?? h264Levels.get(leastLevel)!
  const larger = Number(parameter(stream, payloadType, 'max-fs') ?? 0)
  const said = (wanted: string) => Number(stream.bandwidth?.find(({ type }) => text(type) === wanted)?.limit ?? Number.NaN)
  const [exact, rough] = [said('TIAS'), said('AS') * 1000]
  const most = exact >= 0 ? exact : rough >= 0 ? rough : bitsPerSecond
  return { macroblocks: Math.max(macroblocks, larger || 0), bitsPerSecond: Math.min(bitsPerSecond, most) }
}

/** What a stream shows by its own word; `main` and a stream that says nothing are of people. @see RFC 4796 §5 */
const kindOf = (stream: ParsedMedia): PictureKind =>
  text(stream.content)
    .split(',')
    .some((word) => word.trim() === 'slides')
    ? 'content'
    : 'people'

/**
 * Reads the first video stream of a kind that can be shared: H.264 with fragments, in clear, from an IPv4 address.
 *
 * @param sdp an offer whose sound was taken: its form has been checked
 * @returns null when there is none
 */
export function readVideo(sdp: string, kind: PictureKind = 'people'): VideoTerms | null {
  const session = parse(sdp)
  const lines = sdp.split(/\r?\n/).filter((line) => line.startsWith('m='))
  for (const [at, line] of lines.entries()) {
    const match = /^m=video (\d{1,5}) (RTP\/AVPF?) ([\d ]+)$/.exec(line)
    const stream = session.media[at]
    const remotePort = match === null ? null : port(Number(match[1]))
    if (match === null || stream === undefined || remotePort === null || kindOf(stream) !== kind) continue
    const address = text(stream.connection?.ip ?? session.connection?.ip)
    const first = Number(address.split('.')[0])
    if (!isIPv4(address) || first === 0 || first >= 224) continue
    const controlMuxed = stream.rtcpMux !== undefined
    const controlPort = controlMuxed ? remotePort : port(Number(stream.rtcp?.port ?? remotePort + 1))
    if (controlPort === null) continue
    for (const payloadType of match[3]!.trim().split(/ +/).map(Number)) {
      const profileLevelId = payloadType <= 127 ? readProfile(stream, payloadType) : null
      if (profileLevelId === null) continue
      const known = (stream.rtcpFb ?? []).some(
        ({ payload, type, subtype }) =>
          (payload === '*' || Number(payload) === payloadType) && type === 'nack' && subtype === 'pli'
      )
      const direction = opposite[text(stream.direction ?? session.direction ?? 'sendrecv') as Direction] ?? 'sendrecv'
      return {
        at,
        kind,
        protocol: match[2]!,
        payloadType,
        profileLevelId,
        remote: { address, port: remotePort },
        remoteControl: { address, port: controlPort },
        controlMuxed,
        direction: kind === 'people' ? direction : withoutReceiving[direction],
        pictureLoss: known,
        takes: readLimits(stream, payloadType)
      }
    }
  }
  return null
}

/** The answer with the video stream taken that it refused. Sound that is encrypted has no picture in clear beside it. */
export function answerVideo(answer: string, terms: VideoTerms, localPort: number, source: StreamSource): string {
  const { at, kind, protocol, payloadType, profileLevelId, controlMuxed, direction, pictureLoss } = terms
  const section = [
    `m=video ${localPort} ${protocol} ${payloadType}`,
    `a=rtpmap:${payloadType} H264/90000`,
    `a=fmtp:${payloadType} profile-level-id=${profileLevelId};packetization-mode=1;level-asymmetry-allowed=1`,
    ...(pictureLoss ? [`a=rtcp-fb:${payloadType} nack pli`] : []),
    `a=rtcp-fb:${payloadType} ccm fir`,
    `a=${direction}`,
    ...(kind === 'content' ? ['a=content:slides'] : []),
    ...(controlMuxed ? ['a=rtcp-mux'] : []),
    `a=ssrc:${source.ssrc} cname:${source.cname}`
  ]
  let media = -1
  const lines = answer.split('\r\n').flatMap((line) => {
    if (line.startsWith('m=')) media++
    return line.startsWith('m=') && media === at ? section : [line]
  })
  return lines.join('\r\n')
}

/** Whether the sound of an answer is encrypted. */
export const isEncrypted = (answer: string): boolean => /^a=crypto:/m.test(answer)

/** The description with its version. @see RFC 3264 §8 */
export const withVersion = (sdp: string, version: number): string =>
  sdp.replace(/^(o=\S+ \S+) \d+ /m, (_, origin: string) => `${origin} ${version} `)
