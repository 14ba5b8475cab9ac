/** What of the media plane reads octets of strangers, as targets of the fuzz run. A target throws where one of its rules is broken. */
import { InfraFabricError } from '#kernel'
import { largestPayload, longestPacketMs } from '../codec/codec.ts'
import { codecs } from '../codec/codecs.ts'
import { Leg, type LegOutput } from '../leg.ts'
import { decodeDumpHeader, decodeRecords, encodeDumpHeader, encodeRecord } from '../recording/rtpdump.ts'
import { decodeRtcp, encodeReport } from '../rtp/rtcp.ts'
import { asksForPicture, decodeFeedback, encodeFullIntra, encodeNack, encodePictureLoss } from '../rtp/rtcp-feedback.ts'
import { encodeExtendedReport } from '../rtp/rtcp-xr.ts'
import { noReports } from '../rtp/rtcp-xr-attribute.ts'
import { decodeRtp, emptyRtpHeader, encodeRtp, rtpHeaderLength } from '../rtp/rtp.ts'
import { decodeTelephoneEvent, encodeTelephoneEvent } from '../rtp/telephone-event.ts'
import { type AudioTerms, readDescription } from '../sdp.ts'
import { decodeCryptoAttribute, noMki } from '../srtp/crypto-attribute.ts'
import { srtpAvailable } from '../srtp/session.ts'
import { SrtpStream } from '../srtp/stream.ts'
import { cryptoSuiteNamed } from '../srtp/suites.ts'
import { beginsKeyFrame } from '../video/h264.ts'
import { noise, voice } from './signals.ts'

export interface Target {
  readonly name: string
  /** Inputs that are changed. */
  readonly seeds: readonly Buffer[]
  /** @returns how the input ended; throws {@link InfraFabricError} where it was refused, anything else is a defect */
  readonly run: (input: Buffer) => string
  readonly close?: () => void
}

const phone = { address: '198.51.100.7', port: 4000 }
const terms: AudioTerms = {
  codec: 'PCMU',
  payloadType: 0,
  clockRateHz: 8000,
  parameters: {},
  comfortNoisePayloadType: 13,
  eventPayloadType: 101,
  eventClockRateHz: 8000,
  packetMs: 20,
  received: null,
  remote: phone,
  remoteControl: { ...phone, port: 4001 },
  controlMuxed: true,
  direction: 'sendrecv',
  held: false,
  srtp: null,
  reports: { ...noReports, voip: true, summary: { loss: true, duplicates: true, jitter: true } },
  ice: null
}

const block = {
  ssrc: 7,
  fractionLost: 1,
  cumulativeLost: 5,
  extendedHighest: 70_000,
  jitter: 40,
  lastSenderReport: 9,
  delaySinceLast: 9
}
const sender = { ntpSeconds: 3_900_000_000, ntpFraction: 1, timestamp: 160, packets: 50, octets: 8000 }
const extended = encodeExtendedReport(
  {
    ssrc: 5,
    summaries: [{ ssrc: 7, beginSequence: 1, endSequence: 9, lost: 1, duplicates: 0, jitter: null }],
    voip: [
      {
        ssrc: 7,
        lossRate: 0.1,
        discardRate: 0,
        burstDensity: 0,
        gapDensity: 0,
        burstDurationMs: 1,
        gapDurationMs: 2,
        roundTripMs: 3,
        endSystemDelayMs: 4,
        rFactor: 80,
        mosListening: 4,
        mosConversational: 4,
        jitterBuffer: { adaptive: true, nominalMs: 20, maximumMs: 40, absoluteMaximumMs: 80 }
      }
    ]
  },
  16
)
const reports = [
  encodeReport({ ssrc: 5, cname: 'p@host', sender, block, extended, goodbye: true }),
  encodeReport({ ssrc: 5, cname: 'p@host', sender: null, block, goodbye: false })
]

function rtp(payloadType: number, payload: Uint8Array, sequence = 1, ssrc = 5): Buffer {
  const packet = Buffer.alloc(rtpHeaderLength + payload.length)
  encodeRtp(packet, false, payloadType, sequence, 160 * sequence, ssrc)
  packet.set(payload, rtpHeaderLength)
  return packet
}

const event = Buffer.alloc(4)
encodeTelephoneEvent({ event: 5, end: true, volume: 10, duration: 800 }, event, 0)
const g711 = Buffer.alloc(160, 0x55)

/** A header with contributing sources, an extension and padding. */
const crowded = Buffer.concat([
  Buffer.from('b2000001000000a000000005', 'hex'),
  Buffer.alloc(8),
  Buffer.from('bede000110aa0000', 'hex'),
  g711,
  Buffer.from('00000004', 'hex')
])

const rule = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(`rule broken: ${what}`)
}

