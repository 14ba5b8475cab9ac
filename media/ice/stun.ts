/**
 * STUN messages as far as connectivity checks need them: Binding requests read, answers written. The codec keeps no state.
 *
 * @see RFC 8489 §5, §14 (format, attributes), RFC 8445 §7.1, §16.1 (attributes of ICE), RFC 7983 (told from RTP on one port)
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { DecodeError } from '#kernel'
import type { Endpoint } from '../latch.ts'
import { writeOctets } from '../udp/inet.ts'

const cookie = 0x2112_a442
const headerLength = 20
const integrityLength = 20
const fingerprintMask = 0x5354_554e
/** A check has about ten. */
const mostAttributes = 32

const bindingRequest = 0x0001
const bindingSuccess = 0x0101
const bindingError = 0x0111

const attributes = {
  username: 0x0006,
  integrity: 0x0008,
  errorCode: 0x0009,
  unknown: 0x000a,
  mappedAddress: 0x0020,
  priority: 0x0024,
  useCandidate: 0x0025,
  fingerprint: 0x8028,
  controlled: 0x8029,
  controlling: 0x802a
} as const

/** Below this a type must be understood. @see RFC 8489 §14 */
const firstOptional = 0x8000
const understood: ReadonlySet<number> = new Set(Object.values(attributes))

/** A Binding request, with views into the packet it was read from. */
export interface BindingRequest {
  readonly packet: Buffer
  /** 12 octets. */
  readonly transaction: Buffer
  readonly username: string | null
  /** Where MESSAGE-INTEGRITY begins; −1 without it. */
  readonly integrityAt: number
  readonly useCandidate: boolean
  /** What the peer takes itself for. */
  readonly role: 'controlling' | 'controlled' | null
  /** Types that must be understood and are not. */
  readonly unknown: readonly number[]
}

/** Whether a packet on a port for RTP is STUN. @see RFC 7983 §7 */
export function isStun(packet: Buffer): boolean {
  return packet.length >= headerLength && packet[0]! < 4 && packet.readUInt32BE(4) === cookie
}

const malformed = (message: string, path: string, octet: number) =>
  new DecodeError('ice.stun.malformed', message, { path, bitOffset: octet * 8 })

/**
 * @returns null for anything that is no Binding request: answers and indications are not for an ICE-lite side
 * @throws {DecodeError} `ice.stun.malformed`
 */
export function decodeBindingRequest(packet: Buffer): BindingRequest | null {
  if (!isStun(packet)) throw malformed('no STUN header', 'header', 0)
  if (packet.readUInt16BE(0) !== bindingRequest) return null
  const length = packet.readUInt16BE(2)
  if (length % 4 !== 0 || headerLength + length !== packet.length) {
    throw malformed(`length ${length} in a packet of ${packet.length} octets`, 'header.length', 2)
  }
  let username: string | null = null
  let integrityAt = -1
  let useCandidate = false
  let role: BindingRequest['role'] = null
  const unknown: number[] = []
  let count = 0
  for (let at = headerLength; at < packet.length; ) {
    if (++count > mostAttributes) throw malformed(`more than ${mostAttributes} attributes`, 'attributes', at)
    const type = packet.readUInt16BE(at)
    const octets = packet.readUInt16BE(at + 2)
    const value = at + 4
    const next = value + octets + ((4 - (octets % 4)) % 4)
    if (next > packet.length) throw malformed(`attribute 0x${type.toString(16)} runs past the end`, 'attributes', at)
    if (type === attributes.fingerprint) {
      if (octets !== 4 || next !== packet.length) throw malformed('not the last four octets', 'FINGERPRINT', at)
      if ((crc32(packet.subarray(0, at)) ^ fingerprintMask) >>> 0 !== packet.readUInt32BE(value)) {
        throw malformed('does not fit the message', 'FINGERPRINT', at)
      }
    } else if (integrityAt >= 0) {
      // What follows MESSAGE-INTEGRITY is not covered by it and does not count (RFC 8489 §14.5).
    } else if (type === attributes.integrity) {
      if (octets !== integrityLength) throw malformed(`${octets} octets`, 'MESSAGE-INTEGRITY', at)
      integrityAt = at
    } else if (type === attributes.username) username = packet.toString('latin1', value, value + octets)
    else if (type === attributes.useCandidate) useCandidate = true
    else if (type === attributes.controlling) role = 'controlling'
    else if (type === attributes.controlled) role = 'controlled'
    else if (type < firstOptional && !understood.has(type)) unknown.push(type)
    at = next
  }
  return { packet, transaction: packet.subarray(8, headerLength), username, integrityAt, useCandidate, role, unknown }
}

