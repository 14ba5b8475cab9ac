import { spawn } from 'node:child_process'
import { once } from 'node:events'
import test from 'ava'
import { type ConferencePort, errorCode, manualClock, silentLog } from '#kernel'
import { runSipApplication } from './application.ts'
import type { SipApplicationConfig } from './config.ts'
import type { OpenCall } from './dialog/left-dialogs.ts'
import type { SipApplicationEvent } from './record/events.ts'
import { fakeConference, memoryWitness, scriptedGuard } from './testing/fake-ports.ts'
import { fakeServer, type RequestOptions } from './testing/fake-server.ts'
import { settled } from './testing/settled.ts'

async function start(config: Partial<SipApplicationConfig> = {}, openCalls: readonly OpenCall[] = []) {
  const clock = manualClock()
  const witness = memoryWitness()
  const guard = scriptedGuard()
  const conference = fakeConference()
  const server = fakeServer()
  const events: SipApplicationEvent[] = []
  const application = await runSipApplication(
    { drachtio: { host: '127.0.0.1', port: 9022, secret: 'secret' }, ...config },
    { witness, guard, conference, log: silentLog, clock, openCalls: async () => openCalls },
    server
  )
  application.onEvent((event) => events.push(event))
  /** INVITE up to the established call. */
  const establish = async (options: RequestOptions = {}) => {
    const invite = server.receive('INVITE', options)
    await settled()
    const dialog = server.dialogs.at(-1)!
    dialog.ack()
    await settled()
    return { invite, dialog, leg: conference.legs.at(-1)! }
  }
  return { application, clock, witness, guard, conference, server, events, establish }
}

test('an approved call is answered, established, ended by the caller, and every step stands in the record', async (t) => {
  const { application, witness, server, establish, events, clock, guard } = await start()
  const { invite, dialog, leg } = await establish({ headers: { 'X-IF-Trace-ID': 'case-42', 'Session-ID': 'a'.repeat(32) } })
  t.deepEqual(
    invite.sent.map((response) => response.status),
    [200]
  )
  t.like(invite.last(), { body: 'v=0\r\ns=answer\r\n' })
  t.is(application.stats().active, 1)
  t.like(application.calls()[0], { state: 'established', bridge: 'CONNECTED', conference: 'council', hazard: 'safety' })
  clock.advance(61_000)
  dialog.bye()
  await settled()

  t.deepEqual(witness.names(), [
    'sip_invite_received',
    'INVITE',
    'policy_decision',
    'BRIDGE_STATE_CHANGED',
    'sip_200_ok',
    'sip_dialog_established',
    'CONNECTED',
    'BRIDGE_STATE_CHANGED',
    'BRIDGE_ESTABLISHED',
    'sip_bye_received',
    'BRIDGE_STATE_CHANGED',
    'BRIDGE_STATE_CHANGED',
    'TERMINATED'
  ])
  const traceIds = new Set(witness.entries.map((entry) => entry.traceId))
  t.is(traceIds.size, 1)
  t.true(witness.entries.every((entry) => entry.parentTraceId === 'case-42' && entry.payload.callId === guard.asked[0]!.callId))
  t.is(invite.last()!.headers['Session-ID'], `${[...traceIds][0]};remote=${'a'.repeat(32)}`)
  t.like(witness.payload('policy_decision'), {
    verdict: 'approve',
    expertId: 'expert-safety',
    edgeLayers: ['pike', 'allowlist', 'tls', 'digest', 'rate']
  })
  t.like(witness.payload('sip_dialog_established'), { codec: 'PCMU', localTag: 'local', remoteTag: 'from1' })
  t.like(witness.payload('TERMINATED'), { hungUpBy: 'caller', reason: 'bye', durationMs: 61_000, conference: 'council' })
  t.deepEqual(
    witness.entries.map(({ payload }) => payload.seq),
    witness.entries.map((_, number) => number)
  )
  t.is(witness.entries.at(-1)!.payload.entries, witness.entries.length)
  t.deepEqual(
    witness.entries
      .filter((entry) => entry.event === 'BRIDGE_STATE_CHANGED')
      .map(({ payload }) => `${payload.previous}→${payload.state}`),
    ['IDLE→SETUP', 'SETUP→CONNECTED', 'CONNECTED→DISCONNECTING', 'DISCONNECTING→DISCONNECTED']
  )
  t.is(leg.left, 1)
  t.is(application.stats().active, 0)
  t.deepEqual(
    events.filter((event) => event.type !== 'bridge').map((event) => event.type),
    ['received', 'decided', 'answered', 'established', 'ended']
  )
  t.is(server.dialogs.length, 1)
  t.is(clock.pending(), 0)
})

