import type { Type } from './type.ts'

/** Octets of an identifier, and of one of its arcs (128 bits fit, as in 2.25.UUID): far above what is in use. */
const maxOctets = 127
const maxArcOctets = 19

const dot = 0x2e
const zero = 0x30

/** Arcs of up to this many octets are plain numbers. */
const plainArcOctets = 7

function arcOf(octets: Uint8Array, from: number, to: number): number | bigint {
  if (to - from <= plainArcOctets) {
    let arc = 0
    for (let at = from; at < to; at++) arc = arc * 128 + (octets[at]! & 0x7f)
    return arc
  }
  return octets.subarray(from, to).reduce((arc, octet) => arc * 128n + BigInt(octet & 0x7f), 0n)
}

function pushArc(octets: number[], arc: number): void {
  if (arc >= 128 ** 2) {
    let size = 3
    while (128 ** size <= arc) size++
    for (; size > 2; size--) octets.push((Math.floor(arc / 128 ** (size - 1)) & 0x7f) | 0x80)
  }
  if (arc >= 128) octets.push((Math.floor(arc / 128) & 0x7f) | 0x80)
  octets.push(arc & 0x7f)
}

/** @returns whether the arc is short enough to be read again */
function pushLongArc(octets: number[], arc: bigint): boolean {
  const at = octets.length
  octets.push(Number(arc & 0x7fn))
  for (let rest = arc >> 7n; rest > 0n; rest >>= 7n) octets.splice(at, 0, Number(rest & 0x7fn) | 0x80)
  return octets.length - at <= maxArcOctets
}

/** Longest text of an arc that is certainly a safe integer. */
const plainArcDigits = 15
const maxArcDigits = 41

/** Contents octets of dotted text; undefined where it is not an object identifier. @see X.690 §8.19 */
function octetsOf(text: string): number[] | undefined {
  const octets: number[] = []
  let first = -1
  for (let from = 0, arcs = 0; from <= text.length; arcs++) {
    let to = from
    let arc = 0
    for (; to < text.length && text.charCodeAt(to) !== dot; to++) {
      const digit = text.charCodeAt(to) - zero
      if (digit < 0 || digit > 9) return undefined
      arc = arc * 10 + digit
    }
    const digits = to - from
    if (digits === 0 || digits > maxArcDigits || (digits > 1 && text.charCodeAt(from) === zero)) return undefined
    if (arcs === 0) {
      if (arc > 2 || to === text.length) return undefined
      first = arc
    } else {
      if (arcs === 1 && first < 2 && arc > 39) return undefined
      const base = arcs === 1 ? first * 40 : 0
      if (digits <= plainArcDigits) pushArc(octets, arc + base)
      else if (!pushLongArc(octets, BigInt(text.slice(from, to)) + BigInt(base))) return undefined
    }
    from = to + 1
  }
  return octets.length > maxOctets ? undefined : octets
}

/**
 * X.691 §24: OBJECT IDENTIFIER, as dotted text (`0.0.8.2250.0.7`).
 *
 * An identifier of no octets is the empty text: GnuGk sends one as the protocolIdentifier of a FACILITY.
 */
export const objectIdentifier: Type<string> = {
  shape: { kind: 'objectIdentifier' },
  read(reader) {
    const octets = reader.octets(reader.length())
    if (octets.length > maxOctets) reader.fail('h323.per.oid', `object identifier of ${octets.length} octets`)
    let text = ''
    for (let from = 0; from < octets.length; ) {
      let to = from
      while (to < octets.length && octets[to]! >= 0x80) to++
      to++
      if (to > octets.length || to - from > maxArcOctets || octets[from] === 0x80) {
        reader.fail('h323.per.oid', 'object identifier with a bad arc')
      }
      const arc = arcOf(octets, from, to)
      if (from > 0) text += `.${arc}`
      else if (arc < 80) text = arc < 40 ? `0.${arc}` : `1.${Number(arc) - 40}`
      else text = `2.${BigInt(arc) - 80n}`
      from = to
    }
    return text
  },
  write(writer, value) {
    const octets = value === '' ? [] : typeof value === 'string' ? octetsOf(value) : undefined
    if (octets === undefined) return writer.expected('an object identifier, dotted', value)
    writer.length(octets.length)
    for (const octet of octets) writer.bits(octet, 8)
  }
}
