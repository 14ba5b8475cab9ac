/** A name server on loopback that knows what a test tells it. Speaks as much of DNS over UDP as a resolver asks (RFC 1035 §4). */
import { createSocket } from 'node:dgram'
import type { NaptrRecord, SrvRecord } from '../next-hop/resolution.ts'

export type TestRecord =
  | { readonly type: 'A' | 'AAAA'; readonly address: string }
  | ({ readonly type: 'SRV' } & SrvRecord)
  | ({ readonly type: 'NAPTR' } & NaptrRecord)

/** What it says of a name: records, that the name is not there (the default), that it failed, or nothing at all. */
export type TestZone = Readonly<Record<string, readonly TestRecord[] | 'failure' | 'silence'>>

export interface TestDnsServer {
  /** As resolvers take it: `127.0.0.1:port`. */
  readonly server: string
  /** Questions so far, as `SRV _sip._udp.example`. */
  readonly asked: string[]
  readonly close: () => Promise<void>
}

const types = { A: 1, AAAA: 28, SRV: 33, NAPTR: 35 } as const
const typeNames = new Map(Object.entries(types).map(([name, type]) => [type as number, name]))
const headerOctets = 12
const serverFailure = 2
const nameError = 3

export async function startDnsServer(zone: TestZone, ttlS = 60): Promise<TestDnsServer> {
  const asked: string[] = []
  const socket = createSocket('udp4')
  socket.on('message', (query, from) => {
    const { name, end } = readName(query, headerOctets)
    const type = typeNames.get(query.readUInt16BE(end)) ?? 'other'
    asked.push(`${type} ${name}`)
    const known = zone[name]
    if (known === 'silence') return
    const records = typeof known === 'object' ? known.filter((record) => record.type === type) : []
    const code = known === undefined ? nameError : known === 'failure' ? serverFailure : 0
    const header = Buffer.from(query.subarray(0, headerOctets))
    header.writeUInt16BE(0x8580 | code, 2)
    header.writeUInt16BE(records.length, 6)
    header.writeUInt32BE(0, 8)
    const question = query.subarray(headerOctets, end + 4)
    socket.send(Buffer.concat([header, question, ...records.map((record) => answer(record, ttlS))]), from.port, from.address)
  })
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  return {
    server: `127.0.0.1:${socket.address().port}`,
    asked,
    close: () => new Promise((resolve) => socket.close(() => resolve()))
  }
}

function readName(bytes: Buffer, start: number): { name: string; end: number } {
  const labels: string[] = []
  let at = start
  while (bytes[at] !== 0) {
    labels.push(bytes.toString('latin1', at + 1, at + 1 + bytes[at]!).toLowerCase())
    at += 1 + bytes[at]!
  }
  return { name: labels.join('.'), end: at + 1 }
}

/** One record about the name of the question, which stands at octet 12. */
function answer(record: TestRecord, ttlS: number): Buffer {
  const data = dataOf(record)
  const head = Buffer.alloc(12)
  head.writeUInt16BE(0xc000 | headerOctets, 0)
  head.writeUInt16BE(types[record.type], 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt32BE(ttlS, 6)
  head.writeUInt16BE(data.length, 10)
  return Buffer.concat([head, data])
}

function dataOf(record: TestRecord): Buffer {
  switch (record.type) {
    case 'A':
      return Buffer.from(record.address.split('.').map(Number))
    case 'AAAA':
      return Buffer.from(
        record.address
          .split(':')
          .map((group) => group.padStart(4, '0'))
          .join(''),
        'hex'
      )
    case 'SRV':
      return Buffer.concat([numbers(record.priority, record.weight, record.port), encodedName(record.name)])
    case 'NAPTR':
      return Buffer.concat([
        numbers(record.order, record.preference),
        ...[record.flags, record.service, ''].map(characterString),
        encodedName(record.replacement)
      ])
  }
}

function numbers(...values: readonly number[]): Buffer {
  const out = Buffer.alloc(values.length * 2)
  for (const [index, value] of values.entries()) out.writeUInt16BE(value, index * 2)
  return out
}

function characterString(text: string): Buffer {
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text)])
}

function encodedName(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '')
  return Buffer.concat([...labels.map(characterString), Buffer.from([0])])
}
