/**
 * STUN as far as a SIP server needs it: binding requests by which a client behind NAT keeps its UDP flow open, and learns when the NAT has
 * moved it.
 *
 *      0                   1                   2                   3
 *     |0 0|     STUN Message Type     |         Message Length        |
 *     |                         Magic Cookie                          |
 *     |                     Transaction ID (96 bits)                  |
 *
 * @see RFC 5626 §3.5.2, RFC 5389 §6, §7.3
 */
import { isIPv6 } from 'node:net'
import type { Endpoint } from './port.ts'

const headerOctets = 20
const magicCookie = 0x2112_a442
const bindingRequest = 0x0001
const bindingSuccess = 0x0101
const bindingError = 0x0111
const xorMappedAddress = 0x0020
const errorCode = 0x0009
const unknownAttributes = 0x000a
const maxUnknown = 8
/** Attributes below this number must be understood by who acts on a message. */
const firstOptional = 0x8000
/** USERNAME and MESSAGE-INTEGRITY: flow keep-alives carry none, and where they do there is nothing here to check them against. */
const known = new Set([0x0006, 0x0008])

/** Whether a datagram is STUN and no SIP: SIP begins with a letter or a line end, STUN with two zero bits. */
export function isStun(bytes: Buffer): boolean {
  return bytes.length >= headerOctets && bytes[0]! < 2 && bytes.readUInt32BE(4) === magicCookie
}

/**
 * The answer to a STUN message.
 *
 * @param bytes for which `isStun` holds.
 * @param source where it came from: what the client wants to know.
 * @returns undefined where there is none to give: malformed, or no binding request.
 */
export function stunAnswer(bytes: Buffer, source: Endpoint): Buffer | undefined {
  if (bytes.readUInt16BE(0) !== bindingRequest) return undefined
  if (bytes.readUInt16BE(2) !== bytes.length - headerOctets || bytes.length % 4 !== 0) return undefined
  const unknown: number[] = []
  for (let at = headerOctets; at < bytes.length; ) {
    const type = bytes.readUInt16BE(at)
    const end = at + 4 + ((bytes.readUInt16BE(at + 2) + 3) & ~3)
    if (end > bytes.length) return undefined
    if (type < firstOptional && !known.has(type) && unknown.length < maxUnknown) unknown.push(type)
    at = end
  }
  return unknown.length > 0
    ? message(bindingError, bytes, [attribute(errorCode, unknownAttributeError), attribute(unknownAttributes, list(unknown))])
    : message(bindingSuccess, bytes, [attribute(xorMappedAddress, mappedAddress(bytes, source))])
}

/** 420 as class and number. @see RFC 5389 §15.6 */
const unknownAttributeError = Buffer.concat([Buffer.from([0, 0, 4, 20]), Buffer.from('Unknown Attribute')])

function message(type: number, request: Buffer, attributes: readonly Buffer[]): Buffer {
  const head = Buffer.from(request.subarray(0, headerOctets))
  head.writeUInt16BE(type, 0)
  head.writeUInt16BE(
    attributes.reduce((sum, each) => sum + each.length, 0),
    2
  )
  return Buffer.concat([head, ...attributes])
}

function attribute(type: number, value: Buffer): Buffer {
  const out = Buffer.alloc(4 + ((value.length + 3) & ~3))
  out.writeUInt16BE(type, 0)
  out.writeUInt16BE(value.length, 2)
  value.copy(out, 4)
  return out
}

function list(types: readonly number[]): Buffer {
  const out = Buffer.alloc(types.length * 2)
  for (const [index, type] of types.entries()) out.writeUInt16BE(type, index * 2)
  return out
}

/** Family, port and address, the latter two xored with the cookie and transaction id. @see RFC 5389 §15.2 */
function mappedAddress(request: Buffer, source: Endpoint): Buffer {
  const address = addressOctets(source.address)
  const out = Buffer.alloc(4 + address.length)
  out[1] = address.length === 4 ? 1 : 2
  out.writeUInt16BE(source.port ^ (magicCookie >>> 16), 2)
  for (const [index, octet] of address.entries()) out[4 + index] = octet ^ request[4 + index]!
  return out
}

function addressOctets(address: string): Uint8Array {
  if (!isIPv6(address)) return Uint8Array.from(address.split('.'), Number)
  const [head = '', tail] = address.split('%', 1)[0]!.split('::')
  const front = octetsOf(head)
  const back = tail === undefined ? [] : octetsOf(tail)
  return Uint8Array.from([...front, ...new Array<number>(16 - front.length - back.length).fill(0), ...back])
}

function octetsOf(groups: string): number[] {
  if (groups === '') return []
  return groups.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number)
    const value = Number.parseInt(group, 16)
    return [value >>> 8, value & 255]
  })
}
