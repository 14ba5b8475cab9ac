/**
 * HEP3 (EEP), in which Homer takes captured SIP: a header and typed chunks.
 *
 *     | "HEP3" | total length (16) | chunk … |
 *     | vendor (16) | type (16) | length of the chunk with these six octets (16) | value |
 *
 * @see Homer Encapsulation Protocol version 3, network protocol specification, revision 12
 */
import { isIPv4, isIPv6 } from 'node:net'
import { DecodeError } from '#kernel'

export interface HepPacket {
  /** 6 TCP, 17 UDP. */
  readonly protocol: number
  readonly source: HepEndpoint
  readonly destination: HepEndpoint
  /** Microseconds since 1970. */
  readonly atMicros: number
  /** 1 is SIP. */
  readonly protocolType: number
  /** 32 bits. */
  readonly agentId: number
  readonly authKey?: string
  readonly correlationId?: string
  readonly nodeName?: string
  readonly payload: Buffer
}

export interface HepEndpoint {
  /** IPv4 or IPv6 address; a packet has two of one family. */
  readonly address: string
  readonly port: number
}

export const hepSip = 1
/** The length field of a packet has 16 bits. */
export const hepMaxPacket = 65_535

const chunk = {
  family: 0x0001,
  protocol: 0x0002,
  source4: 0x0003,
  destination4: 0x0004,
  source6: 0x0005,
  destination6: 0x0006,
  sourcePort: 0x0007,
  destinationPort: 0x0008,
  seconds: 0x0009,
  microseconds: 0x000a,
  protocolType: 0x000b,
  agentId: 0x000c,
  authKey: 0x000e,
  payload: 0x000f,
  correlationId: 0x0011,
  nodeName: 0x0013
} as const

/** Address families as Linux numbers them. */
const inet = 2
const inet6 = 10
const magic = 0x4845_5033
const headOctets = 6

/**
 * One packet.
 *
 * @throws {RangeError} for addresses of different families or none, and a packet beyond 65,535 octets.
 */
export function encodeHep(packet: HepPacket): Buffer {
  const { source, destination, payload } = packet
  const six = isIPv6(source.address)
  if (six !== isIPv6(destination.address) || (!six && !(isIPv4(source.address) && isIPv4(destination.address)))) {
    throw new RangeError('HEP: source and destination must be addresses of one family')
  }
  const texts = [
    [chunk.authKey, packet.authKey],
    [chunk.correlationId, packet.correlationId],
    [chunk.nodeName, packet.nodeName]
  ] as const
  const addressOctets = six ? 16 : 4
  let length = headOctets * 11 + 1 + 1 + 2 * addressOctets + 2 + 2 + 4 + 4 + 1 + 4
  for (const [, text] of texts) if (text !== undefined) length += headOctets + Buffer.byteLength(text)
  length += headOctets + payload.length
  if (length > hepMaxPacket) throw new RangeError(`HEP: packet of ${length} octets`)

  const out = Buffer.allocUnsafe(length)
  out.writeUInt32BE(magic, 0)
  out.writeUInt16BE(length, 4)
  let at = headOctets
  const open = (type: number, octets: number): number => {
    out.writeUInt16BE(0, at)
    out.writeUInt16BE(type, at + 2)
    out.writeUInt16BE(headOctets + octets, at + 4)
    at += headOctets + octets
    return at - octets
  }
  out[open(chunk.family, 1)] = six ? inet6 : inet
  out[open(chunk.protocol, 1)] = packet.protocol
  writeAddress(out, open(six ? chunk.source6 : chunk.source4, addressOctets), source.address)
  writeAddress(out, open(six ? chunk.destination6 : chunk.destination4, addressOctets), destination.address)
  out.writeUInt16BE(source.port, open(chunk.sourcePort, 2))
  out.writeUInt16BE(destination.port, open(chunk.destinationPort, 2))
  out.writeUInt32BE(Math.floor(packet.atMicros / 1e6), open(chunk.seconds, 4))
  out.writeUInt32BE(Math.floor(packet.atMicros % 1e6), open(chunk.microseconds, 4))
  out[open(chunk.protocolType, 1)] = packet.protocolType
  out.writeUInt32BE(packet.agentId, open(chunk.agentId, 4))
  for (const [type, text] of texts) if (text !== undefined) out.write(text, open(type, Buffer.byteLength(text)))
  payload.copy(out, open(chunk.payload, payload.length))
  return out
}

/**
 * Reads one packet; chunks of other vendors and of other types are passed over.
 *
 * @param bytes kept, not copied: the payload is a view of it.
 * @throws {DecodeError} `hep.magic`, `hep.length`, `hep.chunk`, `hep.missing`
 */
