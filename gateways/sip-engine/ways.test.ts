import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, isIPv6, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { WebSocket } from 'ws'
import { ConfigError, silentLog } from '#kernel'
import { createSipServer } from './sip-engine.ts'
import { headerOf, requestText, responseText, startLine } from './testing/sip-text.ts'
import { connectSrf, type SrfDialog, type SrfMessage, type TestSrf } from './testing/srf.ts'
import { createAuthority } from './transport/testing/certificates.ts'
import { client, until } from './transport/testing/harness.ts'

async function start(
  t: ExecutionContext,
  listen: readonly ('udp' | 'tcp' | 'ws')[],
  setup?: (srf: TestSrf) => void,
  address = '127.0.0.1'
) {
  const engine = await createSipServer({
    listen: listen.map((transport) => ({ transport, address, port: 0 })),
    admin: { address: '127.0.0.1', port: 0, secret: 'cymru' },
    log: silentLog
  })
  t.teardown(() => engine.close())
  const { srf } = await connectSrf(engine.adminPort, setup)
  t.teardown(() => srf.disconnect())
  const request = (uri: string, body = '', method = 'MESSAGE'): Promise<SrfMessage> =>
    new Promise((resolve, reject) => {
      const headers: Record<string, string> = body === '' ? {} : { 'Content-Type': 'text/plain' }
      srf.request(uri, { method, headers, body }, (error, sent) => {
        if (error) reject(error)
        else sent.on('response', resolve)
      })
    })
  return { engine, request }
}

/** Answers every request with 200, over UDP and, if wanted, over TCP on the same port. */
async function peer(t: ExecutionContext, overTcp: boolean, address = '127.0.0.1') {
  const received: string[] = []
  const answer = (text: string, send: (response: string) => void): void => {
    received.push(text)
    send(responseText(text, 200))
  }
  const udp: DatagramSocket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  udp.on('message', (bytes, from) => answer(bytes.toString(), (response) => udp.send(response, from.port, from.address)))
  await new Promise<void>((resolve) => udp.bind(0, address, resolve))
  t.teardown(() => udp.close())
  const { port } = udp.address()
  if (overTcp) {
    const open: Socket[] = []
    const server: Server = createServer((socket) => {
      open.push(socket)
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk
        if (!text.endsWith('end')) return
        answer(text, (response) => socket.write(response))
        text = ''
      })
    }).listen(port, address)
    await once(server, 'listening')
    t.teardown(() => {
      for (const socket of open) socket.destroy()
      server.close()
    })
  }
  return { port, received }
}

const large = `${'x'.repeat(1400)}end`

test('a request of more than 1300 octets goes over TCP, Via and all; a smaller one over UDP', async (t) => {
  const { engine, request } = await start(t, ['udp', 'tcp'])
  const { port, received } = await peer(t, true)
  t.is((await request(`sip:bob@127.0.0.1:${port}`, large)).status, 200)
  t.is((await request(`sip:bob@127.0.0.1:${port}`, 'small')).status, 200)
  const [udp, tcp] = engine.addresses
  t.regex(headerOf(received[0]!, 'Via')!, new RegExp(`^SIP/2\\.0/TCP 127\\.0\\.0\\.1:${tcp!.port};`))
  t.regex(headerOf(received[1]!, 'Via')!, new RegExp(`^SIP/2\\.0/UDP 127\\.0\\.0\\.1:${udp!.port};`))
})

test('where TCP is refused, or we have none, it goes over UDP all the same', async (t) => {
  for (const listen of [['udp', 'tcp'], ['udp']] as const) {
    const { request } = await start(t, listen)
    const { port, received } = await peer(t, false)
    t.is((await request(`sip:bob@127.0.0.1:${port}`, large)).status, 200)
    t.is(received.length, 1)
    t.regex(headerOf(received[0]!, 'Via')!, /^SIP\/2\.0\/UDP /)
  }
})

test('IPv6: addresses stand in brackets, in Via and Contact, and are told without', async (t) => {
  const { engine, request } = await start(t, ['udp', 'tcp'], undefined, '::1')
  const { port, received } = await peer(t, true, '::1')
  for (const [index, transport] of ['UDP', 'TCP'].entries()) {
    const answer = await request(`sip:bob@[::1]:${port};transport=${transport}`, 'end', 'SUBSCRIBE')
    t.deepEqual([answer.status, answer.source_address, answer.source_port], [200, '::1', port])
    const ours = `\\[::1\\]:${engine.addresses[index]!.port}`
    t.regex(headerOf(received[index]!, 'Via')!, new RegExp(`^SIP/2\\.0/${transport} ${ours};rport;`))
    t.regex(headerOf(received[index]!, 'Contact')!, new RegExp(`^<sip:${ours}(;transport=tcp)?>$`))
  }
})

