import { createSocket, type Socket } from 'node:dgram'
import { createServer, type Socket as Stream } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { DecodeError, manualClock, silentLog, systemClock } from '#kernel'
import { createSipServer } from '../sip-engine.ts'
import { connectSrf, type SrfRequest, type SrfResponse } from '../testing/srf.ts'
import { callIdOf, glance } from './glance.ts'
import { decodeHep, encodeHep, type HepPacket } from './hep.ts'
import { createHepSender } from './hep-sender.ts'
import { createWireTap, type WireEvent } from './wire.ts'

/** A packet laid out chunk by chunk by the tables of the HEP3 specification: 212.202.0.1:12010 to 82.116.0.211:5060, agent 228. */
const sampleOctets = Buffer.from(
  [
    '48455033 0071',
    '0000 0001 0007 02',
    '0000 0002 0007 11',
    '0000 0003 000a d4ca0001',
    '0000 0004 000a 527400d3',
    '0000 0007 0008 2eea',
    '0000 0008 0008 13c4',
    '0000 0009 000a 4e4982cb',
    '0000 000a 000a 0001d4c0',
    '0000 000b 0007 01',
    '0000 000c 000a 000000e4',
    '0000 000f 0014 494e56495445207369703a626f62'
  ]
    .join('')
    .replaceAll(' ', ''),
  'hex'
)

const sample: HepPacket = {
  protocol: 17,
  source: { address: '212.202.0.1', port: 12_010 },
  destination: { address: '82.116.0.211', port: 5060 },
  atMicros: 1_313_440_459_120_000,
  protocolType: 1,
  agentId: 228,
  payload: Buffer.from('INVITE sip:bob')
}

const message = (text: string): Buffer => Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1')
const options = (callId: string, padding = 0): Buffer =>
  message(
    `OPTIONS sip:b@127.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK${callId}\nMax-Forwards: 70\nFrom: <sip:a@b>;tag=1\n` +
      `To: <sip:b@127.0.0.1>\nCall-ID: ${callId}\nCSeq: 7 OPTIONS\nX-Padding: ${'x'.repeat(padding)}\nContent-Length: 0\n\n`
  )

