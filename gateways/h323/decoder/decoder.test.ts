import test from 'ava'
import { DecodeError } from '#kernel'
import { h225, h450, q931 } from '../h323.ts'
import { type CapturedPacket, pcapOf } from '../testing/capture.ts'
import { captured } from '../testing/vectors.ts'
import { framesOf } from './capture.ts'
import { Decoder, linesOf } from './decoder.ts'
import { ipv6Text, packetOf } from './packets.ts'
import { TcpStream } from './streams.ts'

const calls = captured()
const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')

/** A real call as packets, one message each. */
function packetsOf(cap: string): CapturedPacket[] {
  const sequences = new Map<string, number>()
  return calls
    .filter((message) => message.cap === cap)
    .map(({ proto, src, dst, hex }) => {
      const payload = bytes(hex)
      const sequence = sequences.get(`${src} ${dst}`) ?? 0
      sequences.set(`${src} ${dst}`, sequence + payload.length)
      return { transport: proto === 'ras' ? 'udp' : 'tcp', sourcePort: src, destinationPort: dst, payload, sequence }
    })
}

const names = (file: Buffer): string[] => [...new Decoder().capture(file)].map(({ protocol, name }) => `${protocol} ${name}`)

test('a whole call is told message by message', (t) => {
  const packets = packetsOf('22-gk-direct-nofs-h245tcp')
  const told = names(pcapOf(packets))
  t.is(told.length, packets.length)
  for (const name of ['RAS registrationRequest', 'Q.931 setup', 'H.245 terminalCapabilitySet', 'Q.931 releaseComplete']) {
    t.true(told.includes(name), name)
  }
})

test('TCP segments cut anywhere, doubled and out of order give the same messages', (t) => {
  const packets = packetsOf('22-gk-direct-nofs-h245tcp')
  const pieces = packets.flatMap((packet, at) => {
    if (packet.transport === 'udp') return [packet]
    const cut = 1 + (at % (packet.payload.length - 1))
    const first = { ...packet, payload: packet.payload.subarray(0, cut) }
    const second = { ...packet, payload: packet.payload.subarray(cut), sequence: packet.sequence! + cut }
    return at % 3 === 0 ? [first, first, second] : [first, second]
  })
  t.deepEqual(names(pcapOf(pieces)).sort(), names(pcapOf(packets)).sort())
  const stream = new TcpStream()
  const order = [0, 4, 2, 6, 4].map((sequence) => stream.push(0xffff_fffe + sequence, false, bytes('0102')).octets)
  t.deepEqual(
    order.map((octets) => octets.length),
    [1, 0, 2, 1, 0]
  )
})

test('pcapng and every link layer: the same packets', (t) => {
  const raw = packetsOf('30-gk-arj-called-party-not-registered')
  const expected = names(pcapOf(raw))
  t.true(expected.includes('RAS admissionReject'))
  const frames = [...framesOf(pcapOf(raw))].map(({ octets }) => octets)
  const layers: [number, (ip: Buffer) => Buffer][] = [
    [1, (ip) => Buffer.concat([Buffer.alloc(12), bytes('0800'), ip])],
    [1, (ip) => Buffer.concat([Buffer.alloc(12), bytes('8100 0001 0800'), ip])],
    [113, (ip) => Buffer.concat([Buffer.alloc(14), bytes('0800'), ip])],
    [276, (ip) => Buffer.concat([bytes('0800'), Buffer.alloc(18), ip])],
    [0, (ip) => Buffer.concat([bytes('02000000'), ip])],
    [228, (ip) => ip]
  ]
  for (const [linkType, wrap] of layers) {
    for (const isLittle of [true, false]) {
      t.deepEqual(names(pcapngOf(linkType, frames.map(wrap), isLittle)), expected, `${linkType} ${isLittle}`)
    }
  }
})

/** A section, an interface that counts nanoseconds, and a packet block a frame. */
function pcapngOf(linkType: number, frames: readonly Buffer[], isLittle: boolean): Buffer {
  const u16 = (value: number) => {
    const octets = Buffer.alloc(2)
    isLittle ? octets.writeUInt16LE(value) : octets.writeUInt16BE(value)
    return octets
  }
  const u32 = (value: number) => {
    const octets = Buffer.alloc(4)
    isLittle ? octets.writeUInt32LE(value) : octets.writeUInt32BE(value)
    return octets
  }
  const block = (type: number, ...parts: readonly Buffer[]) => {
    const body = Buffer.concat(parts)
    const padded = Buffer.concat([body, Buffer.alloc(-body.length & 3)])
    return Buffer.concat([u32(type), u32(padded.length + 12), padded, u32(padded.length + 12)])
  }
  return Buffer.concat([
    block(0x0a0d0d0a, u32(0x1a2b3c4d), u16(1), u16(0), Buffer.alloc(8, 0xff)),
    block(1, u16(linkType), u16(0), u32(0), u16(9), u16(1), Buffer.of(9, 0, 0, 0), u16(0), u16(0)),
    ...frames.map((frame) => block(6, u32(0), u32(1), u32(5), u32(frame.length), u32(frame.length), frame))
  ])
}

