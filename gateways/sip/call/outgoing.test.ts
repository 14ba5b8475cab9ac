import test from 'ava'
import { answer, expert, startCallsOut } from '../testing/calls-out.ts'
import { settled } from '../testing/settled.ts'

test('a phone that gives no tag (RFC 2543) is connected like any other', async (t) => {
  const { witness, called } = await startCallsOut()
  const { call, invite } = await called()
  const dialog = invite.accept(answer, { tag: '' })
  t.like(await call.answered, { ok: true })
  t.like(witness.payload('sip_dialog_established'), { remoteTag: '' })
  dialog.bye({ headers: { Reason: 'Q.850;cause=41' } })
  t.like(await call.ended, { by: 'callee', reason: 'bye', reasonHeader: 'Q.850;cause=41' })
})

test('what goes wrong inside one call ends that call, and the next one is served', async (t) => {
  const { witness, server, called } = await startCallsOut()
  const { call, invite, leg } = await called()
  Object.assign(leg, {
    codec: () => {
      throw new TypeError('a defect')
    }
  })
  invite.accept(answer)
  t.like(await call.ended, { by: 'application', reason: 'internal-error' })
  t.like(await call.answered, { ok: false, code: 'call-out.internal-error' })
  t.like(server.dialogs[0]!.byes[0]!.headers, { Reason: 'SIP;cause=500;text="Server internal error"' })
  t.like(witness.payload('TERMINATED'), { reason: 'internal-error' })
  const next = await called()
  next.invite.accept(answer)
  t.like(await next.call.answered, { ok: true })
})

test('an expert is called, rings, answers, is bridged, and hangs up; every step stands in the record', async (t) => {
  const { application, witness, called, signed, progress, clock, guard } = await startCallsOut()
  const { call, invite, leg } = await called()
  t.like(guard.asked[0], {
    direction: 'outbound',
    toUri: 'sip:expert-safety@external.advisor',
    fromUri: 'sip:council@council.example',
    hazard: 'safety',
    callId: call.callId
  })
  t.like(invite.options, {
    uri: 'sip:expert@192.0.2.7:5061;transport=tls',
    proxy: 'sip:127.0.0.1:5070;transport=udp',
    localSdp: leg.localSdp()
  })
  t.like(invite.options.headers, {
    From: '<sip:council@council.example>',
    To: '<sip:expert-safety@external.advisor>',
    'Call-ID': call.callId,
    CSeq: '1 INVITE',
    'X-IF-Trace-ID': 'case-42',
    'X-IF-Hazard': 'safety',
    'X-IF-Signature': 'v=1;kid=0123456789abcdef'
  })
  t.like(signed[0], { traceId: 'case-42', callId: call.callId, cseq: 1, method: 'INVITE' })
  t.is(Buffer.from(signed[0]!.body).toString(), leg.localSdp())
  application.trying(call.callId)
  application.trying(call.callId)
  invite.progress(180)
  clock.advance(500)
  const dialog = invite.accept(answer)
  t.like(await call.answered, { ok: true, codec: 'PCMU', setupMs: 500 })
  t.deepEqual(leg.answers, [answer])
  t.deepEqual(
    progress.map(({ type }) => type),
    ['calling', 'trying', 'ringing']
  )
  t.like(application.calls()[0], { direction: 'outbound', state: 'established', bridge: 'CONNECTED', expertId: 'expert-safety' })
  clock.advance(60_000)
  dialog.bye()
  t.deepEqual(await call.ended, { by: 'callee', reason: 'bye', durationMs: 60_000 })
  t.deepEqual(witness.names(), [
    'policy_decision',
    'BRIDGE_STATE_CHANGED',
    'INVITE',
    'sip_invite_sent',
    'sip_100_trying',
    'sip_180_ringing',
    'BRIDGE_STATE_CHANGED',
    'sip_200_ok',
    'sip_ack_sent',
    'sip_dialog_established',
    'CONNECTED',
    'BRIDGE_STATE_CHANGED',
    'BRIDGE_ESTABLISHED',
    'sip_bye_received',
    'BRIDGE_STATE_CHANGED',
    'BRIDGE_STATE_CHANGED',
    'TERMINATED'
  ])
  t.true(witness.entries.every(({ traceId, parentTraceId }) => traceId === call.traceId && parentTraceId === 'case-42'))
  t.is(witness.entries.at(-1)!.payload.entries, witness.entries.length)
  t.is(leg.left, 1)
  t.is(application.stats().active, 0)
  t.is(clock.pending(), 0)
})

