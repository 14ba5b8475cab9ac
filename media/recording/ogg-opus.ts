/**
 * Opus in Ogg: one stream, pages of one second.
 *
 *     OggS | 0 | flags | granule position (64) | serial (32) | sequence (32) | CRC (32) | segments | lacing … | data
 *
 * @see RFC 3533 §6 (page), RFC 7845 §4 (granule position), §5 (headers)
 */
import { DecodeError } from '#kernel'

/** Polynomial 0x04c11db7, most significant bit first, no reflection. @see RFC 3533 §6 */
const crcTable = Uint32Array.from({ length: 256 }, (_, octet) => {
  let value = octet << 24
  for (let bit = 0; bit < 8; bit++) value = value < 0 ? (value << 1) ^ 0x04c1_1db7 : value << 1
  return value
})

export function oggCrc(octets: Uint8Array): number {
  let crc = 0
  for (const octet of octets) crc = (crc << 8) ^ crcTable[(crc >>> 24) ^ octet]!
  return crc >>> 0
}

const capture = Buffer.from('OggS', 'latin1')
const flags = { beginning: 2, end: 4 } as const
/** Clock of granule positions, whatever the coder's rate. */
export const granuleRateHz = 48_000
const mostSegments = 255

/** Octets of a page in front of its lacing. */
const pageHeader = 27

/**
 * Packets of whole pages, none of which begins or ends within a packet, as those of a second are ({@link OggOpusWriter}).
 *
 * @throws {DecodeError} `ogg.malformed`
 */
export function oggPackets(pages: Uint8Array): Uint8Array[] {
  const packets: Uint8Array[] = []
  const malformed = (octet: number) =>
    new DecodeError('ogg.malformed', 'no whole page of whole packets', { path: 'ogg', bitOffset: 8 * octet })
  for (let at = 0; at < pages.length; ) {
    if (at + pageHeader > pages.length || !capture.every((octet, n) => pages[at + n] === octet)) throw malformed(at)
    const lacing = pages.subarray(at + pageHeader, at + pageHeader + pages[at + pageHeader - 1]!)
    let from = at + pageHeader + lacing.length
    let length = 0
    for (const octets of lacing) {
      length += octets
      if (octets === 255) continue
      if (from + length > pages.length) throw malformed(from)
      packets.push(pages.subarray(from, from + length))
      from += length
      length = 0
    }
    if (length > 0) throw malformed(from)
    at = from
  }
  return packets
}

/** Octets of lacing that a packet takes: 255 each, and one below that ends it. */
const segmentsOf = (length: number) => Math.floor(length / 255) + 1

/** Octets of the two pages of headers at the beginning of a file; what is there of them where it is cut off. */
export function oggHeadLength(file: Buffer): number {
  let at = 0
  for (let page = 0; page < 2 && at + 27 <= file.length; page++) {
    const lacing = file.subarray(at + 27, at + 27 + file[at + 26]!)
    at += 27 + lacing.length + lacing.reduce((sum, length) => sum + length, 0)
  }
  return Math.min(at, file.length)
}

export interface OpusStream {
  /** Number of the stream within the file. */
  readonly serial: number
  readonly channels: 1 | 2
  /** Of the sound that was encoded, for people: players play at 48 kHz. */
  readonly inputRateHz: number
  /** Samples at 48 kHz that the decoder leaves out at the start: the encoder's look-ahead. */
  readonly preSkip: number
  /** `NAME=value`, as in Vorbis comments. */
  readonly comments: readonly string[]
}

/** Writes pages into memory; who takes them puts them into a file. */
export class OggOpusWriter {
  readonly #stream: OpusStream
  #sequence = 0
  /** Samples so far, those that the decoder leaves out included. @see RFC 7845 §4 */
  #granule = 0
  #packets: Uint8Array[] = []
  #segments = 0
  #pageBegan = 0

  constructor(stream: OpusStream) {
    this.#stream = stream
  }

  /** The two pages of headers. To be called once, first. */
  head(): Buffer {
    const { channels, preSkip, inputRateHz, comments } = this.#stream
    const head = Buffer.alloc(19)
    head.write('OpusHead', 0, 'latin1')
    head[8] = 1
    head[9] = channels
    head.writeUInt16LE(preSkip, 10)
    head.writeUInt32LE(inputRateHz, 12)
    const text = (value: string) => {
      const octets = Buffer.from(value, 'utf8')
      const length = Buffer.alloc(4)
      length.writeUInt32LE(octets.length)
      return Buffer.concat([length, octets])
    }
    const count = Buffer.alloc(4)
    count.writeUInt32LE(comments.length)
    const tags = Buffer.concat([Buffer.from('OpusTags', 'latin1'), text('infrafabric-telephony'), count, ...comments.map(text)])
    return Buffer.concat([this.#page([head], 0, flags.beginning), this.#page([tags], 0, 0)])
  }

  /**
   * Takes one packet.
   *
   * @param samples in it, at 48 kHz
   * @returns a page when a second is full, else nothing
   * @throws {RangeError} for a packet that fits no page
   */
  add(packet: Uint8Array, samples: number): Buffer | null {
    const segments = segmentsOf(packet.length)
    if (segments > mostSegments) throw new RangeError(`a packet of ${packet.length} octets fits no page`)
    const before = this.#segments + segments > mostSegments ? this.flush(false) : null
    this.#packets.push(packet)
    this.#segments += segments
    this.#granule += samples
    const full = this.#granule - this.#pageBegan >= granuleRateHz ? this.flush(false) : null
    if (before === null || full === null) return before ?? full
    return Buffer.concat([before, full])
  }

  /** What is left. @param end nothing follows: the page says so */
  flush(end: boolean): Buffer | null {
    if (this.#packets.length === 0 && !end) return null
    const page = this.#page(this.#packets, this.#granule, end ? flags.end : 0)
    this.#packets = []
    this.#segments = 0
    this.#pageBegan = this.#granule
    return page
  }

  #page(packets: readonly Uint8Array[], granule: number, flag: number): Buffer {
    const lacing = packets.flatMap(({ length }) => [...Array<number>(segmentsOf(length) - 1).fill(255), length % 255])
    const header = Buffer.alloc(27 + lacing.length)
    header.write('OggS', 0, 'latin1')
    header[5] = flag
    header.writeBigUInt64LE(BigInt(granule), 6)
    header.writeUInt32LE(this.#stream.serial >>> 0, 14)
    header.writeUInt32LE(this.#sequence++, 18)
    header[26] = lacing.length
    header.set(lacing, 27)
    const page = Buffer.concat([header, ...packets])
    page.writeUInt32LE(oggCrc(page), 22)
    return page
  }
}