test('time of a packet: by the resolution of its interface', (t) => {
  const [frame] = framesOf(pcapngOf(101, [Buffer.from('x')], false))
  t.is(frame!.time, (2 ** 32 + 5) / 1e9)
})

test('IPv6, and addresses as RFC 5952 writes them', (t) => {
  const udp = Buffer.concat([bytes('d431 06b7 000c 0000'), bytes('01020304')])
  const header = Buffer.concat([
    bytes('60000000 0014 00 40'),
    bytes(`20010db8${'00'.repeat(11)}01`),
    bytes(`${'00'.repeat(15)}01`)
  ])
  const hopByHop = bytes('1100 0104 00000000')
  const packet = packetOf({ time: 0, linkType: 101, octets: Buffer.concat([header, hopByHop, udp]) })
  t.like(packet, { transport: 'udp', from: '[2001:db8::1]:54321', to: '[::1]:1719', payload: bytes('01020304') })
  for (const [hex, text] of [
    ['00'.repeat(16), '::'],
    [`${'00'.repeat(15)}01`, '::1'],
    [`20010db8${'0000'.repeat(6)}`, '2001:db8::'],
    ['20010db8000000010000000000000001', '2001:db8:0:1::1'],
    ['00010002000300040005000600070008', '1:2:3:4:5:6:7:8'],
    ['00100000000000000001000000000001', '10::1:0:0:1']
  ] as const) {
    t.is(ipv6Text(bytes(hex)), text)
  }
})

test('hex of each kind is recognised; a stream of TPKTs is read to its end', (t) => {
  const decoder = new Decoder()
  const find = (proto: string) => calls.find((message) => message.proto === proto)!
  t.is(decoder.octets(bytes(find('ras').hex))[0]!.protocol, 'RAS')
  t.is(decoder.octets(bytes(find('h245').hex))[0]!.protocol, 'H.245')
  t.is(decoder.octets(bytes(find('h245').hex).subarray(4))[0]!.protocol, 'H.245')
  t.is(decoder.octets(bytes(find('q931').hex))[0]!.name, 'setup')
  t.is(decoder.octets(bytes(find('q931').hex).subarray(4))[0]!.name, 'setup')
  const fastStart = calls.find((message) => (message.fastStart?.length ?? 0) > 0)!
  t.is(decoder.octets(bytes(fastStart.uuie_hex!))[0]!.name, 'setup')
  t.is(decoder.octets(bytes(fastStart.fastStart![0]!.hex), 'OLC')[0]!.name, 'openLogicalChannel')
  t.is(decoder.octets(Buffer.concat([bytes(find('q931').hex), bytes(find('h245').hex)])).length, 2)
})

test('what cannot be read is told with the place, and the Q.931 around it is shown all the same', (t) => {
  const setup = bytes(calls.find(({ proto }) => proto === 'q931')!.hex)
  const message = q931.decodeQ931(setup.subarray(4))
  const cut = {
    ...message,
    elements: message.elements.map((element) =>
      element.id === q931.ie.userUser ? { ...element, octets: element.octets.subarray(0, 30) } : element
    )
  }
  const [reading] = new Decoder().octets(q931.encodeQ931(cut))
  t.is(reading!.name, 'setup')
  t.is(reading!.error!.code, 'h323.per.short')
  t.like(reading!.value, { messageType: 'setup' })
  t.throws(() => [...new Decoder().capture(Buffer.alloc(100))], { instanceOf: DecodeError, code: 'h323.capture.format' })
})

test('tokens are shown only when asked for', (t) => {
  const file = pcapOf(packetsOf('60-gk-h235-password-auth'))
  const shown = (secrets: boolean) => JSON.stringify([...new Decoder({ secrets }).capture(file)].map(({ value }) => value))
  t.true(shown(true).includes('hashedVals'))
  t.false(shown(false).includes('hashedVals'))
  t.true(shown(false).includes('1, hidden'))
})

test('messages inside messages are read: fast start, tunnelled H.245, supplementary services', (t) => {
  const apdu = h450.supplementaryServiceOf([
    h450.invoke(h450.callTransferInitiate, 7, {
      callIdentity: '',
      reroutingNumber: { destinationAddress: [{ type: 'dialedDigits', value: '600' }] }
    }),
    h450.returnError(8, 'notAvailable')
  ])
  const octets = h225.h323UserInformation.encode({
    'h323-uu-pdu': {
      'h323-message-body': { type: 'empty' },
      h4501SupplementaryService: [apdu],
      h245Tunneling: true,
      h245Control: [bytes('23800115')]
    }
  })
  const [reading] = new Decoder().octets(octets, 'H.225.0')
  const lines = [...linesOf(reading!.value)].join('\n')
  t.true(lines.includes('callTransferInitiate'))
  t.true(lines.includes('[0]: dialedDigits 600'))
  t.true(lines.includes('closeLogicalChannelAck'))
  t.true(lines.includes('returnError'))
})
