import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import {
  type CodecDefinition,
  type Decoder,
  type Encoder,
  type FormatParameters,
  largestPayload,
  longestPacketMs
} from './codec/codec.ts'
import { codecNamed } from './codec/codecs.ts'
import { rtpmapLine } from './codec/negotiation.ts'
import type { Endpoint } from './latch.ts'
import { frameMs } from './mixer/lane.ts'
import { decodeRtp, emptyRtpHeader, encodeRtp, rtpHeaderLength, sequenceDistance } from './rtp/rtp.ts'
import { encodeTelephoneEvent, eventOfDigit } from './rtp/telephone-event.ts'
import { readAnswer, readDescription } from './sdp.ts'
import { encodeCryptoAttribute } from './srtp/crypto-attribute.ts'
import { Secrecy } from './srtp/secrecy.ts'
import { SrtpStream } from './srtp/stream.ts'
import { familyOf } from './udp/inet.ts'

export interface RtpPhoneOptions {
  /** Of this machine, IPv4 or IPv6. Default 127.0.0.1. */
  readonly address?: string
  /** Name of the one codec it speaks. Default `PCMU`. */
  readonly codec?: string
  /** Format parameters by which it encodes: `{ useinbandfec: '1' }`. */
  readonly parameters?: FormatParameters
  /** Packet time in which it wants to be sent to, ms; not said when left out. It sends 20 ms itself. */
  readonly packetMs?: number
  /** Whether it encrypts, and takes nothing in clear. */
  readonly srtp?: boolean
  /** What it says, over and over, at the codec's sample rate; silence when left out. */
  readonly says?: Int16Array
  /** Called for each frame about to be sent: may change it. `frame` counts from 0. */
  readonly onSend?: (samples: Int16Array, frame: number) => void
  /** Called for each packet as it goes out. */
  readonly onPacket?: (packet: Buffer) => void
  /** Called for each packet decoded. */
  readonly onReceive?: (samples: Int16Array) => void
  /** Whether {@link RtpPhone.takeHeard} is asked. Default true. */
  readonly keeps?: boolean
}

const loopback = '127.0.0.1'
const eventPayloadType = 101
const dynamicPayloadType = 96
const longestRecordingSeconds = 600
/** It reads no reports: where redundancy is wanted, there always is some. */
const expectedLossPercent = 10

/**
 * The sound half of a telephone, for tests, benchmarks, the demo and lines of the house: a UDP socket that says something, records what it hears
 * and knows how to write an offer and read an answer.
 */
export class RtpPhone {
  readonly port: number
  readonly #options: RtpPhoneOptions
  readonly #socket: Socket
  readonly #codec: CodecDefinition
  readonly #decoder: Decoder
  readonly #encoder: Encoder
  readonly #payloadType: number
  readonly #sampleRateHz: number
  readonly #header = emptyRtpHeader()
  readonly #decoded: Int16Array
  readonly #ssrc = randomBytes(4).readUInt32BE()
  #heard: Int16Array[] = []
  #heardSamples = 0
  #sequence = 0
  #timestamp = 0
  #frame = 0
  #remote: Endpoint | null = null
  #timer: NodeJS.Timeout | null = null
  #lastSequence: number | null = null
  #closed = false
  readonly #secrecy: Secrecy
  #srtp: SrtpStream | null = null
  packetsReceived = 0
  packetsLost = 0

