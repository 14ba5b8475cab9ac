/** What the edge lets in and what it refuses, layer by layer. */
import { execFile } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { issueCertificate } from '#kamailio'
import { answering, authorityOf, authorize, Phone, parse, reached, reply, rig } from './testing/harness.ts'

const certificates = await authorityOf()
test.after.always(() => rmSync(certificates.authority.dir, { recursive: true, force: true }))

test('an expert over TLS: challenged, authenticated by SHA-256, taken to the application with the facts of the edge', async (t) => {
  const { app, phone } = await rig(t, certificates)
  app.answer = answering(app)
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
  app.answer = answering(app)
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
  app.answer = answering(app)
  const claims = [
    'X-IF-Edge-User: somebody',
    'x-if-edge-layers: all',
    'X-IF-EDGE-SOURCE : 203.0.113.1',
    'X-IF-Edge-Certificate: sip:root@council',
    'P-Asserted-Identity: <sip:root@council>',
    // a Route set that no dialog of ours gave (RFC 3261 §16.4)
    'Route: <sip:203.0.113.1;lr>'
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
  app.answer = answering(app)
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
  app.answer = answering(app)
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

test('layer digest: a nonce is good for the address alone that was given it', async (t) => {
  const { app, config } = await rig(t, certificates)
  app.answer = answering(app)
  const at = (localAddress: string) => Phone.open(t, config.listen.tls.port, { rejectUnauthorized: false, localAddress })
  const challenge = await (await at('127.0.0.1')).ask({ callId: 'given' })
  const elsewhere = await (await at('127.0.0.2')).ask({ callId: 'given', cseq: 2, headers: [authorize(challenge)] })
  t.is(elsewhere.startLine, 'SIP/2.0 407 Proxy Authentication Required')
  t.regex(elsewhere.get('Proxy-Authenticate')!, /stale=true/)
  t.deepEqual(reached(app), [])
  const there = await (await at('127.0.0.1')).ask({ callId: 'given', cseq: 3, headers: [authorize(challenge)] })
  t.is(there.startLine, 'SIP/2.0 200 OK')
})

test('layer digest: an algorithm is a token, whatever its case', async (t) => {
  const { app, phone } = await rig(t, certificates)
  app.answer = answering(app)
  const one = await phone()
  const credentials = authorize(await one.ask({ callId: 'case' })).replace('algorithm=SHA-256', 'algorithm=sha-256')
  t.is((await one.ask({ callId: 'case', cseq: 2, headers: [credentials] })).startLine, 'SIP/2.0 200 OK')
  t.is((await app.inbox.next(({ startLine }) => startLine.startsWith('INVITE'))).get('X-IF-Edge-Digest'), 'SHA-256')
})

for (const [what, spoil, code] of [
  ['a user with a quote', (line: string) => line.replace('username="', 'username="a\\"b'), 'edge.digest.malformed'],
  ['no nonce count', (line: string) => line.replace(', nc=00000001', ''), 'edge.digest.malformed'],
  ['another realm', (line: string) => line.replace('realm="infrafabric"', 'realm="other"'), null],
  ['two of them', (line: string) => `${line}\r\n${line}`, 'edge.digest.malformed']
] as const) {
  test(`layer digest: credentials with ${what} are ${code === null ? 'passed over' : 'refused'}`, async (t) => {
    const { app, phone } = await rig(t, certificates)
    const one = await phone()
    const answer = await one.ask({ headers: [spoil(authorize(await one.ask()))] })
    t.is(answer.startLine, code === null ? 'SIP/2.0 407 Proxy Authentication Required' : 'SIP/2.0 403 Forbidden')
    if (code !== null) t.like(await app.report(), { layer: 'digest', code, status: 403 })
    t.deepEqual(reached(app), [])
  })
}

test('layer digest: credentials for one conference open no other', async (t) => {
  const { app, phone } = await rig(t, certificates)
  app.answer = answering(app)
  const one = await phone()
  const answer = await one.ask({ to: 'council-ethics', cseq: 2, headers: [authorize(await one.ask())] })
  t.is(answer.startLine, 'SIP/2.0 403 Forbidden')
  t.like(await app.report(), { layer: 'digest', code: 'edge.digest.uri-mismatch', status: 403 })
  t.deepEqual(reached(app), [])
})

test('layer digest: who has guessed as often as an address may ask in ten seconds is not answered any more; a call that goes on is left alone', async (t) => {
  const { app, phone } = await rig(t, certificates, () => ({ limits: { pikeRequests: 30, pikeSeconds: 1 } }))
  app.answer = answering(app)
  const one = await phone()
  const call = await one.call({ callId: 'goes-on' })
  const routes = call.all('Record-Route').join(',').split(',').reverse()
  for (let n = 0; n < 30; n++) {
    t.is((await one.call({ password: `guess ${n}` })).startLine, 'SIP/2.0 403 Forbidden')
    // slower than what layer pike counts
    await sleep(100)
  }
  one.send(one.request({ callId: 'more' }))
  for (;;) {
    const report = await app.report()
    if (report.code !== 'edge.digest.guessing') continue
    t.like(report, { layer: 'digest', status: 0 })
    break
  }
  const inside = { callId: 'goes-on', toTag: 'app', requestUri: `sip:127.0.0.1:${app.port}` }
  const bye = await one.ask({ ...inside, method: 'BYE', cseq: 3, headers: routes.map((route) => `Route: ${route.trim()}`) })
  t.is(bye.startLine, 'SIP/2.0 200 OK')
  t.false(one.inbox.messages.some((message) => message.get('Call-ID') === 'more'))
})

test('layer pike: a scanner that tells its name is not answered, recorded, and over a connection makes no call for five minutes', async (t) => {
  const { app, phone } = await rig(t, certificates)
  app.answer = answering(app)
  const one = await phone()
  one.send(one.request({ callId: 'scan', headers: ['User-Agent: friendly-scanner'] }))
  t.like(await app.report(), { layer: 'pike', code: 'edge.pike.scanner', status: 0 })
  one.send(one.request({ callId: 'disguised' }))
  t.like(await app.report(), { layer: 'digest', code: 'edge.digest.guessing', status: 0 })
  t.deepEqual([...one.inbox.messages, ...reached(app)], [])
})

test('layer rate: the eleventh call of an expert in a minute', async (t) => {
  const { app, phone } = await rig(t, certificates)
  app.answer = answering(app)
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
  app.answer = answering(app)
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
  app.answer = answering(app)
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
  // of what the certificate's key could do, what has no authenticated encryption
  t.false(await handshake('-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384:AES128-SHA'))
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

test('what a caller wrote is data in a report: quotes, backslashes, odd octets, length', async (t) => {
  const { app, phone } = await rig(t, certificates, () => ({ allowlist: [{ network: '203.0.113.0/24', name: 'x' }] }))
  await (await phone()).ask({ callId: `"},"layer":"witness\\${'z'.repeat(300)}`, headers: ['X-IF-Trace-ID: tr\u00e4ce"'] })
  const report = await app.report()
  t.is(report.layer, 'allowlist')
  t.is((report.callId as string).length, 128)
  t.true((report.callId as string).startsWith('"},"layer":"witness\\z'))
})
