import type { PerReader } from './reader.ts'
import { bitsFor } from './reader.ts'
import { type Size, type SizeConstraint, sizeOf, type Type } from './type.ts'
import type { PerWriter } from './writer.ts'

/** From this upper bound on, a length is not written as a constrained whole number. @see X.691 §11.9.4 */
const constrainedLengths = 65_536

/** A bit string: `length` bits, the first the most significant of `bytes[0]`; what is behind the last is 0. */
export interface BitString {
  readonly length: number
  readonly bytes: Uint8Array
}

const inWords = (size: Size): string => (size.min === size.max ? `${size.min}` : `${size.min}–${size.max}`)

/** Reads units behind a general length, which may come in fragments. */
function readFragments(reader: PerReader, unitBits: number, size: Size, read: (count: number) => void): void {
  let total = 0
  for (;;) {
    const { count, more } = reader.fragment()
    total += count
    if (count * unitBits > reader.end - reader.position) reader.skip(count * unitBits)
    read(count)
    if (!more) break
  }
  if (total < size.min || total > size.max) {
    reader.fail('h323.per.constraint', `length ${total} is not in the range ${inWords(size)}`)
  }
}

/** X.691 §17: OCTET STRING. A decoded one is a view of the message. */
export function octetString(constraint?: SizeConstraint): Type<Uint8Array> {
  const size = sizeOf(constraint)
  const isFixed = size.min === size.max && size.max < constrainedLengths
  const isConstrained = size.max < constrainedLengths
  const needsAlignment = size.max > 2
  return {
    shape: { kind: 'octetString', size },
    read(reader) {
      if (!isConstrained) {
        const octets = reader.lengthAndOctets()
        if (octets.length < size.min || octets.length > size.max) {
          reader.fail('h323.per.constraint', `${octets.length} octets, ${inWords(size)} allowed`)
        }
        return octets
      }
      const count = isFixed ? size.min : reader.constrained(size.min, size.max)
      if (needsAlignment) reader.align()
      return reader.octets(count)
    },
    write(writer, value) {
      if (!(value instanceof Uint8Array) || value.length < size.min || value.length > size.max) {
        return writer.expected(`${constraint === undefined ? '' : `${inWords(size)} `}octets`, value)
      }
      if (!isConstrained) return writer.lengthAndOctets(value)
      if (!isFixed) writer.constrained(value.length, size.min, size.max)
      if (needsAlignment) writer.align()
      writer.octets(value)
    }
  }
}

/** `count` bits, the first in the most significant bit of the first octet: whole octets as {@link PerReader.octets} gives them, else a copy. */
function readBits(reader: PerReader, count: number): Uint8Array {
  if (count > reader.end - reader.position) reader.skip(count)
  const whole = count >>> 3
  if ((count & 7) === 0) return reader.octets(whole)
  const bytes = new Uint8Array((count + 7) >>> 3)
  bytes.set(reader.octets(whole))
  const rest = count & 7
  if (rest > 0) bytes[whole] = reader.bits(rest) << (8 - rest)
  return bytes
}

function writeBits(writer: PerWriter, bytes: Uint8Array, from: number, to: number): void {
  const whole = (to - from) >>> 3
  const first = from >>> 3
  writer.octets(bytes.subarray(first, first + whole))
  const rest = (to - from) & 7
  if (rest > 0) writer.bits(bytes[first + whole]! >> (8 - rest), rest)
}

/** X.691 §16: BIT STRING. */
export function bitString(constraint?: SizeConstraint): Type<BitString> {
  const size = sizeOf(constraint)
  const isFixed = size.min === size.max && size.max < constrainedLengths
  const isConstrained = size.max < constrainedLengths
  const needsAlignment = !isFixed || size.max > 16
  return {
    shape: { kind: 'bitString', size },
    read(reader) {
      if (isConstrained) {
        const length = isFixed ? size.min : reader.constrained(size.min, size.max)
        if (needsAlignment) reader.align()
        return { length, bytes: readBits(reader, length) }
      }
      const pieces: Uint8Array[] = []
      let length = 0
      readFragments(reader, 1, size, (count) => {
        pieces.push(readBits(reader, count))
        length += count
      })
      return { length, bytes: pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces) }
    },
    write(writer, value) {
      const { length, bytes } = (value ?? {}) as Partial<BitString>
      if (!(bytes instanceof Uint8Array) || !Number.isInteger(length) || bytes.length !== (length! + 7) >>> 3) {
        return writer.expected('a bit string, its bytes as long as its length says', value)
      }
      if (length! < size.min || length! > size.max) return writer.expected(`${inWords(size)} bits`, length)
      if (isConstrained) {
        if (!isFixed) writer.constrained(length!, size.min, size.max)
        if (needsAlignment) writer.align()
        return writeBits(writer, bytes, 0, length!)
      }
      writer.fragments(length!, (from, to) => writeBits(writer, bytes, from, to))
    }
  }
}

export interface StringConstraints {
  readonly size?: SizeConstraint
  /** Characters allowed. */
  readonly alphabet?: string
}