test('the record holds an SDP by its hash and never its text', async (t) => {
  const { witness, establish } = await start()
  await establish({ body: 'v=0\r\ns=very-secret\r\n' })
  const record = JSON.stringify(witness.entries)
  t.notRegex(record, /very-secret|s=answer/)
  t.regex(String(witness.payload('sip_invite_received')!.sdpSha256), /^[0-9a-f]{64}$/)
})

test('IF.guard is asked about what the edge vouches for and what the caller signed', async (t) => {
  const { guard, witness, establish } = await start()
  guard.decision = {
    findings: [{ policy: 'signature', verdict: 'pass', code: 'guard.signature.verified', reason: 'verified' }]
  }
  await establish({ headers: { 'X-IF-Hazard': 'alignment', 'X-IF-Signature': 'v=1;kid=0123456789abcdef;iat=1;nonce=x;sig=y' } })
  t.like(guard.asked[0], {
    direction: 'inbound',
    method: 'INVITE',
    cseq: 1,
    fromUri: 'sip:expert-safety@external.advisor',
    toUri: 'sip:council-safety@127.0.0.1',
    claimedTraceId: null,
    hazard: 'alignment',
    edge: { sourceAddress: '192.0.2.7', transport: 'tls', authenticatedUser: 'expert-safety' }
  })
  t.is(Buffer.from(guard.asked[0]!.body).toString(), 'v=0\r\ns=offer\r\n')
  t.like(witness.payload('sip_hash_verified'), { keyId: '0123456789abcdef' })
})

test('a refusal of IF.guard shows nothing of its grounds to the caller', async (t) => {
  const { guard, witness, server, conference, application } = await start()
  guard.decision = { verdict: 'reject', code: 'guard.signature.replayed', reason: 'nonce 7 seen at noon', security: true }
  const invite = server.receive('INVITE')
  await settled()
  t.is(invite.status(), 403)
  t.is(invite.last()!.headers.Reason, 'Q.850;cause=21;text="Call rejected"')
  t.is(invite.last()!.headers['X-IF-Guard'], 'attack', 'for the edge, which removes it')
  t.notRegex(JSON.stringify(invite.sent), /replayed|nonce|noon|guard/)
  t.like(witness.payload('SECURITY_REJECTED'), { layer: 'policy', code: 'guard.signature.replayed', status: 403 })
  t.is(witness.entries.at(-1)!.payload.entries, witness.entries.length)
  t.is(conference.legs.length, 0)
  t.like(application.stats(), { active: 0, securityRejected: 1, rejected: 0 })
})

test('a mistake is REJECTED, an attack is SECURITY_REJECTED', async (t) => {
  const { guard, witness, server } = await start()
  guard.decision = { verdict: 'reject', code: 'guard.rate.exceeded', reason: 'eleventh call', security: false }
  const invite = server.receive('INVITE')
  await settled()
  t.is(invite.status(), 480)
  t.is(invite.last()!.headers['Retry-After'], '60')
  t.is(invite.last()!.headers['X-IF-Guard'], undefined)
  t.true(witness.names().includes('REJECTED'))
})

test('no record, no call: the 200 waits for the entries that policy demands', async (t) => {
  const { witness, server } = await start()
  const gate = Promise.withResolvers<void>()
  witness.gate = gate.promise
  const invite = server.receive('INVITE')
  await settled()
  t.is(invite.status(), null)
  gate.resolve()
  await settled()
  t.is(invite.status(), 200)
})

