import { createHmac } from 'node:crypto'
import { crc32 } from 'node:zlib'

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex')

/** A connectivity check, built apart from the codec that is tested. @see RFC 8445 §7.2 */
export function connectivityCheck(options: {
  username?: string
  key?: string
  nominate?: boolean
  role?: number
  extra?: Buffer
  fingerprint?: boolean
}): Buffer {
  const { username = 'ours:theirs', key = 'password-of-our-side-', role = 0x802a } = options
  const attribute = (type: number, value: Buffer) => {
    const head = Buffer.alloc(4)
    head.writeUInt16BE(type, 0)
    head.writeUInt16BE(value.length, 2)
    return Buffer.concat([head, value, Buffer.alloc((4 - (value.length % 4)) % 4)])
  }
  const parts = [
    attribute(0x0006, Buffer.from(username)),
    attribute(0x0024, hex('6e0001ff')),
    attribute(role, hex('0102030405060708')),
    ...(options.nominate === true ? [attribute(0x0025, Buffer.alloc(0))] : []),
    ...(options.extra === undefined ? [] : [options.extra])
  ]
  const body = () => Buffer.concat(parts)
  const head = (length: number) => {
    const octets = hex('00 01 00 00 21 12 a4 42 00 01 02 03 04 05 06 07 08 09 0a 0b')
    octets.writeUInt16BE(length, 2)
    return octets
  }
  const covered = Buffer.concat([head(body().length + 24), body()])
  parts.push(attribute(0x0008, createHmac('sha1', key).update(covered).digest()))
  const marked = Buffer.concat([head(body().length + 8), body()])
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE((crc32(marked) ^ 0x5354_554e) >>> 0)
  return options.fingerprint === false
    ? Buffer.concat([head(body().length), body()])
    : Buffer.concat([marked, attribute(0x8028, sum)])
}
