/** Calls through the edge: to the phone and back, to one application server or another. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { startEdge } from '#kamailio'
import { silentLog, systemClock } from '#kernel'
import {
  Application,
  answering,
  authorityOf,
  authorize,
  edgeConfig,
  freePort,
  Phone,
  parse,
  reached,
  reply,
  rig
} from './testing/harness.ts'

const certificates = await authorityOf()
test.after.always(() => rmSync(certificates.authority.dir, { recursive: true, force: true }))

test('a whole call: in-dialog requests both ways follow the Route set, to the phone over the connection it opened', async (t) => {
  const { app, phone, config } = await rig(t, certificates)
  app.answer = answering(app)
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
  app.answer = answering(app)
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

test('what a phone sends in a row over UDP is read in that order: a BYE does not overtake its ACK', async (t) => {
  const udp = { address: '127.0.0.1', port: await freePort() }
  const { config } = await rig(t, certificates, ({ listen }) => ({ listen: { ...listen, udp }, children: 2 }))
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  t.teardown(() => socket.close())
  await once(socket, 'listening')
  // as many at once as the system keeps for a socket
  const atOnce = 50
  for (let first = 1; first < 301; first += atOnce) {
    const sent = Array.from({ length: atOnce }, (_, n) => first + n)
    const order: number[] = []
    const all = Promise.withResolvers<void>()
    socket.removeAllListeners('message').on('message', (data) => {
      order.push(Number(parse(data.toString('latin1')).get('CSeq')!.split(' ')[0]))
      if (order.length === atOnce) all.resolve()
    })
    for (const n of sent) {
      const text = [
        `OPTIONS sip:127.0.0.1:${config.listen.udp!.port} SIP/2.0`,
        `Via: SIP/2.0/UDP 127.0.0.1:${socket.address().port};rport;branch=z9hG4bK${n}`,
        'Max-Forwards: 70',
        'From: <sip:expert-safety@edge.test>;tag=row',
        'To: <sip:edge.test>',
        `Call-ID: row-${n}`,
        `CSeq: ${n} OPTIONS`,
        'Content-Length: 0\r\n\r\n'
      ].join('\r\n')
      socket.send(text, udp.port, udp.address)
    }
    await all.promise
    t.deepEqual(order, sent)
  }
})

test('RFC 3581: a phone behind NAT is answered where its packets come from, whether its Via asks for that or not', async (t) => {
  const udp = { address: '127.0.0.1', port: await freePort() }
  await rig(t, certificates, ({ listen }) => ({ listen: { ...listen, udp } }))
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  t.teardown(() => socket.close())
  await once(socket, 'listening')
  for (const asks of ['', ';rport']) {
    const text = [
      `OPTIONS sip:127.0.0.1:${udp.port} SIP/2.0`,
      `Via: SIP/2.0/UDP 192.0.2.55:5099;branch=z9hG4bKnat${asks.length}${asks}`,
      'Max-Forwards: 70',
      'From: <sip:expert-safety@edge.test>;tag=nat',
      'To: <sip:edge.test>',
      `Call-ID: nat${asks.length}`,
      'CSeq: 1 OPTIONS',
      'Content-Length: 0\r\n\r\n'
    ].join('\r\n')
    socket.send(text, udp.port, udp.address)
    const [data] = await once(socket, 'message', { signal: AbortSignal.timeout(5000) })
    const answer = parse(data.toString('latin1'))
    t.is(answer.startLine, 'SIP/2.0 200 OK')
    t.regex(answer.get('Via')!, new RegExp(`;rport=${socket.address().port}(?:;|$)`))
    t.regex(answer.get('Via')!, /;received=127\.0\.0\.1(?:;|$)/)
  }
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
  second.answer = answering(second)
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
  app.answer = answering(app)
  t.is((await one.call()).startLine, 'SIP/2.0 200 OK')
})

test('an application server that says 503 hands the call to the next', async (t) => {
  const [draining, ready] = [await Application.open(t), await Application.open(t)]
  draining.answer = (request) =>
    request.startLine.startsWith('ACK') ? null : reply(request, 503, 'Service Unavailable', ['Retry-After: 10'])
  ready.answer = answering(ready)
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

test('the edge writes down what became of each call in a file of its own', async (t) => {
  const { app, phone, config } = await rig(t, certificates)
  app.answer = answering(app)
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