test('no record, no call: an entry that nobody takes refuses the call at layer witness', async (t) => {
  const { witness, server, conference, application } = await start()
  witness.refuse.add('policy_decision')
  const invite = server.receive('INVITE')
  await settled()
  t.is(invite.status(), 503)
  t.is(invite.last()!.headers['Retry-After'], '10')
  t.like(witness.payload('REJECTED'), { layer: 'witness', code: 'witness.unrecorded' })
  t.is(conference.legs[0]!.left, 1)
  t.is(application.stats().unrecorded, 1)
})

test('an entry that policy does not demand may be lost without losing the call', async (t) => {
  const { witness, establish, application } = await start()
  witness.refuse.add('sip_200_ok')
  const { invite } = await establish()
  t.is(invite.status(), 200)
  t.is(application.stats().unrecorded, 1)
})

test('what the conference refuses becomes the right status', async (t) => {
  const { conference, server, witness } = await start()
  conference.refusal = { ok: false, code: 'conference.full', reason: '50 are in it' }
  const full = server.receive('INVITE')
  await settled()
  conference.refusal = { ok: false, code: 'sdp.no-common-codec', reason: 'only EVS' }
  const codec = server.receive('INVITE')
  await settled()
  conference.refusal = null
  conference.failure = new Error('worker gone')
  const failed = server.receive('INVITE')
  await settled()
  t.deepEqual([full.status(), codec.status(), failed.status()], [486, 488, 500])
  t.regex(codec.last()!.headers.Warning!, /^305 /)
  t.deepEqual(
    witness.entries.filter((entry) => entry.event === 'REJECTED').map((entry) => entry.payload.code),
    ['conference.full', 'sdp.no-common-codec', 'conference.failed']
  )
})

test('requests that cannot be taken are refused with their status, and stand in the record', async (t) => {
  const { server, witness, guard } = await start()
  const cases: readonly [status: number, code: string, options: RequestOptions][] = [
    [404, 'sip.address.unknown', { uri: 'sip:nobody@x' }],
    [403, 'sip.address.unsigned', { headers: { 'X-IF-Signature': 'v=1', To: '<sip:elsewhere-safety@127.0.0.1>' } }],
    [400, 'sip.address.malformed', { headers: { From: '<sip:a@b>' } }],
    [400, 'sip.contact.missing', { headers: { Contact: null } }],
    [400, 'sip.trace-id.malformed', { headers: { 'X-IF-Trace-ID': 'a b' } }],
    [400, 'sip.hazard.malformed', { headers: { 'X-IF-Hazard': 'Doom!' } }],
    [400, 'sip.header.escaped-name', { headers: { '%58-IF-Edge-User': 'admin' } }],
    [415, 'sip.body.unsupported', { headers: { 'Content-Type': 'text/html' } }],
    [415, 'sip.body.encoded', { headers: { 'Content-Encoding': 'gzip' } }],
    [415, 'sip.body.encoded', { headers: { e: 'deflate' } }],
    [420, 'sip.extension.unsupported', { headers: { Require: 'timer, precondition' } }],
    [422, 'sip.session-interval.too-small', { headers: { Supported: 'timer', 'Session-Expires': '20' } }],
    [403, 'edge.facts.missing', { headers: { 'X-IF-Edge-Source': null } }],
    [403, 'edge.facts.smuggled', { headers: { 'x-if-edge-certificate': 'sip:ceo@x', 'X-IF-Edge-Bogus': '1' } }]
  ]
  for (const [status, code, options] of cases) {
    const invite = server.receive('INVITE', options)
    await settled()
    t.is(invite.status(), status, code)
    const entry = witness.entries.at(-1)!
    t.regex(entry.event, /^(SECURITY_)?REJECTED$/)
    t.like(entry.payload, { code, status })
  }
  t.is(guard.asked.length, 0)
})

test('requests that did not come through the edge get 403, and a flood of them one entry per interval', async (t) => {
  const { server, witness, clock, application } = await start()
  const first = server.receive('INVITE', { from: '198.51.100.66' })
  for (let i = 0; i < 500; i++) server.receive('OPTIONS', { from: '198.51.100.66' })
  clock.advance(10_000)
  server.receive('INVITE', { from: '198.51.100.66' })
  await settled()
  t.is(first.status(), 403)
  t.deepEqual(
    witness.entries.map(({ event, payload }) => [event, payload.code, payload.count]),
    [
      ['SECURITY_REJECTED', 'edge.source.untrusted', 1],
      ['SECURITY_REJECTED', 'edge.source.untrusted', 501]
    ]
  )
  t.like(application.stats(), { calls: 0, untrusted: 502 })
})

