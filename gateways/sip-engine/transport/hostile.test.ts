import { createSocket } from 'node:dgram'
import test from 'ava'
import { createAuthority } from './testing/certificates.ts'
import { type Client, client, message, open, until } from './testing/harness.ts'

const tcp = { transport: 'tcp' as const }

test('slow-loris: a message that grows, but too slowly, ends its connection long before its time is over', async (t) => {
  const { port, dropped } = await open(t, [tcp], { messageMs: 2000, minimumRate: 1000 })
  const peer = await client(t, port)
  const start = performance.now()
  const drip = setInterval(() => peer.socket.write('x'), 20)
  t.teardown(() => clearInterval(drip))
  await until(peer.closed)
  t.deepEqual(dropped, ['streamStalled'])
  t.true(performance.now() - start < 1900)
})

test('a message that grows fast enough, but has no end in time, ends its connection', async (t) => {
  const { port, dropped } = await open(t, [tcp], { messageMs: 300, minimumRate: 10 })
  const peer = await client(t, port)
  const drip = setInterval(() => peer.socket.write('x'.repeat(50)), 20)
  t.teardown(() => clearInterval(drip))
  await until(peer.closed)
  t.deepEqual(dropped, ['streamStalled'])
})

test('a single CRLF, as after a ping of ours, begins no message', async (t) => {
  const { port, messages, dropped } = await open(t, [tcp], { messageMs: 80 })
  const peer = await client(t, port)
  peer.socket.write('\r\n')
  await new Promise((resolve) => setTimeout(resolve, 200))
  peer.socket.write(message('still here'))
  await until(() => messages.length === 1)
  t.is(messages.length, 1)
  t.deepEqual(dropped, [])
})

for (const [name, limits] of [
  ['in octets', { sendQueue: 100_000, drainMs: 60_000 }],
  ['in time', { sendQueue: 1_000_000_000, drainMs: 200 }]
] as const) {
  test(`a peer that never reads: what waits for it is bounded ${name}`, async (t) => {
    const { port, messages, dropped, transports } = await open(t, [tcp], limits)
    const peer = await client(t, port)
    peer.socket.write(message())
    await until(() => messages.length === 1)
    peer.socket.pause()
    const { flow } = messages[0]!
    const chunk = Buffer.alloc(65_536, 120)
    const failures: Error[] = []
    const flood = setInterval(() => {
      for (let count = 0; count < 20; count++) transports.sendOnFlow(flow, chunk, (error) => failures.push(error))
    }, 5)
    t.teardown(() => clearInterval(flood))
    await until(() => transports.connections() === 0)
    clearInterval(flood)
    t.is(transports.connections(), 0)
    t.deepEqual(dropped, ['slowReader'])
    t.true(failures.length > 0)
  })
}

test('pings that come together get one pong', async (t) => {
  const { port, messages } = await open(t, [tcp])
  const peer = await client(t, port)
  peer.socket.write(`${'\r\n\r\n'.repeat(1000)}${message()}`)
  await until(() => messages.length === 1 && peer.received() !== '')
  t.is(messages.length, 1)
  t.true(peer.received().length < 100)
  t.regex(peer.received(), /^(\r\n)+$/)
})

test('connections in all are bounded over every listener; those that close make room', async (t) => {
  const { transports, dropped } = await open(t, [tcp, { transport: 'ws' }], { connections: 3 })
  const [plain, web] = transports.listeners
  const peers: Client[] = []
  for (const port of [plain!.port, plain!.port, web!.port]) peers.push(await client(t, port))
  const refused = await client(t, plain!.port)
  await until(refused.closed)
  t.deepEqual(dropped, ['tooManyConnections'])
  peers[0]!.socket.destroy()
  await until(() => transports.connections() === 1)
  const next = await client(t, plain!.port)
  await until(() => transports.connections() === 2)
  t.false(next.closed())
})

test('octets of any kind, to every transport, leave all of them at work', async (t) => {
  const authority = createAuthority()
  const tls = authority.issue('own', 'IP:127.0.0.1')
  const opened = await open(t, [{}, tcp, { transport: 'tls', tls }, { transport: 'ws' }, { transport: 'wss', tls }], {
    handshakeMs: 400,
    messageMs: 400
  })
  const [udp, ...streams] = opened.transports.listeners
  const junk = [
    Buffer.alloc(300),
    Buffer.alloc(300, 0xff),
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.from('160301ffff01', 'hex'),
    Buffer.from('000100002112a442', 'hex'),
    Buffer.from(message().slice(0, 20)),
    Buffer.from(`OPTIONS sip:h SIP/2.0\r\nContent-Length: 99999999999\r\n\r\n`)
  ]
  const socket = createSocket('udp4')
  t.teardown(() => socket.close())
  for (const bytes of junk) socket.send(bytes, udp!.port, '127.0.0.1')
  const peers: Client[] = []
  for (const { port } of streams) {
    for (const bytes of junk) {
      const peer = await client(t, port)
      peer.socket.write(bytes)
      peers.push(peer)
    }
  }
  await until(() => peers.every(({ closed }) => closed()))
  t.deepEqual(
    peers.flatMap(({ closed }, index) => (closed() ? [] : [index])),
    []
  )
  t.is(opened.transports.connections(), 0)
  const before = opened.messages.length
  socket.send(message('udp'), udp!.port, '127.0.0.1')
  const peer = await client(t, streams[0]!.port)
  peer.socket.write(message('tcp'))
  await until(() => opened.messages.length === before + 2)
  t.is(opened.messages.length, before + 2)
})

test('IPv6: every transport on ::1, beside the same ports on IPv4', async (t) => {
  const first = await open(t, [tcp, {}])
  const [tcpPort, udpPort] = first.transports.listeners.map((each) => each.port)
  const { transports, messages } = await open(t, [
    { ...tcp, address: '::1', port: tcpPort! },
    { address: '::1', port: udpPort! }
  ])
  const peer = await client(t, tcpPort!, '::1')
  peer.socket.write(message('tcp'))
  const socket = createSocket('udp6')
  t.teardown(() => socket.close())
  const got: string[] = []
  socket.on('message', (bytes) => got.push(bytes.toString()))
  socket.send(message('udp'), udpPort!, '::1')
  await until(() => messages.length === 2)
  for (const { flow } of messages) {
    t.is(flow.remote.address, '::1')
    transports.reply(flow, flow.remote, Buffer.from('back'), () => t.fail())
  }
  await until(() => got.length === 1 && peer.received() !== '')
  t.deepEqual([got, peer.received()], [['back'], 'back'])
  const { port } = socket.address()
  transports.send(transports.listeners[1]!, { transport: 'udp', address: '::1', port }, Buffer.from('sent'), () => t.fail())
  await until(() => got.length === 2)
  t.is(got[1], 'sent')
})
