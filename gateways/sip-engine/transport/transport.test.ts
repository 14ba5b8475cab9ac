import { execFileSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { systemClock } from '#kernel'
import type { ListenConfig } from './listen-config.ts'
import { type DropReason, defaultTransportLimits, type Flow, type TransportLimits } from './port.ts'
import { createStreamFramer } from './stream-framer.ts'
import { openTransports, type Transports } from './transports.ts'

const limits = { headerSection: 1000, body: 1000 }
const message = (body = '', extra = ''): string =>
  `OPTIONS sip:h SIP/2.0\r\nContent-Length: ${body.length}\r\n${extra}\r\n${body}`

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

interface Opened {
  readonly transports: Transports
  readonly messages: { text: string; flow: Flow }[]
  readonly oversized: string[]
  readonly dropped: DropReason[]
}

async function open(
  t: ExecutionContext,
  listen: Partial<ListenConfig>[],
  change: Partial<TransportLimits> = {}
): Promise<Opened> {
  const messages: Opened['messages'] = []
  const oversized: string[] = []
  const dropped: DropReason[] = []
  const transports = await openTransports(
    listen.map((each) => ({ transport: 'udp', address: '127.0.0.1', port: 0, ...each })),
    { ...defaultTransportLimits, ...change },
    systemClock,
    {
      message: (bytes, flow) => messages.push({ text: bytes.toString(), flow }),
      oversized: (head) => oversized.push(head.toString()),
      dropped: (reason) => dropped.push(reason)
    }
  )
  t.teardown(() => transports.close())
  return { transports, messages, oversized, dropped }
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000
  while (!condition() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5))
}

const client = async (
  t: ExecutionContext,
  port: number
): Promise<{ socket: Socket; received: () => string; closed: () => boolean }> => {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  let closed = false
  socket.on('data', (chunk) => {
    text += chunk
  })
  socket.on('close', () => {
    closed = true
  })
  socket.on('error', () => undefined)
  t.teardown(() => socket.destroy())
  await new Promise((resolve) => socket.once('connect', resolve))
  return { socket, received: () => text, closed: () => closed }
}

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

test('TLS: handshake, messages, a certificate that is not trusted, a handshake that never comes', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'sip-engine-tls-'))
  t.teardown(() => rmSync(dir, { recursive: true }))
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=localhost',
      '-addext',
      'subjectAltName=IP:127.0.0.1',
      '-keyout',
      join(dir, 'key.pem'),
      '-out',
      join(dir, 'cert.pem')
    ],
    { stdio: 'ignore' }
  )
  const key = readFileSync(join(dir, 'key.pem'))
  const cert = readFileSync(join(dir, 'cert.pem'))
  const a = await open(t, [{ transport: 'tls', tls: { key, cert, ca: cert } }], { handshakeMs: 150 })
  const stranger = await open(t, [{ transport: 'tls', tls: { key, cert } }])
  const { port } = a.transports.listeners[0]!
  const to = { transport: 'tls' as const, address: '127.0.0.1', port }
  const b = await open(t, [{ transport: 'tls', tls: { key, cert, ca: cert } }])
  b.transports.send(b.transports.listeners[0]!, to, Buffer.from(message('hi')), (error) => t.fail(error.message))
  await until(() => a.messages.length === 1)
  t.is(a.messages[0]!.flow.listener.transport, 'tls')
  const error = await new Promise<Error>((resolve) =>
    stranger.transports.send(stranger.transports.listeners[0]!, to, Buffer.from('x'), resolve)
  )
  t.regex(error.message, /self.signed/)
  const old = connectTls({
    port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0'
  })
  await new Promise((resolve) => old.once('error', resolve))
  old.destroy()
  const silent = await client(t, port)
  await until(silent.closed)
  t.true(silent.closed())
  t.true(a.dropped.includes('tlsHandshake'))
})

test('a port that is taken: an error with its code, and nothing stays open', async (t) => {
  const first = await open(t, [{ transport: 'tcp' }])
  const { port } = first.transports.listeners[0]!
  await t.throwsAsync(() => open(t, [{}, { transport: 'tcp', port }]), { code: 'sip-engine.listen' })
})