test('CANCEL at any moment before the answer ends the call, and a leg that joins afterwards is let go', async (t) => {
  for (const where of ['guard', 'conference', 'witness'] as const) {
    const { server, guard, conference, witness, application } = await start()
    const gate = Promise.withResolvers<void>()
    const held = where === 'guard' ? guard : where === 'conference' ? conference : witness
    held.gate = gate.promise
    const invite = server.receive('INVITE')
    await settled()
    invite.cancel()
    gate.resolve()
    await settled()
    t.is(invite.status(), null, 'the server answers a cancelled INVITE by itself')
    t.is(server.dialogs.length, 0)
    t.true(conference.legs.every((leg) => leg.left === 1))
    t.like(witness.payload('TERMINATED'), { hungUpBy: 'caller', reason: 'cancelled', durationMs: 0 })
    t.is(application.stats().active, 0)
  }
})

test('a 200 that meets a CANCEL in the server is not a call', async (t) => {
  const { server, conference, witness, application } = await start()
  server.transactionGone = true
  server.receive('INVITE')
  await settled()
  t.is(conference.legs[0]!.left, 1)
  t.like(witness.payload('TERMINATED'), { hungUpBy: 'caller', reason: 'gone-before-answer' })
  t.is(application.stats().active, 0)
})

test('a set-up that takes too long is given up', async (t) => {
  const { server, guard, clock, witness } = await start({ setupTimeoutMs: 2000 })
  guard.gate = new Promise(() => undefined)
  const invite = server.receive('INVITE')
  await settled()
  clock.advance(2000)
  await settled()
  t.is(invite.status(), 504)
  t.like(witness.payload('REJECTED'), { code: 'sip.setup.timeout' })
  t.is(clock.pending(), 0)
})

test('an INVITE without an offer is offered one, and the answer comes with the ACK (RFC 3264 §5)', async (t) => {
  const { server, conference, witness } = await start()
  const invite = server.receive('INVITE', { body: '', headers: { 'Content-Type': null } })
  await settled()
  t.is(invite.last()!.body, 'v=0\r\ns=offer\r\n')
  t.is(conference.legs[0]!.request.offer, null)
  server.dialogs[0]!.ack('v=0\r\ns=their-answer\r\n')
  await settled()
  t.deepEqual(conference.legs[0]!.answers, ['v=0\r\ns=their-answer\r\n'])
  t.true(witness.names().includes('BRIDGE_ESTABLISHED'))
})

test('an offer of ours that gets no usable answer ends the call with BYE', async (t) => {
  for (const answer of ['', 'v=0\r\ns=bad\r\n']) {
    const { server, conference, witness } = await start()
    server.receive('INVITE', { body: '', headers: { 'Content-Type': null } })
    await settled()
    conference.legs[0]!.refusal = { ok: false, code: 'sdp.no-common-codec', reason: 'only EVS' }
    server.dialogs[0]!.ack(answer)
    await settled()
    t.is(server.dialogs[0]!.byes[0]!.headers!.Reason, 'SIP;cause=488;text="Not Acceptable Here"')
    t.like(witness.payload('TERMINATED'), { hungUpBy: 'application', reason: 'answer-refused' })
  }
})

test('hold and resume by re-INVITE and by UPDATE move the bridge', async (t) => {
  const { establish, witness, application } = await start()
  const { dialog, leg } = await establish()
  const sdp = { headers: { 'Content-Type': 'application/sdp' }, body: 'v=0\r\na=sendonly\r\n' }
  leg.held = true
  const hold = dialog.request('modify', sdp)
  await settled()
  t.is(hold.status(), 200)
  t.is(hold.last()!.body, 'v=0\r\ns=reanswer\r\n')
  t.is(application.calls()[0]!.bridge, 'HOLD')
  leg.held = false
  const resume = dialog.request('update', sdp)
  await settled()
  t.is(resume.status(), 200)
  t.is(application.calls()[0]!.bridge, 'CONNECTED')
  t.deepEqual(
    witness.entries
      .filter((entry) => entry.event === 'sip_session_modified')
      .map(({ payload }) => [payload.method, payload.held]),
    [
      ['INVITE', true],
      ['UPDATE', false]
    ]
  )
})