export function decodeHep(bytes: Buffer): HepPacket {
  if (bytes.length < headOctets || bytes.readUInt32BE(0) !== magic) throw fault('hep.magic', 'no HEP3 packet', 'packet', 0)
  const length = bytes.readUInt16BE(4)
  if (length !== bytes.length) throw fault('hep.length', `length says ${length} of ${bytes.length} octets`, 'packet', 4)
  const values = new Map<number, Buffer>()
  for (let at = headOctets; at < length; ) {
    if (length - at < headOctets) throw fault('hep.chunk', 'chunk is cut off', 'chunk', at)
    const vendor = bytes.readUInt16BE(at)
    const type = bytes.readUInt16BE(at + 2)
    const octets = bytes.readUInt16BE(at + 4)
    if (octets < headOctets || octets > length - at)
      throw fault('hep.chunk', `chunk of ${octets} octets`, `chunk ${type}`, at + 4)
    if (vendor === 0) {
      const value = bytes.subarray(at + headOctets, at + octets)
      const wanted = octetsOf[type]
      if (wanted !== undefined && value.length !== wanted) {
        throw fault('hep.chunk', `value of ${value.length} in place of ${wanted} octets`, `chunk ${type}`, at)
      }
      values.set(type, value)
    }
    at += octets
  }
  const needed = (type: number): Buffer => {
    const value = values.get(type)
    if (value === undefined) throw fault('hep.missing', 'chunk is missing', `chunk ${type}`, length)
    return value
  }
  const text = (type: number): string | undefined => values.get(type)?.toString('utf8')
  const six = needed(chunk.family)[0] === inet6
  const authKey = text(chunk.authKey)
  const correlationId = text(chunk.correlationId)
  const nodeName = text(chunk.nodeName)
  return {
    protocol: needed(chunk.protocol)[0]!,
    source: {
      address: readAddress(needed(six ? chunk.source6 : chunk.source4)),
      port: needed(chunk.sourcePort).readUInt16BE()
    },
    destination: {
      address: readAddress(needed(six ? chunk.destination6 : chunk.destination4)),
      port: needed(chunk.destinationPort).readUInt16BE()
    },
    atMicros: needed(chunk.seconds).readUInt32BE() * 1e6 + needed(chunk.microseconds).readUInt32BE(),
    protocolType: needed(chunk.protocolType)[0]!,
    agentId: needed(chunk.agentId).readUInt32BE(),
    ...(authKey === undefined ? {} : { authKey }),
    ...(correlationId === undefined ? {} : { correlationId }),
    ...(nodeName === undefined ? {} : { nodeName }),
    payload: needed(chunk.payload)
  }
}

const octetsOf: Readonly<Record<number, number>> = {
  [chunk.family]: 1,
  [chunk.protocol]: 1,
  [chunk.source4]: 4,
  [chunk.destination4]: 4,
  [chunk.source6]: 16,
  [chunk.destination6]: 16,
  [chunk.sourcePort]: 2,
  [chunk.destinationPort]: 2,
  [chunk.seconds]: 4,
  [chunk.microseconds]: 4,
  [chunk.protocolType]: 1,
  [chunk.agentId]: 4
}

function writeAddress(out: Buffer, at: number, address: string): void {
  if (isIPv4(address)) {
    for (const [index, part] of address.split('.').entries()) out[at + index] = Number(part)
    return
  }
  const groups = sixGroups(address)
  for (let index = 0; index < 8; index++) out.writeUInt16BE(groups[index]!, at + 2 * index)
}

/** The eight groups of an IPv6 address, without its zone; an IPv4 address at its end is two of them. */
function sixGroups(address: string): number[] {
  const plain = address.replace(/%.*$/, '').replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) => {
    const pair = (high: string, low: string): string => (Number(high) * 256 + Number(low)).toString(16)
    return `${pair(a, b)}:${pair(c, d)}`
  })
  const [front = '', back] = plain.split('::')
  const numbers = (text: string): number[] => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)))
  const before = numbers(front)
  if (back === undefined) return before
  const after = numbers(back)
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after]
}

function readAddress(octets: Buffer): string {
  if (octets.length === 4) return octets.join('.')
  const groups = Array.from({ length: 8 }, (_, index) => octets.readUInt16BE(2 * index).toString(16))
  return compressed(groups)
}

/** Longest run of zero groups, of two or more, as `::` (RFC 5952 §4.2). */
function compressed(groups: readonly string[]): string {
  let best = { at: -1, length: 1 }
  for (let at = 0; at < groups.length; at++) {
    let length = 0
    while (groups[at + length] === '0') length++
    if (length > best.length) best = { at, length }
    at += length
  }
  if (best.at < 0) return groups.join(':')
  return `${groups.slice(0, best.at).join(':')}::${groups.slice(best.at + best.length).join(':')}`
}

function fault(code: string, message: string, path: string, octet: number): DecodeError {
  return new DecodeError(code, message, { path, bitOffset: octet * 8 })
}