test('no packet leaves when IF.guard says no', async (t) => {
  const { guard, server, place, witness, conference } = await startCallsOut()
  guard.decision = { verdict: 'reject', code: 'guard.specialisation.mismatch', reason: 'not called for it' }
  t.like(await place().answered, { ok: false, by: 'guard', security: false, code: 'guard.specialisation.mismatch' })
  guard.decision = { verdict: 'reject', code: 'guard.registered.identity-mismatch', reason: 'x', security: true }
  t.like(await place().answered, { ok: false, by: 'guard', security: true })
  t.is(server.invites.length, 0)
  t.is(conference.legs.length, 0)
  t.deepEqual(witness.names(), ['policy_decision', 'REJECTED', 'policy_decision', 'SECURITY_REJECTED'])
})

test('no record, no call', async (t) => {
  const { witness, server, place, conference } = await startCallsOut()
  witness.refuse.add('INVITE')
  const call = place()
  t.like(await call.answered, { ok: false, by: 'witness', code: 'witness.unrecorded' })
  await call.ended
  t.is(server.invites.length, 0)
  t.is(conference.legs[0]!.left, 1)
})

for (const [status, headers, expected] of [
  [486, {}, { by: 'callee', code: 'sip.486', retryAfterMs: null }],
  [503, { 'Retry-After': '7 (busy)' }, { by: 'callee', code: 'sip.503', retryAfterMs: 7000 }],
  [603, { Reason: 'Q.850;cause=21' }, { by: 'callee', code: 'sip.603', reasonHeader: 'Q.850;cause=21' }]
] as const) {
  test(`${status} ends the call out and is told with its reason`, async (t) => {
    const { called, witness, clock } = await startCallsOut()
    const { call, invite, leg } = await called()
    invite.progress(180)
    invite.decline(status, { headers })
    t.like(await call.answered, { ok: false, status, ...expected })
    await call.ended
    t.is(leg.left, 1)
    t.like(witness.payload('REJECTED'), { status, code: `sip.${status}` })
    t.is(clock.pending(), 0)
  })
}

test('nobody reachable is the network’s doing', async (t) => {
  const { called } = await startCallsOut()
  const first = await called()
  first.invite.decline(408, { source: '' })
  t.like(await first.call.answered, { by: 'network', code: 'sip.408' })
  const second = await called()
  second.invite.fail('requested protocol/transport not available')
  t.like(await second.call.answered, { by: 'network', code: 'sip.503' })
})

for (const [status, contact, reason] of [
  [200, '', 'the Contact of the 200 cannot be read'],
  [200, '<http://192.0.2.7>', 'the Contact of the 200 cannot be read'],
  [202, '<sip:peer@192.0.2.7:5060>', 'the INVITE was answered with 202']
] as const) {
  test(`an answer of which no dialog can be made is hung up on and named: ${status} with Contact "${contact}"`, async (t) => {
    const { called, server, witness } = await startCallsOut()
    const { call, invite } = await called()
    invite.decline(status, { headers: { Contact: contact } })
    t.like(await call.answered, { ok: false, by: 'callee', status, code: 'sip.answer.malformed', reason })
    await call.ended
    t.is(server.outside.length, 1)
    t.like(server.outside[0], {
      method: 'BYE',
      uri: 'sip:expert@192.0.2.7:5061;transport=tls',
      proxy: 'sip:127.0.0.1:5070;transport=udp'
    })
    t.like(server.outside[0]!.headers, {
      'Call-ID': call.callId,
      CSeq: '2 BYE',
      From: '<sip:council@council.example>;tag=local',
      To: '<sip:expert-safety@external.advisor>;tag=callee1',
      Reason: 'SIP;cause=502;text="Malformed answer"'
    })
    t.deepEqual(witness.names().slice(-5, -3), ['sip_ack_sent', 'sip_bye_sent'])
    t.like(witness.payload('REJECTED'), { status: 502, code: 'sip.answer.malformed', reason })
  })
}

