import { createSocket } from 'node:dgram'
import { createServer, type Socket } from 'node:net'
import test from 'ava'
import fc from 'fast-check'
import { createStreamFramer } from './stream-framer.ts'
import { client, message, open, until } from './testing/harness.ts'

const limits = { headerSection: 1000, body: 1000 }

test('messages are found in a stream however it is cut, keep-alives between them too', (t) => {
  const parts = [message(), message('abc'), '\r\n\r\n', message('\r\n\r\n'), `\r\n${message('x', 'l: 1\r\n')}`]
  const stream = Buffer.from(parts.join(''))
  fc.assert(
    fc.property(fc.array(fc.nat({ max: stream.length }), { maxLength: 12 }), (cuts) => {
      const framer = createStreamFramer(limits)
      const points = [0, ...cuts.sort((a, b) => a - b), stream.length]
      const items = points.slice(1).flatMap((end, index) => framer.push(stream.subarray(points[index], end)))
      t.deepEqual(
        items.map((item) => (item.type === 'message' ? item.bytes.toString().trimStart() : item.type)),
        [message(), message('abc'), 'ping', message('\r\n\r\n').trimStart(), message('x', 'l: 1\r\n')]
      )
      t.is(framer.unfinished(), 0)
    }),
    { numRuns: 200 }
  )
})

test('a stream that goes wrong: too long a head, contradicting lengths, too large a body', (t) => {
  const types = (text: string) =>
    createStreamFramer(limits)
      .push(Buffer.from(text))
      .map(({ type }) => type)
  t.deepEqual(types('x'.repeat(1001)), ['broken'])
  t.deepEqual(types(`a: ${'x'.repeat(1100)}\r\n\r\n`), ['broken'])
  t.deepEqual(types('OPTIONS x\r\nContent-Length: 1\r\nl: 2\r\n\r\nab'), ['oversized'])
  t.deepEqual(types('OPTIONS x\r\nContent-Length: -1\r\n\r\n'), ['oversized'])
  t.deepEqual(types('OPTIONS x\r\nContent-Length: 1001\r\n\r\n'), ['oversized'])
  t.deepEqual(types('OPTIONS x\r\nCall-ID: 1\r\n\r\n'), ['oversized'])
  const framer = createStreamFramer(limits)
  framer.push(Buffer.from('x'.repeat(1001)))
  t.deepEqual(framer.push(Buffer.from(message())), [])
})

test('a message that comes octet by octet costs linear time', (t) => {
  const framer = createStreamFramer({ headerSection: 70_000, body: 1000 })
  const raw = Buffer.from(message('', `X: ${'y'.repeat(60_000)}\r\n`))
  const start = performance.now()
  let found = 0
  for (let at = 0; at < raw.length; at++) found += framer.push(raw.subarray(at, at + 1)).length
  t.is(found, 1)
  t.true(performance.now() - start < 2000)
})

test('UDP: messages in with their flow, answers back, keep-alives answered and not shown', async (t) => {
  const { transports, messages } = await open(t, [{}])
  const socket = createSocket('udp4')
  t.teardown(() => socket.close())
  const got: string[] = []
  socket.on('message', (bytes) => got.push(bytes.toString()))
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  for (const text of [message('hi'), '\r\n\r\n', '']) socket.send(text, transports.listeners[0]!.port, '127.0.0.1')
  await until(() => messages.length === 1 && got.length === 1)
  t.deepEqual(got, ['\r\n'])
  const { flow } = messages[0]!
  t.is(flow.remote.port, socket.address().port)
  transports.reply(flow, flow.remote, Buffer.from('answer'), () => t.fail())
  await until(() => got.length === 2)
  t.is(got[1], 'answer')
})