test('an offer that the conference refuses leaves the call as it was', async (t) => {
  const { establish, application } = await start()
  const { dialog, leg } = await establish()
  leg.refusal = { ok: false, code: 'sdp.no-common-codec', reason: 'only EVS' }
  const modify = dialog.request('modify', { headers: { 'Content-Type': 'application/sdp' }, body: 'v=0\r\n' })
  await settled()
  t.is(modify.status(), 488)
  leg.refusal = null
  t.is(dialog.request('modify', { headers: { 'Content-Type': 'text/plain' }, body: 'x' }).status(), 415)
  t.is(dialog.request('modify', { headers: { 'Session-Expires': '10', Supported: 'timer' } }).status(), 422)
  t.like(application.calls()[0], { state: 'established', bridge: 'CONNECTED' })
})

test('one exchange of session descriptions at a time (RFC 3261 §14.2, RFC 3311 §5.2)', async (t) => {
  const { establish, conference } = await start()
  const { dialog } = await establish()
  const sdp = { headers: { 'Content-Type': 'application/sdp' }, body: 'v=0\r\n' }
  const first = dialog.request('modify', sdp)
  const second = dialog.request('update', sdp)
  await settled()
  t.deepEqual([first.status(), second.status()], [200, 500])
  t.truthy(second.last()!.headers['Retry-After'])
  const lateOffer = dialog.request('modify', { body: '' })
  t.like(lateOffer.last(), { status: 200, body: 'v=0\r\ns=answer\r\n' })
  t.is(dialog.request('update', sdp).status(), 491)
  dialog.ack('v=0\r\ns=agreed\r\n')
  await settled()
  t.deepEqual(conference.legs[0]!.answers, ['v=0\r\ns=agreed\r\n'])
  t.is(dialog.request('update', sdp).status(), null)
})

test('a session refresh repeats the timer and changes nothing', async (t) => {
  const { establish, conference } = await start()
  const { invite, dialog } = await establish({ headers: { Supported: 'timer', 'Session-Expires': '600;refresher=uac' } })
  t.like(invite.last()!.headers, { 'Session-Expires': '600;refresher=uac', Require: 'timer' })
  const refresh = dialog.request('update', { headers: { Supported: 'timer', 'Session-Expires': '600;refresher=uac' } })
  t.is(refresh.status(), 200)
  t.is(refresh.last()!.headers['Session-Expires'], '600;refresher=uac')
  t.is(refresh.last()!.body, '')
  t.deepEqual(conference.legs[0]!.offers, [])
})

test('keys come by INFO and by telephone-event', async (t) => {
  const { establish, witness } = await start()
  const { dialog, leg } = await establish()
  const relay = { headers: { 'Content-Type': 'application/dtmf-relay' }, body: 'Signal=7\r\nDuration=120' }
  t.is(dialog.request('info', relay).status(), 200)
  t.is(dialog.request('info', { ...relay, body: 'nonsense' }).status(), 400)
  t.is(dialog.request('info', { headers: { 'Content-Type': 'text/plain' }, body: 'x' }).status(), 415)
  t.is(dialog.request('info').status(), 200)
  leg.emit({ type: 'dtmf', digit: '#', durationMs: 90 })
  await settled()
  t.deepEqual(
    witness.entries.filter((entry) => entry.event === 'sip_dtmf_received').map(({ payload }) => [payload.digit, payload.by]),
    [
      ['7', 'info'],
      ['#', 'telephone-event']
    ]
  )
})

test('other methods in the dialog get 405 and the list of those that work; OPTIONS is answered', async (t) => {
  const { establish } = await start()
  const { dialog } = await establish()
  for (const method of ['message', 'publish', 'notify', 'subscribe'] as const) {
    const response = dialog.request(method)
    t.is(response.status(), 405, method)
    t.regex(response.last()!.headers.Allow!, /INVITE.*UPDATE/)
  }
  t.is(dialog.request('options').status(), 200)
  for (const method of ['modify', 'update', 'info', 'options', 'refer'] as const) {
    const response = dialog.request(method, { headers: { Require: 'timer, precondition, foo' } })
    t.is(response.status(), 420, method)
    t.is(response.last()!.headers.Unsupported, 'precondition, foo')
  }
})

