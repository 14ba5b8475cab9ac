/** SIP over WebSocket (RFC 7118) at the edge: who may open one, and that every layer is met over it. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { request } from 'node:https'
import type { Duplex } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { type ClientOptions, createWebSocketStream, WebSocket } from 'ws'
import { renderEdge } from '#kamailio'
import {
  answering,
  authorityOf,
  credential,
  edgeConfig,
  freePort,
  hash,
  Phone,
  type Rig,
  realm,
  reply,
  rig
} from './testing/harness.ts'

const certificates = await authorityOf()
test.after.always(() => rmSync(certificates.authority.dir, { recursive: true, force: true }))

const origin = 'https://council.test'

async function webRig(
  t: ExecutionContext,
  more: Parameters<typeof rig>[2] = () => ({})
): Promise<Rig & { readonly port: number }> {
  const port = await freePort()
  const made = await rig(t, certificates, (config) => ({
    listen: { ...config.listen, wss: { address: '127.0.0.1', port, origins: [origin], perAddress: 3 } },
    ...more(config)
  }))
  return { ...made, port }
}

interface Opening extends ClientOptions {
  readonly path?: string
  readonly protocol?: string
}

function open(t: ExecutionContext, port: number, { path = '/sip', protocol = 'sip', ...options }: Opening = {}): WebSocket {
  const socket = new WebSocket(`wss://127.0.0.1:${port}${path}`, protocol, { rejectUnauthorized: false, origin, ...options })
  socket.on('error', () => undefined)
  t.teardown(() => socket.terminate())
  return socket
}

/** Status with which the opening is refused; 101 when it is not. */
const statusOf = (socket: WebSocket): Promise<number> =>
  new Promise((resolve, reject) => {
    socket.once('open', () => resolve(101))
    socket.once('unexpected-response', (_, response) => {
      response.resume()
      resolve(response.statusCode!)
    })
    socket.once('error', reject)
  })

async function webPhone(t: ExecutionContext, port: number): Promise<Phone<Duplex>> {
  const socket = open(t, port)
  await once(socket, 'open')
  return new Phone(createWebSocketStream(socket, { decodeStrings: false, encoding: 'utf8' }), 'WSS df7jal23ls0d.invalid')
}

test('a browser calls by digest, and is reached over its WebSocket in the dialog', async (t) => {
  const { app, port, config } = await webRig(t)
  app.answer = answering(app)
  const phone = await webPhone(t, port)
  const answer = await phone.call({ headers: ['X-IF-Hazard: safety'], algorithm: 'MD5' })
  t.is(answer.startLine, 'SIP/2.0 200 OK')
  const invite = await app.inbox.next(({ startLine }) => startLine.startsWith('INVITE'))
  t.is(invite.get('X-IF-Edge-Transport'), 'wss')
  t.regex(invite.get('X-IF-Edge-TLS-Version')!, /^TLSv1\.[23]$/)
  t.is(invite.get('X-IF-Edge-User'), 'expert-safety')
  t.is(invite.get('X-IF-Edge-Seat'), undefined)
  t.is(invite.get('X-IF-Edge-Layers'), 'pike,allowlist,tls,digest,rate')
  const routes = invite.all('Record-Route').join(',').split(',')
  const contact = /<([^>]+)>/.exec(invite.get('Contact')!)![1]!
  t.regex(contact, /;alias=127\.0\.0\.1~\d+~6/)
  const bye = [
    `BYE ${contact} SIP/2.0`,
    `Via: SIP/2.0/UDP 127.0.0.1:${app.port};branch=z9hG4bKbye`,
    'Max-Forwards: 70',
    ...routes.map((route) => `Route: ${route.trim()}`),
    `From: <sip:council-safety@edge.test>;tag=app`,
    `To: ${invite.get('From')}`,
    `Call-ID: ${invite.get('Call-ID')}`,
    'CSeq: 1 BYE',
    'Content-Length: 0',
    '',
    ''
  ].join('\r\n')
  app.send(bye, config.inside.port)
  const received = await phone.inbox.next(({ startLine }) => startLine.startsWith('BYE'))
  t.is(received.get('Call-ID'), invite.get('Call-ID'))
})

