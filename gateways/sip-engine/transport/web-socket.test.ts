import { once } from 'node:events'
import test, { type ExecutionContext } from 'ava'
import { type ClientOptions, WebSocket } from 'ws'
import { createAuthority } from './testing/certificates.ts'
import { client, message, open, until } from './testing/harness.ts'

const ws = { transport: 'ws' as const }

function dial(t: ExecutionContext, port: number, options: ClientOptions = {}, protocols: string[] = ['sip'], scheme = 'ws') {
  const socket = new WebSocket(`${scheme}://127.0.0.1:${port}/`, protocols, options)
  const received: string[] = []
  let closed: number | undefined
  socket.on('message', (data, isBinary) => received.push(`${isBinary ? 'binary ' : ''}${data}`))
  socket.on('close', (code) => {
    closed = code
  })
  t.teardown(() => socket.terminate())
  const opened = new Promise<'open' | number>((resolve) => {
    socket.on('open', () => resolve('open'))
    socket.on('unexpected-response', (_request, response) => {
      response.resume()
      resolve(response.statusCode!)
    })
    socket.on('error', () => resolve(0))
  })
  return { socket, received, opened, closed: () => closed }
}

test('one SIP message in each WebSocket message, text or binary; answers come back as text where they can', async (t) => {
  const { port, messages, transports } = await open(t, [ws])
  const peer = dial(t, port)
  t.is(await peer.opened, 'open')
  t.is(peer.socket.protocol, 'sip')
  peer.socket.send(message('text'))
  peer.socket.send(Buffer.from(message('binary')))
  peer.socket.send(Buffer.from(message('x'.repeat(70_000))), { binary: false })
  await until(() => messages.length === 3)
  t.deepEqual(
    messages.map(({ text }) => text),
    [message('text'), message('binary'), message('x'.repeat(70_000))]
  )
  const { flow } = messages[0]!
  t.is(flow.listener.transport, 'ws')
  transports.reply(flow, flow.remote, Buffer.from('grüße'), () => t.fail())
  transports.sendOnFlow(flow, Buffer.from([255, 254, 65]), () => t.fail())
  await until(() => peer.received.length === 2)
  t.is(peer.received[0], 'grüße')
  t.regex(peer.received[1]!, /^binary /)
  peer.socket.send('\r\n\r\n')
  peer.socket.send('\r\n')
  await until(() => peer.received.length === 3)
  t.is(peer.received[2], '\r\n')
  t.is(messages.length, 3)
})

test('a message in fragments is one message', async (t) => {
  const { port, messages } = await open(t, [ws])
  const peer = dial(t, port)
  await peer.opened
  const text = message('fragments')
  for (let at = 0; at < text.length; at += 10) peer.socket.send(text.slice(at, at + 10), { fin: at + 10 >= text.length })
  await until(() => messages.length === 1)
  t.is(messages[0]!.text, text)
})