function headers(): Target {
  const out = emptyRtpHeader()
  return {
    name: 'rtp',
    seeds: [rtp(0, g711), crowded],
    run: (input) => {
      decodeRtp(input, out)
      rule(out.payloadStart >= rtpHeaderLength && out.payloadStart <= out.payloadEnd && out.payloadEnd <= input.length, 'payload')
      return `ok ${out.payloadStart > rtpHeaderLength} ${out.payloadEnd < input.length}`
    }
  }
}

const feedback = [encodePictureLoss(1, 2), encodeFullIntra(1, 2, 3), encodeNack(1, 2, [5, 6, 9, 40])]

function control(): Target {
  return {
    name: 'rtcp',
    seeds: [...reports, extended, ...feedback, Buffer.concat([reports[1]!, ...feedback])],
    run: (input) => {
      asksForPicture(input)
      const packets = decodeRtcp(input, true)
      rule(packets.length <= input.length / 4, 'packets')
      for (const packet of decodeFeedback(input)) rule(typeof packet.type === 'string', 'feedback')
      return packets.map(({ type }) => type).join(' ')
    }
  }
}

function events(): Target {
  const out = { event: 0, end: false, volume: 0, duration: 0 }
  return {
    name: 'telephone-event',
    seeds: [event],
    run: (input) => {
      decodeTelephoneEvent(input, 0, input.length, out)
      rule(out.volume <= 63 && out.duration <= 0xffff, 'event')
      return `ok ${out.end}`
    }
  }
}

const sdp = [
  ...['v=0', 'o=a 1 1 IN IP4 192.0.2.1', 's=-', 'c=IN IP4 192.0.2.1', 't=0 0', 'm=audio 4000 RTP/SAVP 96 0 13 101'],
  ...['a=rtpmap:96 opus/48000/2', 'a=fmtp:96 useinbandfec=1;minptime=10', 'a=rtpmap:101 telephone-event/8000', 'a=rtcp:4001'],
  ...['a=rtcp-mux', 'a=rtcp-xr:voip-metrics stat-summary=loss', 'a=sendonly'],
  ...['a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20', 'm=video 9 RTP/AVP 99', '']
].join('\r\n')

function descriptions(): Target {
  return {
    name: 'sdp',
    seeds: [Buffer.from(sdp)],
    run: (input) => {
      const read = readDescription(input.toString('latin1'))
      return read.ok ? `ok ${read.terms.codec} ${read.terms.direction}` : read.code
    }
  }
}

function keys(): Target {
  const line = '1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:4'
  return {
    name: 'crypto',
    seeds: [Buffer.from(line)],
    run: (input) => (decodeCryptoAttribute(input.toString('latin1')) === null ? 'passed over' : 'ok')
  }
}

function dumps(): Target {
  const file = Buffer.concat([
    encodeDumpHeader({ address: '192.0.2.1', port: 4000 }, 1_700_000_000_000),
    encodeRecord({ offsetMs: 0, packet: rtp(0, g711) }),
    encodeRecord({ offsetMs: 20, packet: rtp(0, g711, 2) })
  ])
  return {
    name: 'rtpdump',
    seeds: [file],
    run: (input) => {
      const { recordsAt } = decodeDumpHeader(input)
      const { records, cutAt } = decodeRecords(input, recordsAt)
      return `ok ${records.length} ${cutAt === null}`
    }
  }
}

function pictures(): Target {
  const units = ['6742c01e', '7c85aabb', '7c05aabb', '18000467 42c01e000165'.replaceAll(' ', '')]
  return {
    name: 'h264',
    seeds: units.map((hex) => Buffer.from(hex, 'hex')),
    run: (input) => String(beginsKeyFrame(input, 0, input.length))
  }
}

/** Every codec's decoder, with what is lost between. */
function decoders(): Target {
  const spoken = codecs.filter((codec) => codec.servedBy() !== null)
  const coders = spoken.map((codec) => ({
    decoder: codec.createDecoder(),
    out: new Int16Array((longestPacketMs * codec.sampleRateHz) / 1000)
  }))
  const seeds = spoken.map((codec, n) => {
    const encoder = codec.createEncoder({ parameters: { useinbandfec: '1' }, expectedLossPercent: 10 })
    const payload = Buffer.alloc(1 + largestPayload)
    payload[0] = n
    const octets = encoder.encode(voice(codec.sampleRateHz, 0.02), payload, 1)
    encoder.close()
    return payload.subarray(0, 1 + octets)
  })
  return {
    name: 'decoders',
    seeds,
    run: (input) => {
      if (input.length === 0) return 'empty'
      const n = input[0]! % coders.length
      const { decoder, out } = coders[n]!
      rule(decoder.samplesIn(input, 1, input.length) >= 0, 'samplesIn')
      const recovered = decoder.recover?.(input, 1, input.length, out.subarray(0, 160)) ?? 0
      const samples = decoder.decode(input, 1, input.length, out)
      rule(samples >= 0 && samples <= out.length && recovered <= 160, 'room')
      return `${spoken[n]!.name} ${samples}`
    },
    close: () => {
      for (const { decoder } of coders) decoder.close()
    }
  }
}