test('a SIP phone in a browser registers, and is called over its WebSocket; a seat does not register', async (t) => {
  const address = 'expert-safety@edge.test'
  const { app, edge, port, config } = await webRig(t, () => ({
    credentials: [{ ...credential('expert-safety'), registers: address }]
  }))
  const seat = credential('expert-safety~Ab_d-0123456', 'a-token')
  await edge.addSeat({ user: seat.user, of: 'expert-safety', ha1Md5: seat.ha1Md5, ha1Sha256: seat.ha1Sha256 })
  const phone = await webPhone(t, port)
  const contact = '<sip:k3j4@df7jal23ls0d.invalid;transport=ws>'
  const register = async (user: string, password: string, expires: number) => {
    const request = (cseq: number, more: readonly string[]) =>
      phone.ask({
        method: 'REGISTER',
        to: 'expert-safety',
        requestUri: 'sip:edge.test',
        callId: `register-${user}-${expires}`,
        cseq,
        headers: [`Contact: ${contact}`, `Expires: ${expires}`, ...more]
      })
    const challenge = await request(1, [])
    t.true(challenge.startLine.startsWith('SIP/2.0 401'), challenge.startLine)
    const nonce = /nonce="([^"]+)"/.exec(challenge.all('WWW-Authenticate').join())![1]!
    const digest = (text: string) => hash('md5', text)
    const response = digest(
      `${digest(`${user}:${realm}:${password}`)}:${nonce}:00000001:cn:auth:${digest('REGISTER:sip:edge.test')}`
    )
    const line = `Digest username="${user}", realm="${realm}", nonce="${nonce}", uri="sip:edge.test", response="${response}", algorithm=MD5, cnonce="cn", qop=auth, nc=00000001`
    return (await request(2, [`Authorization: ${line}`])).startLine
  }
  t.is(await register(seat.user, 'a-token', 600), 'SIP/2.0 403 Forbidden')
  t.like(await app.report(), { code: 'edge.register.not-yours' })
  t.false(await edge.isInBrowser(address))
  t.is(await register('expert-safety', 'secret', 600), 'SIP/2.0 200 OK')
  t.like(await app.report(), { code: 'edge.register.bound', user: 'expert-safety', transport: 'wss' })
  t.true(await edge.isInBrowser(address))
  const uri = `sip:${address};transport=tls`
  const invite = [
    `INVITE ${uri} SIP/2.0`,
    `Via: SIP/2.0/UDP 127.0.0.1:${app.port};branch=z9hG4bKout`,
    'Max-Forwards: 70',
    'From: <sip:council@council.test>;tag=council',
    `To: <sip:${address}>`,
    'Call-ID: out',
    'CSeq: 1 INVITE',
    `Contact: <sip:127.0.0.1:${app.port}>`,
    'Content-Length: 0\r\n\r\n'
  ].join('\r\n')
  app.send(invite, config.inside.port)
  const rung = await phone.inbox.next(({ startLine }) => startLine.startsWith('INVITE'))
  t.is(rung.startLine, 'INVITE sip:k3j4@df7jal23ls0d.invalid;transport=ws SIP/2.0')
  phone.send(reply(rung, 486, 'Busy Here'))
  const busy = await app.inbox.next(({ startLine, get }) => /^SIP\/2\.0 [2-6]/.test(startLine) && get('Call-ID') === 'out')
  t.is(busy.startLine, 'SIP/2.0 486 Busy Here')
  t.is(await register('expert-safety', 'secret', 0), 'SIP/2.0 200 OK')
  t.false(await edge.isInBrowser(address))
})

test('the holder of a seat calls as its party, until the seat is taken back', async (t) => {
  const { app, edge, port } = await webRig(t)
  app.answer = answering(app)
  const [user, password] = ['expert-safety~Ab_d-0123456', 'a-token']
  const { ha1Md5, ha1Sha256 } = credential(user, password)
  const phone = await webPhone(t, port)
  const call = async () => {
    const challenge = await phone.ask()
    const nonce = /nonce="([^"]+)"/.exec(challenge.all('Proxy-Authenticate').join())![1]!
    const uri = 'sip:council-safety@edge.test'
    const digest = (text: string) => hash('md5', text)
    const response = digest(`${digest(`${user}:${realm}:${password}`)}:${nonce}:00000001:cn:auth:${digest(`INVITE:${uri}`)}`)
    const line = `Digest username="${user}", realm="${realm}", nonce="${nonce}", uri="${uri}", response="${response}", algorithm=MD5, cnonce="cn", qop=auth, nc=00000001`
    return phone.ask({ callId: challenge.get('Call-ID')!, cseq: 2, headers: [`Proxy-Authorization: ${line}`] })
  }
  t.is((await call()).startLine, 'SIP/2.0 403 Forbidden')
  await edge.addSeat({ user, of: 'expert-safety', ha1Md5: ha1Md5!, ha1Sha256: ha1Sha256! })
  t.is((await call()).startLine, 'SIP/2.0 200 OK')
  const invite = await app.inbox.next(({ startLine }) => startLine.startsWith('INVITE'))
  t.is(invite.get('X-IF-Edge-User'), 'expert-safety')
  t.is(invite.get('X-IF-Edge-Seat'), 'Ab_d-0123456')
  await edge.removeSeat(user)
  t.is((await call()).startLine, 'SIP/2.0 403 Forbidden')
  await t.throwsAsync(edge.addSeat({ user: 'no seat', of: 'x', ha1Md5: ha1Md5!, ha1Sha256: ha1Sha256! }), {
    code: 'edge.seat.invalid'
  })
})