test('a leg without media ends the call with BYE and a reason', async (t) => {
  const { establish, witness, application } = await start()
  const { dialog, leg } = await establish()
  leg.emit({ type: 'mediaTimeout', silentMs: 30_000 })
  await settled()
  t.is(dialog.byes[0]!.headers!.Reason, 'SIP;cause=408;text="Media timeout"')
  t.is(leg.left, 1)
  t.like(witness.payload('TERMINATED'), { hungUpBy: 'conference', reason: 'media-timeout' })
  t.is(application.stats().active, 0)
  dialog.bye()
  leg.emit({ type: 'failed', reason: 'late' })
  await settled()
  t.is(witness.names().filter((name) => name === 'TERMINATED').length, 1)
})

test('a leg that fails takes its bridge to ERROR and ends the call', async (t) => {
  const { establish, witness } = await start()
  const { dialog, leg } = await establish()
  leg.emit({ type: 'failed', reason: 'worker died' })
  await settled()
  t.is(dialog.byes.length, 1)
  const moves = witness.entries.filter((entry) => entry.event === 'BRIDGE_STATE_CHANGED').map(({ payload }) => payload.state)
  t.deepEqual(moves.slice(-3), ['ERROR', 'DISCONNECTING', 'DISCONNECTED'])
})

test('packets of strangers are told once in a while, and all are counted', async (t) => {
  const { establish, witness, clock } = await start()
  const { dialog, leg } = await establish()
  for (let i = 0; i < 100; i++) leg.emit({ type: 'strangerRejected', packets: 10 })
  clock.advance(5000)
  leg.emit({ type: 'strangerRejected', packets: 1 })
  dialog.bye()
  await settled()
  t.deepEqual(
    witness.entries.filter((entry) => entry.event === 'RTP_STRANGER_REJECTED').map(({ payload }) => payload.packets),
    [10, 991]
  )
  t.is(witness.payload('TERMINATED')!.strangerPackets, 1001)
})

test('how a leg has sounded is an entry of its own, before the last', async (t) => {
  const { establish, witness } = await start()
  const { dialog, leg } = await establish()
  const score = { rFactor: 88.1, mosListening: 4.3, mosConversational: 4.2, economy: null, peer: null }
  const loss = { expected: 1000, lost: 10, discarded: 2, restored: 1, duplicates: 0, burstDensity: 0, gapDensity: 0.012 }
  leg.quality = { ...loss, ...score, burstMs: 0, gapMs: 20_000, jitterMaxMs: 3.5, endSystemDelayMs: 60 }
  dialog.bye()
  await settled()
  t.deepEqual(witness.names().slice(-3), ['leg_quality', 'BRIDGE_STATE_CHANGED', 'TERMINATED'])
  t.like(witness.payload('leg_quality'), { ...loss, ...score, codec: 'PCMU', jitterMs: 0, roundTripMs: null })
  t.false('quality' in (witness.payload('TERMINATED')!.leg as object))
})

test('what the server ends by itself is told as its own', async (t) => {
  for (const [reason, stable] of [
    ['ACK timeout', 'ack-timeout'],
    ['Session timer expired', 'session-timer-expired'],
    ['CANCEL after 200 OK', 'cancelled'],
    ['something new', 'ended-by-server']
  ] as const) {
    const { server, witness } = await start()
    server.receive('INVITE')
    await settled()
    server.dialogs[0]!.bye({ byServer: true, reason })
    await settled()
    t.like(witness.payload('TERMINATED'), { hungUpBy: 'sip-server', reason: stable })
    t.like(witness.payload('sip_bye_sent'), { by: 'sip-server' })
  }
})

test('when the server is lost, its calls are over and their legs free', async (t) => {
  const { establish, server, witness, events, application } = await start()
  const { leg } = await establish()
  server.lose()
  await settled()
  t.is(leg.left, 1)
  t.like(witness.payload('TERMINATED'), { hungUpBy: 'sip-server', reason: 'signalling-lost' })
  t.true(events.some((event) => event.type === 'signalling' && event.state === 'lost'))
  t.is(application.stats().active, 0)
})

