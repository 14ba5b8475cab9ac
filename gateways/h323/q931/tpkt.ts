import { DecodeError } from '#kernel'

const headerOctets = 4
const version = 3

/** Most a TPKT can carry: its length has 16 bits and counts the header. */
export const maxTpktPayload = 65_535 - headerOctets

/**
 * A TPKT.
 *
 *     |  version = 3  |   reserved    |      length of header and payload     |
 *
 * @param payload at most {@link maxTpktPayload} octets; none at all is the keep-alive of H.460.18
 * @throws {RangeError} when it is longer
 * @see RFC 1006 §6
 */
export function tpkt(payload: Uint8Array): Buffer {
  if (payload.length > maxTpktPayload) throw new RangeError(`TPKT payload of ${payload.length} octets, at most ${maxTpktPayload}`)
  const packet = Buffer.allocUnsafe(headerOctets + payload.length)
  packet.writeUInt16BE(version << 8, 0)
  packet.writeUInt16BE(packet.length, 2)
  packet.set(payload, headerOctets)
  return packet
}

/**
 * Cuts a TCP stream into TPKT payloads. One segment may hold several, and one may come in many segments.
 *
 * Keeps no more than one unfinished packet, in a buffer that grows with what has come, not with what a header promises. Time limits are the transport's:
 * {@link TpktSplitter.pending} tells whether a packet has begun.
 */
export class TpktSplitter {
  private readonly maxPayload: number
  private kept: Buffer = Buffer.alloc(0)
  private used = 0

  /** @param maxPayload octets; a longer packet ends the stream */
  constructor(maxPayload: number = maxTpktPayload) {
    this.maxPayload = maxPayload
  }

  /** Octets of an unfinished packet. */
  get pending(): number {
    return this.used
  }

  /**
   * @param chunk what came; not kept
   * @returns payloads that are complete now, as buffers of their own
   * @throws {DecodeError} `h323.tpkt.version`, `h323.tpkt.length`: the stream cannot be read any further
   */
  push(chunk: Uint8Array): Buffer[] {
    const payloads: Buffer[] = []
    let from = 0
    while (this.used > 0 && from < chunk.length) {
      from += this.fill(chunk, from)
      const length = this.used < headerOctets ? undefined : this.lengthAt(this.kept, 0)
      if (length === this.used) {
        payloads.push(Buffer.from(this.kept.subarray(headerOctets, length)))
        this.used = 0
      }
    }
    while (chunk.length - from >= headerOctets) {
      const length = this.lengthAt(chunk, from)
      if (chunk.length - from < length) break
      payloads.push(Buffer.from(chunk.subarray(from + headerOctets, from + length)))
      from += length
    }
    if (from < chunk.length) this.keep(chunk.subarray(from))
    return payloads
  }

  /** Adds to the unfinished packet what it still wants, first of its header, then of its payload. */
  private fill(chunk: Uint8Array, from: number): number {
    const wanted = (this.used < headerOctets ? headerOctets : this.lengthAt(this.kept, 0)) - this.used
    const piece = chunk.subarray(from, from + wanted)
    this.keep(piece)
    return piece.length
  }

  private keep(piece: Uint8Array): void {
    const needed = this.used + piece.length
    if (needed > this.kept.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(256, needed, this.kept.length * 2))
      this.kept.copy(larger, 0, 0, this.used)
      this.kept = larger
    }
    this.kept.set(piece, this.used)
    this.used = needed
    if (this.used >= 1 && this.kept[0] !== version) this.refuse('h323.tpkt.version', `TPKT version ${this.kept[0]}`)
  }

  private lengthAt(octets: Uint8Array, at: number): number {
    if (octets[at] !== version) this.refuse('h323.tpkt.version', `TPKT version ${octets[at]}`)
    const length = octets[at + 2]! * 256 + octets[at + 3]!
    if (length < headerOctets || length - headerOctets > this.maxPayload) {
      this.refuse('h323.tpkt.length', `TPKT of ${length} octets, ${headerOctets}–${this.maxPayload + headerOctets} are taken`)
    }
    return length
  }

  private refuse(code: string, reason: string): never {
    throw new DecodeError(code, reason, { path: 'TPKT', bitOffset: 0 })
  }
}