/**
 * X.691 §30: character strings of known multiplier.
 *
 * @param codeBits bits of one character of the unconstrained type
 * @param full characters of the unconstrained type where they are not simply 0 … 2^codeBits − 1
 */
function knownMultiplier(
  name: string,
  codeBits: number,
  { size: constraint, alphabet }: StringConstraints,
  full?: string
): Type<string> {
  const size = sizeOf(constraint)
  const characters = alphabet === undefined ? full : [...alphabet].sort().join('')
  const bits = characters === undefined ? codeBits : bitsFor(characters.length)
  const alignedBits = 2 ** Math.ceil(Math.log2(bits))
  const last = characters?.charCodeAt(characters.length - 1)
  const codes =
    characters === undefined ? undefined : new Map([...characters].map((character, at) => [character.charCodeAt(0), at]))
  // §30.5.4: codes that fit are written as they are, others as their place in the alphabet.
  const usesPlaces = (width: number): boolean => last !== undefined && last >= 2 ** width
  const isConstrained = size.max < constrainedLengths
  const isFixed = size.min === size.max && isConstrained
  const limit = alphabet === undefined && full === undefined ? 2 ** codeBits : 0
  // §30.5.6–7
  const needsAlignment = (width: number): boolean => (isFixed ? size.max * width > 16 : size.max * width >= 16)

  const alignedPlaces = usesPlaces(alignedBits)
  const unalignedPlaces = usesPlaces(bits)
  const alignedNeedsAlignment = needsAlignment(alignedBits)

  function readCharacters(reader: PerReader, count: number): string {
    const width = reader.aligned ? alignedBits : bits
    const places = reader.aligned ? alignedPlaces : unalignedPlaces
    if (count * width > reader.end - reader.position) reader.skip(count * width)
    let text = ''
    for (let i = 0; i < count; i++) {
      const raw = reader.bits(width)
      const code = places ? characters!.charCodeAt(raw) | 0 : raw
      if (codes === undefined ? code >= limit : places ? raw >= characters!.length : !codes.has(code)) {
        reader.fail('h323.per.constraint', `character outside the alphabet of ${name}`, reader.position - width)
      }
      text += String.fromCharCode(code)
    }
    return text
  }

  return {
    shape: { kind: 'characterString', name, size, alphabet: characters },
    read(reader) {
      if (isConstrained) {
        const count = isFixed ? size.min : reader.constrained(size.min, size.max)
        if (alignedNeedsAlignment) reader.align()
        return readCharacters(reader, count)
      }
      let text = ''
      readFragments(reader, reader.aligned ? alignedBits : bits, size, (count) => {
        text += readCharacters(reader, count)
      })
      return text
    },
    write(writer, value) {
      if (typeof value !== 'string' || value.length < size.min || value.length > size.max) {
        return writer.expected(`${name} of ${inWords(size)} characters`, value)
      }
      const width = writer.aligned ? alignedBits : bits
      const places = writer.aligned ? alignedPlaces : unalignedPlaces
      const writeCharacters = (from: number, to: number): void => {
        for (let i = from; i < to; i++) {
          const code = value.charCodeAt(i)
          const place = codes === undefined ? (code < limit ? code : undefined) : codes.get(code)
          if (place === undefined) writer.expected(`characters of ${name}`, value)
          else writer.bits(places ? place : code, width)
        }
      }
      if (!isConstrained) return writer.fragments(value.length, writeCharacters)
      if (!isFixed) writer.constrained(value.length, size.min, size.max)
      if (alignedNeedsAlignment) writer.align()
      writeCharacters(0, value.length)
    }
  }
}

const printable = " '()+,-./0123456789:=?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

export const ia5String = (constraints: StringConstraints = {}): Type<string> => knownMultiplier('IA5String', 7, constraints)
export const numericString = (constraints: StringConstraints = {}): Type<string> =>
  knownMultiplier('NumericString', 4, constraints, ' 0123456789')
export const printableString = (constraints: StringConstraints = {}): Type<string> =>
  knownMultiplier('PrintableString', 7, constraints, printable)
export const visibleString = (constraints: StringConstraints = {}): Type<string> =>
  knownMultiplier('VisibleString', 7, constraints, String.fromCharCode(...Array.from({ length: 95 }, (_, at) => 32 + at)))
/** UTF-16 code units, as JavaScript has them; halves of a surrogate pair pass too. */
export const bmpString = (constraints: StringConstraints = {}): Type<string> => knownMultiplier('BMPString', 16, constraints)

/** X.691 §31: GeneralString and its like are octets behind a general length. One octet is one character (ISO 8859-1), so that nothing is lost. */
export const generalString: Type<string> = {
  shape: { kind: 'characterString', name: 'GeneralString', size: sizeOf(undefined), alphabet: undefined },
  read: (reader) => Buffer.from(reader.lengthAndOctets()).toString('latin1'),
  write(writer, value) {
    if (typeof value !== 'string' || /[^\x00-\xff]/.test(value)) writer.expected('GeneralString, one octet a character', value)
    writer.lengthAndOctets(Buffer.from(value as string, 'latin1'))
  }
}
