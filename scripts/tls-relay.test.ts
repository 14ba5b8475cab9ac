import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from 'node:tls'
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import { startTlsRelay, type TlsRelayEvent, type TlsRelayOptions } from './tls-relay.ts'

interface Credentials {
  readonly directory: string
  readonly ca: string
  readonly server: { readonly cert: string; readonly key: string }
  readonly client: { readonly cert: string; readonly key: string }
}

const test = anyTest as TestFn<Credentials>

test.before((t) => {
  const directory = mkdtempSync(join(tmpdir(), 'tls-relay-test-'))
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=Test authority')
  const issue = (name: string, san: string) => {
    openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`)
    writeFileSync(join(directory, `${name}.ext`), `subjectAltName=${san}\n`)
    openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-days',
      '2',
      '-out',
      `${name}.pem`,
      '-extfile',
      `${name}.ext`
    )
    return {
      cert: readFileSync(join(directory, `${name}.pem`), 'utf8'),
      key: readFileSync(join(directory, `${name}.key`), 'utf8')
    }
  }
  t.context = {
    directory,
    server: issue('server', 'DNS:edge.test,IP:127.0.0.1'),
    client: issue('client', 'URI:sip:expert@edge.test'),
    ca: readFileSync(join(directory, 'ca.pem'), 'utf8')
  }
})

test.after.always((t) => rmSync(t.context.directory, { recursive: true, force: true }))

/** A TLS listener and a relay to it; both end with the test. `stop` ends the relay before. */
async function pair(
  t: ExecutionContext<Credentials>,
  serve: (socket: TLSSocket) => void,
  relayOptions: Partial<TlsRelayOptions> = {},
  tls: TlsOptions = {}
) {
  const sockets = new Set<Socket>()
  const { server: own, ca } = t.context
  const server = createTlsServer({ ...own, ca, allowHalfOpen: true, ...tls }, (socket) => {
    socket.on('error', () => {})
    serve(socket)
  })
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  server.on('connection', (socket) => sockets.add(socket))
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const events: TlsRelayEvent[] = []
  const relay = await startTlsRelay({
    target: { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    ca,
    handshakeTimeoutMs: 60_000,
    onEvent: (event) => events.push(event),
    ...relayOptions
  })
  t.teardown(relay.close)
  return { relay, events, stop: relay.close }
}

/** A connection that may be reset at any time, whoever looks. */
const dial = (port: number): Socket => connectTcp({ host: '127.0.0.1', port, allowHalfOpen: true }).on('error', () => {})

/** Everything the socket gives until it ends; the error code when it is reset. */
async function readAll(socket: Socket): Promise<{ octets: Buffer; error: string | null }> {
  const parts: Buffer[] = []
  let error: string | null = null
  socket.on('data', (part) => parts.push(part as Buffer))
  socket.on('error', (cause: NodeJS.ErrnoException) => {
    error = cause.code ?? 'error'
  })
  await new Promise((resolve) => {
    socket.once('end', resolve)
    socket.once('close', resolve)
  })
  return { octets: Buffer.concat(parts), error }
}

test('octets pass both ways and a half-close is passed on', async (t) => {
  const { relay, events } = await pair(t, (socket) => {
    const parts: Buffer[] = []
    socket.on('data', (part) => parts.push(part))
    socket.on('end', () => socket.end(Buffer.concat(parts).reverse()))
  })
  const sent = Buffer.alloc(2_000_000, 'INVITE sip:council-safety@edge.test SIP/2.0\r\n')
  const socket = dial(relay.port)
  socket.end(sent)
  const { octets, error } = await readAll(socket)
  t.is(error, null)
  t.deepEqual(octets, Buffer.from(sent).reverse())
  await once(socket, 'close')
  while (relay.counts().open > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  t.deepEqual(
    events.map((event) => event.type),
    ['established', 'closed']
  )
  t.deepEqual(events[1], { type: 'closed', id: 1, octetsToTls: sent.length, octetsFromTls: sent.length })
})

test('the listener may end its direction first and still receive', async (t) => {
  const received = Promise.withResolvers<string>()
  const { relay } = await pair(t, (socket) => {
    socket.end('goodbye')
    socket.once('data', (part) => received.resolve(part.toString()))
  })
  const socket = dial(relay.port)
  t.is((await readAll(socket)).octets.toString(), 'goodbye')
  socket.end('still here')
  t.is(await received.promise, 'still here')
})

test('one TLS connection per TCP connection, with the client certificate and the asked version', async (t) => {
  const { client, ca } = t.context
  const { relay, events } = await pair(
    t,
    (socket) => socket.end(`${socket.getPeerCertificate().subject.CN} ${socket.getProtocol()}`),
    { certificate: client.cert, key: client.key, ca, servername: 'edge.test', maxVersion: 'TLSv1.2' },
    { requestCert: true, rejectUnauthorized: true }
  )
  for (const _ of [1, 2]) {
    const socket = dial(relay.port)
    t.is((await readAll(socket)).octets.toString(), 'client TLSv1.2')
    socket.end()
  }
  t.is(relay.counts().established, 2)
  t.like(events[0], { type: 'established', id: 1, version: 'TLSv1.2' })
})

test('a certificate that does not verify: the caller is reset and nothing is sent', async (t) => {
  let received = 0
  const serve = (socket: TLSSocket) => socket.on('data', (part) => (received += part.length))
  const cases: [Partial<TlsRelayOptions>, RegExp][] = [
    [{ ca: t.context.client.cert }, /^(UNABLE_TO_|SELF_SIGNED_)/],
    [{ servername: 'other.test' }, /^ERR_TLS_CERT_ALTNAME_INVALID$/]
  ]
  for (const [options, code] of cases) {
    const { relay, events } = await pair(t, serve, options)
    const socket = dial(relay.port)
    socket.write('INVITE')
    t.is((await readAll(socket)).error, 'ECONNRESET')
    const failure = events.find((event) => event.type === 'failed')
    t.regex(failure?.code ?? '', code)
    t.is(relay.counts().established, 0)
  }
  t.is(received, 0)
})

test('verify: false accepts what the authority does not know', async (t) => {
  const { relay } = await pair(t, (socket) => socket.end('in'), { ca: t.context.client.cert, verify: false })
  const socket = dial(relay.port)
  t.is((await readAll(socket)).octets.toString(), 'in')
  socket.end()
})

test('a target that never answers the handshake, and one that refuses', async (t) => {
  const silent = createTcpServer((socket) => socket.resume().on('error', () => {})).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  const failure = async (handshakeTimeoutMs: number) => {
    const events: TlsRelayEvent[] = []
    const target = { host: '127.0.0.1', port }
    const relay = await startTlsRelay({ target, handshakeTimeoutMs, onEvent: (event) => events.push(event) })
    t.teardown(relay.close)
    t.is((await readAll(dial(relay.port))).error, 'ECONNRESET')
    return events[0]
  }
  t.like(await failure(100), { type: 'failed', code: 'tls.relay.handshake-timeout' })
  silent.close()
  await once(silent, 'close')
  t.like(await failure(60_000), { type: 'failed', code: 'ECONNREFUSED' })
})

test('a connection on which nothing moves is reset', async (t) => {
  const { relay, events } = await pair(t, (socket) => socket.write('x'), { idleTimeoutMs: 150 })
  t.is((await readAll(dial(relay.port))).error, 'ECONNRESET')
  t.like(
    events.find(({ type }) => type === 'failed'),
    { id: 1, code: 'tls.relay.idle-timeout' }
  )
})

test('one connection more than may be is reset, and the others stay', async (t) => {
  const { relay, events } = await pair(t, (socket) => socket.write('x'), { maxConnections: 1 })
  const first = dial(relay.port)
  await once(first, 'data')
  t.is((await readAll(dial(relay.port))).error, 'ECONNRESET')
  t.deepEqual(relay.counts(), { open: 1, established: 1, failed: 0 })
  t.is(events.length, 1)
  first.destroy()
})

test('close resets open connections and leaves the port free', async (t) => {
  const { relay, stop } = await pair(t, (socket) => socket.write('x'))
  const socket = dial(relay.port)
  await once(socket, 'data')
  const ended = readAll(socket)
  await stop()
  t.is((await ended).error, 'ECONNRESET')
  t.is((await readAll(dial(relay.port))).error, 'ECONNREFUSED')
})

test('settings that cannot work are refused before anything listens', async (t) => {
  const target = { host: '127.0.0.1', port: 1 }
  await t.throwsAsync(startTlsRelay({ target, listen: { host: '0.0.0.0' } }), { code: 'tls.relay.not-loopback' })
  await t.throwsAsync(startTlsRelay({ target, certificate: 'nonsense' }), { code: 'tls.relay.credentials' })
  const relay = await startTlsRelay({ target })
  await t.throwsAsync(startTlsRelay({ target, listen: { port: relay.port } }), { code: 'tls.relay.listen' })
  await relay.close()
})

test('the command: help, wrong arguments, and a relay until SIGTERM', async (t) => {
  const command = join(import.meta.dirname, 'tls-relay.ts')
  const run = (...args: string[]) => spawn(process.execPath, [command, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const wrong = run('--target', 'nowhere')
  t.deepEqual(await once(wrong, 'exit'), [2, null])
  const help = run('--help')
  t.deepEqual(await once(help, 'exit'), [0, null])
  const relay = run('--target', '127.0.0.1:1')
  t.teardown(() => void relay.kill('SIGKILL'))
  const [address] = await once(relay.stdout, 'data')
  t.regex(address.toString(), /^127\.0\.0\.1:\d+\n$/)
  t.is((await readAll(dial(Number(address.toString().split(':')[1])))).error, 'ECONNRESET')
  relay.kill('SIGTERM')
  t.deepEqual(await once(relay, 'exit'), [0, null])
})
