import { DecodeError } from '#kernel'

/** One element of DER. */
export interface DerElement {
  /** The identifier octet: class, constructed bit and tag number below 31. */
  readonly tag: number
  readonly content: Buffer
}

export const derTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  ia5String: 0x16,
  sequence: 0x30
} as const
/** Context-specific and constructed: an explicit tag. */
export const explicitTag = (number: number): number => 0xa0 | number

const fail = (message: string): never => {
  throw new DecodeError('guard.identity.certificate', message, { path: 'certificate', bitOffset: 0 })
}

/**
 * The elements that lie one behind another in `octets`.
 *
 * @throws {DecodeError} `guard.identity.certificate` for tag numbers of more than one octet, indefinite or needlessly long lengths, and elements cut short
 * @see ITU-T X.690 §8.1, §10.1
 */
export function derElements(octets: Buffer): DerElement[] {
  const elements: DerElement[] = []
  for (let at = 0; at < octets.length; ) {
    const tag = octets[at]!
    if ((tag & 0x1f) === 0x1f) fail('tag number of more than one octet')
    const first = octets[at + 1] ?? fail('element cut short')
    let length = first
    let start = at + 2
    if (first >= 0x80) {
      const count = first - 0x80
      if (count === 0 || count > 3 || start + count > octets.length) fail('length of this form is not taken')
      length = octets.readUIntBE(start, count)
      start += count
      if (length < 0x80 || (count > 1 && length < 2 ** (8 * (count - 1)))) fail('length written longer than need be')
    }
    if (start + length > octets.length) fail('element cut short')
    elements.push({ tag, content: octets.subarray(start, start + length) })
    at = start + length
  }
  return elements
}

/** The one element that `octets` are. @throws {DecodeError} when it is another or more than one */
export function derElement(octets: Buffer, tag: number): Buffer {
  const [element, ...more] = derElements(octets)
  return element !== undefined && more.length === 0 && element.tag === tag
    ? element.content
    : fail(`expected one element with the tag ${tag}`)
}

/** An object identifier in dotted form. @see ITU-T X.690 §8.19 */
export function oidText(content: Buffer): string {
  const arcs: number[] = []
  let arc = 0
  for (const octet of content) {
    arc = arc * 128 + (octet & 0x7f)
    if (arc > 2 ** 40) fail('arc of an object identifier too large')
    if (octet >= 0x80) continue
    if (arcs.length === 0) arcs.push(Math.min(2, Math.floor(arc / 40)), arc - 40 * Math.min(2, Math.floor(arc / 40)))
    else arcs.push(arc)
    arc = 0
  }
  return arcs.join('.')
}

/** DER of an element. */
export function derEncode(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const octets = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...octets]), content])
}
