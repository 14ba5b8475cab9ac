import { randomFillSync } from 'node:crypto'
import { DecodeError, type LegStats, type PeerQuality, type WayBeyond } from '#kernel'
import type { CodecDefinition, Decoder, Economy } from './codec/codec.ts'
import { codecNamed } from './codec/codecs.ts'
import { aLaw, type Law, muLaw, pcma, pcmu } from './codec/g711.ts'
import { createPacker, type Packer } from './codec/packing.ts'
import { type LegRecord, of } from './express/record.ts'
import { LitePath } from './ice/lite-path.ts'
import { JitterBuffer } from './jitter/jitter-buffer.ts'
import { type Endpoint, Latch } from './latch.ts'
import type { Party } from './mixer/conference.ts'
import type { SendFormat } from './mixer/downlink.ts'
import { frameMs, frameSamples } from './mixer/lane.ts'
import { assessLeg, voipMetricsOf } from './quality/leg-quality.ts'
import { gmin } from './quality/loss-pattern.ts'
import { Reception } from './quality/reception.ts'
import { type DigitFrame, DigitSender } from './rtp/digit-sender.ts'
import {
  decodeRtcp,
  encodeReport,
  ntpMiddle,
  ntpTime,
  type ReportBlock,
  type RtcpPacket,
  roundTripMs,
  type SenderInfo
} from './rtp/rtcp.ts'
import { encodeExtendedReport, type StatisticsSummary, type VoipMetrics } from './rtp/rtcp-xr.ts'
import { decodeRtp, emptyRtpHeader, encodeRtp, rtpHeaderLength } from './rtp/rtp.ts'
import { RtpSource } from './rtp/source.ts'
import { DigitCollector, decodeTelephoneEvent, type TelephoneEvent } from './rtp/telephone-event.ts'
import type { AudioTerms } from './sdp.ts'
import { SrtpStream } from './srtp/stream.ts'
import { familyOf, isUnspecified } from './udp/inet.ts'

/** Comfort noise that comes without being agreed on, as some phones send it in G.711 streams. @see RFC 3551 §6 */
const unaskedComfortNoise = 13

/** Packets sent to somebody who has sent none, from which on it counts as one that listens: who speaks at once goes into the express lane once. */
const silentPackets = 10

/** Loss that is prepared for, in per cent, and below which it no longer is: a packet in a hundred costs more sound than redundancy does. */
const lossThatCounts = { from: 1, until: 0.25 }
/** Packets sent, fewer of which tell nothing about loss: a second. */
const fewestPackets = 50

/** Of the jitter buffer, as far as it counts for quality. */
const longestDelayMs = 1000

/** Of the packet that is being taken, for all legs of a thread: what is used again and again stays near the processor. */
const header = emptyRtpHeader()
const telephoneEvent: TelephoneEvent = { event: 0, end: false, volume: 0, duration: 0 }

/** Random numbers for many legs, taken in one go: to ask for one costs as much as to ask for all of them. */
const randomWords = new Uint32Array(256)
let randomLeft = 0

function randomUint32(): number {
  if (randomLeft === 0) {
    randomFillSync(randomWords)
    randomLeft = randomWords.length
  }
  return randomWords[--randomLeft]!
}

/** In the lower half, so that a receiver that misses the first packets of an encrypted stream still knows how often the number has wrapped. @see RFC 3711 §3.3.1 */
const firstSequence = () => randomUint32() & 0x7fff

export interface LegSettings {
  readonly jitterTargetMs: number
  readonly latchWindowMs: number
  readonly mediaTimeoutMs: number
  readonly cname: string
  /** Highest sample rate at which a codec that knows several is coded. */
  readonly highestRateHz: number
}

/** What a leg asks of the world. */
export interface LegOutput {
  /**
   * Takes the first `length` octets; the packet is written again at once.
   *
   * @param payload octets of it that count as sent, to be given to {@link Leg.unsent} when it turns out that they were not; 0 or left out: none do
   * @returns false when it was not sent
   */
  readonly sendRtp: (packet: Buffer, length: number, to: Endpoint, payload?: number) => boolean
  readonly sendRtcp: (packet: Buffer, to: Endpoint, muxed: boolean) => void
  /** A frame for decoded sound. */
  readonly frame: (samples: number) => Int16Array
  readonly freeFrame: (frame: Int16Array) => void
  readonly digit: (digit: string, durationMs: number) => void
  readonly silent: (silentMs: number) => void
  readonly strangers: (packets: number) => void
}

/** Sample rate at which a leg codes: the codec's highest that is not above `highestRateHz`, else its usual one. */
function codingRate({ sampleRateHz, sampleRatesHz }: CodecDefinition, highestRateHz: number): number {
  if (sampleRateHz <= highestRateHz) return sampleRateHz
  return sampleRatesHz.reduce((best, rate) => (rate <= highestRateHz && rate > best ? rate : best), 0) || sampleRateHz
}