  private constructor(socket: Socket, options: RtpPhoneOptions) {
    const codec = codecNamed(options.codec ?? 'PCMU')!
    this.#options = options
    this.#codec = codec
    this.#decoded = new Int16Array((longestPacketMs * codec.sampleRateHz) / 1000)
    this.#socket = socket
    this.port = socket.address().port
    this.#decoder = codec.createDecoder()
    this.#encoder = codec.createEncoder({ parameters: options.parameters ?? {}, expectedLossPercent })
    this.#payloadType = codec.staticPayloadType ?? dynamicPayloadType
    this.#sampleRateHz = codec.sampleRateHz
    this.#secrecy = new Secrecy(options.srtp === true ? 'required' : 'off')
    socket.on('message', (packet) => this.#receive(packet))
    socket.on('error', () => undefined)
  }

  static async open(options: RtpPhoneOptions = {}): Promise<RtpPhone> {
    const { address = loopback } = options
    const socket = createSocket(familyOf(address) === 4 ? 'udp4' : 'udp6')
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.bind(0, address, () => {
        socket.off('error', reject)
        resolve()
      })
    })
    return new RtpPhone(socket, options)
  }

  /** An offer for what this phone speaks; also an answer, as long as nothing is encrypted. */
  sdp(direction: 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive' = 'sendrecv'): string {
    const { clockRateHz } = this.#codec
    const { address = loopback } = this.#options
    const place = `IN IP${familyOf(address)} ${address}`
    const lines = [
      'v=0',
      `o=phone ${this.port} 1 ${place}`,
      's=-',
      `c=${place}`,
      't=0 0',
      `m=audio ${this.port} ${this.#options.srtp === true ? 'RTP/SAVP' : 'RTP/AVP'} ${this.#payloadType} ${eventPayloadType}`,
      rtpmapLine(this.#payloadType, this.#codec),
      `a=rtpmap:${eventPayloadType} telephone-event/${clockRateHz}`,
      `a=fmtp:${eventPayloadType} 0-15`,
      ...(this.#options.packetMs === undefined ? [] : [`a=ptime:${this.#options.packetMs}`]),
      `a=${direction}`,
      ...this.#secrecy.offer().map((key) => `a=crypto:${encodeCryptoAttribute(key)}`)
    ]
    return `${lines.join('\r\n')}\r\n`
  }

  /** Begins to speak to where the session description says. @throws {TypeError} when it names no audio of ours */
  talkTo(sdp: string): void {
    const read = this.#options.srtp === true ? readAnswer(sdp, this.#secrecy) : readDescription(sdp)
    if (!read.ok) throw new TypeError(`${read.code}: ${read.reason}`)
    if (read.terms.srtp !== null) this.#srtp = new SrtpStream(read.terms.srtp)
    this.sendTo(read.terms.remote)
  }

  sendTo(remote: Endpoint): void {
    this.#remote = remote
    if (this.#timer !== null) return
    let due = performance.now() + frameMs
    const next = () => {
      this.#speak()
      due += frameMs
      this.#timer = setTimeout(next, Math.max(0, due - performance.now()))
    }
    this.#timer = setTimeout(next, frameMs)
  }

  #speak(): void {
    const samples = new Int16Array((this.#sampleRateHz * frameMs) / 1000)
    const { says, onSend } = this.#options
    if (says !== undefined) {
      for (let i = 0; i < samples.length; i++) samples[i] = says[(this.#frame * samples.length + i) % says.length]!
    }
    onSend?.(samples, this.#frame)
    const packet = Buffer.alloc(rtpHeaderLength + largestPayload)
    encodeRtp(packet, this.#frame === 0, this.#payloadType, this.#sequence, this.#timestamp, this.#ssrc)
    const octets = this.#encoder.encode(samples, packet, rtpHeaderLength)
    if (octets > 0) this.#send(packet.subarray(0, rtpHeaderLength + octets))
    this.#frame++
    this.#timestamp = (this.#timestamp + (this.#codec.clockRateHz * frameMs) / 1000) >>> 0
  }

  #send(packet: Buffer): void {
    this.#sequence = (this.#sequence + 1) & 0xffff
    const sent =
      this.#srtp === null ? packet : Buffer.from(this.#srtp.packet.subarray(0, this.#srtp.protect(packet, packet.length)))
    this.#options.onPacket?.(sent)
    this.#socket.send(sent, this.#remote!.port, this.#remote!.address, () => undefined)
  }

  /** Presses a key: three packets and the end three times. @see RFC 4733 §2.5 */
  press(digit: string, durationMs = 100): void {
    const event = eventOfDigit(digit)
    const began = this.#timestamp
    const duration = (durationMs * this.#codec.clockRateHz) / 1000
    for (let n = 1; n <= 6; n++) {
      const packet = Buffer.alloc(rtpHeaderLength + 4)
      encodeRtp(packet, n === 1, eventPayloadType, this.#sequence, began, this.#ssrc)
      encodeTelephoneEvent(
        { event, end: n > 3, volume: 10, duration: Math.round((duration * Math.min(n, 3)) / 3) },
        packet,
        rtpHeaderLength
      )
      this.#send(packet)
    }
  }

  #receive(received: Buffer): void {
    const packet = this.#srtp === null ? received : this.#srtp.unprotect(received)
    if (packet === null) return
    try {
      decodeRtp(packet, this.#header)
    } catch {
      return
    }
    if (this.#header.payloadType !== this.#payloadType) return
    const { sequenceNumber } = this.#header
    if (this.#lastSequence !== null) this.packetsLost += Math.max(0, sequenceDistance(sequenceNumber, this.#lastSequence) - 1)
    this.#lastSequence = sequenceNumber
    this.packetsReceived++
    const count = this.#decoder.decode(packet, this.#header.payloadStart, this.#header.payloadEnd, this.#decoded)
    const samples = this.#decoded.slice(0, count)
    this.#options.onReceive?.(samples)
    if (this.#options.keeps === false || this.#heardSamples > longestRecordingSeconds * this.#sampleRateHz) return
    this.#heard.push(samples)
    this.#heardSamples += count
  }

  /** What was heard since the last call. */
  takeHeard(): Int16Array {
    const all = new Int16Array(this.#heardSamples)
    let at = 0
    for (const part of this.#heard) {
      all.set(part, at)
      at += part.length
    }
    this.#heard = []
    this.#heardSamples = 0
    return all
  }

  /** Idempotent. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    if (this.#closed) return
    this.#closed = true
    this.#srtp?.close()
    this.#encoder.close()
    this.#decoder.close()
    this.#socket.close()
  }
}
