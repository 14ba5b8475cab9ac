/**
 * Which codec of a stream is used, and how: the part of offer and answer that is about codecs, as pure functions.
 *
 * @see RFC 3264 §6.1, RFC 8866 §6.4, §6.6 and §6.15 (ptime, rtpmap, fmtp), RFC 3551 §6 (static payload types), RFC 3389 §5 (CN), RFC 4733 §2.1
 * (clock of events)
 */
import type { ParsedMedia } from 'sdp-transform'
import { frameMs } from '../mixer/lane.ts'
import type { CodecDefinition, FormatParameters } from './codec.ts'
import { codecNamed, codecs } from './codecs.ts'
import { type PacketTimes, packetMsFor } from './packing.ts'

/** What both sides agree on about coding. */
export interface CodecTerms {
  readonly codec: string
  readonly payloadType: number
  /** RTP clock of the codec, which also tells formats of one name apart. */
  readonly clockRateHz: number
  /** What of the peer's format parameters our encoders go by. */
  readonly parameters: FormatParameters
  /** Payload type of comfort noise; null where it was not agreed on, or is part of the codec. */
  readonly comfortNoisePayloadType: number | null
  /** Payload type of telephone-event; null when the peer has none. */
  readonly eventPayloadType: number | null
  /** Clock in which durations of telephone-event count. */
  readonly eventClockRateHz: number
  /** How much sound each packet of ours holds, ms: what the peer would like to receive, as far as the codec can. @see RFC 8866 §6.4 */
  readonly packetMs: number
  /** Payload types of what comes, where the peer has answered an offer of ours: those of the offer, whatever its own are. Null where both ways have the same. @see RFC 3264 §6.1 */
  readonly received: { readonly payloadType: number; readonly eventPayloadType: number | null } | null
}

interface Format {
  readonly payloadType: number
  readonly name: string
  readonly clockRateHz: number
  readonly channels: number
  readonly parameters: FormatParameters
}

const text = (value: string | number | undefined) => String(value ?? '')

/** More parameters than any codec has are not read. */
const mostParameters = 32

/** Parameters that tell an encoder what to send. Participants who agree in them can be sent the same payload. */
const encoderParameters = ['annexb', 'cbr', 'maxaveragebitrate', 'maxplaybackrate', 'usedtx', 'useinbandfec']

/** What of `minptime=10;useinbandfec=1` an encoder goes by; names in lower case and in order. @see RFC 6838 §4.3 */
export function readParameters(config: string): FormatParameters {
  const found = new Map<string, string>()
  for (const part of config.split(';').slice(0, mostParameters)) {
    const match = /^\s*([\w-]{1,40})\s*=\s*([\w.-]{1,20})\s*$/.exec(part)
    if (match !== null) found.set(match[1]!.toLowerCase(), match[2]!.toLowerCase())
  }
  return Object.fromEntries(encoderParameters.flatMap((name) => (found.has(name) ? [[name, found.get(name)!]] : [])))
}

/** The formats of a stream in the order of its m-line, dynamic ones without a map left out. */
function readFormats(stream: ParsedMedia, formats: string): Format[] {
  const numbers = formats
    .split(' ')
    .filter((format) => /^\d{1,3}$/.test(format))
    .map(Number)
    .filter((number) => number <= 127)
  return numbers.flatMap((payloadType) => {
    const parameters = readParameters(text(stream.fmtp?.find(({ payload }) => Number(payload) === payloadType)?.config))
    const map = stream.rtp.find(({ payload }) => Number(payload) === payloadType)
    if (map !== undefined) {
      const { codec, rate, encoding } = map
      return [{ payloadType, name: text(codec), clockRateHz: Number(rate), channels: Number(encoding ?? 1), parameters }]
    }
    if (payloadType === comfortNoiseAt8) return [{ payloadType, name: comfortNoise, clockRateHz: 8000, channels: 1, parameters }]
    const codec = codecs.find(({ staticPayloadType }) => staticPayloadType === payloadType)
    return codec === undefined
      ? []
      : [{ payloadType, name: codec.name, clockRateHz: codec.clockRateHz, channels: codec.channels, parameters }]
  })
}

const comfortNoise = 'CN'
/** Static payload type of comfort noise at 8 kHz. */
const comfortNoiseAt8 = 13
const telephoneEvent = 'telephone-event'
const usualEventClockHz = 8000

/** What is no time counts as not said. @see RFC 8866 §6.4 */
function readPacketTimes({ ptime, maxptime }: ParsedMedia): PacketTimes {
  const time = (value: string | number | undefined) => (Number(value) >= 1 ? Number(value) : null)
  return { wantedMs: time(ptime), mostMs: time(maxptime) }
}

