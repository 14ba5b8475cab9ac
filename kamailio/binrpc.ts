/**
 * BINRPC, the binary protocol of Kamailio's module ctl, over its local stream socket: private to the edge's folder, unlike a port.
 *
 *     request and reply   |magic=0xA (4)|version=1 (4)|kind (4)|LL (2)|CL (2)| length, LL+1 octets | cookie, CL+1 octets | records
 *     record              |S (1)|length or its size (3)|type (4)| [length, when S] | value
 *
 * Kinds: 0 request, 1 reply, 3 fault. Types: 0 integer, 1 text with a zero octet behind it, 2 double in thousandths, 3 structure, 4 array, 5 name of a
 * structure's member, 6 octets; the end of a structure or array is its type with S set and length 0.
 */
import { connect } from 'node:net'
import { InfraFabricError } from '#kernel'

const magicAndVersion = 0xa1
const kinds = { request: 0, reply: 1, fault: 3 } as const
const types = { integer: 0, text: 1, double: 2, structure: 3, array: 4, member: 5, octets: 6 } as const

export type RpcValue = number | string | Buffer | RpcValue[] | { [name: string]: RpcValue }

const largestReply = 1 << 20
const timeoutMs = 5000

function record(type: number, value: Buffer): Buffer {
  if (value.length < 8) return Buffer.concat([Buffer.of((value.length << 4) | type), value])
  const size = Buffer.alloc(4)
  size.writeUInt32BE(value.length)
  return Buffer.concat([Buffer.of(0x80 | (size.length << 4) | type), size, value])
}

function encodeValue(value: string | number): Buffer {
  if (typeof value === 'string') return record(types.text, Buffer.from(`${value}\0`, 'utf8'))
  const number = Buffer.alloc(4)
  number.writeInt32BE(value)
  return record(types.integer, number)
}

/** A request: the method's name and its parameters, one record each. */
function encodeRequest(method: string, params: readonly (string | number)[], cookie: number): Buffer {
  const body = Buffer.concat([method, ...params].map(encodeValue))
  const head = Buffer.alloc(10)
  head[0] = magicAndVersion
  head[1] = (kinds.request << 4) | (3 << 2) | 3
  head.writeUInt32BE(body.length, 2)
  head.writeUInt32BE(cookie >>> 0, 6)
  return Buffer.concat([head, body])
}

export interface RpcReply {
  readonly fault: boolean
  readonly cookie: number
  readonly values: RpcValue[]
}

const malformed = (problem: string) => new InfraFabricError('edge.rpc.malformed', `reply of Kamailio: ${problem}`)

/** Octets of the whole reply that begins `data`, or null while that cannot be told yet. @throws {InfraFabricError} `edge.rpc.malformed` */
function replyLength(data: Buffer): number | null {
  if (data.length < 2) return null
  if (data[0] !== magicAndVersion) throw malformed('not BINRPC of version 1')
  const lengthOctets = ((data[1]! >> 2) & 3) + 1
  const cookieOctets = (data[1]! & 3) + 1
  if (data.length < 2 + lengthOctets) return null
  return 2 + lengthOctets + cookieOctets + data.readUIntBE(2, lengthOctets)
}

/** Reads a whole reply. @throws {InfraFabricError} `edge.rpc.malformed` */
function decodeReply(data: Buffer): RpcReply {
  const lengthOctets = ((data[1]! >> 2) & 3) + 1
  const cookieOctets = (data[1]! & 3) + 1
  const cursor = { at: 2 + lengthOctets + cookieOctets }
  const values: RpcValue[] = []
  while (cursor.at < data.length) {
    const value = decodeRecord(data, cursor, 0)
    if (value === end) throw malformed('an end without a beginning')
    values.push(value)
  }
  return { fault: data[1]! >> 4 === kinds.fault, cookie: data.readUIntBE(2 + lengthOctets, cookieOctets), values }
}

const end = Symbol('end')