test('everything that is wrong with listeners and name servers is told at once', async (t) => {
  const error = await t.throwsAsync(
    createSipServer({
      listen: [
        { transport: 'sctp' as 'udp', address: '127.0.0.1', port: 5060 },
        { transport: 'udp', address: '0.0.0.0', port: -1, receiveBuffer: 1 },
        { transport: 'tls', address: '127.0.0.1', port: 0 },
        { transport: 'tls', address: '127.0.0.1', port: 0, tls: { key: 'x', cert: 'y' } },
        { transport: 'tcp', address: '[::1]', port: 0, webSocket: {}, advertise: 'a b' },
        { transport: 'ws', address: '127.0.0.1', port: 8080, webSocket: { origins: ['https://a.example/path'] } },
        { transport: 'tcp', address: '127.0.0.1', port: 8080, tls: { key: 'x', cert: 'y' } }
      ],
      limits: { transport: { connections: 0 } },
      dns: { servers: ['ns.example'] },
      log: silentLog
    }),
    { instanceOf: ConfigError }
  )
  const problems = error!.problems.map((problem) => problem.split(':', 1)[0])
  t.deepEqual(problems, [
    'listen[0].transport',
    'listen[1].port',
    'listen[1].advertise',
    'listen[1].receiveBuffer',
    'listen[2].tls',
    'listen[3].tls',
    'listen[4].address',
    'listen[4].advertise',
    'listen[4].webSocket',
    'listen[5].webSocket.origins[0]',
    'listen[6].port',
    'listen[6].tls',
    'dns.servers[0]',
    'limits.transport.connections'
  ])
})

test('a stream message without Content-Length gets 400 and its connection is closed', async (t) => {
  const { engine } = await start(t, ['tcp'])
  const peer = await client(t, engine.addresses[0]!.port)
  peer.socket.write(requestText({ method: 'OPTIONS', branch: '1', transport: 'TCP' }).replace(/Content-Length.*\r\n/, ''))
  await until(peer.closed)
  t.is(startLine(peer.received()), 'SIP/2.0 400 Missing Content-Length')
  t.true(peer.closed())
})

test('limits of messages hold on a WebSocket too, and leave it open', async (t) => {
  const { engine } = await start(t, ['ws'], (srf) => srf.options((_request, response) => response.send(200)))
  const socket = new WebSocket(`ws://127.0.0.1:${engine.addresses[0]!.port}`, 'sip')
  t.teardown(() => socket.terminate())
  const received: string[] = []
  socket.on('message', (data) => received.push(startLine(String(data))))
  await once(socket, 'open')
  const options = (branch: string, extra: readonly string[] = []): string =>
    requestText({ method: 'OPTIONS', branch, callId: branch, transport: 'WS', extra })
  socket.send(options('1', [`X: ${'y'.repeat(70_000)}`]))
  socket.send(options('2', Array(300).fill('X: y')))
  socket.send('no SIP at all')
  socket.send(options('3').replace('Content-Length: 0', 'Content-Length: 5'))
  await until(() => received.length === 3)
  socket.send(options('4').replace('Content-Length: 0\r\n', ''))
  await until(() => received.length === 4)
  t.deepEqual(received, [
    'SIP/2.0 513 Message Too Large',
    'SIP/2.0 513 Message Too Large',
    'SIP/2.0 400 Bad Content-Length',
    'SIP/2.0 200 OK'
  ])
  t.like(engine.stats(), { malformed: 2, oversized: 2 })
})

test('a call from a browser: what the application sends later goes over its WebSocket', async (t) => {
  let protocol = ''
  let dialog: SrfDialog | undefined
  const { engine } = await start(t, ['ws'], (srf) =>
    srf.invite((request, response) => {
      protocol = request.protocol
      void srf.createUAS(request, response, { localSdp: 'v=0\r\n' }).then((made) => {
        dialog = made
      })
    })
  )
  const socket = new WebSocket(`ws://127.0.0.1:${engine.addresses[0]!.port}`, 'sip')
  t.teardown(() => socket.terminate())
  const received: string[] = []
  socket.on('message', (data) => received.push(String(data)))
  await once(socket, 'open')
  const address = 'df7jal23ls0d.invalid'
  const browser = { address, transport: 'WS', extra: [`Contact: <sip:alice@${address};transport=ws>`] }
  const invite = requestText({ ...browser, method: 'INVITE', branch: '1' })
  socket.send(invite.replace(/Contact: <sip:alice@[^;]*>\r\n/, ''))
  await until(() => received.length === 2)
  const answer = received[1]!
  t.deepEqual(received.map(startLine), ['SIP/2.0 100 Trying', 'SIP/2.0 200 OK'])
  t.is(headerOf(answer, 'Contact'), `<sip:127.0.0.1:${engine.addresses[0]!.port};transport=ws>`)
  socket.send(requestText({ ...browser, method: 'ACK', branch: '2', to: headerOf(answer, 'To')! }))
  await until(() => dialog !== undefined)
  t.is(protocol, 'ws')
  const ended = dialog!.destroy()
  await until(() => received.length === 3)
  t.regex(received[2]!, /^BYE sip:alice@df7jal23ls0d\.invalid;transport=ws SIP\/2\.0\r\nVia: SIP\/2\.0\/WS /)
  socket.send(responseText(received[2]!, 200))
  await ended
  await until(() => engine.stats().dialogs === 0)
  t.is(engine.stats().dialogs, 0)
})