const legSettings = { jitterTargetMs: 20, latchWindowMs: 5000, mediaTimeoutMs: 30_000, cname: 'us', highestRateHz: 48_000 }
const quiet: LegOutput = {
  sendRtp: () => true,
  sendRtcp: () => undefined,
  frame: (samples) => new Int16Array(samples),
  freeFrame: () => undefined,
  digit: () => undefined,
  silent: () => undefined,
  strangers: () => undefined
}

/** Inputs after which a leg is made anew. */
const lifetime = 5000

/** A whole leg: packets, reports, frames and its own reports, over hours of simulated time. */
function legs(): Target {
  const random = noise(9)
  let leg: Leg | null = null
  let count = 0
  let nowMs = 0
  const renew = () => {
    const { received, quality } = leg?.stats() ?? { received: { packets: 0 }, quality: null }
    rule(received.packets >= 0, 'counts')
    if (quality !== null) {
      const { rFactor, mosListening, expected, lost, discarded } = quality
      rule(rFactor >= 0 && rFactor <= 93.2 && mosListening >= 1 && mosListening <= 4.5, 'scores')
      rule(lost + discarded <= expected, 'loss')
    }
    leg?.close()
    leg = new Leg(legSettings, quiet)
    leg.agree(terms, nowMs)
  }
  return {
    name: 'leg',
    seeds: [
      rtp(0, g711),
      rtp(0, g711, 2),
      rtp(0, g711, 3),
      rtp(13, Buffer.of(40, 1, 2)),
      rtp(101, event, 4),
      crowded,
      ...reports
    ],
    run: (input) => {
      if (count++ % lifetime === 0) renew()
      nowMs += 2
      const before = leg!.stats().received.errors
      const isControl = input.length > 1 && input[1]! >= 192 && input[1]! <= 223
      if (isControl) leg!.receiveControl(input, phone, nowMs, 1_700_000_000_000 + nowMs)
      else leg!.receive(input, random() > 0.9 ? { ...phone, port: 4002 } : phone, nowMs)
      if (count % 10 === 0) leg!.pull(nowMs)
      if (count % 500 === 0) {
        leg!.watch(nowMs)
        leg!.report(nowMs, 1_700_000_000_000 + nowMs, false)
      }
      return `${isControl} ${leg!.stats().received.errors > before}`
    },
    close: () => leg?.close()
  }
}

/** An encrypted stream: whatever was changed, or came before, is refused. */
function encrypted(suiteName: string): Target {
  const suite = cryptoSuiteNamed(suiteName)!
  const key = Buffer.alloc(suite.keyLength + suite.saltLength, 7)
  const peer = new SrtpStream({ tag: 1, suite: suiteName, localKey: key, remoteKey: key, remoteMki: noMki })
  const stream = new SrtpStream({ tag: 1, suite: suiteName, localKey: key, remoteKey: key, remoteMki: noMki })
  const protectedPackets = Array.from({ length: 8 }, (_, n) => {
    const plain = rtp(0, g711, n + 1)
    return Buffer.from(peer.packet.subarray(0, peer.protect(plain, plain.length)))
  })
  const reportOctets = peer.protectControl(reports[0]!)
  const protectedReport = Buffer.from(peer.packet.subarray(0, reportOctets))
  for (const packet of protectedPackets) rule(stream.unprotect(Buffer.from(packet)) !== null, 'a packet of the peer')
  rule(stream.unprotectControl(Buffer.from(protectedReport)) !== null, 'a report of the peer')
  return {
    name: `srtp ${suiteName}`,
    seeds: [...protectedPackets, protectedReport],
    run: (input) => {
      rule(stream.unprotect(Buffer.from(input)) === null, 'a packet that is forged or came before was taken')
      rule(stream.unprotectControl(Buffer.from(input)) === null, 'a report that is forged or came before was taken')
      return 'refused'
    },
    close: () => {
      peer.close()
      stream.close()
    }
  }
}

/** Those that this machine can run. */
export const makeTargets = (): Target[] => [
  headers(),
  control(),
  events(),
  descriptions(),
  keys(),
  dumps(),
  pictures(),
  decoders(),
  legs(),
  ...(srtpAvailable() ? ['AES_CM_128_HMAC_SHA1_80', 'AEAD_AES_256_GCM'].map(encrypted) : [])
]

export const isRefusal = (error: unknown): error is InfraFabricError => error instanceof InfraFabricError