test('an offer in an answer of which no dialog can be made is acknowledged and hung up on', async (t) => {
  const { called, server } = await startCallsOut()
  const { call, invite } = await called({ offer: 'late' })
  invite.accept('v=0\r\ns=offer\r\n', { headers: { Contact: 'nonsense' } })
  t.like(await call.answered, { code: 'sip.answer.malformed' })
  t.true(invite.withdrawn())
  t.is(server.outside[0]!.method, 'BYE')
})

test('nobody answers: CANCEL after the ring timeout', async (t) => {
  const { called, clock, witness } = await startCallsOut()
  const { call, invite, leg } = await called()
  invite.progress(180)
  clock.advance(30_000)
  t.like(await call.answered, { ok: false, by: 'caller', code: 'call-out.no-answer' })
  t.is(invite.cancels[0]!.headers!.Reason, 'Q.850;cause=19;text="No answer from user"')
  invite.decline(487)
  t.like(await call.ended, { reason: 'no-answer' })
  t.is(leg.left, 1)
  t.deepEqual(witness.names().slice(-4), ['sip_cancel_sent', 'BRIDGE_STATE_CHANGED', 'BRIDGE_STATE_CHANGED', 'TERMINATED'])
  t.is(clock.pending(), 0)
})

test('a 200 that crosses the CANCEL gets BYE and is never heard', async (t) => {
  const { called, clock } = await startCallsOut()
  const { call, invite, leg } = await called()
  invite.progress(180)
  call.stop('cancelled')
  t.like(await call.answered, { by: 'caller', code: 'call-out.cancelled' })
  const dialog = invite.accept(answer)
  await call.ended
  t.is(dialog.byes.length, 1)
  t.deepEqual(leg.answers, [])
  t.is(leg.left, 1)
  t.is(clock.pending(), 0)
})

test('a phone that does not answer the CANCEL keeps nobody waiting: the expert can be called again, and the INVITE is given up after 64·T1', async (t) => {
  const { called, clock, application, witness } = await startCallsOut()
  const { call, leg } = await called()
  call.stop('cancelled')
  await settled()
  t.is(leg.left, 1)
  const again = await called()
  clock.advance(4000)
  t.deepEqual(await call.ended, { by: 'application', reason: 'cancelled', durationMs: 0 })
  t.is(application.calls(call.traceId)[0]!.state, 'cancelling')
  again.invite.accept(answer)
  t.like(await again.call.answered, { ok: true })
  t.is(application.stats().active, 1)
  clock.advance(28_000)
  await settled()
  t.is(application.stats().active, 1)
  t.like(witness.payload('TERMINATED'), { hungUpBy: 'application', reason: 'cancelled' })
  t.is(leg.left, 1)
})

test('a 200 long after the CANCEL gets ACK and BYE, and both stand in the record before its end', async (t) => {
  const { called, clock, witness } = await startCallsOut()
  const { call, invite } = await called()
  call.stop('cancelled')
  clock.advance(4000)
  t.like(await call.ended, { reason: 'cancelled' })
  clock.advance(20_000)
  t.is(invite.accept(answer).byes.length, 1)
  await settled()
  t.deepEqual(witness.names().slice(-5), [
    'sip_ack_sent',
    'sip_bye_sent',
    'BRIDGE_STATE_CHANGED',
    'BRIDGE_STATE_CHANGED',
    'TERMINATED'
  ])
  t.is(clock.pending(), 0)
})

test('a phone that does not answer the BYE keeps nobody waiting either', async (t) => {
  const { called, clock, server } = await startCallsOut()
  const { call, invite, leg } = await called()
  invite.accept(answer)
  await call.answered
  server.silent = true
  call.stop('escalation-ended')
  clock.advance(4000)
  t.like(await call.ended, { by: 'application', reason: 'escalation-ended' })
  t.is(leg.left, 1)
})

test('given up before the server has sent the INVITE: CANCEL follows it', async (t) => {
  const { called, server } = await startCallsOut()
  const gate = Promise.withResolvers<void>()
  server.holdInvites = gate.promise
  const { call, invite } = await called()
  call.stop('cancelled')
  t.is(invite.cancels.length, 0)
  gate.resolve()
  await settled()
  t.is(invite.cancels.length, 1)
  invite.decline(487)
  await call.ended
})

