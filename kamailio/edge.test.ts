import { execFile, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { issueCertificate, renderEdge, startEdge } from '#kamailio'
import { silentLog, systemClock } from '#kernel'
import { writeEdge } from './kamailio.ts'
import { Application, authorityOf, authorize, edgeConfig, type Message, Phone, parse, reply, rig } from './testing/harness.ts'

const certificates = await authorityOf()
test.after.always(() => rmSync(certificates.authority.dir, { recursive: true, force: true }))

/** Answers 200 to INVITE, and to whatever comes in the dialog. */
const answering = (port: () => number) => (request: Message) =>
  request.startLine.startsWith('ACK') ? null : reply(request, 200, 'OK', [`Contact: <sip:127.0.0.1:${port()}>`])

/** What came through the edge. Its own reports are repeated where the application is slow to answer. */
const reached = ({ inbox }: Application) => inbox.messages.filter(({ startLine }) => !startLine.startsWith('PUBLISH'))

test('an expert over TLS: challenged, authenticated by SHA-256, taken to the application with the facts of the edge', async (t) => {
  const { app, phone } = await rig(t, certificates)
  app.answer = answering(() => app.port)
  const answer = await (await phone()).call({ headers: ['X-IF-Hazard: safety'] })
  t.is(answer.startLine, 'SIP/2.0 200 OK')
  const invite = await app.inbox.next(({ startLine }) => startLine.startsWith('INVITE'))
  t.is(invite.get('X-IF-Edge-Source'), '127.0.0.1')
  t.is(invite.get('X-IF-Edge-Transport'), 'tls')
  t.regex(invite.get('X-IF-Edge-TLS-Version')!, /^TLSv1\.[23]$/)
  t.regex(invite.get('X-IF-Edge-TLS-Cipher')!, /^[A-Z0-9_-]{8,}$/)
  t.is(invite.get('X-IF-Edge-User'), 'expert-safety')
  t.is(invite.get('X-IF-Edge-Digest'), 'SHA-256')
  t.is(invite.get('X-IF-Edge-Layers'), 'pike,allowlist,tls,digest,rate')
  t.is(invite.get('X-IF-Edge-Certificate'), undefined)
  t.is(invite.get('X-IF-Hazard'), 'safety')
  t.is(invite.get('Proxy-Authorization'), undefined)
  t.is(invite.all('Record-Route').join().split(',').length, 2)
})

test('MD5 for phones that know no other, and only that for an account kept for it', async (t) => {
  const { app, phone } = await rig(t, certificates)
  app.answer = answering(() => app.port)
  const one = await phone()
  t.is((await one.call({ algorithm: 'MD5' })).startLine, 'SIP/2.0 200 OK')
  t.is((await app.inbox.next(({ startLine }) => startLine.startsWith('INVITE'))).get('X-IF-Edge-Digest'), 'MD5')
  const both = await one.ask()
  t.deepEqual(
    both.all('Proxy-Authenticate').map((line) => /algorithm=([^,]+)/.exec(line)![1]),
    ['SHA-256', 'MD5']
  )
  const old = await one.ask({ user: 'old-phone' })
  t.deepEqual(
    old.all('Proxy-Authenticate').map((line) => /algorithm=([^,]+)/.exec(line)![1]),
    ['MD5']
  )
  t.is((await one.call({ user: 'old-phone', algorithm: 'MD5' })).startLine, 'SIP/2.0 200 OK')
})

test('claims of the edge from outside are removed, whatever their spelling', async (t) => {
  const { app, phone } = await rig(t, certificates)
  app.answer = answering(() => app.port)
  const claims = [
    'X-IF-Edge-User: somebody',
    'x-if-edge-layers: all',
    'X-IF-EDGE-SOURCE : 203.0.113.1',
    'X-IF-Edge-Certificate: sip:root@council',
    'P-Asserted-Identity: <sip:root@council>'
  ]
  const answer = await (await phone()).call({ headers: claims })
  t.is(answer.startLine, 'SIP/2.0 200 OK')
  const invite = await app.inbox.next(({ startLine }) => startLine.startsWith('INVITE'))
  t.deepEqual(invite.all('X-IF-Edge-User'), ['expert-safety'])
  t.deepEqual(invite.all('X-IF-Edge-Layers'), ['pike,allowlist,tls,digest,rate'])
  t.deepEqual(invite.all('X-IF-Edge-Source'), ['127.0.0.1'])
  t.notRegex(invite.text, /203\.0\.113\.1|root@council|somebody/)
})

test('layer digest: a wrong password, and a user whom nobody knows', async (t) => {
  const { app, phone } = await rig(t, certificates)
  const one = await phone()
  t.is((await one.call({ password: 'wrong' })).startLine, 'SIP/2.0 403 Forbidden')
  const report = await app.report()
  t.like(report, {
    layer: 'digest',
    code: 'edge.digest.bad-credentials',
    status: 403,
    method: 'INVITE',
    source: '127.0.0.1',
    transport: 'tls',
    user: 'expert-safety',
    count: 1,
    traceId: null
  })
  t.is((await one.call({ user: 'nobody' })).startLine, 'SIP/2.0 403 Forbidden')
  t.deepEqual(reached(app), [])
})

test('layer digest: credentials open one request; used again they are challenged anew and recorded', async (t) => {
  const { app, phone } = await rig(t, certificates)
  app.answer = answering(() => app.port)
  const one = await phone()
  const challenge = await one.ask({ callId: 'first' })
  const line = authorize(challenge)
  t.is((await one.ask({ callId: 'first', cseq: 2, headers: [line] })).startLine, 'SIP/2.0 200 OK')
  const again = await one.ask({ callId: 'second', headers: [line] })
  t.is(again.startLine, 'SIP/2.0 407 Proxy Authentication Required')
  t.regex(again.get('Proxy-Authenticate')!, /stale=true/)
  t.like(await app.report(), { layer: 'digest', code: 'edge.digest.replayed', callId: 'second' })
  t.is((await (await phone()).ask({ callId: 'third', headers: [line] })).startLine, 'SIP/2.0 407 Proxy Authentication Required')
})

test("RFC 3261 §22.3: credentials of other realms are others' business, and without ours the phone is challenged", async (t) => {
  const { app, phone } = await rig(t, certificates)
  app.answer = answering(() => app.port)
  const one = await phone()
  const others = (name: string) =>
    `${name}: Digest username="bob", realm="proxy.example", nonce="n", uri="sip:council-safety@edge.test", response="0123456789abcdef0123456789abcdef"`
  for (const name of ['Proxy-Authorization', 'Authorization']) {
    const challenge = await one.ask({ callId: `${name}-alone`, headers: [others(name)] })
    t.is(challenge.startLine, 'SIP/2.0 407 Proxy Authentication Required', `${name} alone`)
    for (const inFront of [true, false]) {
      const callId = `${name}-${inFront ? 'before' : 'behind'}-ours`
      const fresh = await one.ask({ callId })
      const ours = authorize(fresh)
      const headers = inFront ? [others(name), ours] : [ours, others(name)]
      t.is((await one.ask({ callId, cseq: 2, headers })).startLine, 'SIP/2.0 200 OK', callId)
      const invite = await app.inbox.next(({ startLine }) => startLine.startsWith('INVITE'))
      t.is(invite.get('X-IF-Edge-User'), 'expert-safety')
      t.deepEqual([...invite.all('Proxy-Authorization'), ...invite.all('Authorization')], [])
    }
  }
})

test('layer digest: a nonce that is not ours, and one that is old, are stale', async (t) => {
  const { phone } = await rig(t, certificates, () => ({ limits: { pikeRequests: 1000, nonceSeconds: 1 } }))
  const one = await phone()
  const challenge = await one.ask()
  const forged = authorize(parse(challenge.text.replace(/nonce="\d+/g, (nonce) => `${nonce}9`)))
  t.regex((await one.ask({ headers: [forged] })).get('Proxy-Authenticate')!, /stale=true/)
  await sleep(2200)
  t.regex((await one.ask({ headers: [authorize(challenge)] })).get('Proxy-Authenticate')!, /stale=true/)
})

test('layer digest: an algorithm is a token, whatever its case', async (t) => {
  const { app, phone } = await rig(t, certificates)
  app.answer = answering(() => app.port)
  const one = await phone()
  const credentials = authorize(await one.ask({ callId: 'case' })).replace('algorithm=SHA-256', 'algorithm=sha-256')
  t.is((await one.ask({ callId: 'case', cseq: 2, headers: [credentials] })).startLine, 'SIP/2.0 200 OK')
  t.is((await app.inbox.next(({ startLine }) => startLine.startsWith('INVITE'))).get('X-IF-Edge-Digest'), 'SHA-256')
})

for (const [what, spoil] of [
  ['a user with a quote', (line: string) => line.replace('username="', 'username="a\\"b')],
  ['no nonce count', (line: string) => line.replace(', nc=00000001', '')],
  ['another realm', (line: string) => line.replace('realm="infrafabric"', 'realm="other"')],
  ['two of them', (line: string) => `${line}\r\n${line}`]
] as const) {
  test(`layer digest: credentials with ${what} are refused`, async (t) => {
    const { phone } = await rig(t, certificates)
    const one = await phone()
    const answer = await one.ask({ headers: [spoil(authorize(await one.ask()))] })
    t.regex(answer.startLine, /^SIP\/2\.0 40[37]/)
  })
}

test('layer rate: the eleventh call of an expert in a minute', async (t) => {
  const { app, phone } = await rig(t, certificates)
  app.answer = answering(() => app.port)
  const one = await phone()
  for (let n = 0; n < 10; n++) t.is((await one.call()).startLine, 'SIP/2.0 200 OK')
  const refused = await one.call()
  t.is(refused.startLine, 'SIP/2.0 480 Temporarily Unavailable')
  t.is(refused.get('Retry-After'), '60')
  t.like(await app.report(), { layer: 'rate', code: 'edge.rate.exceeded', user: 'expert-safety' })
  t.is((await one.call({ user: 'old-phone', algorithm: 'MD5' })).startLine, 'SIP/2.0 200 OK')
})

test('layer rate: a user whose calls IF.guard refuses as attacks is refused at the edge after some, and told no more than before', async (t) => {
  const { app, phone } = await rig(t, certificates, () => ({ limits: { pikeRequests: 1000, attacksPer10s: 3 } }))
  app.answer = (request) =>
    request.startLine.startsWith('ACK') ? null : reply(request, 403, 'Forbidden', ['X-IF-Guard: attack'])
  const one = await phone()
  const begunMs = performance.now()
  const isReported = () => reached(app).length < app.inbox.messages.length
  for (let n = 0; n < 5 || (!isReported() && n < 40); n++) {
    const answer = await one.call()
    t.is(answer.startLine, 'SIP/2.0 403 Forbidden')
    t.is(answer.get('X-IF-Guard'), undefined)
  }
  // where the calls took longer than that, the edge began to count anew; where it asked again, it counted each answer
  const invites = reached(app).filter(({ startLine }) => startLine.startsWith('INVITE'))
  const calls = new Set(invites.map(({ get }) => get('Call-ID'))).size
  if (invites.length === calls && performance.now() - begunMs < 9000) t.is(calls, 3)
  else t.true(invites.length >= 3)
  t.like(await app.report(), { layer: 'rate', code: 'edge.rate.attacks', status: 403, user: 'expert-safety' })
  app.answer = answering(() => app.port)
  t.is((await one.call({ user: 'old-phone', algorithm: 'MD5' })).startLine, 'SIP/2.0 200 OK')
})

test('layer allowlist: an address that is not listed', async (t) => {
  const { app, phone } = await rig(t, certificates, () => ({
    allowlist: [{ network: '203.0.113.0/24', name: 'Safety & Alignment' }]
  }))
  const refused = await (await phone()).ask()
  t.is(refused.startLine, 'SIP/2.0 403 Forbidden')
  t.notRegex(refused.text, /allowlist/i)
  t.like(await app.report(), { layer: 'allowlist', code: 'edge.allowlist.not-listed' })
})

test('layer pike: a flood is cut off without an answer and makes one report', async (t) => {
  const { app, phone } = await rig(t, certificates, () => ({ limits: { pikeRequests: 30, pikeSeconds: 10 } }))
  const one = await phone()
  for (let n = 0; n < 200; n++) one.send(one.request({ method: 'OPTIONS' }))
  t.like(await app.report(), { layer: 'pike', code: 'edge.pike.flood', method: 'OPTIONS' })
  await sleep(500)
  const answered = one.inbox.messages.length
  t.true(answered >= 20 && answered <= 100, `${answered} of 200 answered`)
  t.deepEqual(reached(app), [])
})

test('layer tls: certificates that are good, expired, of another authority', async (t) => {
  const { app, phone, authority } = await rig(t, certificates)
  app.answer = answering(() => app.port)
  const open = async (name: string, dates: { notBefore?: Date; notAfter?: Date } = {}, by = authority) => {
    const { certificate, key } = await issueCertificate(by, {
      name,
      commonName: 'Expert Safety',
      usage: 'client',
      subjectAltNames: ['URI:sip:expert-safety@external.advisor'],
      ...dates
    })
    return phone({ cert: readFileSync(certificate), key: readFileSync(key) })
  }
  t.is((await (await open('good')).call()).startLine, 'SIP/2.0 200 OK')
  const invite = await app.inbox.next(({ startLine }) => startLine.startsWith('INVITE'))
  t.is(invite.get('X-IF-Edge-Certificate'), 'sip:expert-safety@external.advisor')
  const day = 86_400_000
  const expired = await open('expired', { notBefore: new Date(Date.now() - 3 * day), notAfter: new Date(Date.now() - day) })
  t.is((await expired.ask()).startLine, 'SIP/2.0 403 Forbidden')
  t.like(await app.report(), { layer: 'tls', code: 'edge.tls.certificate-expired' })
  const other = await authorityOf()
  t.teardown(() => rmSync(other.authority.dir, { recursive: true }))
  t.is((await (await open('foreign', {}, other.authority)).ask()).startLine, 'SIP/2.0 403 Forbidden')
})

test('layer tls: production wants a certificate and nothing but TLS', async (t) => {
  const { app, phone } = await rig(t, certificates, () => ({ profile: 'production' }))
  t.is((await (await phone()).ask()).startLine, 'SIP/2.0 403 Forbidden')
  t.like(await app.report(), { layer: 'tls', code: 'edge.tls.certificate-missing' })
})

test('layer tls: TLS 1.1 and weak suites end in the handshake', async (t) => {
  const { config } = await rig(t, certificates)
  const handshake = (...args: string[]) =>
    new Promise<boolean>((resolve) => {
      const words = ['s_client', '-connect', `127.0.0.1:${config.listen.tls.port}`, ...args]
      const child = execFile('openssl', words, { timeout: 10_000 }, (_, stdout) => resolve(/Cipher is (?!\(NONE\))/.test(stdout)))
      child.stdin!.end()
    })
  t.true(await handshake('-tls1_3'))
  t.true(await handshake('-tls1_2'))
  t.false(await handshake('-tls1_1', '-cipher', 'DEFAULT:@SECLEVEL=0'))
  t.false(await handshake('-tls1_2', '-cipher', 'AES128-SHA'))
})

test('a whole call: in-dialog requests both ways follow the Route set, to the phone over the connection it opened', async (t) => {
  const { app, phone, config } = await rig(t, certificates)
  app.answer = answering(() => app.port)
  const one = await phone()
  const answer = await one.call({ callId: 'whole' })
  const invite = await app.inbox.next(({ startLine }) => startLine.startsWith('INVITE'))
  const routes = answer.all('Record-Route').join(',').split(',').reverse()
  const inside = {
    callId: 'whole',
    toTag: 'app',
    requestUri: `sip:127.0.0.1:${app.port}`,
    headers: routes.map((route) => `Route: ${route.trim()}`)
  }
  one.send(one.request({ ...inside, method: 'ACK', cseq: 2 }))
  t.regex((await app.inbox.next(({ startLine }) => startLine.startsWith('ACK'))).get('X-IF-Edge-Source')!, /127/)
  const bye = [
    `BYE ${/<([^>]+)>/.exec(invite.get('Contact')!)![1]} SIP/2.0`,
    `Via: SIP/2.0/UDP 127.0.0.1:${app.port};branch=z9hG4bKbye`,
    ...invite.all('Record-Route').map((route) => `Route: ${route}`),
    'Max-Forwards: 70',
    `From: ${answer.get('To')}`,
    `To: ${answer.get('From')}`,
    'Call-ID: whole',
    'CSeq: 1 BYE',
    'Content-Length: 0\r\n\r\n'
  ].join('\r\n')
  app.send(bye, config.inside.port)
  const arrived = await one.inbox.next(({ startLine }) => startLine.startsWith('BYE'))
  one.send(reply(arrived, 200, 'OK'))
  t.is((await app.inbox.next(({ startLine }) => startLine.startsWith('SIP/2.0 200'))).get('CSeq'), '1 BYE')
  const second = await one.ask({ ...inside, method: 'BYE', cseq: 3 })
  t.is(second.startLine, 'SIP/2.0 200 OK')
  t.truthy(await app.inbox.next(({ startLine }) => startLine.startsWith('BYE')))
})

test('a request within a dialog is not given up while its answer takes longer than a server may take for a new call', async (t) => {
  const { app, phone } = await rig(t, certificates, () => ({ answerTimeoutMs: 1500 }))
  app.answer = answering(() => app.port)
  const one = await phone()
  const answer = await one.call({ callId: 'slow' })
  t.is(answer.startLine, 'SIP/2.0 200 OK')
  app.answer = () => null
  const routes = answer.all('Record-Route').join(',').split(',').reverse()
  const asked = one.ask({
    callId: 'slow',
    toTag: 'app',
    method: 'BYE',
    cseq: 3,
    requestUri: `sip:127.0.0.1:${app.port}`,
    headers: routes.map((route) => `Route: ${route.trim()}`)
  })
  const bye = await app.inbox.next(({ startLine }) => startLine.startsWith('BYE'))
  await sleep(2000)
  app.send(reply(bye, 200, 'OK'), Number(/127\.0\.0\.1:(\d+)/.exec(bye.all('Via')[0]!)![1]))
  t.is((await asked).startLine, 'SIP/2.0 200 OK')
})

test('a Route that a stranger made up leads nowhere', async (t) => {
  const { app, phone } = await rig(t, certificates)
  const target = await Application.open(t)
  const one = await phone()
  const direct = await one.ask({ method: 'BYE', toTag: 'x', requestUri: `sip:127.0.0.1:${target.port}` })
  t.regex(direct.startLine, /^SIP\/2\.0 4/)
  const routed = await one.ask({
    method: 'INVITE',
    toTag: 'x',
    requestUri: 'sip:a@b',
    headers: [`Route: <sip:127.0.0.1:${target.port};lr>`]
  })
  t.regex(routed.startLine, /^SIP\/2\.0 4/)
  await sleep(100)
  t.deepEqual([...target.inbox.messages, ...reached(app)], [])
})

test('CANCEL reaches the application, and the phone gets its 200 and 487', async (t) => {
  const { app, phone } = await rig(t, certificates)
  app.answer = (request) => {
    if (request.startLine.startsWith('INVITE')) return reply(request, 180, 'Ringing')
    return request.startLine.startsWith('CANCEL') ? reply(request, 200, 'OK') : null
  }
  const one = await phone()
  const challenge = await one.ask({ callId: 'gone' })
  const invite = one.request({ callId: 'gone', cseq: 2, headers: [authorize(challenge)] })
  one.send(invite)
  await one.inbox.next(({ startLine }) => startLine.startsWith('SIP/2.0 180'))
  const { all, get } = parse(invite)
  one.send(
    [
      `CANCEL sip:council-safety@edge.test SIP/2.0`,
      `Via: ${all('Via')[0]}`,
      'Max-Forwards: 70',
      `From: ${get('From')}`,
      `To: ${get('To')}`,
      'Call-ID: gone',
      'CSeq: 2 CANCEL',
      'Content-Length: 0\r\n\r\n'
    ].join('\r\n')
  )
  t.is((await one.final('gone')).get('CSeq'), '2 CANCEL')
  const received = await app.inbox.next(({ startLine }) => startLine.startsWith('INVITE'))
  t.truthy(await app.inbox.next(({ startLine }) => startLine.startsWith('CANCEL')))
  const { port } = new URL(`http://127.0.0.1:${/;rport=(\d+)/.exec(received.all('Via')[0]!)?.[1] ?? ''}`)
  app.send(
    reply(received, 487, 'Request Terminated'),
    Number(port) || Number(/127\.0\.0\.1:(\d+)/.exec(received.all('Via')[0]!)![1])
  )
  t.is((await one.final('gone')).startLine, 'SIP/2.0 487 Request Terminated')
})

test('an application server that is dead is passed over, and all of them dead is 503 with Retry-After', async (t) => {
  const [first, second] = [await Application.open(t), await Application.open(t)]
  const dead = await edgeConfig(t, certificates, [first.port, second.port])
  const edge = await startEdge(dead, { log: silentLog, clock: systemClock })
  t.teardown(() => edge.stop())
  second.answer = answering(() => second.port)
  const phone = await Phone.open(t, dead.listen.tls.port, { rejectUnauthorized: false })
  for (let n = 0; n < 3; n++) t.is((await phone.call()).startLine, 'SIP/2.0 200 OK')
  second.answer = () => null
  const refused = await phone.call()
  t.is(refused.startLine, 'SIP/2.0 503 Service Unavailable')
  t.is(refused.get('Retry-After'), '10')
})

test('the last application server is asked again after a pause of its own, and refuses nobody for longer than it takes', async (t) => {
  const { app, phone } = await rig(t, certificates, () => ({ probeSeconds: 60, answerTimeoutMs: 1000 }))
  const one = await phone()
  const paused = await Promise.all([one.call(), one.call(), one.call()])
  for (const { startLine } of paused) t.is(startLine, 'SIP/2.0 503 Service Unavailable')
  app.answer = answering(() => app.port)
  t.is((await one.call()).startLine, 'SIP/2.0 200 OK')
})

test('an application server that says 503 hands the call to the next', async (t) => {
  const [draining, ready] = [await Application.open(t), await Application.open(t)]
  draining.answer = (request) =>
    request.startLine.startsWith('ACK') ? null : reply(request, 503, 'Service Unavailable', ['Retry-After: 10'])
  ready.answer = answering(() => ready.port)
  const config = await edgeConfig(t, certificates, [draining.port, ready.port])
  const edge = await startEdge(config, { log: silentLog, clock: systemClock })
  t.teardown(() => edge.stop())
  const phone = await Phone.open(t, config.listen.tls.port, { rejectUnauthorized: false })
  for (let n = 0; n < 2; n++) t.is((await phone.call()).startLine, 'SIP/2.0 200 OK')
  ready.answer = draining.answer
  const refused = await phone.call()
  t.is(refused.startLine, 'SIP/2.0 503 Service Unavailable', 'all say so: the caller is told, and when to come back')
  t.is(refused.get('Retry-After'), '10')
})

test('bad input: what is malformed, oversized or of an unknown method is refused, and the edge lives on', async (t) => {
  const { app, phone } = await rig(t, certificates)
  const one = await phone()
  t.is((await one.ask({ method: 'REGISTER' })).startLine, 'SIP/2.0 405 Method Not Allowed')
  one.send(one.request({ callId: 'spent' }).replace('Max-Forwards: 70', 'Max-Forwards: 0'))
  t.is((await one.final('spent')).startLine, 'SIP/2.0 483 Too Many Hops')
  t.is((await one.ask({ headers: [`X-Big: ${'x'.repeat(20_000)}`] })).startLine, 'SIP/2.0 513 Message Too Large')
  const mismatched = one.request({ callId: 'mismatch' }).replace('CSeq: 1 INVITE', 'CSeq: 1 BYE')
  one.send(mismatched)
  t.regex((await one.final('mismatch')).startLine, /^SIP\/2\.0 400/)
  // what the application's SIP server would refuse unrecorded is not passed on, nor accounted as passed on
  for (const callId of ['bell\u0007', 'escape\u001b[31m', `long-${'x'.repeat(600)}`])
    t.is((await one.ask({ callId })).startLine, 'SIP/2.0 400 Bad Call-ID')
  const asking = { callId: 'asks', requestUri: 'sip:council-safety@edge.test?Subject=x' }
  t.is((await one.ask(asking)).startLine, 'SIP/2.0 400 Bad Request-URI')
  for (const subject of ['a\rb', 'a\nX-Other: b'])
    t.is((await one.ask({ headers: [`Subject: ${subject}`] })).startLine, 'SIP/2.0 400 Bad Line End')
  const garbage = await phone()
  garbage.send('\0\x01\x02 not sip at all\r\n\r\n'.repeat(50))
  const endless = await phone()
  endless.send(`INVITE sip:a@b SIP/2.0\r\nX: ${'y'.repeat(200_000)}`)
  await sleep(200)
  const options = await (await phone()).ask({ method: 'OPTIONS' })
  t.is(options.startLine, 'SIP/2.0 200 OK')
  t.is(options.get('Server'), undefined)
  t.deepEqual(reached(app), [])
})

test('OPTIONS is answered as an INVITE would be, and what it demands and is not understood is named', async (t) => {
  const { phone } = await rig(t, certificates)
  const one = await phone()
  const known = await one.ask({ method: 'OPTIONS', headers: ['Require: timer, replaces', 'Require: 100rel'] })
  t.is(known.startLine, 'SIP/2.0 200 OK')
  t.is(known.get('Allow'), 'INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, REFER')
  t.is(known.get('Supported'), 'timer, replaces')
  t.is(known.get('Accept'), 'application/sdp')
  const unknown = await one.ask({ method: 'OPTIONS', headers: ['Require: foo,timer , bar', 'Require: baz'] })
  t.is(unknown.startLine, 'SIP/2.0 420 Bad Extension')
  t.is(unknown.get('Unsupported'), 'foo,bar,baz')
})

test('what a caller wrote is data in a report: quotes, backslashes, odd octets, length', async (t) => {
  const { app, phone } = await rig(t, certificates, () => ({ allowlist: [{ network: '203.0.113.0/24', name: 'x' }] }))
  await (await phone()).ask({ callId: `"},"layer":"witness\\${'z'.repeat(300)}`, headers: ['X-IF-Trace-ID: tr\u00e4ce"'] })
  const report = await app.report()
  t.is(report.layer, 'allowlist')
  t.is((report.callId as string).length, 128)
  t.true((report.callId as string).startsWith('"},"layer":"witness\\z'))
})

test('credentials change without a restart', async (t) => {
  const { app, phone, edge, config } = await rig(t, certificates)
  app.answer = answering(() => app.port)
  const one = await phone()
  const pid = edge.pid()
  await edge.reloadCredentials([config.credentials[1]!])
  t.is((await one.call()).startLine, 'SIP/2.0 403 Forbidden')
  await edge.reloadCredentials(config.credentials)
  t.is((await one.call()).startLine, 'SIP/2.0 200 OK')
  t.is(edge.pid(), pid)
})

test('kill -9: the edge is told lost, runs again, and takes calls', async (t) => {
  const app = await Application.open(t)
  app.answer = answering(() => app.port)
  const config = await edgeConfig(t, certificates, [app.port])
  const states: string[] = []
  const again = Promise.withResolvers<void>()
  const edge = await startEdge(config, {
    log: silentLog,
    clock: systemClock,
    onState: (state) => {
      states.push(state)
      if (state === 'running') again.resolve()
    }
  })
  t.teardown(() => edge.stop())
  const options = { rejectUnauthorized: false }
  const early = await Phone.open(t, config.listen.tls.port, options)
  const challenge = await early.ask()
  const used = await early.ask({ cseq: 2, headers: [authorize(challenge)] })
  t.is(used.startLine, 'SIP/2.0 200 OK')
  const before = edge.pid()!
  process.kill(before, 'SIGKILL')
  await again.promise
  t.deepEqual(states, ['lost', 'running'])
  t.not(edge.pid(), before)
  const phone = await Phone.open(t, config.listen.tls.port, options)
  const replayed = await phone.ask({ cseq: 2, headers: [authorize(challenge)] })
  t.is(replayed.startLine, 'SIP/2.0 407 Proxy Authentication Required', 'credentials used before the death are not good after it')
  t.is((await phone.call()).startLine, 'SIP/2.0 200 OK')
})

test('an edge that lives and does not answer is told lost; one that stays so is killed and started anew', async (t) => {
  const config = await edgeConfig(t, certificates, [5080])
  const states: string[] = []
  const edge = await startEdge(config, {
    log: silentLog,
    clock: systemClock,
    onState: (state, detail) => void states.push(detail ?? state),
    probe: { everyMs: 100, withinMs: 500, lostAfter: 2, hopelessAfter: 6 }
  })
  t.teardown(() => edge.stop())
  const reaches = async (count: number) => {
    for (let waited = 0; states.length < count && waited < 30_000; waited += 50) await sleep(50)
  }
  const before = edge.pid()!
  const all = [before, ...childrenOf(before)]
  for (const pid of all) process.kill(pid, 'SIGSTOP')
  await reaches(1)
  for (const pid of all) process.kill(pid, 'SIGCONT')
  await reaches(2)
  t.deepEqual(states, ['no answer', 'running'])
  t.is(edge.pid(), before)
  for (const pid of all) process.kill(pid, 'SIGSTOP')
  await reaches(5)
  t.is(states[2], 'no answer')
  t.is(states[4], 'running')
  t.not(edge.pid(), before)
  t.deepEqual(all.filter(lives), [])
})

/** Neither gone nor a zombie, of which nobody has asked how it ended. */
function lives(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)

test('forked processes do not share what OpenSSL keeps for a thread', async (t) => {
  const { edge } = await rig(t, certificates)
  const maps = readFileSync(`/proc/${edge.pid()}/maps`, 'utf8')
  t.regex(maps, /openssl-fork\.so/, 'run scripts/setup.sh')
})

test('Kamailio from 5.8 on is told to keep its processes apart by itself', async (t) => {
  const config = await edgeConfig(t, certificates, [5080])
  const local = (kamailioVersion: string) => renderEdge({ ...config, kamailioVersion }).get('kamailio-local.cfg')!
  t.notRegex(local('5.7.6'), /tls_threads_mode/)
  t.regex(local('5.8.0'), /^tls_threads_mode=2$/m)
  t.regex(local('6.0.1'), /^tls_threads_mode=2$/m)
})

test('a UDP port that another program has keeps the edge from starting, though both could share it', async (t) => {
  const taken = createSocket({ type: 'udp4', reuseAddr: true })
  t.teardown(() => taken.close())
  taken.bind(0, '127.0.0.1')
  await once(taken, 'listening')
  const config = await edgeConfig(t, certificates, [5080])
  const { port } = taken.address()
  const there = { address: '127.0.0.1', port }
  for (const wanted of [{ listen: { ...config.listen, udp: there } }, { inside: there }]) {
    const error = await t.throwsAsync(startEdge({ ...config, ...wanted }, { log: silentLog, clock: systemClock }))
    t.like(error, { code: 'edge.port.taken', message: `UDP port ${port} of 127.0.0.1 is taken by another program` })
  }
})

test('the edge ends with the process that runs it, even when that is killed', async (t) => {
  const config = await edgeConfig(t, certificates, [5080])
  const script = `
    import { startEdge } from '#kamailio'
    import { silentLog, systemClock } from '#kernel'
    const edge = await startEdge(${JSON.stringify(config)}, { log: silentLog, clock: systemClock })
    process.stdout.write(String(edge.pid()))`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const pid = await new Promise<number>((resolve) => child.stdout.once('data', (data) => resolve(Number(data))))
  t.true(existsSync(`/proc/${pid}`))
  child.kill('SIGKILL')
  for (let waited = 0; existsSync(`/proc/${pid}`) && waited < 5000; waited += 50) await sleep(50)
  t.false(existsSync(`/proc/${pid}`))
})

test('what cannot be used is said before anything starts', async (t) => {
  const config = await edgeConfig(t, certificates, [5080])
  const error = t.throws(() =>
    renderEdge({
      ...config,
      realm: 'a"b',
      allowlist: [{ network: '300.1.1.1/40', name: '' }],
      credentials: [{ user: 'a b', ha1Md5: 'x', ha1Sha256: null }]
    })
  )
  t.regex(error.message, /allowlist\[0\].*realm.*credentials\[0\]\.user.*ha1Md5/)
  const { certificate, key } = await issueCertificate(certificates.authority, {
    name: 'old',
    commonName: 'edge.test',
    usage: 'server',
    notBefore: new Date(0),
    notAfter: new Date(86_400_000)
  })
  await t.throwsAsync(
    startEdge({ ...config, tls: { ...config.tls, certificate, key } }, { log: silentLog, clock: systemClock }),
    { code: 'edge.certificate.invalid' }
  )
  await t.throwsAsync(
    startEdge({ ...config, listen: { tls: { address: '203.0.113.77', port: 5061 } } }, { log: silentLog, clock: systemClock }),
    { code: 'edge.start.failed' }
  )
})

for (const profile of ['development', 'production'] as const) {
  for (const extra of [{}, { allowDigestWithoutQop: true, h323Gateways: [{ address: '127.0.0.1', port: 1720 }], debug: true }]) {
    test(`kamailio -c takes the ${profile} profile${'debug' in extra ? ' with every option' : ''}`, async (t) => {
      const config = await edgeConfig(t, certificates, [5080])
      await t.notThrowsAsync(writeEdge({ ...config, profile, ...extra }))
    })
  }
}

test('the edge writes down what became of each call in a file of its own', async (t) => {
  const { app, phone, config } = await rig(t, certificates)
  app.answer = answering(() => app.port)
  const one = await phone()
  t.is((await one.call()).startLine, 'SIP/2.0 200 OK')
  t.is((await one.call()).startLine, 'SIP/2.0 200 OK')
  t.is((await one.call({ password: 'wrong' })).startLine, 'SIP/2.0 403 Forbidden')
  app.answer = (request) => reply(request, 503, 'Service Unavailable')
  t.regex((await one.call()).startLine, /^SIP\/2.0 50[03] /)
  const read = () => readFileSync(`${config.runtimeDir}/accounting.jsonl`, 'utf8').trimEnd().split('\n')
  app.answer = (request) => reply(request, 400, 'Bad Request', ['Session-ID: 0;remote=0'])
  t.regex((await one.call()).startLine, /^SIP\/2.0 400 /)
  app.answer = (request) => reply(request, 400, 'Bad Request')
  t.regex((await one.call()).startLine, /^SIP\/2.0 400 /)
  while (read().length < 8) await sleep(20)
  const lines = read()
  const facts = lines.map((line) => JSON.parse(line) as { time: number; callId: string; fromTag: string; outcome: string })
  t.deepEqual(
    facts.map(({ outcome }) => outcome),
    ['relayed', 'relayed', 'refused', 'relayed', 'unanswered', 'relayed', 'relayed', 'unanswered'],
    'what the application refuses is its call; what its SIP server refuses by itself it never saw'
  )
  t.true(facts.every(({ fromTag }) => fromTag === 'phone'))
  t.is(facts[3]!.callId, facts[4]!.callId)
  t.is(facts[6]!.callId, facts[7]!.callId)
  t.is(new Set(facts.map(({ callId }) => callId)).size, 6)
})
