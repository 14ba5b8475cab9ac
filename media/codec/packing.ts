/**
 * Packets of the length that a peer wants, from the mixer's frames of 20 ms.
 *
 * The frames are coded once for everybody who hears the same; what is cut or joined here are their payloads. Where the length is no whole number of frames, packets
 * leave with the frame that completes them: 30 ms after 20, 40, 20, 40 ms …
 *
 * @see RFC 8866 §6.4 (ptime, maxptime), RFC 3551 §4.2, RFC 6716 §3.2.5
 */
import { frameMs } from '../mixer/lane.ts'
import { rtpHeaderLength } from '../rtp/rtp.ts'
import { type CodecDefinition, largestPayload, longestPacketMs } from './codec.ts'

/** Shorter packets are not sent, whatever is asked for: a peer could have every frame sent in twenty pieces. */
const shortestPacketMs = 10

/** Octets of a payload that holds more than a frame: leaves room for encryption in an Ethernet frame. */
const largestJoined = 1400

/** How a peer wants to be sent to, in ms; null where it says nothing. */
export interface PacketTimes {
  /** a=ptime: what it would like. */
  readonly wantedMs: number | null
  /** a=maxptime: what it takes at most. */
  readonly mostMs: number | null
}

/**
 * The packet time in which a codec is sent to a peer: as it wants, as near as the codec and our room for payloads allow.
 *
 * @returns ms; null where packets as short as it takes at most are not made
 */
export function packetMsFor(
  { packing: { stepMs, octetsPerMs } }: CodecDefinition,
  { wantedMs, mostMs }: PacketTimes
): number | null {
  if (octetsPerMs !== null && octetsPerMs * frameMs > largestPayload) return null
  const room = octetsPerMs === null ? longestPacketMs : Math.max(frameMs, largestJoined / octetsPerMs)
  const whole = (ms: number) => Math.floor(ms / stepMs) * stepMs
  const most = whole(Math.min(mostMs ?? longestPacketMs, longestPacketMs, room))
  const least = Math.max(stepMs, shortestPacketMs)
  return most < least ? null : Math.min(most, Math.max(least, whole(wantedMs ?? frameMs)))
}

/** A payload that is complete stands in {@link Packer.packet}. @param timestamp of its first sample */
export type Packed = (octets: number, timestamp: number) => void

/** Puts the payloads of one stream into packets. */
export interface Packer {
  /** The payload stands behind room for a header, while `packed` is told. */
  readonly packet: Buffer
  /** Takes the payload of a frame, `octets` at `start`. @param timestamp of the frame */
  readonly add: (payload: Uint8Array, start: number, octets: number, timestamp: number) => void
  /** The stream is interrupted: what waits leaves as a shorter packet. */
  readonly flush: () => void
}

/** @returns null for packets of one frame, which leave as they are */
export function createPacker(codec: CodecDefinition, packetMs: number, packed: Packed): Packer | null {
  if (packetMs === frameMs) return null
  const { octetsPerMs } = codec.packing
  const clockPerMs = codec.clockRateHz / 1000
  return octetsPerMs === null
    ? new OpusPacker(packetMs / frameMs, packed)
    : new RowPacker(packetMs * octetsPerMs, frameMs * octetsPerMs, packetMs * clockPerMs, packed)
}

/** For payloads that are rows of samples or frames, to be cut and joined anywhere: G.711, G.722, G.729, L16. */
class RowPacker implements Packer {
  readonly packet: Buffer
  readonly #packetOctets: number
  readonly #frameOctets: number
  readonly #packetClock: number
  readonly #packed: Packed
  #filled = 0
  #began = 0

  constructor(packetOctets: number, frameOctets: number, packetClock: number, packed: Packed) {
    this.packet = Buffer.alloc(rtpHeaderLength + packetOctets)
    this.#packetOctets = packetOctets
    this.#frameOctets = frameOctets
    this.#packetClock = packetClock
    this.#packed = packed
  }

  add(payload: Uint8Array, start: number, octets: number, timestamp: number): void {
    if (this.#filled === 0) this.#began = timestamp
    for (let n = 0; n < octets; n++) {
      this.packet[rtpHeaderLength + this.#filled++] = payload[start + n]!
      if (this.#filled === this.#packetOctets) this.flush()
    }
    // A description of silence ends a row of G.729: nothing may stand behind it (RFC 3551 §4.5.6).
    if (octets !== this.#frameOctets) this.flush()
  }

  flush(): void {
    const octets = this.#filled
    if (octets === 0) return
    this.#filled = 0
    this.#packed(octets, this.#began)
    this.#began = (this.#began + this.#packetClock) >>> 0
  }
}

/** Every packet of Opus says by its first octet how its frames are coded: those that agree in it share a packet. */
const codingOf = (toc: number) => toc & 0xfc
/** How many frames there are, of lengths that differ. */
const anyFrames = 3
const lengthsDiffer = 0x80

/**
 * For Opus.
 *
 *     | config  |s|1|1|1|p|     M     | N1 | N2 | … | NM−1 | frames …
 *
 * @see RFC 6716 §3.2.1 (lengths), §3.2.5 (code 3)
 */
class OpusPacker implements Packer {
  readonly packet = Buffer.alloc(rtpHeaderLength + largestPayload)
  readonly #most: number
  readonly #packed: Packed
  /** Frames that wait, without their first octet, one behind the other. */
  readonly #waiting = Buffer.alloc(largestPayload)
  readonly #lengths: number[] = []
  #filled = 0
  #coding = 0
  #began = 0

  /** @param most frames of a packet */
  constructor(most: number, packed: Packed) {
    this.#most = most
    this.#packed = packed
  }

  add(payload: Uint8Array, start: number, octets: number, timestamp: number): void {
    const toc = payload[start]!
    const single = toc === codingOf(toc)
    const frame = octets - 1
    const room = largestJoined - 2 * (this.#lengths.length + 1)
    if (!single || codingOf(toc) !== this.#coding || this.#filled + frame > room) this.flush()
    if (this.#lengths.length === 0) this.#began = timestamp
    this.#coding = toc
    for (let n = 0; n < frame; n++) this.#waiting[this.#filled + n] = payload[start + 1 + n]!
    this.#filled += frame
    this.#lengths.push(frame)
    if (!single || this.#lengths.length === this.#most) this.flush()
  }

  flush(): void {
    const frames = this.#lengths.length
    if (frames === 0) return
    const { packet } = this
    let at = rtpHeaderLength
    if (frames === 1) packet[at++] = this.#coding
    else {
      packet[at++] = this.#coding | anyFrames
      packet[at++] = lengthsDiffer | frames
      for (let n = 0; n < frames - 1; n++) {
        const length = this.#lengths[n]!
        if (length < 252) packet[at++] = length
        else {
          packet[at++] = 252 + (length & 3)
          packet[at++] = (length - 252 - (length & 3)) >> 2
        }
      }
    }
    this.#waiting.copy(packet, at, 0, this.#filled)
    at += this.#filled
    this.#lengths.length = 0
    this.#filled = 0
    this.#packed(at - rtpHeaderLength, this.#began)
  }
}