test('the handshake: subprotocol sip, pages of the list only, nothing but WebSocket', async (t) => {
  const { port, dropped, transports } = await open(t, [{ ...ws, webSocket: { origins: ['https://phone.example'] } }])
  t.is(await dial(t, port, {}, []).opened, 400)
  t.is(await dial(t, port, {}, ['chat', 'mqtt']).opened, 400)
  t.is(await dial(t, port, { origin: 'https://evil.example' }).opened, 403)
  t.is(await dial(t, port, { origin: 'https://Phone.example' }).opened, 'open')
  t.is(await dial(t, port, {}, ['chat', 'sip']).opened, 'open')
  const get = await client(t, port)
  get.socket.write('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
  await until(get.closed)
  t.regex(get.received(), /^HTTP\/1\.1 426 /)
  const sip = await client(t, port)
  sip.socket.write(message())
  await until(sip.closed)
  t.regex(sip.received(), /^HTTP\/1\.1 400 /)
  const huge = await client(t, port)
  huge.socket.write(`GET / HTTP/1.1\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`)
  await until(huge.closed)
  t.true(huge.closed())
  await until(() => dropped.length === 6)
  t.deepEqual(new Set(dropped), new Set(['webSocketHandshake']))
  t.is(transports.connections(), 2)
})

test('a handshake that is not done in time is ended', async (t) => {
  const { port, dropped } = await open(t, [ws], { handshakeMs: 150 })
  const slow = await client(t, port)
  slow.socket.write('GET / HTTP/1.1\r\nHost: h\r\n')
  const idle = await client(t, port)
  await until(() => slow.closed() && idle.closed())
  t.true(slow.closed() && idle.closed())
  await until(() => dropped.length === 2)
  t.deepEqual(dropped, ['webSocketHandshake', 'webSocketHandshake'])
})

test('messages that are too large, and frames that are none, end the connection and nothing else', async (t) => {
  const { port, messages, dropped, transports } = await open(t, [ws], { headerSection: 1000, body: 1000 })
  const large = dial(t, port)
  await large.opened
  large.socket.send('x'.repeat(2001))
  await until(() => large.closed() !== undefined)
  t.is(large.closed(), 1009)
  const broken = dial(t, port)
  await broken.opened
  const raw = broken.socket as unknown as { _socket: { write: (bytes: Buffer) => void } }
  raw._socket.write(Buffer.from([0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))
  await until(() => broken.closed() !== undefined)
  t.is(broken.closed(), 1002)
  t.deepEqual(dropped, ['webSocketProtocol', 'webSocketProtocol'])
  const good = dial(t, port)
  await good.opened
  good.socket.send(message('fine'))
  await until(() => messages.length === 1)
  t.is(messages.length, 1)
  await until(() => transports.connections() === 1)
  t.is(transports.connections(), 1)
})

test('pings are answered; who floods us with them and reads nothing is given up', async (t) => {
  const { port, dropped, transports } = await open(t, [ws], { sendQueue: 20_000 })
  const polite = dial(t, port)
  await polite.opened
  polite.socket.ping('hello')
  const [data] = await once(polite.socket, 'pong')
  t.is(String(data), 'hello')
  const flooding = dial(t, port)
  await flooding.opened
  flooding.socket.pause()
  const payload = Buffer.alloc(125)
  const flood = setInterval(() => {
    for (let count = 0; count < 3000; count++) flooding.socket.ping(payload, true, () => undefined)
  }, 2)
  t.teardown(() => clearInterval(flood))
  await until(() => transports.connections() === 1)
  clearInterval(flood)
  t.is(transports.connections(), 1)
  t.true(dropped.includes('slowReader'))
})

test('a message that stalls ends the connection; so does a peer that does not answer pings', async (t) => {
  const stalling = await open(t, [ws], { messageMs: 150 })
  const slow = dial(t, stalling.port)
  await slow.opened
  slow.socket.send('OPTIONS', { fin: false })
  await until(() => slow.closed() !== undefined)
  t.deepEqual(stalling.dropped, ['streamStalled'])

  const pinging = await open(t, [ws], { pingMs: 60 })
  const deaf = dial(t, pinging.port, { autoPong: false })
  const alive = dial(t, pinging.port)
  await Promise.all([deaf.opened, alive.opened])
  await until(() => deaf.closed() !== undefined)
  t.not(deaf.closed(), undefined)
  await once(alive.socket, 'ping')
  await once(alive.socket, 'ping')
  t.is(alive.closed(), undefined)
  t.is(pinging.transports.connections(), 1)
})

test('we open no WebSocket: a request reaches only a peer that has one', async (t) => {
  const { transports, messages, port } = await open(t, [ws])
  const peer = dial(t, port)
  await peer.opened
  peer.socket.send(message())
  await until(() => messages.length === 1)
  const { flow } = messages[0]!
  const [listener] = transports.listeners
  transports.send(listener!, { transport: 'ws', ...flow.remote }, Buffer.from('here'), () => t.fail())
  await until(() => peer.received.length === 1)
  t.is(peer.received[0], 'here')
  t.true(transports.isOpen(flow))
  peer.socket.close()
  await until(() => transports.connections() === 0)
  t.false(transports.isOpen(flow))
  const gone = await new Promise<Error & { code?: string }>((resolve) => transports.sendOnFlow(flow, Buffer.from('x'), resolve))
  t.is(gone.code, 'sip-engine.flow')
  const never = await new Promise<Error & { code?: string }>((resolve) =>
    transports.send(listener!, { transport: 'ws', ...flow.remote }, Buffer.from('x'), resolve)
  )
  t.is(never.code, 'sip-engine.no-connection')
})

test('WSS: the same inside TLS, with the identity of who shows a certificate', async (t) => {
  const authority = createAuthority()
  const own = authority.issue('own', 'IP:127.0.0.1')
  const tls = { ...own, ca: authority.cert, clientCertificate: 'request' as const }
  const { port, messages, dropped, transports } = await open(t, [{ transport: 'wss', tls }], { handshakeMs: 300 })
  const peer = dial(t, port, { ca: authority.cert, ...authority.issue('page', 'DNS:page.example') }, ['sip'], 'wss')
  t.is(await peer.opened, 'open')
  peer.socket.send(message('hi'))
  await until(() => messages.length === 1)
  const { flow } = messages[0]!
  t.is(flow.listener.transport, 'wss')
  t.like(flow.identity, { authorized: true, domains: ['page.example'] })
  transports.sendOnFlow(flow, Buffer.from('back'), () => t.fail())
  await until(() => peer.received.length === 1)
  t.is(peer.received[0], 'back')
  const silent = await client(t, port)
  await until(silent.closed)
  t.deepEqual(dropped, ['webSocketHandshake'])
})