test('TLS between two engines: the name of the certificate is looked up and checked, one connection serves', async (t) => {
  const authority = createAuthority()
  const folder = mkdtempSync(join(tmpdir(), 'sip-engine-ways-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const hostsFile = join(folder, 'hosts')
  writeFileSync(hostsFile, '127.0.0.1 a.example b.example\n')
  const seen: string[] = []
  const make = async (name: string) => {
    const tls = { ...authority.issue(name, `DNS:${name}`), ca: authority.cert, clientCertificate: 'require' as const }
    const engine = await createSipServer({
      listen: [{ transport: 'tls', address: '127.0.0.1', port: 0, tls }],
      admin: { address: '127.0.0.1', port: 0, secret: 'cymru' },
      dns: { hostsFile, servers: ['127.0.0.1:9'] },
      onWire: ({ direction, bytes }) => direction === 'in' && seen.push(startLine(String(bytes))),
      log: silentLog
    })
    t.teardown(() => engine.close())
    const { srf } = await connectSrf(engine.adminPort, (each) => each.options((_request, response) => response.send(200)))
    t.teardown(() => srf.disconnect())
    const options = (uri: string): Promise<SrfMessage> =>
      new Promise((resolve, reject) => {
        srf.request(uri, { method: 'OPTIONS' }, (error, sent) => (error ? reject(error) : sent.on('response', resolve)))
      })
    return { engine, options, port: engine.addresses[0]!.port }
  }
  const a = await make('a.example')
  const b = await make('b.example')
  const good = await a.options(`sips:x@b.example:${b.port}`)
  t.deepEqual([good.status, good.protocol], [200, 'tls'])
  t.is((await b.options(`sips:x@a.example:${a.port}`)).status, 200)
  t.is((await b.options(`sips:x@b.example:${a.port}`)).status, 503)
  // b used the connection of a for its own request: its alias, and its certificate, say that it may.
  await until(() => a.engine.stats().connections === 1 && b.engine.stats().connections === 1)
  t.deepEqual([a.engine.stats().connections, b.engine.stats().connections], [1, 1])
  t.is(seen.filter((line) => line.startsWith('OPTIONS')).length, 2)
})

test('a browser is reached on the WebSocket it registered on, by its latest; one that is gone gets 430', async (t) => {
  const { engine, request } = await start(t, ['udp', 'ws'], (srf) =>
    srf.register((_request, response) => response.send(200, { headers: { Expires: '600' } }))
  )
  const port = engine.addresses[1]!.port
  const contact = '<sip:alice@df7jal23ls0d.invalid;transport=ws>;reg-id=1;+sip.instance="<urn:uuid:1>"'
  const browser = async (branch: string) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, 'sip')
    t.teardown(() => socket.terminate())
    const received: string[] = []
    socket.on('message', (data) => {
      const text = String(data)
      received.push(text)
      if (!text.startsWith('SIP/2.0')) socket.send(responseText(text, 200))
    })
    await once(socket, 'open')
    const address = 'df7jal23ls0d.invalid'
    socket.send(
      requestText({ method: 'REGISTER', branch, callId: branch, address, transport: 'WS', extra: [`Contact: ${contact}`] })
    )
    await until(() => received.length > 0)
    t.is(startLine(received[0]!), 'SIP/2.0 200 OK')
    return { socket, received }
  }
  const uri = 'sip:alice@df7jal23ls0d.invalid;transport=ws'
  const first = await browser('1')
  t.is((await request(uri, '', 'OPTIONS')).status, 200)
  t.regex(first.received[1]!, /^OPTIONS sip:alice@df7jal23ls0d\.invalid;transport=ws SIP\/2\.0\r\nVia: SIP\/2\.0\/WS /)
  const second = await browser('2')
  t.is((await request(uri, '', 'OPTIONS')).status, 200)
  t.is(second.received.length, 2)
  t.is(first.received.length, 2)
  second.socket.close()
  await until(() => engine.stats().connections === 1)
  const failed = await request(uri, '', 'OPTIONS')
  t.is(failed.status, 430)
  t.is(startLine(failed.raw), 'SIP/2.0 430 Flow Failed')
})
