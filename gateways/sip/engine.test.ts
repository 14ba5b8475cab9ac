/** The application on a real drachtio server (the embedded one), real drachtio-srf and a SIP phone over TCP; guard, conference and witness in memory. */
import { Writable } from 'node:stream'
import test, { type ExecutionContext } from 'ava'
import { createLog, errorCode, silentLog } from '#kernel'
import { createSipServer } from '#sip-engine'
import { type ResponseSeen, type SipApplicationConfig, startSipApplication } from './sip.ts'
import { fakeConference, memoryWitness, scriptedGuard } from './testing/fake-ports.ts'
import { header, openPhone, type PhoneOptions, statusOf } from './testing/phone.ts'

const secret = 'engine test'
const edge = {
  'X-IF-Edge-Source': '192.0.2.7',
  'X-IF-Edge-Transport': 'tls',
  'X-IF-Edge-TLS-Version': 'TLSv1.3',
  'X-IF-Edge-User': 'expert-safety',
  'X-IF-Edge-Layers': 'pike,allowlist,tls,digest,rate'
}
const sdp = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=phone-sdp\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n'

async function start(t: ExecutionContext, config: Partial<SipApplicationConfig> = {}, timers: Record<string, number> = {}) {
  const lines: string[] = []
  const destination = new Writable({
    write: (chunk, _encoding, done) => {
      lines.push(String(chunk))
      done()
    }
  })
  const engine = await createSipServer({
    listen: [{ transport: 'tcp', address: '127.0.0.1', port: 0 }],
    admin: { address: '127.0.0.1', port: 0, secret },
    log: silentLog,
    timers
  })
  const witness = memoryWitness()
  const guard = scriptedGuard()
  const conference = fakeConference()
  const responses: ResponseSeen[] = []
  const application = await startSipApplication(
    { drachtio: { host: '127.0.0.1', port: engine.adminPort, secret }, ...config },
    {
      witness,
      guard,
      conference,
      log: createLog({ name: 'sip', level: 'debug', destination }),
      onResponse: (seen) => responses.push(seen)
    }
  )
  t.teardown(async () => {
    await application.close()
    await engine.close()
  })
  const phone = async (options: Partial<PhoneOptions> = {}) => {
    const opened = await openPhone({ port: engine.addresses[0]!.port, uri: 'sip:expert-safety@external.advisor', ...options })
    t.teardown(opened.close)
    return opened
  }
  return { engine, application, witness, guard, conference, phone, lines, responses }
}