test('a drain refuses new calls, ends the present ones and waits for their records', async (t) => {
  const { establish, server, witness, application, clock, guard } = await start()
  const { dialog } = await establish()
  guard.gate = new Promise(() => undefined)
  const waiting = server.receive('INVITE')
  await settled()
  await application.close()
  t.is(dialog.byes[0]!.headers!.Reason, 'SIP;cause=503;text="Service shutting down"')
  t.is(waiting.status(), 503)
  t.is(server.receive('INVITE').status(), 503)
  t.is(server.receive('OPTIONS').status(), 503)
  t.is(server.disconnects, 1)
  t.like(witness.payload('TERMINATED'), { hungUpBy: 'application', reason: 'draining' })
  await application.close()
  t.is(server.disconnects, 1)
  t.is(clock.pending(), 0)
})

test('a peer that never answers the BYE does not hold up a drain', async (t) => {
  const { establish, server, application, clock } = await start({ drainTimeoutMs: 3000 })
  await establish()
  server.silent = true
  const closed = application.close()
  await settled()
  clock.advance(3000)
  await closed
  t.is(server.disconnects, 1)
})

test('calls that an earlier run left open are closed in the record before the first new one', async (t) => {
  const { witness, application } = await start({}, [{ traceId: 'a'.repeat(32), callId: 'old@phone', receivedAt: null }])
  t.is(witness.entries.length, 1)
  t.like(witness.entries[0], { event: 'TERMINATED', component: 'IF.proxy', traceId: 'a'.repeat(32) })
  t.like(witness.entries[0]!.payload, { callId: 'old@phone', reason: 'application-restart', hungUpBy: 'application' })
  t.is(application.stats().closedAfterRestart, 1)
})

test('more calls than allowed get 503, and a copy of a call 482', async (t) => {
  const { server, application } = await start({ maxCalls: 1 })
  const headers = { 'Call-ID': 'same@phone' }
  const first = server.receive('INVITE', { headers })
  const second = server.receive('INVITE')
  await settled()
  t.deepEqual([first.status(), second.status()], [200, 503])
  t.is(application.stats().active, 1)
  const other = await start()
  other.server.receive('INVITE', { headers })
  const copy = other.server.receive('INVITE', { headers })
  await settled()
  t.is(copy.status(), 482)
  t.is(other.application.stats().active, 1)
})

test('a caller hears that it rings when the answer takes longer than a tenth of a second', async (t) => {
  for (const waitsFor of ['conference', 'witness'] as const) {
    const { server, clock, witness, events, ...ports } = await start()
    const gate = Promise.withResolvers<void>()
    const slow = waitsFor === 'witness' ? witness : ports.conference
    slow.gate = gate.promise
    const invite = server.receive('INVITE')
    await settled()
    clock.advance(99)
    t.deepEqual(invite.sent, [], waitsFor)
    clock.advance(1)
    clock.advance(1000)
    gate.resolve()
    await settled()
    t.deepEqual(
      invite.sent.map(({ status }) => status),
      [180, 200]
    )
    t.is(witness.names().filter((name) => name === 'sip_180_ringing').length, 1)
    t.deepEqual(
      witness.entries.flatMap(({ event, payload }) => (event === 'BRIDGE_STATE_CHANGED' ? [payload.state] : [])),
      ['SETUP', 'RINGING']
    )
    t.true(events.some(({ type }) => type === 'ringing'))
  }
})

test('who hears the far side before the answer is not told that it rings as well', async (t) => {
  const { server, clock, witness, conference } = await start()
  const gate = Promise.withResolvers<void>()
  const { join } = conference
  const early: ConferencePort = {
    join: async (context, request) => {
      request.onEarlyMedia?.('v=0')
      await gate.promise
      return join(context, request)
    }
  }
  Object.assign(conference, early)
  const invite = server.receive('INVITE')
  await settled()
  clock.advance(1000)
  gate.resolve()
  await settled()
  t.deepEqual(
    invite.sent.map(({ status }) => status),
    [183, 200]
  )
  t.is(witness.payload('BRIDGE_STATE_CHANGED')!.state, 'SETUP')
  t.is(witness.entries.filter(({ payload }) => payload.state === 'RINGING').length, 1)
})

