import type { PerReader } from './reader.ts'
import { maxIntegerOctets, octetsFor } from './reader.ts'
import type { Type } from './type.ts'
import type { PerWriter } from './writer.ts'

/** X.691 §12: boolean. */
export const boolean: Type<boolean> = {
  shape: { kind: 'boolean' },
  read: (reader) => reader.bit(),
  write(writer, value) {
    if (typeof value !== 'boolean') return writer.expected('a boolean', value)
    writer.bit(value)
  }
}

/** X.691 §18: null. As a component, its presence is what it says. */
export const nothing: Type<null> = {
  shape: { kind: 'null' },
  read: () => null,
  write(writer, value) {
    if (value !== null) writer.expected('null', value)
  }
}

/**
 * X.691 §13: INTEGER (lower..upper), `upper` being Infinity for MAX.
 *
 * @param options.extensible values outside the range are taken too, in a longer form
 */
export function integer(lower: number, upper: number, options: { readonly extensible?: boolean } = {}): Type<number> {
  const extensible = options.extensible === true
  const isUnlimited = upper === Number.POSITIVE_INFINITY
  const allowed = `an integer in the range ${lower}–${upper}`
  const outside = (reader: PerReader): number => {
    const value = signed(reader)
    return typeof value === 'number' ? value : reader.fail('h323.per.constraint', 'integer of more than 53 bits')
  }
  return {
    shape: { kind: 'integer', lower, upper, extensible },
    read(reader) {
      if (extensible && reader.bit()) return outside(reader)
      return isUnlimited ? semiConstrained(reader, lower) : reader.constrained(lower, upper)
    },
    write(writer, value) {
      if (typeof value !== 'number' || !Number.isSafeInteger(value)) return writer.expected(allowed, value)
      const inside = value >= lower && value <= upper
      if (extensible) writer.bit(!inside)
      if (!inside) {
        if (!extensible) writer.expected(allowed, value)
        return writeSigned(writer, value)
      }
      if (!isUnlimited) return writer.constrained(value, lower, upper)
      const count = octetsFor(value - lower)
      writer.length(count)
      if (count > 4) writer.bits(Math.floor((value - lower) / 2 ** 32), (count - 4) * 8)
      writer.bits((value - lower) % 2 ** 32, Math.min(count, 4) * 8)
    }
  }
}

function semiConstrained(reader: PerReader, lower: number): number {
  const octets = reader.numberOctets()
  const value = lower + octets.reduce((sum, octet) => sum * 256 + octet, 0)
  if (!Number.isSafeInteger(value)) reader.fail('h323.per.constraint', 'integer of more than 53 bits')
  return value
}

/** X.691 §13: INTEGER without bounds. A number, a bigint only beyond 53 bits. */
export const anyInteger: Type<number | bigint> = {
  shape: { kind: 'integer', lower: Number.NEGATIVE_INFINITY, upper: Number.POSITIVE_INFINITY, extensible: false },
  read: signed,
  write(writer, value) {
    if (typeof value !== 'bigint' && !Number.isSafeInteger(value)) writer.expected('an integer', value)
    writeSigned(writer, value as number | bigint)
  }
}

/** Two's complement behind a length. @see X.691 §11.4, §11.8 */
function signed(reader: PerReader): number | bigint {
  const octets = reader.numberOctets()
  if (octets.length <= 6) {
    const value = octets.reduce((sum, octet) => sum * 256 + octet, 0)
    return octets[0]! < 0x80 ? value : value - 256 ** octets.length
  }
  const value = BigInt.asIntN(octets.length * 8, BigInt(`0x${Buffer.from(octets).toString('hex')}`))
  const small = Number(value)
  return Number.isSafeInteger(small) ? small : value
}

function writeSigned(writer: PerWriter, value: number | bigint): void {
  const wide = BigInt(value)
  let count = 1
  while (BigInt.asIntN(count * 8, wide) !== wide) {
    if (++count > maxIntegerOctets) writer.expected(`an integer of at most ${maxIntegerOctets} octets`, 'a longer one')
  }
  writer.length(count)
  writer.octets(
    Buffer.from(
      BigInt.asUintN(count * 8, wide)
        .toString(16)
        .padStart(count * 2, '0'),
      'hex'
    )
  )
}
