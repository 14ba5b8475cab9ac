import { PerFailure } from './failure.ts'
import { bitsFor, octetsFor } from './reader.ts'

const fragmentOctets = 16_384
const maxDepth = 64

/**
 * Writes the fields PER is made of, most significant bit first, into a buffer that grows.
 *
 * @see X.691 (02/2021) §11
 */
export class PerWriter {
  readonly aligned: boolean
  /** Bits written so far. */
  position = 0
  private bytes: Buffer = Buffer.allocUnsafe(1024)
  private depth = 0

  constructor(aligned: boolean) {
    this.aligned = aligned
  }

  /** Octets of the buffer. */
  get capacity(): number {
    return this.bytes.length
  }

  /** Begins another message in the same buffer. */
  reset(): void {
    this.position = 0
    this.depth = 0
  }

  /** The message so far, a copy; PER wants one zero octet for a value without bits. @see X.691 §11.1.3 */
  finish(): Buffer {
    if (this.position === 0) this.bits(0, 8)
    return Buffer.from(this.bytes.subarray(0, (this.position + 7) >>> 3))
  }

  expected(what: string, value: unknown): never {
    throw new PerFailure('h323.per.encode', `expected ${what}, got ${describe(value)}`, this.position)
  }

  private ensure(bits: number): void {
    const needed = (this.position + bits + 7) >>> 3
    if (needed <= this.bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(needed, this.bytes.length * 2))
    this.bytes.copy(larger, 0, 0, (this.position + 7) >>> 3)
    this.bytes = larger
  }

  bit(value: boolean): void {
    this.ensure(1)
    const at = this.position >>> 3
    const offset = this.position++ & 7
    if (offset === 0) this.bytes[at] = value ? 0x80 : 0
    else if (value) this.bytes[at]! |= 0x80 >> offset
  }

  /** Leaves bits for {@link setBit}, all 0. */
  zeros(count: number): void {
    for (let rest = count; rest > 0; rest -= 32) this.bits(0, Math.min(rest, 32))
  }

  setBit(at: number): void {
    this.bytes[at >>> 3]! |= 0x80 >> (at & 7)
  }

  /** @param count 0–48 */
  bits(value: number, count: number): void {
    if (count === 0) return
    this.ensure(count)
    let at = this.position >>> 3
    const offset = this.position & 7
    this.position += count
    let rest = count
    if (offset !== 0) {
      const free = 8 - offset
      if (rest <= free) {
        this.bytes[at]! |= value << (free - rest)
        return
      }
      rest -= free
      this.bytes[at++]! |= Math.floor(value / 2 ** rest) & (0xff >> offset)
    }
    for (; rest >= 8; at++) {
      rest -= 8
      this.bytes[at] = Math.floor(value / 2 ** rest) & 0xff
    }
    if (rest > 0) this.bytes[at] = (value << (8 - rest)) & 0xff
  }

  align(): void {
    if (this.aligned && (this.position & 7) !== 0) this.position = (this.position + 7) & ~7
  }

  octets(octets: Uint8Array): void {
    this.ensure(octets.length * 8)
    if ((this.position & 7) === 0) {
      this.bytes.set(octets, this.position >>> 3)
      this.position += octets.length * 8
    } else for (const octet of octets) this.bits(octet, 8)
  }

  /** @see X.691 §11.5 */
  constrained(value: number, lower: number, upper: number): void {
    const range = upper - lower + 1
    if (range === 1) return
    const offset = value - lower
    if (!this.aligned || range < 256) this.bits(offset, bitsFor(range))
    else if (range === 256) {
      this.align()
      this.bits(offset, 8)
    } else if (range <= 65_536) {
      this.align()
      this.bits(offset, 16)
    } else {
      const count = octetsFor(offset)
      this.bits(count - 1, bitsFor(octetsFor(range - 1)))
      this.align()
      this.bits(offset, count * 8)
    }
  }

  /** @see X.691 §11.6 */
  small(value: number): void {
    this.bit(value > 63)
    if (value <= 63) this.bits(value, 6)
    else {
      const count = octetsFor(value)
      this.length(count)
      this.bits(value, count * 8)
    }
  }

  /** @see X.691 §11.9.3.4 */
  smallLength(count: number): void {
    this.bit(count > 64)
    if (count <= 64) this.bits(count - 1, 6)
    else this.length(count)
  }

  /** General length up to 16,383. @see X.691 §11.9.3.6–7 */
  length(count: number): void {
    this.align()
    if (count < 0x80) this.bits(count, 8)
    else this.bits(0x8000 + count, 16)
  }

  /** Writes `count` items in fragments of 16K where there are so many. @see X.691 §11.9.3.8 */
  fragments(count: number, write: (from: number, to: number) => void): void {
    let from = 0
    while (count - from >= fragmentOctets) {
      const pieces = Math.min(4, Math.floor((count - from) / fragmentOctets))
      this.align()
      this.bits(0xc0 + pieces, 8)
      write(from, from + pieces * fragmentOctets)
      from += pieces * fragmentOctets
    }
    this.length(count - from)
    if (from < count) write(from, count)
  }

  lengthAndOctets(octets: Uint8Array): void {
    if (octets.length < fragmentOctets) {
      this.length(octets.length)
      this.octets(octets)
    } else this.fragments(octets.length, (from, to) => this.octets(octets.subarray(from, to)))
  }

  /**
   * Writes an open type: a general length and a complete encoding.
   *
   * On octet boundaries the content goes to its place at once, behind one octet kept for the length, and moves on when that is too small.
   *
   * @see X.691 §11.2
   */
  open(write: (writer: PerWriter) => void): void {
    if (!this.aligned) {
      const inner = new PerWriter(false)
      write(inner)
      this.lengthAndOctets(inner.finish())
      return
    }
    this.align()
    this.bits(0, 8)
    const start = this.position >>> 3
    write(this)
    if (this.position === start * 8) this.bits(0, 8)
    this.align()
    const count = (this.position >>> 3) - start
    if (count < 0x80) this.bytes[start - 1] = count
    else {
      const content = Buffer.from(this.bytes.subarray(start, start + count))
      this.position = (start - 1) * 8
      this.lengthAndOctets(content)
    }
  }

  /** Enters a value of a type that contains itself: an object that holds itself is an error, not a full stack. */
  enter(): void {
    if (++this.depth > maxDepth) throw new PerFailure('h323.per.encode', `nested more than ${maxDepth} deep`, this.position)
  }

  leave(): void {
    this.depth--
  }
}

/** A value in few words, without what it may hold: errors end in logs. */
function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return `${typeof value} ${value}`
  if (typeof value === 'string') return `a string of ${value.length} characters`
  if (value instanceof Uint8Array) return `${value.length} octets`
  if (Array.isArray(value)) return `a list of ${value.length}`
  return `an ${typeof value}`
}