test('given up while the conference is being joined', async (t) => {
  const { place, conference, server } = await startCallsOut()
  const gate = Promise.withResolvers<void>()
  conference.gate = gate.promise
  const call = place()
  await settled()
  call.stop('cancelled')
  t.like(await call.answered, { code: 'call-out.cancelled' })
  gate.resolve()
  await call.ended
  await settled()
  t.is(conference.legs[0]!.left, 1)
  t.is(server.invites.length, 0)
})

test('overtaken by another: ACK and BYE, unheard', async (t) => {
  const { called } = await startCallsOut()
  const { call, invite, leg } = await called({ claim: () => false })
  const dialog = invite.accept(answer)
  t.like(await call.answered, { ok: false, by: 'caller', code: 'call-out.answered-elsewhere' })
  await call.ended
  t.is(dialog.byes[0]!.headers!.Reason, 'SIP;cause=200;text="Call completed elsewhere"')
  t.deepEqual(leg.answers, [])
})

test('a late offer is answered in the ACK', async (t) => {
  const { called, conference, witness } = await startCallsOut()
  const { call, invite } = await called({ offer: 'late' })
  t.is(invite.options.localSdp, undefined)
  t.true(invite.options.noAck)
  t.is(conference.legs.length, 0)
  invite.accept('v=0\r\ns=offer of the expert\r\n')
  t.like(await call.answered, { ok: true })
  t.is(conference.legs[0]!.request.offer, 'v=0\r\ns=offer of the expert\r\n')
  t.is(invite.acknowledged(), conference.legs[0]!.localSdp())
  t.true(witness.names().indexOf('sip_200_ok') < witness.names().indexOf('sip_ack_sent'))
})

test('a late offer that the conference cannot take gets ACK and BYE', async (t) => {
  const { called, conference } = await startCallsOut()
  const { call, invite } = await called({ offer: 'late' })
  conference.refusal = { ok: false, code: 'sdp.no-common-codec', reason: 'no codec' }
  invite.accept('v=0\r\ns=offer of the expert\r\n')
  t.like(await call.answered, { ok: false, by: 'conference', code: 'sdp.no-common-codec' })
  await call.ended
  t.true(invite.withdrawn())
})

test('early media is heard only where policy says so, and an answer that came early needs not come again', async (t) => {
  const silent = await startCallsOut()
  const first = await silent.called()
  first.invite.progress(183, { body: answer })
  await settled()
  t.deepEqual(first.leg.answers, [])
  first.invite.accept('')
  t.like(await first.call.answered, { ok: true })
  t.deepEqual(first.leg.answers, [answer])

  const heard = await startCallsOut()
  const second = await heard.called({ earlyMedia: 'heard' })
  second.invite.progress(183, { body: answer })
  await settled()
  t.deepEqual(second.leg.answers, [answer])
  t.true(heard.witness.names().includes('EARLY_MEDIA'))
  t.deepEqual(heard.progress.at(-1), { type: 'ringing', status: 183, earlyMedia: true })
})

test('of several forks, the one that answers is heard', async (t) => {
  const { called, witness } = await startCallsOut()
  const { call, invite, leg } = await called()
  invite.progress(183, { tag: 'a', body: 'v=0\r\ns=fork a\r\n' })
  invite.progress(183, { tag: 'b', body: 'v=0\r\ns=fork b\r\n' })
  invite.accept('', { tag: 'b' })
  t.like(await call.answered, { ok: true })
  t.deepEqual(leg.answers, ['v=0\r\ns=fork b\r\n'])
  t.like(witness.payload('sip_dialog_established'), { remoteTag: 'b' })
})

