import { PerFailure } from './failure.ts'

/** Bounds on what one message may ask of the decoder. */
export interface PerLimits {
  /** Octets of the whole message. */
  readonly octets: number
  /** Values inside values of a type that contains itself. */
  readonly depth: number
  /** Elements of all lists together; an element may take no bit at all. */
  readonly elements: number
}

/** A TPKT carries 65,531 octets at most; the largest real message seen has 90 list elements. */
export const defaultLimits: PerLimits = { octets: 65_536, depth: 24, elements: 16_384 }

const fragmentOctets = 16_384

/** Far above any integer of the standards, most of which are bounded. */
export const maxIntegerOctets = 256

/**
 * Reads the fields PER is made of from a message, most significant bit first.
 *
 * @see X.691 (02/2021) §11
 */
export class PerReader {
  readonly bytes: Uint8Array
  readonly aligned: boolean
  readonly limits: PerLimits
  /** Next bit, from the first of the message. */
  position: number
  /** First bit that may not be read: end of the message or of the open type around. */
  end: number
  depth = 0
  private elements: number

  constructor(bytes: Uint8Array, aligned: boolean, limits: PerLimits, position = 0) {
    if (bytes.length > limits.octets) {
      throw new PerFailure('h323.per.size', `${bytes.length} octets, at most ${limits.octets} are taken`, 0)
    }
    this.bytes = bytes
    this.aligned = aligned
    this.limits = limits
    this.position = position
    this.end = bytes.length * 8
    this.elements = limits.elements
  }

  fail(code: string, reason: string, bitOffset = this.position): never {
    throw new PerFailure(code, reason, bitOffset)
  }

  private short(bits: number): never {
    return this.fail('h323.per.short', `${bits} bits wanted, ${this.end - this.position} left`)
  }

  bit(): boolean {
    const at = this.position
    if (at >= this.end) this.short(1)
    this.position = at + 1
    return ((this.bytes[at >>> 3]! >> (7 - (at & 7))) & 1) === 1
  }

  /** One bit of a bitmap that was skipped before. */
  bitAt(at: number): boolean {
    return ((this.bytes[at >>> 3]! >> (7 - (at & 7))) & 1) === 1
  }

  skip(bits: number): void {
    if (this.position + bits > this.end) this.short(bits)
    this.position += bits
  }

  /** @param count 0–48 */
  bits(count: number): number {
    const from = this.position
    if (from + count > this.end) this.short(count)
    this.position = from + count
    let at = from >>> 3
    const left = 8 - (from & 7)
    const first = this.bytes[at]! & (0xff >> (from & 7))
    if (count <= left) return first >> (left - count)
    let value = first
    let rest = count - left
    for (; rest >= 8; rest -= 8) value = value * 256 + this.bytes[++at]!
    return rest === 0 ? value : value * (1 << rest) + (this.bytes[++at]! >> (8 - rest))
  }

  align(): void {
    if (this.aligned) this.position = (this.position + 7) & ~7
  }

  /** Octets as a view of the message where they lie on octet boundaries, else as a copy. */
  octets(count: number): Uint8Array {
    const from = this.position
    if (from + count * 8 > this.end) this.short(count * 8)
    this.position = from + count * 8
    const at = from >>> 3
    const shift = from & 7
    if (shift === 0) return this.bytes.subarray(at, at + count)
    const copy = new Uint8Array(count)
    for (let i = 0; i < count; i++) copy[i] = ((this.bytes[at + i]! << shift) | (this.bytes[at + i + 1]! >> (8 - shift))) & 0xff
    return copy
  }

  /** @see X.691 §11.5 */
  constrained(lower: number, upper: number): number {
    const range = upper - lower + 1
    if (range === 1) return lower
    let offset: number
    if (!this.aligned || range < 256) offset = this.bits(bitsFor(range))
    else if (range === 256) {
      this.align()
      offset = this.bits(8)
    } else if (range <= 65_536) {
      this.align()
      offset = this.bits(16)
    } else {
      const count = this.bits(bitsFor(octetsFor(range - 1))) + 1
      this.align()
      if (count > octetsFor(range - 1))
        this.fail('h323.per.constraint', `integer of ${count} octets in the range ${lower}–${upper}`)
      offset = this.bits(count * 8)
    }
    const value = lower + offset
    if (value > upper) this.fail('h323.per.constraint', `${value} is not in the range ${lower}–${upper}`)
    return value
  }

  /** Octets of a semi-constrained or unconstrained whole number. */
  numberOctets(): Uint8Array {
    const count = this.length()
    if (count === 0 || count > maxIntegerOctets) this.fail('h323.per.length', `integer of ${count} octets`)
    return this.octets(count)
  }

  /** At most 65,535, far above any place among additions. @see X.691 §11.6 */
  small(): number {
    if (!this.bit()) return this.bits(6)
    const octets = this.numberOctets()
    if (octets.length > 2) this.fail('h323.per.length', `normally small number of ${octets.length} octets`)
    return octets.reduce((value, octet) => value * 256 + octet, 0)
  }

  /** Length of an extension bitmap, at least 1. @see X.691 §11.9.3.4 */
  smallLength(): number {
    if (!this.bit()) return this.bits(6) + 1
    const count = this.length()
    if (count === 0) this.fail('h323.per.length', 'extension bitmap without bits')
    return count
  }

  /** General length of up to 16,383; a fragmented one is refused. */
  length(): number {
    const { count, more } = this.fragment()
    if (more) this.fail('h323.per.length', 'fragments where none are allowed')
    return count
  }

  /** General length, one step of it. @see X.691 §11.9.3.5–8 */
  fragment(): { readonly count: number; readonly more: boolean } {
    this.align()
    const first = this.bits(8)
    if (first < 0x80) return { count: first, more: false }
    if (first < 0xc0) return { count: (first & 0x3f) * 256 + this.bits(8), more: false }
    const pieces = first & 0x3f
    if (pieces < 1 || pieces > 4) this.fail('h323.per.length', `fragment of ${pieces} times 16K`, this.position - 8)
    return { count: pieces * fragmentOctets, more: true }
  }

  /** Octets behind a general length, fragments put together. */
  lengthAndOctets(): Uint8Array {
    let { count, more } = this.fragment()
    const first = this.octets(count)
    if (!more) return first
    const pieces = [first]
    while (more) {
      ;({ count, more } = this.fragment())
      pieces.push(this.octets(count))
    }
    return Buffer.concat(pieces)
  }

  /** A reader of octets that were put together from this message; it shares the bounds and counts of this one. */
  inside(octets: Uint8Array): PerReader {
    const inner = new PerReader(octets, this.aligned, this.limits)
    inner.depth = this.depth
    inner.elements = this.elements
    return inner
  }

  /** Counts list elements before they are read. */
  take(elements: number): void {
    this.elements -= elements
    if (this.elements < 0) this.fail('h323.per.elements', `more than ${this.limits.elements} list elements`)
  }

  /** Enters a value of a type that contains itself. */
  enter(): void {
    if (++this.depth > this.limits.depth) this.fail('h323.per.depth', `nested more than ${this.limits.depth} deep`)
  }

  leave(): void {
    this.depth--
  }
}

/** Bits that hold 0 … range − 1. */
export function bitsFor(range: number): number {
  return range <= 2 ** 32 ? 32 - Math.clz32(range - 1) : 32 + bitsFor(Math.ceil(range / 2 ** 32))
}

/** Octets that hold `value`, at least 1. */
export function octetsFor(value: number): number {
  return Math.max(1, (bitsFor(value + 1) + 7) >>> 3)
}