test('a WebSocket is opened by our pages, at its path, on its port, by so many', async (t) => {
  const { app, port, config } = await webRig(t)
  const refused = (opening: Opening, to = port) => statusOf(open(t, to, opening))
  t.is(await refused({ origin: 'https://elsewhere.test' }), 403)
  t.like(await app.report(), { layer: 'tls', code: 'edge.websocket.origin', status: 403 })
  t.is(await refused({ origin: '' }), 403)
  t.is(await refused({ path: '/' }), 404)
  t.is(await refused({ protocol: 'council.1' }), 400)
  t.is(await refused({}, config.listen.tls.port), 404)
  const plain = await new Promise<number>((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path: '/sip', rejectUnauthorized: false }, (response) => {
      response.resume()
      resolve(response.statusCode!)
    })
    asked.on('error', reject)
    asked.end()
  })
  t.is(plain, 404)
  const three = [open(t, port), open(t, port), open(t, port)]
  t.deepEqual(await Promise.all(three.map(statusOf)), [101, 101, 101])
  t.is(await refused({}), 429)
  three[0]!.close()
  await once(three[0]!, 'close')
  let again = 429
  for (let n = 0; n < 100 && again === 429; n++) {
    await setTimeout(100)
    again = await refused({})
  }
  t.is(again, 101, 'one that is closed makes room')
})

test('layer allowlist: strangers open no WebSocket', async (t) => {
  const { app, port } = await webRig(t, () => ({ allowlist: [{ network: '203.0.113.0/24', name: 'elsewhere' }] }))
  t.is(await statusOf(open(t, port)), 403)
  t.like(await app.report(), { layer: 'allowlist', code: 'edge.allowlist.not-listed' })
})

test('layers digest and rate over a WebSocket; requests that are too long', async (t) => {
  const { app, port } = await webRig(t, () => ({ limits: { pikeRequests: 1000, callsPerMinute: 1 } }))
  app.answer = answering(app)
  const phone = await webPhone(t, port)
  t.is((await phone.call({ password: 'wrong', algorithm: 'MD5' })).startLine, 'SIP/2.0 403 Forbidden')
  t.like(await app.report(), { layer: 'digest', transport: 'wss' })
  t.is((await phone.call({ algorithm: 'MD5' })).startLine, 'SIP/2.0 200 OK')
  t.is((await phone.call({ algorithm: 'MD5' })).startLine, 'SIP/2.0 480 Temporarily Unavailable')
  t.is((await phone.ask({ body: 'x'.repeat(20_000) })).startLine, 'SIP/2.0 513 Message Too Large')
})

test('a certificate is not asked of browsers where it is of others', async (t) => {
  const { app, port, phone } = await webRig(t, (config) => ({ tls: { ...config.tls, requireClientCertificate: true } }))
  app.answer = answering(app)
  t.is((await (await phone()).ask()).startLine, 'SIP/2.0 403 Forbidden')
  t.is((await (await webPhone(t, port)).call({ algorithm: 'MD5' })).startLine, 'SIP/2.0 200 OK')
  // Chromium gives a WebSocket up whose server asks for a certificate
  const words = ['s_client', '-connect', `127.0.0.1:${port}`]
  const { stdout } = await promisify(execFile)('sh', ['-c', `openssl ${words.join(' ')} </dev/null 2>&1`])
  t.regex(stdout, /No client certificate CA names sent/)
  t.notRegex(stdout, /Requested Signature Algorithms/)
})

test('settings that could end a string of the configuration are refused', async (t) => {
  const base = await edgeConfig(t, certificates, [5080])
  const wss = { address: '127.0.0.1', port: base.listen.tls.port, origins: ['https://a.test") = 1; x(', 'ftp://a.test'] }
  const error = t.throws(() => renderEdge({ ...base, listen: { ...base.listen, wss } }))
  for (const problem of [/another port/, /origins\[0\]/, /origins\[1\]/]) t.regex(error!.message, problem)
})