test('422: the INVITE goes once more with the interval that the callee wants, signed anew', async (t) => {
  const { called, server, signed } = await startCallsOut({ sessionExpiresSeconds: 90 })
  const { call, invite } = await called()
  t.like(invite.options.headers, { 'Session-Expires': '90;refresher=uac', 'Min-SE': '90' })
  invite.decline(422, { headers: { 'Min-SE': '600' } })
  const again = server.invites.at(-1)!
  t.like(again.options.headers, {
    'Call-ID': call.callId,
    CSeq: '2 INVITE',
    From: '<sip:council@council.example>;tag=local',
    'Session-Expires': '600;refresher=uac',
    'Min-SE': '600'
  })
  t.is(signed.at(-1)!.cseq, 2)
  again.accept(answer)
  t.like(await call.answered, { ok: true })

  const stubborn = await called({ callee: { ...expert, id: 'expert-ethics' } })
  stubborn.invite.decline(422, { headers: { 'Min-SE': '86400' } })
  t.like(await stubborn.call.answered, { ok: false, code: 'sip.422' })
})

test('488: the INVITE goes once more with an offer that demands encryption, signed anew; a second 488 is a no', async (t) => {
  const secure = 'v=0\r\ns=with RTP/SAVP\r\n'
  for (const taken of [true, false]) {
    const { called, server, signed, witness } = await startCallsOut()
    const { call, invite, leg } = await called()
    Object.assign(leg, { offerSecure: () => secure })
    invite.decline(422, { headers: { 'Min-SE': '600' } })
    server.invites.at(-1)!.decline(488)
    const again = server.invites.at(-1)!
    t.like(again.options, { localSdp: secure })
    t.like(again.options.headers, { 'Call-ID': call.callId, CSeq: '3 INVITE', 'Min-SE': '600' })
    t.like(signed.at(-1), { cseq: 3, body: Buffer.from(secure) })
    t.is(witness.names().filter((name) => name === 'sip_invite_sent').length, 3)
    if (taken) again.accept(answer)
    else again.decline(488)
    t.is(server.invites.length, 3)
    t.like(await call.answered, taken ? { ok: true } : { ok: false, code: 'sip.488' })
  }
})

test("488 is a no where encryption was not left to the callee, or the offer is the callee's", async (t) => {
  const { called, server } = await startCallsOut()
  const { call, invite, leg } = await called()
  Object.assign(leg, { offerSecure: () => null })
  invite.decline(488)
  t.like(await call.answered, { ok: false, code: 'sip.488' })
  const late = await called({ offer: 'late', callee: { ...expert, id: 'expert-ethics' } })
  late.invite.decline(488)
  t.like(await late.call.answered, { ok: false, code: 'sip.488' })
  t.is(server.invites.length, 2)
})

test('one call out to an expert at a time, and none beyond the limit of all', async (t) => {
  const { called, place, application, server } = await startCallsOut({ maxCalls: 2 })
  const { call, invite } = await called()
  const second = place()
  t.like(await second.answered, { ok: false, by: 'limit', code: 'sip.expert.engaged' })
  await second.ended
  await called({ callee: { ...expert, id: 'expert-ethics' } })
  t.like(await place({ callee: { ...expert, id: 'expert-security' } }).answered, { code: 'sip.capacity.exceeded' })
  t.is(server.invites.length, 2)
  invite.decline(486)
  await call.ended
  await settled()
  t.is(application.stats().active, 1)
  t.like((await called()).call, { traceId: application.calls().at(-1)!.traceId })
})

test('a drain cancels what rings and hangs up on who has answered', async (t) => {
  const { called, application } = await startCallsOut()
  const ringing = await called()
  ringing.invite.progress(180)
  const talking = await called({ callee: { ...expert, id: 'expert-ethics' } })
  const dialog = talking.invite.accept(answer)
  await talking.call.answered
  const drained = application.drain()
  t.like(await ringing.call.answered, { code: 'sip.draining' })
  ringing.invite.decline(487)
  await drained
  t.is(dialog.byes.length, 1)
  t.is(application.stats().active, 0)
})

test('the connection to the server is lost: a call that rings and one that talks end in the record', async (t) => {
  const { called, server, application, witness } = await startCallsOut()
  const ringing = await called()
  server.lose()
  t.like(await ringing.call.answered, { ok: false, by: 'network', code: 'call-out.signalling-lost' })
  await ringing.call.ended
  t.is(application.stats().active, 0)
  t.like(witness.payload('TERMINATED'), { reason: 'signalling-lost', hungUpBy: 'sip-server' })
})
