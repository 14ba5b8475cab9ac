import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import test, { type ExecutionContext } from 'ava'
import { createAuthority } from './testing/certificates.ts'
import { client, message, open, until, watched } from './testing/harness.ts'
import type { TlsConfig } from './tls-contexts.ts'

const authority = createAuthority()
const own = authority.issue('own', 'IP:127.0.0.1')
const ca = authority.cert
const listener = (tls: TlsConfig | (() => TlsConfig)) => ({ transport: 'tls' as const, tls })

async function tlsClient(t: ExecutionContext, port: number, options: ConnectionOptions = {}) {
  const socket = connectTls({ port, host: '127.0.0.1', ca, checkServerIdentity: () => undefined, ...options })
  const peer = watched(t, socket)
  await once(socket, 'secureConnect')
  return { ...peer, socket }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

const shown = (socket: TLSSocket): string => String(socket.getPeerCertificate().subject.CN)

test('messages both ways; a certificate that is not trusted, or for another, is told to who dials', async (t) => {
  const a = await open(t, [listener({ ...own, ca })])
  const b = await open(t, [listener({ ...own, ca })])
  const [from] = b.transports.listeners
  const to = { transport: 'tls' as const, address: '127.0.0.1', port: a.port }
  b.transports.send(from!, to, Buffer.from(message('hi')), (error) => t.fail(error.message))
  await until(() => a.messages.length === 1)
  t.is(a.messages[0]!.flow.listener.transport, 'tls')
  t.is(a.messages[0]!.flow.identity, null)
  a.transports.reply(a.messages[0]!.flow, to, Buffer.from(message('back')), (error) => t.fail(error.message))
  await until(() => b.messages.length === 1)
  t.is(b.messages[0]!.flow.identity!.subject, 'CN=own')
  t.true(b.messages[0]!.flow.identity!.authorized)

  const stranger = await open(t, [listener(own)])
  const refused = (name?: string): Promise<Error> =>
    new Promise((resolve) => {
      const [sender, at] = name === undefined ? [stranger, to] : [b, { ...to, name }]
      sender.transports.send(sender.transports.listeners[0]!, at, Buffer.from('x'), resolve)
    })
  t.regex((await refused()).message, /unable to (verify|get)|self.signed/)
  t.regex((await refused('a.example')).message, /not for a\.example/)
  t.is(b.transports.connections(), 1)
})

test('protocols before TLS 1.2 are refused', async (t) => {
  const { port, dropped } = await open(t, [listener(own)])
  const socket = connectTls({
    port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0'
  })
  t.teardown(() => socket.destroy())
  await once(socket, 'error')
  await until(() => dropped.length === 1)
  t.deepEqual(dropped, ['tlsHandshake'])
})

test('the certificate is chosen by the name the client asks for', async (t) => {
  const names = ['a.example', '*.b.example'].map((host) => ({ host, ...authority.issue(host, `DNS:${host}`) }))
  const { port } = await open(t, [listener({ ...own, names })])
  for (const [servername, expected] of [
    ['a.example', 'a.example'],
    ['A.Example', 'a.example'],
    ['x.b.example', '*.b.example'],
    ['b.example', 'own'],
    ['x.y.b.example', 'own'],
    [undefined, 'own']
  ]) {
    const { socket } = await tlsClient(t, port, servername === undefined ? {} : { servername })
    t.is(shown(socket), expected!)
  }
})

test('keys and certificates are read again without a restart; open connections live on; a bad one changes nothing', async (t) => {
  let current: TlsConfig = { ...own, names: [{ host: 'a.example', ...own }] }
  const { transports, port, messages } = await open(t, [listener(() => current), listener(() => current)])
  const before = await tlsClient(t, port)
  const fresh = authority.issue('fresh', 'IP:127.0.0.1')
  current = { ...fresh, names: [{ host: 'a.example', ...fresh }] }
  transports.reloadTls()
  t.is(shown((await tlsClient(t, port)).socket), 'fresh')
  t.is(shown((await tlsClient(t, port, { servername: 'a.example' })).socket), 'fresh')
  current = { key: own.key, cert: fresh.cert }
  t.throws(() => transports.reloadTls(), { code: 'sip-engine.tls' })
  for (const { port: each } of transports.listeners) t.is(shown((await tlsClient(t, each)).socket), 'fresh')
  before.socket.write(message('still here'))
  await until(() => messages.length === 1)
  t.is(messages.length, 1)
})

test('client certificates: asked for, and told with the flow whether they are authorised', async (t) => {
  const { port, messages } = await open(t, [listener({ ...own, ca, clientCertificate: 'request' })])
  const known = authority.issue('phone', 'URI:sip:phone.example')
  const unknown = createAuthority('Nobody').issue('phone', 'URI:sip:phone.example')
  for (const [index, options] of [known, unknown, {}].entries()) {
    const { socket } = await tlsClient(t, port, options)
    socket.write(message(`${index}`))
    await until(() => messages.length > index)
  }
  const identities = messages.map(({ flow }) => flow.identity)
  t.like(identities[0], { authorized: true, domains: ['phone.example'], subject: 'CN=phone' })
  t.regex(identities[0]!.fingerprint256, /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/)
  t.like(identities[1], { authorized: false, domains: ['phone.example'] })
  t.is(identities[2], null)
})

test('client certificates required: no message from a peer without an authorised one', async (t) => {
  const { port, messages, dropped, transports } = await open(t, [listener({ ...own, ca, clientCertificate: 'require' })])
  const unknown = createAuthority('Nobody').issue('phone', 'DNS:phone.example')
  for (const options of [{}, unknown]) {
    const peer = watched(t, connectTls({ port, host: '127.0.0.1', ca, ...options }))
    peer.socket.write(message())
    await until(peer.closed)
    t.true(peer.closed())
  }
  await until(() => dropped.length === 2)
  t.deepEqual(dropped, ['tlsHandshake', 'tlsHandshake'])
  const known = await tlsClient(t, port, authority.issue('phone', 'DNS:phone.example'))
  known.socket.write(message('hi'))
  await until(() => messages.length === 1)
  t.is(messages.length, 1)
  t.is(transports.connections(), 1)
})

test('RFC 5923: our requests use the connection of a peer that TLS has proved, and no other', async (t) => {
  const server = await open(t, [listener({ ...own, ca, clientCertificate: 'request' })], { connectMs: 500 })
  const { transports, messages, port } = server
  const known = await tlsClient(t, port, authority.issue('proxy', 'DNS:proxy.example'))
  known.socket.write(message('known'))
  await until(() => messages.length === 1)
  const anonymous = await tlsClient(t, port)
  anonymous.socket.write(message('anonymous'))
  await until(() => messages.length === 2)
  const [first, second] = messages
  // No TLS server listens there: what does not go over the connection of the peer fails.
  const claimed = await freePort()
  const sent = (name?: string): Promise<string> =>
    new Promise((resolve) => {
      const to = { transport: 'tls' as const, address: '127.0.0.1', port: claimed, ...(name === undefined ? {} : { name }) }
      const text = message(`to ${name}`)
      transports.send(transports.listeners[0]!, to, Buffer.from(text), () => resolve('failed'))
      until(() => known.received().includes(text)).then(() => known.received().includes(text) && resolve('delivered'), resolve)
    })
  transports.alias(second!.flow, claimed)
  t.is(await sent('proxy.example'), 'failed')
  transports.alias(first!.flow, claimed)
  t.is(await sent('proxy.example'), 'delivered')
  t.is(await sent('other.example'), 'failed')
  t.is(anonymous.received(), '')
})

test('handshakes that never end, in number and in time, harm nobody else', async (t) => {
  const { port, dropped, messages, transports } = await open(t, [listener({ ...own, ca })], { handshakes: 20, handshakeMs: 2000 })
  const phone = await tlsClient(t, port)
  const silent = await Promise.all(Array.from({ length: 30 }, () => client(t, port)))
  for (const { socket } of silent.slice(0, 5)) socket.write(Buffer.from('160301', 'hex'))
  await until(() => dropped.length === 10)
  t.deepEqual(new Set(dropped), new Set(['tooManyHandshakes']))
  phone.socket.write(message('served'))
  await until(() => messages.length === 1)
  t.is(messages.length, 1)
  await until(() => silent.every(({ closed }) => closed()))
  await until(() => dropped.length === 30)
  t.is(dropped.filter((reason) => reason === 'tlsHandshake').length, 20)
  t.is(transports.connections(), 1)
  const later = await tlsClient(t, port)
  later.socket.write(message('again'))
  await until(() => messages.length === 2)
  t.is(messages.length, 2)
})

test('a flood of handshakes from one address is cut to its rate', async (t) => {
  const { port, dropped } = await open(t, [listener({ ...own, ca })], { handshakesPerSecond: 2 })
  const attempts = Array.from({ length: 12 }, async () => {
    const socket = connectTls({ port, host: '127.0.0.1', ca })
    t.teardown(() => socket.destroy())
    return Promise.race([once(socket, 'secureConnect').then(() => 'open'), once(socket, 'error').then(() => 'refused')]).catch(
      () => 'refused'
    )
  })
  const outcomes = await Promise.all(attempts)
  const opened = outcomes.filter((outcome) => outcome === 'open').length
  t.true(opened >= 4 && opened <= 8, `${opened} of 12`)
  t.is(dropped.filter((reason) => reason === 'tooManyHandshakes').length, 12 - opened)
})

test('what is no TLS at all, and a handshake broken off', async (t) => {
  const { port, dropped, transports } = await open(t, [listener({ ...own, ca })])
  const plain = await client(t, port)
  plain.socket.write(message('in the clear'))
  await until(plain.closed)
  const gone = await client(t, port)
  gone.socket.destroy()
  await until(() => dropped.length === 2)
  t.deepEqual(dropped, ['tlsHandshake', 'tlsHandshake'])
  t.is(transports.connections(), 0)
})