const wireEvent = (change: Partial<WireEvent> = {}): WireEvent => ({
  direction: 'in',
  transport: 'udp',
  local: { address: '127.0.0.1', port: 5060 },
  remote: { address: '127.0.0.2', port: 5070 },
  bytes: options('abc'),
  at: 1_700_000_000_123.456,
  ...change
})

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000
  while (!condition() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** A collector on UDP. */
async function collector(t: ExecutionContext): Promise<{ port: number; packets: HepPacket[]; socket: Socket }> {
  const socket = createSocket('udp4')
  const packets: HepPacket[] = []
  socket.on('message', (bytes) => packets.push(decodeHep(bytes)))
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  t.teardown(() => socket.close())
  return { port: socket.address().port, packets, socket }
}

test('HEP3: every fixed chunk at its octet, both ways', (t) => {
  t.is(encodeHep(sample).toString('hex'), sampleOctets.toString('hex'))
  t.deepEqual(decodeHep(sampleOctets), sample)
})

test('HEP3: chunks of key, correlation and node stand before the payload', (t) => {
  const hex = encodeHep({ ...sample, authKey: 'k1', correlationId: 'a@b', nodeName: 'n' }).toString('hex')
  t.true(hex.includes('0000000e00086b31' + '000000110009614062' + '0000001300076e' + '0000000f0014'))
})

test('HEP3: IPv6 addresses', (t) => {
  const packet = {
    ...sample,
    source: { address: '2001:db8::1:0:0:2', port: 1 },
    destination: { address: '::ffff:192.0.2.1', port: 2 }
  }
  const bytes = encodeHep(packet)
  t.true(bytes.toString('hex').includes('0000000100070a'))
  t.true(bytes.toString('hex').includes('00000005001620010db8000000000001000000000002'))
  t.true(bytes.toString('hex').includes('00000006001600000000000000000000ffffc0000201'))
  t.is(decodeHep(bytes).source.address, '2001:db8::1:0:0:2')
  t.is(decodeHep(bytes).destination.address, '::ffff:c000:201')
})

const word = fc.string({ minLength: 1, maxLength: 40 })
const port = fc.integer({ min: 0, max: 65_535 })
const packets = fc.tuple(fc.boolean(), fc.ipV4(), fc.ipV4()).chain(([six, a, b]) =>
  fc.record(
    {
      protocol: fc.constantFrom(6, 17),
      source: fc.record({ address: fc.constant(six ? '2001:db8::9' : a), port }),
      destination: fc.record({ address: fc.constant(six ? '::1' : b), port }),
      atMicros: fc.integer({ min: 0, max: 4_294_967_295_999_999 }),
      protocolType: fc.integer({ min: 0, max: 255 }),
      agentId: fc.integer({ min: 0, max: 0xffff_ffff }),
      authKey: word,
      correlationId: word,
      nodeName: word,
      payload: fc.uint8Array({ maxLength: 2000 }).map((octets) => Buffer.from(octets))
    },
    { requiredKeys: ['protocol', 'source', 'destination', 'atMicros', 'protocolType', 'agentId', 'payload'] }
  )
)

test('HEP3: decode(encode(m)) is m', (t) => {
  fc.assert(
    fc.property(packets, (packet) => {
      // Text chunks are UTF-8: half a surrogate pair has no octets of its own.
      const texts = [packet.authKey, packet.correlationId, packet.nodeName]
      fc.pre(texts.every((text) => text === undefined || text.isWellFormed()))
      t.deepEqual(decodeHep(encodeHep(packet as HepPacket)), packet as HepPacket)
    }),
    { numRuns: 300 }
  )
  t.pass()
})

test('HEP3: any octets are read or refused with a DecodeError', (t) => {
  const mutated = fc
    .tuple(fc.nat(sampleOctets.length - 1), fc.integer({ min: 0, max: 255 }), fc.nat(sampleOctets.length))
    .map(([at, octet, length]) => {
      const bytes = Buffer.from(sampleOctets)
      bytes[at] = octet
      return bytes.subarray(0, length === 0 ? sampleOctets.length : length)
    })
  let refused = 0
  fc.assert(
    fc.property(mutated, (bytes) => {
      try {
        decodeHep(bytes)
      } catch (error) {
        refused++
        return error instanceof DecodeError
      }
      return true
    }),
    { numRuns: 2000 }
  )
  t.true(refused > 100)
  t.throws(() => decodeHep(Buffer.from('HEP2')), { code: 'hep.magic' })
  t.throws(() => decodeHep(sampleOctets.subarray(0, 112)), { code: 'hep.length' })
  const short = Buffer.from(sampleOctets)
  short.writeUInt16BE(5, 10)
  t.throws(() => decodeHep(short), { code: 'hep.chunk' })
  t.throws(() => decodeHep(Buffer.from('484550330006', 'hex')), { code: 'hep.missing' })
})

test('HEP3: what no packet can hold is refused', (t) => {
  t.throws(() => encodeHep({ ...sample, payload: Buffer.alloc(65_500) }), { instanceOf: RangeError })
  t.throws(() => encodeHep({ ...sample, source: { address: '::1', port: 1 } }), { instanceOf: RangeError })
  t.throws(() => encodeHep({ ...sample, source: { address: 'name', port: 1 } }), { instanceOf: RangeError })
})

test('a glance: method, status and Call-ID in every spelling; nothing of what is no SIP', (t) => {
  t.deepEqual(glance(options('x')), { method: 'OPTIONS', status: 0 })
  t.deepEqual(glance(message('SIP/2.0 486 Busy Here\nVia: x\ncseq : 12  INVITE \n\n')), { method: 'INVITE', status: 486 })
  t.deepEqual(glance(message('SIP/2.0 200 OK\nCSeq: what\n\n')), { method: '', status: 200 })
  t.is(glance(message('GET / HTTP/1.1\n\n')), undefined)
  t.is(glance(Buffer.alloc(20)), undefined)
  t.is(callIdOf(options('a@b')), 'a@b')
  t.is(callIdOf(message('BYE sip:a SIP/2.0\ni: short \n\n')), 'short')
  t.is(callIdOf(message('BYE sip:a SIP/2.0\nX: 1\n\n')), undefined)
})

test('wire tap: each message once, before it is handled, with the octets themselves and the wall clock', (t) => {
  const clock = manualClock(1_000_000)
  const seen: WireEvent[] = []
  const order: string[] = []
  const observe = (event: WireEvent): void => {
    seen.push(event)
    order.push('seen')
  }
  const tap = createWireTap([observe], clock, silentLog)
  const flow = {
    listener: { transport: 'tcp', address: '127.0.0.1', port: 1 },
    remote: { address: '127.0.0.2', port: 2 },
    connection: 3
  } as const
  const handled = (): void => void order.push('handled')
  const received = tap.received({ message: handled, oversized: handled })
  const sent = tap.sent({ reply: handled, send: handled, sendOnFlow: handled })
  const bytes = options('x')
  const far = { transport: 'udp', address: '127.0.0.9', port: 9 } as const
  clock.advance(1500)
  received.message(bytes, flow)
  received.oversized(bytes, flow)
  sent.reply(flow, far, bytes, () => undefined)
  sent.send(flow.listener, far, bytes, () => undefined)
  sent.sendOnFlow(flow, bytes, () => undefined)
  t.deepEqual(
    seen.map(({ direction, transport, remote }) => [direction, transport, remote.port]),
    [
      ['in', 'tcp', 2],
      ['in', 'tcp', 2],
      ['out', 'tcp', 2],
      ['out', 'udp', 9],
      ['out', 'tcp', 2]
    ]
  )
  t.deepEqual(order, Array.from({ length: 5 }, () => ['seen', 'handled']).flat())
  t.true(seen.every((event) => event.bytes === bytes && event.at === 1_001_500))
})

test('an observer that throws harms neither calls nor other observers, and is asked no more after ten times', (t) => {
  let thrown = 0
  let seen = 0
  let handled = 0
  const tap = createWireTap(
    [
      () => {
        thrown++
        throw new Error('no')
      },
      () => void seen++
    ],
    manualClock(),
    silentLog
  )
  const { send } = tap.sent({ reply: () => undefined, send: () => void handled++, sendOnFlow: () => undefined })
  const here = { transport: 'udp', address: '127.0.0.1', port: 1 } as const
  for (let count = 0; count < 15; count++) send(here, here, options('x'), () => undefined)
  t.deepEqual([thrown, seen, handled], [10, 15, 15])
})

test('a call is shown on onWire and in HEP3, retransmissions included, with addresses and Call-ID', async (t) => {
  const { port, packets } = await collector(t)
  const wire: WireEvent[] = []
  const engine = await createSipServer({
    listen: [{ transport: 'udp', address: '127.0.0.1', port: 0 }],
    admin: { address: '127.0.0.1', port: 0, secret: 'cymru' },
    log: silentLog,
    onWire: (event) => wire.push(event),
    capture: { address: '127.0.0.1', port, agentId: 9, authKey: 'key', nodeName: 'node' }
  })
  t.teardown(() => engine.close())
  const { srf } = await connectSrf(engine.adminPort, (it) =>
    it.options((_: SrfRequest, response: SrfResponse) => response.send(200))
  )
  t.teardown(() => srf.disconnect())
  const caller = createSocket('udp4')
  t.teardown(() => caller.close())
  await new Promise<void>((resolve) => caller.bind(0, '127.0.0.1', resolve))
  const answers: string[] = []
  caller.on('message', (bytes) => answers.push(bytes.toString()))
  const ask = async (count: number): Promise<void> => {
    caller.send(options('call@1'), engine.addresses[0]!.port, '127.0.0.1')
    await until(() => answers.length === count)
  }
  await ask(1)
  await ask(2)
  await until(() => packets.length === 4)
  const summary = wire.map(({ direction, bytes }) => `${direction} ${glance(bytes)!.status}`)
  t.deepEqual(summary, ['in 0', 'out 200', 'in 0', 'out 200'])
  t.true(wire.every((event) => event.remote.port === caller.address().port && Math.abs(event.at - Date.now()) < 10_000))
  t.deepEqual(
    packets.map(({ source, destination }) => [source.port, destination.port]),
    [0, 1, 0, 1].map((out) => {
      const ports = [caller.address().port, engine.addresses[0]!.port]
      return out === 1 ? ports.reverse() : ports
    })
  )
  for (const [index, packet] of packets.entries()) {
    t.like(packet, { protocol: 17, protocolType: 1, agentId: 9, authKey: 'key', nodeName: 'node', correlationId: 'call@1' })
    t.is(packet.payload.toString('hex'), wire[index]!.bytes.toString('hex'))
  }
  await until(() => engine.captured()!.sent === 4)
  t.deepEqual({ ...engine.captured() }, { sent: 4, queueFull: 0, tooLarge: 0, failed: 0 })
})

test('HEP3 over UDP: too large, a full queue and a collector that is not there are counted, never waited for', async (t) => {
  const { port, packets } = await collector(t)
  const sender = createHepSender({ address: '127.0.0.1', port, agentId: 1, queue: 3 }, systemClock, silentLog)
  t.teardown(sender.close)
  for (let count = 0; count < 5; count++) sender.observe(wireEvent())
  t.is(sender.counters.queueFull, 2)
  sender.observe(wireEvent({ bytes: options('large', 65_000) }))
  t.is(sender.counters.tooLarge, 1)
  await until(() => packets.length === 3 && sender.counters.sent === 3)
  t.is(packets.length, 3)

  const nobody = createSocket('udp4')
  await new Promise<void>((resolve) => nobody.bind(0, '127.0.0.1', resolve))
  const free = nobody.address().port
  await new Promise<void>((resolve) => nobody.close(resolve))
  const lost = createHepSender({ address: '127.0.0.1', port: free, agentId: 1 }, systemClock, silentLog)
  t.teardown(lost.close)
  const deadline = performance.now() + 3000
  while (lost.counters.failed === 0 && performance.now() < deadline) {
    lost.observe(wireEvent())
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  t.true(lost.counters.failed > 0)
})

test('HEP3 over UDP: a collector whose name is not found is looked for again', async (t) => {
  const clock = manualClock()
  // No name server is asked for a label of more than 63 octets.
  const sender = createHepSender({ address: 'x'.repeat(70), port: 9060, agentId: 1, queue: 2 }, clock, silentLog)
  for (let count = 0; count < 3; count++) sender.observe(wireEvent())
  t.is(sender.counters.queueFull, 1)
  await until(() => clock.pending() === 1)
  clock.advance(30_000)
  await until(() => clock.pending() === 1)
  t.is(clock.pending(), 1)
  await sender.close()
  t.is(clock.pending(), 0)
  t.is(sender.counters.sent, 0)
})

test('HEP3: a listener with a name and a peer with IPv6', async (t) => {
  const { port, packets } = await collector(t)
  const sender = createHepSender({ address: '127.0.0.1', port, agentId: 1 }, systemClock, silentLog)
  t.teardown(sender.close)
  const local = { address: 'sip.example.com', port: 5060 }
  sender.observe(wireEvent({ local, direction: 'out', transport: 'tls' }))
  sender.observe(wireEvent({ local, remote: { address: '::1', port: 7 } }))
  await until(() => packets.length === 2)
  t.deepEqual(
    packets.map(({ protocol, source, destination }) => [protocol, source.address, destination.address]),
    [
      [6, '0.0.0.0', '127.0.0.2'],
      [17, '::1', '::']
    ]
  )
})

test('HEP3 over TCP: packets wait for the connection, survive its loss, and are dropped when too many wait', async (t) => {
  const received: Buffer[] = []
  const connections: Stream[] = []
  const server = createServer((socket) => {
    connections.push(socket)
    socket.on('data', (bytes) => received.push(bytes)).on('error', () => undefined)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  const sender = createHepSender({ address: '127.0.0.1', port, transport: 'tcp', agentId: 1, queue: 4 }, systemClock, silentLog)
  t.teardown(sender.close)
  for (let count = 0; count < 6; count++) sender.observe(wireEvent())
  t.is(sender.counters.queueFull, 2)
  const octets = encodeHep({
    protocol: 17,
    source: { address: '127.0.0.2', port: 5070 },
    destination: { address: '127.0.0.1', port: 5060 },
    atMicros: 1_700_000_000_123_456,
    protocolType: 1,
    agentId: 1,
    correlationId: 'abc',
    payload: options('abc')
  })
  await until(() => Buffer.concat(received).length === 4 * octets.length)
  t.true(Buffer.concat(received).subarray(0, octets.length).equals(octets))

  received.length = 0
  connections[0]!.destroy()
  await new Promise((resolve) => setTimeout(resolve, 100))
  sender.observe(wireEvent())
  await until(() => received.length > 0)
  t.true(Buffer.concat(received).equals(octets))
  t.is(connections.length, 2)
})