test('a caller that takes only reliable provisional responses gets none', async (t) => {
  const { server, clock, conference } = await start()
  const gate = Promise.withResolvers<void>()
  conference.gate = gate.promise
  const invite = server.receive('INVITE', { headers: { Require: '100rel' } })
  await settled()
  clock.advance(1000)
  gate.resolve()
  await settled()
  t.deepEqual(
    invite.sent.map((response) => response.status),
    [200]
  )
})

test('reports of the edge are written down as it tells them', async (t) => {
  const { server, witness, events, application } = await start()
  const report = {
    layer: 'digest',
    code: 'edge.digest.bad-credentials',
    status: 403,
    method: 'INVITE',
    source: '203.0.113.9',
    transport: 'tls',
    callId: 'x@phone',
    from: 'sip:a@b',
    to: 'sip:council@c',
    user: 'expert-safety',
    traceId: 'case-42',
    count: 4
  }
  const publish = (body: string, event = 'x-if-edge') =>
    server.receive('PUBLISH', { headers: { Event: event, 'Content-Type': 'application/json' }, body })
  t.is(publish(JSON.stringify(report)).status(), 200)
  t.is(publish('{"layer":"magic"}').status(), 400)
  t.is(publish('{}', 'presence').status(), 489)
  await settled()
  t.is(witness.entries.length, 1)
  t.like(witness.entries[0], { event: 'SECURITY_REJECTED', component: 'IF.proxy', parentTraceId: 'case-42' })
  t.deepEqual(witness.entries[0]!.payload, report)
  t.like(
    events.find((event) => event.type === 'edge-refused'),
    { layer: 'digest', count: 4 }
  )
  t.like(application.stats(), { edgeReports: 1, badEdgeReports: 1 })
})

test('methods outside a dialog: OPTIONS is answered, the rest refused', async (t) => {
  const { server } = await start()
  t.is(server.receive('OPTIONS').status(), 200)
  t.is(server.receive('MESSAGE').status(), 405)
  t.is(server.receive('REGISTER').status(), 405)
  t.is(server.receive('INFO', { headers: { To: '<sip:council@x>;tag=gone' } }).status(), 481)
})

test('a server that refuses the log-in or is not there fails the start with a code', async (t) => {
  const ports = () => ({ witness: memoryWitness(), guard: scriptedGuard(), conference: fakeConference(), log: silentLog })
  const config = { drachtio: { host: '127.0.0.1', port: 9022, secret: 'wrong' } }
  const refused = fakeServer()
  refused.mode = 'refused'
  const refusal = await t.throwsAsync(runSipApplication(config, { ...ports(), clock: manualClock() }, refused))
  t.is(errorCode(refusal), 'sip.server.refused')
  t.is(refused.disconnects, 1)
  const absent = fakeServer()
  absent.mode = 'unreachable'
  const clock = manualClock()
  const starting = runSipApplication(config, { ...ports(), clock }, absent)
  await settled()
  clock.advance(5000)
  const unreachable = await t.throwsAsync(starting)
  t.is(errorCode(unreachable), 'sip.server.unreachable')
  t.regex(unreachable!.message, /ECONNREFUSED/)
})

test('where no server answers, the start fails by name and the process can end', async (t) => {
  const program = `
    import { silentLog } from '#kernel'
    import { startSipApplication } from '${new URL('sip.ts', import.meta.url).pathname}'
    import { memoryWitness, scriptedGuard, fakeConference } from '${new URL('testing/fake-ports.ts', import.meta.url).pathname}'
    const ports = { witness: memoryWitness(), guard: scriptedGuard(), conference: fakeConference(), log: silentLog }
    const config = { drachtio: { host: '127.0.0.1', port: 1, secret: 'x' }, connectTimeoutMs: 300 }
    await startSipApplication(config, ports).catch((error) => console.log(error.code))
  `
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 20_000
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (part) => {
      text += part
    })
  const [code, signal] = await once(child, 'close')
  t.deepEqual([code, signal, text.trim()], [0, null, 'sip.server.unreachable'])
})