/** The first codec of the stream that we speak, and what goes with it; null for none. */
export function chooseCodec(stream: ParsedMedia, formats: string): CodecTerms | null {
  const offered = readFormats(stream, formats)
  const named = (name: string, clockRateHz: number) =>
    offered.find((format) => format.name.toLowerCase() === name.toLowerCase() && format.clockRateHz === clockRateHz)
  const times = readPacketTimes(stream)
  for (const { payloadType, name, clockRateHz, channels, parameters } of offered) {
    const codec = codecNamed(name, clockRateHz)
    if (codec === undefined || codec.channels !== channels || codec.servedBy() === null) continue
    const packetMs = packetMsFor(codec, times)
    if (packetMs === null) continue
    // Events belong to the clock of the codec, but many phones offer them at 8 kHz beside any codec.
    const events = named(telephoneEvent, clockRateHz) ?? named(telephoneEvent, usualEventClockHz)
    return {
      codec: codec.name,
      payloadType,
      clockRateHz,
      parameters,
      comfortNoisePayloadType: codec.comfortNoise ? (named(comfortNoise, clockRateHz)?.payloadType ?? null) : null,
      eventPayloadType: events?.payloadType ?? null,
      eventClockRateHz: events?.clockRateHz ?? clockRateHz,
      packetMs,
      received: null
    }
  }
  return null
}

/** Names of the codecs that can be spoken here. */
export const spokenCodecs = (): readonly string[] => [
  ...new Set(codecs.filter((codec) => codec.servedBy() !== null).map(({ name }) => name))
]

/** The a=rtpmap line of a codec. @see RFC 8866 §6.6 */
export const rtpmapLine = (payloadType: number, codec: CodecDefinition): string =>
  `a=rtpmap:${payloadType} ${codec.name}/${codec.clockRateHz}${codec.channels === 1 ? '' : `/${codec.channels}`}`

const fmtp = (payloadType: number, parameters: string | null) =>
  parameters === null ? [] : [`a=fmtp:${payloadType} ${parameters}`]

const eventLines = (payloadType: number, clockRateHz: number) => [
  `a=rtpmap:${payloadType} ${telephoneEvent}/${clockRateHz}`,
  `a=fmtp:${payloadType} 0-15`
]

/** A stream's payload types, and the attributes that explain them. */
export interface FormatLines {
  readonly payloadTypes: readonly number[]
  readonly attributes: readonly string[]
}

/** What an answer says of the codec that was chosen. */
export function answeredFormats(terms: CodecTerms): FormatLines {
  const { payloadType, comfortNoisePayloadType, eventPayloadType, eventClockRateHz } = terms
  const codec = codecNamed(terms.codec, terms.clockRateHz)!
  // RFC 7261 §3: an offer without silence frames is answered without.
  const parameters = terms.parameters.annexb === 'no' ? 'annexb=no' : codec.parameters
  return {
    payloadTypes: [payloadType, comfortNoisePayloadType, eventPayloadType].filter((number) => number !== null),
    attributes: [
      rtpmapLine(payloadType, codec),
      ...fmtp(payloadType, parameters),
      ...(comfortNoisePayloadType === null ? [] : [`a=rtpmap:${comfortNoisePayloadType} ${comfortNoise}/${terms.clockRateHz}`]),
      ...(eventPayloadType === null ? [] : eventLines(eventPayloadType, eventClockRateHz)),
      `a=ptime:${frameMs}`
    ]
  }
}

/** Payload types under which we offer telephone-event, by clock. */
const offeredEvents = new Map([
  [8000, 101],
  [48_000, 100]
])

/** The payload type under which we offer events that go with a codec of this clock. */
export const offeredEventsAt = (clockRateHz: number): number =>
  offeredEvents.get(clockRateHz) ?? offeredEvents.get(usualEventClockHz)!

const firstDynamic = 96

/** The codecs of an offer of ours, with their payload types. */
const offeredCodecs = (): readonly (readonly [codec: CodecDefinition, payloadType: number])[] =>
  codecs
    .filter((codec) => codec.offered && codec.servedBy() !== null)
    .map((codec, at) => [codec, codec.staticPayloadType ?? firstDynamic + at])

/** Under which payload types the peer sends that has answered an offer of ours with these terms. @see RFC 3264 §6.1 */
export function receivedTypes({
  codec,
  clockRateHz,
  payloadType,
  eventPayloadType,
  eventClockRateHz
}: CodecTerms): CodecTerms['received'] {
  const ours = offeredCodecs().find(([{ name, clockRateHz: clock }]) => name === codec && clock === clockRateHz)
  return {
    payloadType: ours?.[1] ?? payloadType,
    eventPayloadType: eventPayloadType === null ? null : offeredEventsAt(eventClockRateHz)
  }
}

/** What an offer of ours says: every codec that is worth its bits, the best first. */
export function offeredFormats(): FormatLines {
  const offered = offeredCodecs()
  const clocks = [...offeredEvents].filter(([clock]) => offered.some(([{ clockRateHz }]) => clockRateHz === clock))
  return {
    payloadTypes: [...offered.map(([, number]) => number), ...clocks.map(([, number]) => number)],
    attributes: [
      ...offered.flatMap(([codec, number]) => [rtpmapLine(number, codec), ...fmtp(number, codec.parameters)]),
      ...clocks.flatMap(([clock, number]) => eventLines(number, clock)),
      `a=ptime:${frameMs}`
    ]
  }
}