async function until(what: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 5000; !what(); ) {
    if (Date.now() > deadline) throw new Error('waited 5 s in vain')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

test('a call is set up, modified and ended by the caller', async (t) => {
  const { phone, witness, conference, application } = await start(t)
  const caller = await phone()
  const call = await caller.invite({ sdp, headers: () => ({ ...edge, 'Session-ID': 'a'.repeat(32) }) })
  t.is(call.status, 200)
  t.deepEqual(call.provisional, [100])
  t.is(call.response.body, 'v=0\r\ns=answer\r\n')
  t.is(header(call.response, 'content-type'), 'application/sdp')
  t.regex(header(call.response, 'session-id')!, /^[0-9a-f]{32};remote=a{32}$/)
  await until(() => witness.names().includes('BRIDGE_ESTABLISHED'))

  conference.legs[0]!.held = true
  const hold = await call.request('INVITE', { body: sdp.replace('s=', 'a=sendonly\r\ns=') })
  t.is(statusOf(hold), 200)
  t.is(hold.body, 'v=0\r\ns=reanswer\r\n')
  t.is(application.calls()[0]!.bridge, 'HOLD')
  conference.legs[0]!.held = false
  t.is(statusOf(await call.request('UPDATE', { body: sdp })), 200)
  t.is(application.calls()[0]!.bridge, 'CONNECTED')
  t.is(statusOf(await call.request('OPTIONS')), 200)
  t.is(statusOf(await call.request('MESSAGE', { headers: { 'Content-Type': 'text/plain' }, body: 'hi' })), 405)
  const keys = { headers: { 'Content-Type': 'application/dtmf-relay' }, body: 'Signal=3\r\nDuration=100\r\n' }
  t.is(statusOf(await call.request('INFO', keys)), 200)

  t.is(statusOf(await call.bye()), 200)
  await until(() => application.stats().active === 0)
  t.is(conference.legs[0]!.left, 1)
  t.like(witness.payload('TERMINATED'), { hungUpBy: 'caller', reason: 'bye' })
  t.is(statusOf(await call.request('UPDATE')), 481)
})

test('what a request in the dialog demands and is not understood is named, and the call goes on', async (t) => {
  const { phone } = await start(t)
  const call = await (await phone()).invite({ sdp, headers: () => edge })
  const unsupported = await call.request('INVITE', { headers: { Require: 'precondition' }, body: sdp })
  t.is(statusOf(unsupported), 420)
  t.is(header(unsupported, 'Unsupported'), 'precondition')
  t.is(statusOf(await call.request('INVITE', { body: sdp })), 200)
  await call.bye()
})

test('we end a call with BYE, and the reason goes with it', async (t) => {
  const { phone, conference, application } = await start(t)
  const call = await (await phone()).invite({ sdp, headers: () => edge })
  conference.legs[0]!.emit({ type: 'mediaTimeout', silentMs: 30_000 })
  const bye = await call.ended()
  t.is(header(bye, 'reason'), 'SIP;cause=408;text="Media timeout"')
  await until(() => application.stats().active === 0)
})

test('every response is told once, that to a BYE too, which drachtio-srf gives by itself', async (t) => {
  const { phone, conference, application, responses } = await start(t)
  const told = () => responses.map(({ method, status, direction }) => `${direction} ${status} ${method}`)
  const caller = await phone()
  const call = await caller.invite({ sdp, headers: () => edge })
  await call.request('INVITE', { body: sdp })
  await call.request('MESSAGE', { headers: { 'Content-Type': 'text/plain' }, body: 'hi' })
  await call.bye()
  t.deepEqual(told(), ['sent 200 INVITE', 'sent 200 INVITE', 'sent 405 MESSAGE', 'sent 200 BYE'])
  t.true(responses.every(({ afterMs }) => afterMs >= 0 && afterMs < 5000))

  responses.splice(0)
  const other = await (await phone()).invite({ sdp, headers: () => edge })
  conference.legs[1]!.emit({ type: 'mediaTimeout', silentMs: 30_000 })
  await other.ended()
  await until(() => application.stats().active === 0)
  t.deepEqual(told(), ['sent 200 INVITE', 'received 200 BYE'])
})

test('a late offer is made and answered', async (t) => {
  const { phone, witness, conference } = await start(t)
  const call = await (await phone()).invite({ headers: () => edge, answer: () => sdp })
  t.is(call.response.body, 'v=0\r\ns=offer\r\n')
  await until(() => witness.names().includes('CONNECTED'))
  t.deepEqual(conference.legs[0]!.answers, [sdp])
  await call.bye()
})

test('CANCEL while the conference is being joined', async (t) => {
  const { phone, witness, conference, application } = await start(t)
  const gate = Promise.withResolvers<void>()
  conference.gate = gate.promise
  const caller = await phone()
  const call = await caller.invite({
    sdp,
    headers: () => edge,
    onSent: (cancel) => void until(() => witness.names().includes('policy_decision')).then(cancel)
  })
  t.is(call.status, 487)
  await until(() => witness.names().includes('sip_cancel_received'))
  gate.resolve()
  await until(() => application.stats().active === 0)
  await until(() => conference.legs[0]?.left === 1)
  t.like(witness.payload('TERMINATED'), { hungUpBy: 'caller', reason: 'cancelled' })
})

test('many CANCELs, each racing its 200: nothing is left over', async (t) => {
  const { phone, conference, application } = await start(t)
  const caller = await phone()
  const statuses: number[] = []
  for (let i = 0; i < 30; i++) {
    const call = await caller.invite({
      sdp,
      headers: () => edge,
      onSent: (cancel) => void setTimeout(cancel, i % 10)
    })
    statuses.push(call.status)
    if (call.status === 200) await Promise.race([call.ended(), call.bye().catch(() => undefined)])
  }
  await until(() => application.stats().active === 0)
  t.true(statuses.every((status) => status === 200 || status === 487))
  t.true(conference.legs.every((leg) => leg.left === 1))
})

test('a caller that never sends the ACK is hung up on', async (t) => {
  const { phone, witness, application } = await start(t, {}, { t1Ms: 10, t2Ms: 40 })
  const call = await (await phone()).invite({ sdp, headers: () => edge, withoutAck: true })
  t.is(call.status, 200)
  await call.ended()
  await until(() => application.stats().active === 0)
  t.like(witness.payload('TERMINATED'), { hungUpBy: 'sip-server', reason: 'ack-timeout' })
})

test('refusals reach the caller with status and Reason and nothing else of ours', async (t) => {
  const { phone, guard, witness } = await start(t)
  guard.decision = { verdict: 'reject', code: 'guard.registered.unknown', reason: 'nobody knows this secret thing' }
  const caller = await phone()
  const call = await caller.invite({ sdp, headers: () => edge })
  t.is(call.status, 403)
  t.is(header(call.response, 'reason'), 'Q.850;cause=21;text="Call rejected"')
  t.notRegex(JSON.stringify(call.response), /secret thing|guard\./)
  const short = await caller.invite({ sdp, headers: () => ({ ...edge, Supported: 'timer', 'Session-Expires': '20' }) })
  t.is(short.status, 422)
  t.is(header(short.response, 'min-se'), '90')
  const smuggled = await caller.invite({ sdp, headers: () => ({ ...edge, '%58-IF-Edge-Certificate': 'sip:ceo@x' }) })
  t.true(smuggled.status === 400 || smuggled.status === 403)
  await until(() => witness.names().includes('SECURITY_REJECTED'))
})

test('an ACK that is read with the BYE behind it establishes the call before it ends', async (t) => {
  const { phone, witness, application } = await start(t)
  const caller = await phone()
  const { response, callId } = await caller.invite({ sdp, headers: () => edge, withoutAck: true })
  const target = /<([^>]+)>/.exec(header(response, 'contact')!)![1]
  const request = (method: string, cseq: number) =>
    `${method} ${target} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;rport;branch=z9hG4bK${method}\r\nMax-Forwards: 70\r\nFrom: ${header(response, 'from')}\r\n` +
    `To: ${header(response, 'to')}\r\nCall-ID: ${callId}\r\nCSeq: ${cseq} ${method}\r\nContent-Length: 0\r\n\r\n`
  caller.sendRaw(request('ACK', 1) + request('BYE', 2))
  await until(() => application.stats().active === 0)
  t.is(witness.names().filter((event) => event === 'CONNECTED').length, 1)
  t.true(witness.names().indexOf('CONNECTED') < witness.names().indexOf('sip_bye_received'))
  t.like(witness.payload('TERMINATED'), { hungUpBy: 'caller', reason: 'bye' })
})

test('a session timer is agreed on', async (t) => {
  const { phone } = await start(t)
  const call = await (await phone()).invite({ sdp, headers: () => ({ ...edge, Supported: 'timer', 'Session-Expires': '600' }) })
  t.is(header(call.response, 'session-expires'), '600;refresher=uac')
  t.is(header(call.response, 'require'), 'timer')
  await call.bye()
})

test('a report of the edge is taken and written', async (t) => {
  const { phone, witness } = await start(t)
  const report = {
    layer: 'pike',
    code: 'edge.pike.flood',
    status: 0,
    method: 'INVITE',
    source: '203.0.113.9',
    transport: 'udp',
    callId: 'x@y',
    from: 'sip:a@b',
    to: 'sip:c@d',
    user: null,
    traceId: null,
    count: 31
  }
  const answer = await (await phone()).request(
    'PUBLISH',
    { Event: 'x-if-edge', 'Content-Type': 'application/json' },
    JSON.stringify(report)
  )
  t.is(statusOf(answer), 200)
  await until(() => witness.entries.length === 1)
  t.deepEqual(witness.entries[0]!.payload, report)
})

test('an application that shuts down hangs up on its calls', async (t) => {
  const { phone, application, witness } = await start(t)
  const call = await (await phone()).invite({ sdp, headers: () => edge })
  const closed = application.close()
  t.is(header(await call.ended(), 'reason'), 'SIP;cause=503;text="Service shutting down"')
  await closed
  t.like(witness.payload('TERMINATED'), { hungUpBy: 'application', reason: 'draining' })
})

test('a server that goes away ends the calls in the record, and the application comes back to a new one', async (t) => {
  const first = await createSipServer({
    listen: [{ transport: 'tcp', address: '127.0.0.1', port: 0 }],
    admin: { address: '127.0.0.1', port: 0, secret },
    log: silentLog
  })
  const witness = memoryWitness()
  const states: string[] = []
  const application = await startSipApplication(
    { drachtio: { host: '127.0.0.1', port: first.adminPort, secret } },
    { witness, guard: scriptedGuard(), conference: fakeConference(), log: silentLog }
  )
  application.onEvent((event) => event.type === 'signalling' && states.push(event.state))
  const phone = await openPhone({ port: first.addresses[0]!.port, uri: 'sip:expert-safety@external.advisor' })
  await phone.invite({ sdp, headers: () => edge })
  await first.close()
  await until(() => application.stats().active === 0)
  t.like(witness.payload('TERMINATED'), { hungUpBy: 'sip-server', reason: 'signalling-lost' })
  const second = await createSipServer({
    listen: [{ transport: 'tcp', address: '127.0.0.1', port: 0 }],
    admin: { address: '127.0.0.1', port: first.adminPort, secret },
    log: silentLog
  })
  await until(() => states.includes('connected'))
  const again = await openPhone({ port: second.addresses[0]!.port, uri: 'sip:expert-safety@external.advisor' })
  await until(() => second.stats().applications === 1)
  const call = await again.invite({ sdp, headers: () => edge })
  t.is(call.status, 200)
  phone.close()
  again.close()
  await application.close()
  await second.close()
})

test('a wrong secret fails the start', async (t) => {
  const engine = await createSipServer({
    listen: [{ transport: 'tcp', address: '127.0.0.1', port: 0 }],
    admin: { address: '127.0.0.1', port: 0, secret },
    log: silentLog
  })
  const error = await t.throwsAsync(
    startSipApplication(
      { drachtio: { host: '127.0.0.1', port: engine.adminPort, secret: 'wrong' } },
      { witness: memoryWitness(), guard: scriptedGuard(), conference: fakeConference(), log: silentLog }
    )
  )
  t.is(errorCode(error), 'sip.server.refused')
  await engine.close()
})

test('no log line holds a session description, a signature or credentials', async (t) => {
  const { phone, lines, guard } = await start(t)
  const caller = await phone()
  const signed = {
    ...edge,
    'X-IF-Signature': 'v=1;kid=k;iat=1;nonce=n;sig=very-secret-signature',
    Authorization: 'Digest response="topsecret"'
  }
  const call = await caller.invite({ sdp, headers: () => signed })
  await call.request('INVITE', { body: sdp })
  await call.bye()
  guard.decision = { verdict: 'reject', code: 'guard.signature.invalid', reason: 'x', security: true }
  await caller.invite({ sdp, headers: () => signed })
  t.notRegex(lines.join(''), /phone-sdp|very-secret-signature|topsecret/)
})
