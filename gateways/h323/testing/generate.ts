import { received, type Shape, type Size, type Type } from '../asn1/asn1.ts'

/** Uniform numbers from 0 to 1, the same for the same seed (xorshift32). */
export function randomFrom(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b1) ^ 0x85ebca6b || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

export interface GenerateOptions {
  /** 0 gives the smallest values, 4 rich ones. */
  readonly richness: number
  /** Things of later versions too: unknown additions, alternatives and bitmap lengths. */
  readonly unknown?: boolean
}

/** A valid value of a type, made from its shape alone. */
export function generate(type: Type<unknown>, random: () => number, options: GenerateOptions): unknown {
  return new Generator(random, options).value(type, 0)
}

const maxNesting = 14

class Generator {
  private readonly random: () => number
  private readonly richness: number
  private readonly unknown: boolean

  constructor(random: () => number, { richness, unknown = false }: GenerateOptions) {
    this.random = random
    this.richness = richness
    this.unknown = unknown
  }

  private chance(share: number): boolean {
    return this.random() < share
  }

  private pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.random() * list.length)]!
  }

  private between(min: number, max: number): number {
    return min + Math.floor(this.random() * (max - min + 1))
  }

  /** Shorter with depth, now and then at an edge of the size or of a length's encoding. */
  private length({ min, max }: Size, nesting: number): number {
    const most = Math.min(max, min + (nesting > 6 ? 1 : 4 * this.richness))
    if (this.richness > 2 && nesting < 5 && this.chance(0.02)) {
      const edge = this.pick([min, max, 127, 128, 300])
      if (edge >= min && edge <= Math.min(max, 400)) return edge
    }
    return this.between(min, most)
  }

  private octets(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.between(0, 255)))
  }

  private integer(shape: Shape & { kind: 'integer' }): number | bigint {
    const { lower, upper, extensible } = shape
    if (lower === Number.NEGATIVE_INFINITY) {
      if (this.chance(0.05)) return (this.chance(0.5) ? 1n : -1n) * (2n ** 62n + BigInt(this.between(0, 1_000_000)))
      return this.pick([0, 1, -1, 127, 128, -128, -129, 255, 256, 32_767, 32_768, this.between(-(2 ** 40), 2 ** 40)])
    }
    if (extensible && this.chance(0.1)) return upper + this.between(1, 100_000)
    const top = Math.min(upper, Number.MAX_SAFE_INTEGER - 1)
    const near = this.pick([0, 1, 255, 256, 65_535, 65_536, this.between(0, 2 ** 33)])
    return this.pick([lower, top, this.between(lower, Math.min(top, lower + 300)), Math.min(top, lower + near)])
  }

  private text(shape: Shape & { kind: 'characterString' }, nesting: number): string {
    const { alphabet, name } = shape
    const top = name === 'BMPString' ? 0xffff : name === 'GeneralString' ? 0xff : 0x7f
    const character = () =>
      alphabet === undefined
        ? String.fromCharCode(this.chance(0.8) ? this.between(0x20, 0x7e) : this.between(0, top))
        : alphabet[this.between(0, alphabet.length - 1)]!
    return Array.from({ length: this.length(shape.size, nesting) }, character).join('')
  }

  value(type: Type<unknown>, nesting: number): unknown {
    const { shape } = type
    switch (shape.kind) {
      case 'lazy':
        return this.value(shape.resolve(), nesting + 1)
      case 'boolean':
        return this.chance(0.5)
      case 'null':
        return null
      case 'objectIdentifier':
        return this.pick([
          '0.0.8.2250.0.8',
          '1.3.6.1.4.1.28027.274',
          '2.16.840.1.101.3.4.1.2',
          `2.${this.between(0, 2 ** 30)}`,
          '0.0'
        ])
      case 'integer':
        return this.integer(shape)
      case 'enumerated': {
        if (shape.additions === undefined || this.chance(0.8)) return this.pick(shape.names)
        return shape.additions.length > 0
          ? this.pick(shape.additions)
          : this.unknown
            ? this.between(0, 99)
            : this.pick(shape.names)
      }
      case 'octetString':
        return this.octets(this.length(shape.size, nesting))
      case 'openType':
        return this.octets(this.between(1, 1 + 4 * this.richness))
      case 'bitString': {
        const length = this.length(shape.size, nesting)
        const bytes = this.octets((length + 7) >>> 3)
        if (length % 8 > 0) bytes[bytes.length - 1]! &= 0xff << (8 - (length % 8))
        return { length, bytes }
      }
      case 'characterString':
        return this.text(shape, nesting)
      case 'sequenceOf':
        return Array.from({ length: this.length(shape.size, nesting + 3) }, () => this.value(shape.element, nesting + 1))
      case 'sequence':
        return this.sequence(shape, nesting)
      case 'choice':
        return this.choice(shape, nesting)
    }
  }

  private sequence({ components, additions }: Shape & { kind: 'sequence' }, nesting: number): unknown {
    const share = nesting > maxNesting ? 0 : Math.min(0.9, (this.richness * 0.2) / Math.max(1, nesting - 3))
    const value: Record<string | symbol, unknown> = {}
    for (const { name, type, optional, defaultValue } of components) {
      if (!optional || defaultValue !== undefined || this.chance(share)) value[name] = this.value(type, nesting + 1)
    }
    if (additions === undefined || nesting > maxNesting) return value
    let last = -1
    for (const [index, { name, type }] of additions.entries()) {
      if (!this.chance(share)) continue
      value[name] = this.value(type, nesting + 1)
      last = index
    }
    if (this.unknown && this.chance(0.1)) this.addUnknown(value, last, additions.length)
    return value
  }

  private addUnknown(value: Record<string | symbol, unknown>, last: number, known: number): void {
    const unknown = this.chance(0.5) ? [{ index: known + this.between(0, 70), octets: this.octets(this.between(1, 200)) }] : []
    const needed = Math.max(1, last + 1, ...unknown.map(({ index }) => index + 1))
    const bitmapLength = needed + this.between(0, 3)
    if (bitmapLength !== known || unknown.length > 0) value[received] = { bitmapLength, unknown }
  }

  private choice({ alternatives, additions }: Shape & { kind: 'choice' }, nesting: number): unknown {
    if (this.unknown && additions !== undefined && this.chance(0.03)) {
      return { type: 'unknownExtension', index: additions.length + this.between(0, 80), value: this.octets(this.between(1, 20)) }
    }
    const all = [...alternatives, ...(additions ?? [])]
    const { name, type } =
      nesting > maxNesting ? all.reduce((least, next) => (isShallower(next.type, least.type) ? next : least)) : this.pick(all)
    const value = this.value(type, nesting + 1)
    return value === null ? { type: name } : { type: name, value }
  }
}

const rank = ({ shape }: Type<unknown>): number =>
  ({ null: 0, lazy: 9, choice: 3, sequence: 2, sequenceOf: 2 })[shape.kind as string] ?? 1

const isShallower = (one: Type<unknown>, other: Type<unknown>): boolean => rank(one) < rank(other)
