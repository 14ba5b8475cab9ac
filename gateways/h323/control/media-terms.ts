/** The media plane speaks SDP, H.323 does not: one made of the other. The plane's own descriptions are read, not those of strangers. */
import { isIPv4 } from 'node:net'
import type { Address, AudioCodec, LocalMedia, MediaTerms } from './media.ts'

const clockRates: Readonly<Record<AudioCodec, string>> = {
  opus: 'opus/48000/2',
  // RFC 3551 §4.5.2: G.722 is sampled at 16 kHz and told as 8 kHz
  G722: 'G722/8000',
  PCMU: 'PCMU/8000',
  PCMA: 'PCMA/8000',
  G729: 'G729/8000'
}
const codecNames = Object.keys(clockRates) as AudioCodec[]
const staticNames = new Map<number, AudioCodec>([
  [0, 'PCMU'],
  [8, 'PCMA'],
  [9, 'G722'],
  [18, 'G729']
])

/**
 * Where and how the plane receives, from an offer of its own.
 *
 * @returns null when there is no audio stream in it
 */
export function localMediaOf(sdp: string): LocalMedia | null {
  const lines = sdp.split(/\r?\n/)
  const stream = /^m=audio (\d+) \S+ (.+)$/.exec(lines.find((line) => line.startsWith('m=audio ')) ?? '')
  const ip = /^c=IN IP[46] (\S+)$/.exec(lines.find((line) => line.startsWith('c=')) ?? '')?.[1]
  if (stream === null || ip === undefined) return null
  const port = Number(stream[1])
  const maps = new Map(
    lines.flatMap((line) => {
      const map = /^a=rtpmap:(\d+) (\S+)$/.exec(line)
      return map === null ? [] : [[Number(map[1]), map[2]!] as const]
    })
  )
  const codecs: AudioCodec[] = []
  let eventPayloadType: number | null = null
  let opusPayloadType: number | null = null
  for (const payloadType of stream[2]!.split(' ').map(Number)) {
    const map = maps.get(payloadType)
    const codec =
      codecNames.find((name) => clockRates[name] === map) ?? (map === undefined ? staticNames.get(payloadType) : undefined)
    if (codec !== undefined && !codecs.includes(codec)) codecs.push(codec)
    if (codec === 'opus') opusPayloadType ??= payloadType
    if (map === 'telephone-event/8000') eventPayloadType = payloadType
  }
  return { rtp: { ip, port }, rtcp: { ip, port: port + 1 }, codecs, eventPayloadType, opusPayloadType }
}

const directions = { both: 'sendrecv', comes: 'sendonly', goes: 'recvonly', none: 'inactive' } as const

const nowhere: Address = { ip: '0.0.0.0', port: 9 }

/**
 * What was agreed on, as the peer would tell it in SDP: an answer to the plane's offer, or an offer of its own when something changes.
 *
 * @param version grows with each description of a call
 * @param local the plane's own, whose number of telephone-event both sides use toward it
 */
export function sdpOf(terms: MediaTerms, local: LocalMedia, version: number): string {
  const { codec, payloadType, remote, sends, receives } = terms
  const { rtp, rtcp } = remote ?? { rtp: nowhere, rtcp: null }
  const family = isIPv4(rtp.ip) ? 'IP4' : 'IP6'
  const direction = receives ? (sends ? 'both' : 'comes') : sends ? 'goes' : 'none'
  const events = local.eventPayloadType
  const lines = [
    'v=0',
    `o=- 1 ${version} IN ${family} ${rtp.ip}`,
    's=-',
    `c=IN ${family} ${rtp.ip}`,
    't=0 0',
    `m=audio ${rtp.port} RTP/AVP ${payloadType}${events === null ? '' : ` ${events}`}`,
    `a=rtpmap:${payloadType} ${clockRates[codec]}`,
    ...(events === null ? [] : [`a=rtpmap:${events} telephone-event/8000`, `a=fmtp:${events} 0-15`]),
    ...(rtcp === null || rtcp.port === rtp.port + 1 ? [] : [`a=rtcp:${rtcp.port}`]),
    `a=${directions[direction]}`
  ]
  return `${lines.join('\r\n')}\r\n`
}
