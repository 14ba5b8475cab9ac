/**
 * Records on their way from a media thread to the recording thread: one writer, one reader, no lock, nothing allocated by the writer.
 *
 *     | kind (8) slot (16) 0 (8) | time in ms | sample rate | octets | octets … |     each field 32 bits; padded to a multiple of 4
 *
 * The writer never waits. What finds no room is left out and counted: the recording ends then, the call does not.
 */

export const recordKinds = {
  /** A packet of a participant. */
  packet: 1,
  /** A participant's part of a frame of the mix, 16-bit samples; slot 0 for sounds that are played to all. */
  part: 2,
  /** The frame is over. */
  frame: 3
} as const

export interface RingRecord {
  readonly kind: number
  readonly slot: number
  /** Since the recording began, in milliseconds, whole. */
  readonly timeMs: number
  /** Of a part; 0 for a packet. */
  readonly rateHz: number
  /** A copy, on a boundary of 2 octets. */
  readonly octets: Uint8Array
}

const headWords = 4
const places = { written: 0, read: 1, lost: 2 } as const
const recordWords = 4
const mask32 = 0xffff_ffff

/** Memory for a ring of `octets`, a power of two. @throws {RangeError} */
export function ringMemory(octets: number): SharedArrayBuffer {
  if (octets < 1024 || (octets & (octets - 1)) !== 0) throw new RangeError(`expected a power of two from 1024 on, got ${octets}`)
  return new SharedArrayBuffer(4 * headWords + octets)
}

class RingEnd {
  protected readonly head: Int32Array
  protected readonly words: Int32Array
  protected readonly octets: Uint8Array
  protected readonly shorts: Int16Array
  /** Octets less one. */
  protected readonly mask: number

  constructor(memory: SharedArrayBuffer) {
    const room = memory.byteLength - 4 * headWords
    this.head = new Int32Array(memory, 0, headWords)
    this.words = new Int32Array(memory, 4 * headWords)
    this.octets = new Uint8Array(memory, 4 * headWords)
    this.shorts = new Int16Array(memory, 4 * headWords)
    this.mask = room - 1
  }

  /** Records that found no room. */
  get lost(): number {
    return Atomics.load(this.head, places.lost)
  }
}

const padded = (octets: number) => (octets + 3) & ~3

export class RingWriter extends RingEnd {
  #at: number

  constructor(memory: SharedArrayBuffer) {
    super(memory)
    this.#at = Atomics.load(this.head, places.written)
  }

  /** @returns whether there was room */
  #begin(kind: number, slot: number, timeMs: number, rateHz: number, octets: number): boolean {
    const used = (this.#at - Atomics.load(this.head, places.read)) & mask32
    if (used + 4 * recordWords + padded(octets) > this.mask + 1) {
      Atomics.add(this.head, places.lost, 1)
      return false
    }
    this.#word(kind | (slot << 8))
    this.#word(timeMs | 0)
    this.#word(rateHz)
    this.#word(octets)
    return true
  }

  #word(value: number): void {
    this.words[(this.#at & this.mask) >> 2] = value
    this.#at = (this.#at + 4) | 0
  }

  #end(octets: number): void {
    this.#at = (this.#at + padded(octets)) | 0
    Atomics.store(this.head, places.written, this.#at)
  }

  packet(slot: number, timeMs: number, packet: Uint8Array): void {
    if (!this.#begin(recordKinds.packet, slot, timeMs, 0, packet.length)) return
    const { octets, mask } = this
    const at = this.#at
    for (let i = 0; i < packet.length; i++) octets[(at + i) & mask] = packet[i]!
    this.#end(packet.length)
  }

  part(slot: number, timeMs: number, rateHz: number, samples: Int16Array): void {
    if (!this.#begin(recordKinds.part, slot, timeMs, rateHz, 2 * samples.length)) return
    const { shorts } = this
    const mask = this.mask >> 1
    const at = (this.#at & this.mask) >> 1
    for (let i = 0; i < samples.length; i++) shorts[(at + i) & mask] = samples[i]!
    this.#end(2 * samples.length)
  }

  frame(timeMs: number, rateHz: number): void {
    if (this.#begin(recordKinds.frame, 0, timeMs, rateHz, 0)) this.#end(0)
  }
}

export class RingReader extends RingEnd {
  /** Hands over every record that is there. @returns how many */
  drain(take: (record: RingRecord) => void): number {
    let count = 0
    let at = Atomics.load(this.head, places.read)
    while (at !== Atomics.load(this.head, places.written)) {
      const word = (n: number) => this.words[((at + 4 * n) & this.mask) >> 2]!
      const first = word(0)
      const length = word(3)
      const octets = new Uint8Array(length)
      const from = at + 4 * recordWords
      for (let i = 0; i < length; i++) octets[i] = this.octets[(from + i) & this.mask]!
      const record = { kind: first & 0xff, slot: (first >> 8) & 0xffff, timeMs: word(1) >>> 0, rateHz: word(2), octets }
      at = (from + padded(length)) | 0
      Atomics.store(this.head, places.read, at)
      count++
      take(record)
    }
    return count
  }
}