/** HMAC-SHA1 over the message up to `at`, its length counted as if it ended behind MESSAGE-INTEGRITY. @see RFC 8489 §14.5 */
function integrity(packet: Buffer, at: number, key: string): Buffer {
  const head = Buffer.from(packet.subarray(0, headerLength))
  head.writeUInt16BE(at + 4 + integrityLength - headerLength, 2)
  return createHmac('sha1', key).update(head).update(packet.subarray(headerLength, at)).digest()
}

/** Whether whoever sent a request knows `key`, the password of our side. */
export function hasIntegrity({ packet, integrityAt }: BindingRequest, key: string): boolean {
  if (integrityAt < 0) return false
  const shown = packet.subarray(integrityAt + 4, integrityAt + 4 + integrityLength)
  return timingSafeEqual(integrity(packet, integrityAt, key), shown)
}

function attribute(type: number, value: Buffer): Buffer {
  const padding = (4 - (value.length % 4)) % 4
  const octets = Buffer.alloc(4 + value.length + padding)
  octets.writeUInt16BE(type, 0)
  octets.writeUInt16BE(value.length, 2)
  value.copy(octets, 4)
  return octets
}

function message(type: number, transaction: Buffer, parts: readonly Buffer[], key: string | null): Buffer {
  const body = Buffer.concat(parts)
  const trailer = (key === null ? 0 : 4 + integrityLength) + 8
  const packet = Buffer.alloc(headerLength + body.length + trailer)
  packet.writeUInt16BE(type, 0)
  packet.writeUInt32BE(cookie, 4)
  transaction.copy(packet, 8)
  body.copy(packet, headerLength)
  let at = headerLength + body.length
  if (key !== null) {
    attribute(attributes.integrity, integrity(packet, at, key)).copy(packet, at)
    at += 4 + integrityLength
  }
  packet.writeUInt16BE(packet.length - headerLength, 2)
  const fingerprint = Buffer.alloc(4)
  fingerprint.writeUInt32BE((crc32(packet.subarray(0, at)) ^ fingerprintMask) >>> 0)
  attribute(attributes.fingerprint, fingerprint).copy(packet, at)
  return packet
}

/** @param source told to the peer as XOR-MAPPED-ADDRESS (RFC 8489 §14.2) */
export function encodeSuccess({ packet, transaction }: BindingRequest, source: Endpoint, key: string): Buffer {
  const octets = Buffer.alloc(16)
  const length = writeOctets(octets, 0, source.address)
  const value = Buffer.alloc(4 + length)
  value[1] = length === 4 ? 1 : 2
  value.writeUInt16BE(source.port ^ (cookie >>> 16), 2)
  // masked by the cookie, and of IPv6 by the transaction behind it, as both stand in the header
  for (let at = 0; at < length; at++) value[4 + at] = octets[at]! ^ packet[4 + at]!
  return message(bindingSuccess, transaction, [attribute(attributes.mappedAddress, value)], key)
}

const reasons = { 400: 'Bad Request', 401: 'Unauthenticated', 420: 'Unknown Attribute', 487: 'Role Conflict' } as const

/** @param key null where the request did not show that it knows it (RFC 8489 §9.1.3) */
export function encodeError({ transaction, unknown }: BindingRequest, code: keyof typeof reasons, key: string | null): Buffer {
  const value = Buffer.concat([Buffer.from([0, 0, Math.floor(code / 100), code % 100]), Buffer.from(reasons[code])])
  const parts = [attribute(attributes.errorCode, value)]
  if (code === 420) {
    const types = Buffer.alloc(2 * unknown.length)
    for (const [at, type] of unknown.entries()) types.writeUInt16BE(type, 2 * at)
    parts.push(attribute(attributes.unknown, types))
  }
  return message(bindingError, transaction, parts, key)
}
