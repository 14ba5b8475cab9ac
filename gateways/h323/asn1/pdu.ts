import { decodeErrorOf, encodeErrorOf, PerFailure } from './failure.ts'
import { defaultLimits, type PerLimits, PerReader } from './reader.ts'
import type { Type } from './type.ts'
import { PerWriter } from './writer.ts'

export interface DecodeOptions {
  readonly limits?: PerLimits
  /** UNALIGNED PER instead of ALIGNED. */
  readonly unaligned?: boolean
}

export interface EncodeOptions {
  readonly unaligned?: boolean
}

/** A type that is encoded on its own, with the name its errors begin with. */
export interface Pdu<T> {
  readonly name: string
  readonly type: Type<T>
  /**
   * Decodes one message that fills `octets`. Octet strings in it are views of `octets`.
   *
   * @throws {DecodeError} with path and bit offset: `h323.per.short`, `.trailing`, `.constraint`, `.length`, `.oid`, `.depth`, `.elements`, `.size`
   */
  decode(octets: Uint8Array, options?: DecodeOptions): T
  /** Decodes the message at the front and says how many octets it took, for peers that put something behind it. */
  decodePrefix(octets: Uint8Array, options?: DecodeOptions): { readonly value: T; readonly octets: number }
  /** @throws {EncodeError} `h323.per.encode`, with the path of the field and what was expected there */
  encode(value: T, options?: EncodeOptions): Buffer
}

/** A writer that has grown beyond this is not kept. */
const keptOctets = 65_536

/** Writers between two messages: an encode takes one, or makes one where an encode is under way. */
const idle: Record<'aligned' | 'unaligned', PerWriter[]> = { aligned: [], unaligned: [] }

export function pdu<T>(name: string, type: Type<T>): Pdu<T> {
  function decodePrefix(octets: Uint8Array, { limits = defaultLimits, unaligned = false }: DecodeOptions = {}) {
    try {
      const reader = new PerReader(octets, !unaligned, limits)
      const value = type.read(reader)
      return { value, octets: Math.max(1, (reader.position + 7) >>> 3) }
    } catch (error) {
      throw decodeErrorOf(name, error)
    }
  }
  return {
    name,
    type,
    decodePrefix,
    decode(octets, options) {
      const decoded = decodePrefix(octets, options)
      if (decoded.octets === octets.length) return decoded.value
      const reason = `${octets.length - decoded.octets} octets behind the message`
      throw decodeErrorOf(name, new PerFailure('h323.per.trailing', reason, decoded.octets * 8))
    },
    encode(value, { unaligned = false } = {}) {
      const writers = idle[unaligned ? 'unaligned' : 'aligned']
      const writer = writers.pop() ?? new PerWriter(!unaligned)
      try {
        type.write(writer, value)
        return writer.finish()
      } catch (error) {
        throw encodeErrorOf(name, error)
      } finally {
        writer.reset()
        if (writers.length === 0 && writer.capacity <= keptOctets) writers.push(writer)
      }
    }
  }
}