test('UDP: a mark is reached when everything before it has been read, on any address, and shown to nobody', async (t) => {
  const { transports, messages } = await open(t, [{}, { address: '0.0.0.0' }, { address: '::1' }, { address: '::' }])
  for (const [n, listener] of transports.listeners.entries()) {
    const address = n < 2 ? '127.0.0.1' : '::1'
    const socket = createSocket(n < 2 ? 'udp4' : 'udp6')
    t.teardown(() => socket.close())
    const send = (text: string) => new Promise((resolve) => socket.send(text, listener.port, address, resolve))
    const before = messages.length
    for (let sent = 0; sent < 40; sent++) await send(message(`${sent}`))
    let reached = -1
    transports.mark(listener, () => t.fail('another took its place'))
    transports.mark(listener, () => {
      reached = messages.length - before
    })
    await send('0123456789abcdef')
    await until(() => reached >= 0 && messages.length === before + 41)
    t.is(reached, 40)
  }
})

test('TCP: several messages in one segment, answers on the connection, ping and pong', async (t) => {
  const { transports, messages } = await open(t, [{ transport: 'tcp' }])
  const peer = await client(t, transports.listeners[0]!.port)
  peer.socket.write(`${message('a')}${message('b')}\r\n\r\n`)
  await until(() => messages.length === 2 && peer.received() !== '')
  t.is(peer.received(), '\r\n')
  transports.reply(messages[1]!.flow, messages[1]!.flow.remote, Buffer.from('answer'), () => t.fail())
  await until(() => peer.received().endsWith('answer'))
  t.is(peer.received(), '\r\nanswer')
})

test('TCP: an oversized body is told with its head and the connection is closed', async (t) => {
  const { transports, oversized } = await open(t, [{ transport: 'tcp' }], { body: 10 })
  const peer = await client(t, transports.listeners[0]!.port)
  peer.socket.write(message('x'.repeat(11)))
  await until(peer.closed)
  t.true(oversized[0]!.startsWith('OPTIONS'))
})

test('TCP: a message that stalls, an idle connection and too many connections are closed', async (t) => {
  const { transports, dropped } = await open(t, [{ transport: 'tcp' }], { messageMs: 80, idleMs: 250, connectionsPerAddress: 2 })
  const { port } = transports.listeners[0]!
  const slow = await client(t, port)
  slow.socket.write('OPTIONS sip:')
  const idle = await client(t, port)
  const third = await client(t, port)
  await until(third.closed)
  t.deepEqual(dropped, ['tooManyConnections'])
  await until(slow.closed)
  t.deepEqual(dropped, ['tooManyConnections', 'streamStalled'])
  await until(idle.closed)
  t.true(idle.closed())
  await until(() => transports.connections() === 0)
  t.is(transports.connections(), 0)
})

test('TCP: a connection is opened once and used again; refusal and silence are told', async (t) => {
  const { transports } = await open(t, [{ transport: 'tcp' }], { connectMs: 200 })
  const accepted: Socket[] = []
  let text = ''
  const server = createServer((socket) => {
    accepted.push(socket)
    socket.on('data', (chunk) => {
      text += chunk
    })
  })
  t.teardown(() => {
    for (const socket of accepted) socket.destroy()
    server.close()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const to = { transport: 'tcp' as const, address: '127.0.0.1', port }
  for (const part of ['one', 'two', 'three']) transports.send(transports.listeners[0]!, to, Buffer.from(part), () => t.fail())
  await until(() => text === 'onetwothree')
  t.is(text, 'onetwothree')
  t.is(accepted.length, 1)
  server.close()
  for (const socket of accepted) socket.destroy()
  await until(() => transports.connections() === 0)
  const error = await new Promise<Error>((resolve) => transports.send(transports.listeners[0]!, to, Buffer.from('x'), resolve))
  t.regex(error.message, /ECONNREFUSED/)
})

test('a port that is taken: an error with its code, and nothing stays open', async (t) => {
  const first = await open(t, [{ transport: 'tcp' }])
  const { port } = first.transports.listeners[0]!
  await t.throwsAsync(() => open(t, [{}, { transport: 'tcp', port }]), { code: 'sip-engine.listen' })
})