function decodeRecord(data: Buffer, cursor: { at: number }, depth: number): RpcValue | typeof end {
  if (cursor.at >= data.length || depth > 16) throw malformed('cut off, or nested too deep')
  const first = data[cursor.at++]!
  const type = first & 0x0f
  let length = (first >> 4) & 7
  if ((first & 0x80) !== 0) {
    if (length === 0 && (type === types.structure || type === types.array)) return end
    // a negative double has 8 octets here, one more than fits: the length runs into the bit before it
    if (length === 0 && type === types.double) length = 8
    else {
      if (length === 0 || length > 4 || cursor.at + length > data.length) throw malformed('a length that does not fit')
      const size = data.readUIntBE(cursor.at, length)
      cursor.at += length
      length = size
    }
  }
  if (type === types.structure) return decodeStructure(data, cursor, depth)
  if (type === types.array) return decodeArray(data, cursor, depth)
  if (cursor.at + length > data.length) throw malformed('a value is cut off')
  const value = data.subarray(cursor.at, cursor.at + length)
  cursor.at += length
  switch (type) {
    case types.integer:
      return length < 4 ? value.reduce((number, octet) => number * 256 + octet, 0) : value.readInt32BE(length - 4)
    case types.double:
      return (length < 4 ? value.reduce((number, octet) => number * 256 + octet, 0) : value.readInt32BE(length - 4)) / 1000
    case types.text:
    case types.member:
      return value.toString('utf8', 0, Math.max(0, length - 1))
    default:
      return Buffer.from(value)
  }
}

function decodeArray(data: Buffer, cursor: { at: number }, depth: number): RpcValue[] {
  const items: RpcValue[] = []
  for (let item = decodeRecord(data, cursor, depth + 1); item !== end; item = decodeRecord(data, cursor, depth + 1))
    items.push(item)
  return items
}

/** Members may repeat, as those of lists do: a repeated one becomes an array. Members without a name, as the rows of a table, are under `''`. */
function decodeStructure(data: Buffer, cursor: { at: number }, depth: number): { [name: string]: RpcValue } {
  const members: { [name: string]: RpcValue } = Object.create(null)
  for (let first = decodeRecord(data, cursor, depth + 1); first !== end; first = decodeRecord(data, cursor, depth + 1)) {
    const name = typeof first === 'string' ? first : ''
    const value = typeof first === 'string' ? decodeRecord(data, cursor, depth + 1) : first
    if (value === end) throw malformed('a member without a value')
    const before = members[name]
    members[name] = before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value]
  }
  return members
}

/**
 * Asks Kamailio.
 *
 * @throws {InfraFabricError} `edge.rpc.unreachable`, `edge.rpc.timeout`, `edge.rpc.malformed`, `edge.rpc.refused` with Kamailio's reason
 */
export function callRpc(socketPath: string, method: string, params: readonly (string | number)[]): Promise<RpcValue[]> {
  return new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0)
    const socket = connect(socketPath)
    const finish = (outcome: () => void) => {
      socket.destroy()
      outcome()
    }
    socket.setTimeout(timeoutMs, () =>
      finish(() => reject(new InfraFabricError('edge.rpc.timeout', `${method}: no answer within ${timeoutMs} ms`)))
    )
    socket.on('error', (error) =>
      finish(() => reject(new InfraFabricError('edge.rpc.unreachable', `${method}: ${error.message}`, { cause: error })))
    )
    socket.on('close', () => reject(new InfraFabricError('edge.rpc.unreachable', `${method}: the connection was closed`)))
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      try {
        const length = replyLength(received)
        if (received.length > largestReply) throw malformed(`longer than ${largestReply} octets`)
        if (length === null || received.length < length) return
        const { fault, values } = decodeReply(received.subarray(0, length))
        finish(() =>
          fault ? reject(new InfraFabricError('edge.rpc.refused', `${method}: ${values.join(' ')}`)) : resolve(values)
        )
      } catch (error) {
        finish(() => reject(error))
      }
    })
    socket.write(encodeRequest(method, params, 1))
  })
}