/** The law of a format that is G.711 and no more; null for others. */
export function lawOf(format: SendFormat | null): Law | null {
  if (format === null || format.options.comfortNoise) return null
  return format.codec === pcmu ? muLaw : format.codec === pcma ? aLaw : null
}

/** Where a leg is in the express lane. */
export interface LaneSeat {
  readonly record: LegRecord
  /** Gives the stream back: calls {@link Leg.follow}. */
  readonly leave: () => void
}

/** The same for terms under which the same payload can be sent. */
const sendKey = ({ codec, clockRateHz, parameters, comfortNoisePayloadType }: AudioTerms) =>
  `${codec}/${clockRateHz} ${JSON.stringify(parameters)}${comfortNoisePayloadType === null ? '' : ' CN'}`

const formatKey = (terms: AudioTerms) => `${terms.payloadType} ${sendKey(terms)} ${terms.eventClockRateHz}`

/** One participant's stream, both ways, without sockets and clock: `nowMs` is monotonic, `wallMs` counts from 1970. */
export class Leg implements Party {
  frame: Int16Array
  rateHz = 0
  format: SendFormat | null = null
  /** Told of every packet that is taken, as it is after decryption; the packet is good until it returns. */
  taken: ((packet: Buffer, arrivedMs: number) => void) | null = null
  readonly #settings: LegSettings
  readonly #output: LegOutput
  readonly #counts = {
    received: { packets: 0, bytes: 0, errors: 0, dropped: 0 },
    sent: { packets: 0, bytes: 0, errors: 0, dropped: 0 }
  }
  #ssrc = randomUint32()
  /** Address from which our own SSRC has come: what comes from there with the next one is our own stream, sent back. */
  #collidedWith = ''
  /** Sent under an earlier SSRC of ours: not in our reports. */
  #sentBefore = { packets: 0, bytes: 0 }
  readonly #pressed = new DigitSender()
  readonly #keyPacket = Buffer.alloc(rtpHeaderLength + 4)
  readonly #keyFrame: DigitFrame = { first: false, age: 0, segment: 0 }
  #sequence = firstSequence()
  #timestamp = randomUint32()
  /** Null where each frame leaves as a packet. */
  #packer: Packer | null = null
  #marker = true
  #terms: AudioTerms | null = null
  #srtp: SrtpStream | null = null
  #latch: Latch | null = null
  /** Ways that checks have shown, of media and of control packets; null where the description is believed. */
  #checked: { readonly rtp: LitePath; readonly rtcp: LitePath } | null = null
  /** Null until something has come: who only listens needs none. */
  #jitter: JitterBuffer | null = null
  #decoder: Decoder | null = null
  #digits: DigitCollector | null = null
  #clockRateHz = 8000
  /** Units of the RTP clock in a frame. */
  #frameClock = 160
  #source: RtpSource | null = null
  /** Another stream from the peer's address, not yet believed. */
  readonly #nextSource = { ssrc: 0, sequenceNumber: -1 }
  #lostBefore = 0
  #bufferDrops = 0
  #lastHeardMs = 0
  #silenceTold = false
  #strangersUntold = 0
  #strangersTotal = 0
  /** Packets of the last address that had not proved to be the participant's: of a phone behind NAT they are taken back when it has (RFC 7362 §4). */
  #unproved = { address: '', packets: 0 }
  #lastSenderReport = { middle: 0, arrivedMs: 0 }
  /** Packets counted at the last report, and sent at the one before it. */
  readonly #reported = { received: 0, sent: 0, sentBefore: 0, any: false }
  #roundTripMs: number | null = null
  readonly #reception = new Reception()
  #jitterMaxMs = 0
  /** Delays of the jitter buffer that were seen, and their sum. */
  readonly #delays = { count: 0, sumMs: 0 }
  /** What the last extended report covered; `endSequence` −1 before the first of a stream. */
  readonly #covered = { endSequence: -1, lost: 0, duplicates: 0 }
  /** While the express lane carries the stream. */
  #seat: LaneSeat | null = null
  #peer: PeerQuality | null = null
  lossPercent = 0
  /** Mean loss of what we send, in per cent, and what it was reckoned from: it rises at once and falls by half with each report. */
  readonly #loss = { meanPercent: 0, lost: 0, sent: 0 }
  /** How much time the encoder was given for the participant: seconds that were looked at, and the sum of what it saved. */
  readonly #economy = { count: 0, sum: 0 }
  /** Null where our stream goes all the way. */
  #beyond: WayBeyond | null = null

  constructor(settings: LegSettings, output: LegOutput) {
    this.frame = output.frame(0)
    this.#settings = settings
    this.#output = output
  }

  /**
   * Takes the terms of an offer and answer: the first, or new ones.
   *
   * @throws {InfraFabricError} of the codec; the leg is as it was then
   */
  agree(terms: AudioTerms, nowMs: number): void {
    this.#seat?.leave()
    const before = this.#terms
    this.#packer?.flush()
    if (before === null || formatKey(before) !== formatKey(terms)) this.#useCodec(terms)
    this.#packer = createPacker(this.format!.codec, terms.packetMs, this.#sendPacked)
    this.#useKeys(terms)
    this.#terms = terms
    if (this.#latch === null) this.#latch = new Latch(terms.remote, this.#settings.latchWindowMs, nowMs)
    else if (!isUnspecified(terms.remote.address)) this.#latch.signal(terms.remote, nowMs)
    this.#useIce(terms)
    this.#lastHeardMs = nowMs
    this.#silenceTold = false
    this.#marker = true
  }

  #useIce({ ice }: AudioTerms): void {
    if (ice === null) this.#checked = null
    else if (this.#checked === null) this.#checked = { rtp: new LitePath(ice), rtcp: new LitePath(ice) }
    else for (const path of [this.#checked.rtp, this.#checked.rtcp]) path.restart(ice)
  }

  /** Takes a connectivity check, on the port for media or that for control packets alone. */
  receiveCheck(packet: Buffer, source: Endpoint, component: 'rtp' | 'rtcp'): void {
    if (this.#checked === null) {
      if (this.#latch !== null) this.#refuse(source)
      return
    }
    try {
      const answer = this.#checked[component].check(packet, source)
      if (answer === null) return
      if (component === 'rtp') this.#output.sendRtp(answer, answer.length, source)
      else this.#output.sendRtcp(answer, source, false)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      this.stranger()
    }
  }

  #accepts(source: Endpoint, nowMs: number): boolean {
    if (this.#checked !== null) return this.#checked.rtp.accept(source)
    const latch = this.#latch!
    if (latch.latched) return latch.accept(source, header.ssrc, header.sequenceNumber, nowMs)
    const isTheirs = latch.accept(source, header.ssrc, header.sequenceNumber, nowMs)
    if (isTheirs && this.#unproved.address === source.address) {
      const taken = Math.min(this.#unproved.packets, this.#strangersUntold)
      this.#strangersUntold -= taken
      this.#strangersTotal -= taken
    }
    return isTheirs
  }

  #acceptsControl(source: Endpoint): boolean {
    if (this.#checked !== null) return this.#checked.rtp.accept(source) || this.#checked.rtcp.accept(source)
    return this.#latch!.acceptsControl(source) || source.address === this.#terms?.remoteControl?.address
  }

  /** Null until a check has shown where the peer is. */
  get #destination(): Endpoint | null {
    return this.#checked === null ? this.#latch!.destination : this.#checked.rtp.destination
  }

  #useKeys({ srtp }: AudioTerms): void {
    if (srtp !== null && this.#srtp !== null) this.#srtp.rekey(srtp)
    else {
      const before = this.#srtp
      this.#srtp = srtp === null ? null : new SrtpStream(srtp)
      before?.close()
    }
  }

  #useCodec(terms: AudioTerms): void {
    const codec = codecNamed(terms.codec, terms.clockRateHz)!
    const rateHz = codingRate(codec, this.#settings.highestRateHz)
    const { parameters, comfortNoisePayloadType } = terms
    const options = { sampleRateHz: rateHz, parameters, comfortNoise: comfortNoisePayloadType !== null }
    const decoder = codec.createDecoder(options)
    this.#noteDrops()
    this.#decoder?.close()
    this.#decoder = decoder
    this.#output.freeFrame(this.frame)
    this.frame = this.#output.frame(frameSamples(rateHz)).fill(0)
    this.rateHz = rateHz
    this.format = { codec, options, rateHz, key: `${sendKey(terms)} ${rateHz}` }
    this.#clockRateHz = codec.clockRateHz
    this.#frameClock = (codec.clockRateHz * frameMs) / 1000
    this.#jitter = this.#source === null ? null : this.#newJitter(decoder)
    this.#digits = new DigitCollector(terms.eventClockRateHz, this.#output.digit)
  }

  #newJitter(decoder: Decoder): JitterBuffer {
    const { clockRateHz } = this.format!.codec
    const { jitterTargetMs: targetDelayMs } = this.#settings
    const config = { clockRateHz, sampleRateHz: this.rateHz, frameSamples: this.frame.length, targetDelayMs }
    return new JitterBuffer(config, decoder, this.#reception)
  }

  /** @param received is decrypted in place */
  receive(received: Buffer, source: Endpoint, nowMs: number): void {
    this.#seat?.leave()
    const terms = this.#terms
    const counts = this.#counts.received
    if (terms === null) return
    const packet = this.#srtp === null ? received : this.#srtp.unprotect(received)
    if (packet === null) {
      this.#refuse(source)
      return
    }
    try {
      decodeRtp(packet, header)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      counts.errors++
      return
    }
    const { payloadType: theirs, eventPayloadType: theirEvents } = terms.received ?? terms
    const isEvent = header.payloadType === theirEvents
    const isNoise = header.payloadType === (terms.comfortNoisePayloadType ?? unaskedComfortNoise)
    const known = isEvent || isNoise || header.payloadType === theirs || header.payloadType === terms.payloadType
    if (!known || !this.#accepts(source, nowMs)) {
      if (known || !this.#acceptsControl(source)) this.#unknown(source)
      else counts.errors++
      return
    }
    if (header.ssrc === this.#ssrc && this.#isLoop(source)) {
      counts.errors++
      return
    }
    if (
      !this.#isCurrentStream(header.ssrc, header.sequenceNumber) ||
      !this.#source!.receive(header.sequenceNumber, header.timestamp, nowMs)
    ) {
      counts.errors++
      return
    }
    counts.packets++
    counts.bytes += header.payloadEnd - header.payloadStart
    this.#reception.arrived(header.sequenceNumber)
    this.#lastHeardMs = nowMs
    this.#silenceTold = false
    if (this.taken !== null) this.taken(packet, nowMs)
    if (isEvent) this.#telephoneEvent(packet, nowMs)
    else {
      const { sequenceNumber, timestamp, payloadStart, payloadEnd } = header
      this.#jitter!.put(sequenceNumber, timestamp, packet, payloadStart, payloadEnd, nowMs, isNoise)
    }
  }

  /**
   * Whether a packet belongs to the stream that is heard. Another SSRC from the peer's address takes its place with its second packet in order, so that one
   * stray packet does not throw away what is buffered.
   */
  #isCurrentStream(ssrc: number, sequenceNumber: number): boolean {
    if (this.#source?.ssrc === ssrc) return true
    const next = this.#nextSource
    const follows = next.ssrc === ssrc && sequenceNumber === ((next.sequenceNumber + 1) & 0xffff)
    next.ssrc = ssrc
    next.sequenceNumber = sequenceNumber
    if (this.#source !== null && !follows) return false
    this.#lostBefore += Math.max(0, this.#source?.cumulativeLost ?? 0)
    this.#source = new RtpSource(ssrc, this.#clockRateHz)
    this.#reception.restart(sequenceNumber)
    this.#covered.endSequence = -1
    this.#lastSenderReport = { middle: 0, arrivedMs: 0 }
    if (this.#jitter === null) this.#jitter = this.#newJitter(this.#decoder!)
    else this.#jitter.reset()
    this.#digits!.reset()
    return true
  }

  /**
   * Our SSRC has come from the peer. The first time it has chosen the same and we take another; when that comes back, too, our own stream is sent back to us,
   * and no third would help.
   *
   * @returns whether what came is a stream of ours
   * @see RFC 3550 §8.2
   */
  #isLoop({ address }: Endpoint): boolean {
    if (address === this.#collidedWith) return true
    this.#collidedWith = address
    this.#sendControl(encodeReport({ ssrc: this.#ssrc, cname: this.#settings.cname, sender: null, block: null, goodbye: true }))
    this.#ssrc = randomUint32()
    this.#sequence = firstSequence()
    this.#sentBefore = { ...this.#counts.sent }
    Object.assign(this.#reported, { sent: this.#counts.sent.packets, sentBefore: this.#counts.sent.packets })
    this.#roundTripMs = null
    return false
  }

  #telephoneEvent(packet: Buffer, nowMs: number): void {
    const { payloadStart, payloadEnd, timestamp } = header
    try {
      decodeTelephoneEvent(packet, payloadStart, payloadEnd, telephoneEvent)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      this.#counts.received.errors++
      return
    }
    this.#digits!.receive(telephoneEvent, timestamp, nowMs)
  }

  /** Counts a packet that has not proved to be the participant's: forged, altered, in clear, or come before. */
  #refuse(source: Endpoint): void {
    if (this.#acceptsControl(source)) this.#counts.received.errors++
    else this.stranger()
  }

  /** @param received is decrypted in place */
  receiveControl(received: Buffer, source: Endpoint, nowMs: number, wallMs: number): void {
    if (this.#latch === null || !this.#acceptsControl(source)) {
      this.#unknown(source)
      return
    }
    const packet = this.#srtp === null ? received : this.#srtp.unprotectControl(received)
    if (packet === null) {
      this.#refuse(source)
      return
    }
    try {
      for (const report of decodeRtcp(packet, true)) {
        if ('ssrc' in report && report.ssrc === this.#ssrc && this.#isLoop(source)) return
        this.#take(report, nowMs, wallMs)
      }
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      this.#counts.received.errors++
    }
  }

  #take(report: RtcpPacket, nowMs: number, wallMs: number): void {
    switch (report.type) {
      case 'senderReport':
        if (report.ssrc === this.#source?.ssrc) {
          const { ntpSeconds, ntpFraction } = report.sender
          this.#lastSenderReport = { middle: ntpMiddle(ntpSeconds, ntpFraction), arrivedMs: nowMs }
        }
        for (const block of report.blocks) this.#takeBlock(block, wallMs)
        return
      case 'receiverReport':
        for (const block of report.blocks) this.#takeBlock(block, wallMs)
        return
      case 'extendedReport':
        for (const metrics of report.report.voip) this.#takeMetrics(metrics)
        return
      default:
    }
  }

  #takeBlock(block: ReportBlock, wallMs: number): void {
    if (block.ssrc !== this.#ssrc) return
    this.#roundTripMs = roundTripMs(block, wallMs) ?? this.#roundTripMs
    if (this.#beyond === null) this.#noteLoss(Math.max(0, block.cumulativeLost))
    this.#peer = {
      ...(this.#peer ?? { rFactor: null, mosListening: null, mosConversational: null }),
      lost: Math.max(0, block.cumulativeLost),
      jitterMs: Math.round((block.jitter * 100_000) / this.#clockRateHz) / 100
    }
  }

  /** @param lost packets of ours, since the beginning */
  #noteLoss(lost: number): void {
    const loss = this.#loss
    const sent = this.#counts.sent.packets
    if (sent - loss.sent < fewestPackets) return
    const percent = (100 * Math.max(0, lost - loss.lost)) / (sent - loss.sent)
    Object.assign(loss, { meanPercent: Math.max(Math.min(100, percent), loss.meanPercent / 2), lost, sent })
    const { from, until } = lossThatCounts
    this.lossPercent = loss.meanPercent >= (this.lossPercent > 0 ? until : from) ? loss.meanPercent : 0
  }

  #takeMetrics({ ssrc, rFactor, mosListening, mosConversational }: VoipMetrics): void {
    if (ssrc !== this.#ssrc) return
    this.#peer = { ...(this.#peer ?? { lost: 0, jitterMs: 0 }), rFactor, mosListening, mosConversational }
  }

  #unknown(source: Endpoint): void {
    this.stranger()
    if (this.#unproved.address !== source.address) this.#unproved = { address: source.address, packets: 0 }
    this.#unproved.packets++
  }

  /** Counts a packet that is not the participant's. */
  stranger(): void {
    this.#strangersUntold++
    this.#strangersTotal++
  }

  /** Fills `frame` for this tick. @returns whether there is something in it to mix */
  pull(nowMs: number): boolean {
    if (this.#jitter === null) return false
    this.#digits!.tick(nowMs)
    const sounding = this.#jitter.take(this.frame, nowMs)
    return sounding && this.#terms!.direction === 'sendrecv'
  }

  get listening(): boolean {
    const terms = this.#terms
    if (terms === null || (terms.direction !== 'sendrecv' && terms.direction !== 'sendonly')) return false
    return this.#checked === null ? !isUnspecified(terms.remote.address) : this.#checked.rtp.destination !== null
  }

  /** Sends a digit, where the peer takes telephone-events. */
  press(digit: string, durationMs: number): void {
    this.#seat?.leave()
    if (this.#terms !== null && this.#terms.eventPayloadType !== null) this.#pressed.press(digit, Math.ceil(durationMs / frameMs))
  }

  /** Sends what is to go out of a digit in this frame. @returns false where the frame is free for sound */
  #sendDigit(): boolean {
    const terms = this.#terms
    if (this.#pressed.idle || terms === null || terms.eventPayloadType === null) return false
    const octets = this.#pressed.write(
      this.#keyPacket,
      rtpHeaderLength,
      (terms.eventClockRateHz * frameMs) / 1000,
      this.#keyFrame
    )
    if (octets === 0) return false
    this.#packer?.flush()
    const { age, segment } = this.#keyFrame
    const began = (this.#timestamp - age * this.#frameClock + (segment * this.#clockRateHz) / terms.eventClockRateHz) >>> 0
    encodeRtp(this.#keyPacket, this.#keyFrame.first, terms.eventPayloadType, this.#sequence, began, this.#ssrc)
    this.#sendPacket(this.#keyPacket, octets)
    this.#passFrames(1)
    this.#marker = true
    return true
  }

  send(packet: Buffer, octets: number, comfortNoise: boolean): void {
    if (this.#sendDigit()) return
    const { payloadType, comfortNoisePayloadType } = this.#terms!
    if (comfortNoise) {
      this.#packer?.flush()
      this.#sendSound(packet, octets, comfortNoisePayloadType!, this.#timestamp)
    } else if (this.#packer === null) this.#sendSound(packet, octets, payloadType, this.#timestamp)
    else this.#packer.add(packet, rtpHeaderLength, octets, this.#timestamp)
    this.#passFrames(1)
  }

  readonly #sendPacked = (octets: number, timestamp: number): void =>
    this.#sendSound(this.#packer!.packet, octets, this.#terms!.payloadType, timestamp)

  #sendSound(packet: Buffer, octets: number, payloadType: number, timestamp: number): void {
    encodeRtp(packet, this.#marker, payloadType, this.#sequence, timestamp, this.#ssrc)
    this.#sendPacket(packet, octets)
    this.#marker = false
  }

  #passFrames(frames: number): void {
    this.#timestamp = (this.#timestamp + frames * this.#frameClock) >>> 0
  }

  #sendPacket(packet: Buffer, octets: number): void {
    const { sent } = this.#counts
    if (this.#sendRtp(packet, octets)) {
      sent.packets++
      sent.bytes += octets
    } else sent.dropped++
    this.#sequence = (this.#sequence + 1) & 0xffff
  }

  #sendRtp(packet: Buffer, payload: number): boolean {
    const destination = this.#destination
    if (destination === null) return false
    if (this.#srtp === null) return this.#output.sendRtp(packet, rtpHeaderLength + payload, destination, payload)
    const encrypted = this.#srtp.protect(packet, rtpHeaderLength + payload)
    return encrypted > 0 && this.#output.sendRtp(this.#srtp.packet, encrypted, destination, payload)
  }

  /** A packet that counts as sent was not: the system would not take it. */
  unsent(payload: number): void {
    this.#glance()
    const { sent } = this.#counts
    sent.packets--
    sent.bytes -= payload
    sent.dropped++
    this.#lendCounts()
  }

  pass(): void {
    if (this.listening && this.#sendDigit()) return
    this.#packer?.flush()
    this.#passFrames(1)
    this.#marker = true
  }

  /** Lets the time of frames pass that were never mixed: those before the one that is due. */
  skip(frames: number): void {
    this.#seat?.leave()
    this.#packer?.flush()
    this.#passFrames(frames)
    this.#marker = true
    this.#jitter?.skip(frames)
  }

  /** To be called about once a second: tells of silence and of strangers. @param economy of the encoders now */
  watch(nowMs: number, economy: Economy = 0): void {
    const terms = this.#terms
    if (terms === null) return
    this.#economy.count++
    this.#economy.sum += economy
    this.#glance()
    this.#measureDelay()
    const silentMs = nowMs - this.#lastHeardMs
    const expected = !terms.held && (terms.direction === 'sendrecv' || terms.direction === 'recvonly')
    if (!expected) this.#lastHeardMs = nowMs
    else if (silentMs >= this.#settings.mediaTimeoutMs && !this.#silenceTold) {
      this.#silenceTold = true
      this.#output.silent(Math.round(silentMs))
    }
    if (this.#strangersUntold > 0) {
      this.#output.strangers(this.#strangersUntold)
      this.#strangersUntold = 0
      this.#unproved.packets = 0
    }
  }

  /** Sends a report. @param goodbye the leg is about to go */
  report(nowMs: number, wallMs: number, goodbye: boolean): void {
    const terms = this.#terms
    if (terms === null || (this.#checked === null && isUnspecified(terms.remote.address))) return
    this.#glance()
    const { ntpSeconds, ntpFraction } = ntpTime(wallMs)
    const packets = this.#counts.sent.packets - this.#sentBefore.packets
    const bytes = this.#counts.sent.bytes - this.#sentBefore.bytes
    const { received, sent } = this.#counts
    const reported = this.#reported
    // who has sent nothing, neither sound nor reports, leaves without a word (RFC 3550 §6.3.7)
    if (goodbye && sent.packets === 0 && !reported.any) return
    // a sender is who has sent since the report before the last; a source is reported on when something has come from it since the last (§6.4)
    const sender: SenderInfo | null =
      packets === 0 || sent.packets === reported.sentBefore
        ? null
        : { ntpSeconds, ntpFraction, timestamp: this.#timestamp, packets, octets: bytes }
    const source = received.packets === reported.received ? null : this.#source
    Object.assign(reported, { received: received.packets, sentBefore: reported.sent, sent: sent.packets, any: true })
    const { middle, arrivedMs } = this.#lastSenderReport
    this.#sendControl(
      encodeReport({
        ssrc: this.#ssrc,
        cname: this.#settings.cname,
        sender,
        block:
          source === null
            ? null
            : {
                ssrc: source.ssrc,
                fractionLost: source.takeFractionLost(),
                cumulativeLost: source.cumulativeLost,
                extendedHighest: source.extendedHighest,
                jitter: source.jitter,
                lastSenderReport: middle,
                delaySinceLast: middle === 0 ? 0 : Math.round(((nowMs - arrivedMs) * 65_536) / 1000)
              },
        extended: this.#extendedReport(terms),
        goodbye
      })
    )
    this.#lendCounts()
  }

  /** The blocks that the peer wants, of the stream that comes in. */
  #extendedReport({ reports: { summary, voip } }: AudioTerms): Buffer | undefined {
    const source = this.#source
    const jitter = this.#jitter
    if (source === null || jitter === null || (summary === null && !voip)) return undefined
    const quality = voip ? this.#quality() : null
    const buffer = { nominalMs: jitter.targetMs, maximumMs: jitter.maxDelayMs }
    return encodeExtendedReport(
      {
        ssrc: this.#ssrc,
        summaries: summary === null ? [] : [this.#summary(source, summary)],
        voip: quality === null ? [] : [voipMetricsOf(quality, source.ssrc, this.#wayMs, buffer)]
      },
      gmin
    )
  }

  #summary(source: RtpSource, wanted: NonNullable<AudioTerms['reports']['summary']>): StatisticsSummary {
    const covered = this.#covered
    const { lost, duplicates } = this.#reception.summary()
    const endSequence = (source.extendedHighest + 1) & 0xffff
    const told = {
      ssrc: source.ssrc,
      beginSequence: covered.endSequence < 0 ? source.baseSequence : covered.endSequence,
      endSequence,
      lost: wanted.loss ? Math.max(0, lost - covered.lost) : null,
      duplicates: wanted.duplicates ? duplicates - covered.duplicates : null,
      jitter: wanted.jitter ? source.takeInterval() : null
    }
    Object.assign(covered, { endSequence, lost, duplicates })
    return told
  }

  #measureDelay(): void {
    this.#jitterMaxMs = Math.max(this.#jitterMaxMs, this.#source?.jitterMs ?? 0)
    const delayMs = this.#jitter?.delayMs ?? 0
    // RTP timestamps that jump make delays of hours, or below zero: nothing was ever that late.
    if (!(delayMs > 0 && delayMs <= longestDelayMs)) return
    this.#delays.count++
    this.#delays.sumMs += delayMs
  }

  tellBeyond(way: WayBeyond): void {
    this.#beyond = way
    if (way.peer !== null) this.#noteLoss(way.peer.lost)
  }

  /** Round trip to the participant. */
  get #wayMs(): number | null {
    return this.#beyond === null ? this.#roundTripMs : this.#beyond.roundTripMs
  }

  #quality() {
    this.#measureDelay()
    const { count, sumMs } = this.#delays
    const { count: seconds, sum } = this.#economy
    return assessLeg({
      codec: this.#terms?.codec ?? '',
      reception: this.#reception.summary(),
      packetMs: this.#jitter?.packetMs ?? frameMs,
      jitterMaxMs: this.#jitterMaxMs,
      endSystemDelayMs: (count === 0 ? this.#settings.jitterTargetMs : sumMs / count) + frameMs,
      roundTripMs: this.#wayMs,
      economy: this.format?.codec.tunable === true ? sum / Math.max(1, seconds) : null,
      peer: this.#beyond === null ? this.#peer : this.#beyond.peer
    })
  }

  /** To the RTP port where control is muxed, else to the port that was signalled, or the one above a source that was latched elsewhere. */
  #sendControl(packet: Buffer): void {
    const terms = this.#terms!
    const control = this.#controlDestination(terms)
    if (control === null || control.port > 65_535) return
    if (this.#srtp === null) this.#output.sendRtcp(packet, control, terms.controlMuxed)
    else {
      const encrypted = Buffer.from(this.#srtp.packet.subarray(0, this.#srtp.protectControl(packet)))
      this.#output.sendRtcp(encrypted, control, terms.controlMuxed)
    }
  }

  #controlDestination({ remote, remoteControl, controlMuxed }: AudioTerms): Endpoint | null {
    if (controlMuxed) return this.#destination
    if (this.#checked !== null) return this.#checked.rtcp.destination
    const { address, port } = this.#latch!.destination
    return address !== remote.address || port !== remote.port ? { address, port: port + 1 } : remoteControl
  }

  #noteDrops(): void {
    if (this.#jitter !== null) this.#bufferDrops += this.#jitter.counts.dropped
  }

  /**
   * Whether the stream is one that the express lane can carry, as far as that is not for its packets to say. The lane knows IPv4 alone. Who has not spoken yet can
   * listen there.
   */
  get calm(): boolean {
    const terms = this.#terms
    if (lawOf(this.format) === null || terms === null || this.#latch === null) return false
    if (familyOf(terms.remote.address) === 6 || isUnspecified(terms.remote.address)) return false
    if (this.#source === null ? this.#counts.sent.packets < silentPackets : !this.#latch.latched || this.taken !== null)
      return false
    if (terms.received !== null && terms.received.payloadType !== terms.payloadType) return false
    if (terms.packetMs !== frameMs || terms.direction !== 'sendrecv' || this.#srtp !== null || this.#checked !== null)
      return false
    return this.#source?.ssrc !== this.#ssrc && this.#pressed.idle && this.#digits!.idle
  }

  /**
   * Lets the express lane carry the stream both ways: plain RTP of one frame of G.711 a packet, in order, from and to one place, with nothing going on beside it.
   *
   * @returns false where there is more to it; it stays here then
   */
  lend(seat: LaneSeat): boolean {
    if (!this.calm) return false
    seat.record.fields[of.unheard] = Number(this.#source === null)
    if (this.#source !== null) {
      const { expected } = this.#source
      if (expected === null || !this.#reception.expects(expected)) return false
      if (!this.#jitter!.lend(seat.record, lawOf(this.format)!, (expected - 1) & 0xffff)) return false
    }
    const latched = this.#latch!.destination
    this.#seat = seat
    this.#lendCounts()
    const { fields } = seat.record
    fields[of.address] = latched.address.split('.').reduce((number, part) => number * 256 + Number(part), 0)
    fields[of.port] = latched.port
    fields[of.payloadType] = this.#terms!.payloadType
    fields[of.lastHeard] = this.#lastHeardMs
    fields[of.sequence] = this.#sequence
    fields[of.timestamp] = this.#timestamp
    fields[of.ssrc] = this.#ssrc
    fields[of.marker] = Number(this.#marker)
    return true
  }

  /** Takes the stream back from the express lane. */
  follow(): void {
    if (this.#seat === null) return
    this.#glance()
    this.#jitter?.follow(this.#seat.record, lawOf(this.format)!)
    this.#seat = null
  }

  #lendCounts(): void {
    if (this.#seat === null) return
    const { record } = this.#seat
    const { received, sent } = this.#counts
    if (this.#source !== null) {
      this.#source.lend(record)
      this.#reception.lend(record)
    }
    record.fields[of.receivedPackets] = received.packets
    record.fields[of.receivedBytes] = received.bytes
    record.fields[of.sentPackets] = sent.packets
    record.fields[of.sentBytes] = sent.bytes
    record.fields[of.sentDropped] = sent.dropped
  }

  /** What the express lane has counted and measured so far. */
  #glance(): void {
    if (this.#seat === null) return
    const { record } = this.#seat
    const { fields } = record
    const { received, sent } = this.#counts
    if (this.#source !== null) {
      this.#source.follow(record)
      this.#reception.follow(record)
      this.#jitter!.glance(record)
    }
    received.packets = fields[of.receivedPackets]!
    received.bytes = fields[of.receivedBytes]!
    sent.packets = fields[of.sentPackets]!
    sent.bytes = fields[of.sentBytes]!
    sent.dropped = fields[of.sentDropped]!
    if (fields[of.lastHeard] !== this.#lastHeardMs) this.#silenceTold = false
    this.#lastHeardMs = fields[of.lastHeard]!
    this.#sequence = fields[of.sequence]!
    this.#timestamp = fields[of.timestamp]!
    this.#marker = fields[of.marker] !== 0
  }

  /** Of what it sends. */
  get ssrc(): number {
    return this.#ssrc
  }

  get strangers(): number {
    return this.#strangersTotal
  }

  /** The counts alone, at next to no cost. */
  traffic(): Pick<LegStats, 'received' | 'sent'> {
    this.#glance()
    const received = { ...this.#counts.received, dropped: this.#bufferDrops + (this.#jitter?.counts.dropped ?? 0) }
    return { received, sent: { ...this.#counts.sent } }
  }

  stats(): LegStats {
    const traffic = this.traffic()
    const quality = this.#quality()
    this.#lendCounts()
    return {
      codec: this.#terms?.codec ?? null,
      ...traffic,
      jitterMs: Math.round((this.#source?.jitterMs ?? 0) * 100) / 100,
      lost: this.#lostBefore + Math.max(0, this.#source?.cumulativeLost ?? 0),
      roundTripMs: this.#wayMs === null ? null : Math.round(this.#wayMs * 100) / 100,
      encrypted: this.#srtp !== null,
      ice: this.#checked === null ? null : this.#checked.rtp.nominated ? 'selected' : 'checking',
      quality
    }
  }

  /** Gives back the decoder's memory and the frame. Idempotent; the leg is silent and deaf then. */
  close(): void {
    this.#seat?.leave()
    this.#noteDrops()
    this.#jitter = null
    this.#decoder?.close()
    this.#decoder = null
    this.#srtp?.close()
    this.#srtp = null
    this.#terms = null
    this.#packer = null
    this.format = null
    this.#output.freeFrame(this.frame)
    this.frame = new Int16Array(0)
    this.rateHz = 0
  }
}
