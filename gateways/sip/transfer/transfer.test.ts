import test from 'ava'
import type { Callee } from '#kernel'
import { answer, expert, startCallsOut } from '../testing/calls-out.ts'
import { settled } from '../testing/settled.ts'
import { readReferTo } from './transfer.ts'

const other: Callee = { ...expert, id: 'expert-ethics', uri: 'sip:expert-ethics@external.advisor' }

test('a Refer-To is one SIP URI, with a Replaces or without', (t) => {
  t.deepEqual(readReferTo('"B" <sip:b@example.org>'), { uri: 'sip:b@example.org', replaces: null })
  t.deepEqual(readReferTo('<sip:b@example.org;method=INVITE>'), { uri: 'sip:b@example.org', replaces: null })
  t.deepEqual(readReferTo('<sips:b@example.org?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2>'), {
    uri: 'sips:b@example.org',
    replaces: 'a@b;to-tag=1;from-tag=2'
  })
  for (const bad of [
    undefined,
    '',
    'nonsense',
    '<tel:+4930>',
    '<sip:b@x;method=SUBSCRIBE>',
    '<sip:b@x?Replaces=%0d%0aVia>',
    '<sip:b@x?Replaces=a%3Bto-tag%3D1>',
    '<sip:b@x?Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2&Via=y>',
    '<sip:b@x?a?b>',
    '<sip:b@x?Replaces=%zz>'
  ])
    t.is(readReferTo(bad), null, String(bad))
})

test('an expert hands the call over: REFER, NOTIFY, the other takes the place, and the first is hung up on when it does not', async (t) => {
  const { called, server, clock, witness, guard, conference } = await startCallsOut({}, (uri) =>
    uri === other.uri ? other : null
  )
  const { call, invite } = await called()
  const dialog = invite.accept(answer)
  await call.answered
  const refer = dialog.request('refer', { headers: { 'Refer-To': `<${other.uri}>`, CSeq: '7 REFER' } })
  t.is(refer.status(), 202)
  await settled()
  const second = server.invites.at(-1)!
  t.is(second.options.headers.To, `<${other.uri}>`)
  t.like(guard.asked.at(-1), { direction: 'outbound', toUri: other.uri })
  t.like(dialog.requests[0]!.options, {
    method: 'NOTIFY',
    body: 'SIP/2.0 100 Trying\r\n',
    headers: { Event: 'refer;id=7', 'Subscription-State': 'active;expires=180', 'Content-Type': 'message/sipfrag;version=2.0' }
  })
  t.is(dialog.request('refer', { headers: { 'Refer-To': `<${other.uri}>` } }).status(), 491)
  second.progress(180)
  dialog.requests[0]!.answer(200)
  await settled()
  t.is(dialog.requests[1]!.options.body, 'SIP/2.0 180 Ringing\r\n')
  second.accept(answer)
  dialog.requests[1]!.answer(200)
  await settled()
  t.like(dialog.requests[2]!.options, {
    body: 'SIP/2.0 200 OK\r\n',
    headers: { 'Subscription-State': 'terminated;reason=noresource' }
  })
  clock.advance(2000)
  await settled()
  t.is(dialog.byes[0]!.headers!.Reason, 'SIP;cause=200;text="Call transferred"')
  t.true(witness.names().includes('sip_transfer_ended'))
  // whoever asked for the call out ends the one that took its place
  call.stop('escalation-ended')
  t.like(await call.ended, { reason: 'escalation-ended' })
  t.is(server.dialogs[1]!.byes.length, 1)
  t.true(conference.legs.every((leg) => leg.left === 1))
})

test('who forgot its REFER is notified no more (RFC 6665 §4.2.2); the compact form of Refer-To is one', async (t) => {
  const { called, server } = await startCallsOut({}, (uri) => (uri === other.uri ? other : null))
  const { call, invite } = await called()
  const dialog = invite.accept(answer)
  await call.answered
  t.is(dialog.request('refer', { headers: { r: `<${other.uri}>` } }).status(), 202)
  await settled()
  server.invites.at(-1)!.progress(180)
  dialog.requests[0]!.answer(481)
  server.invites.at(-1)!.decline(486)
  await settled()
  t.is(dialog.requests.length, 1)
})

test('an attended transfer brings the dialog that is to be replaced', async (t) => {
  const { called, server } = await startCallsOut({}, () => other)
  const { call, invite } = await called()
  const dialog = invite.accept(answer)
  await call.answered
  const replaces = encodeURIComponent('abc@phone;to-tag=1;from-tag=2')
  t.is(dialog.request('refer', { headers: { 'Refer-To': `<${other.uri}?Replaces=${replaces}>` } }).status(), 202)
  await settled()
  t.like(server.invites.at(-1)!.options.headers, { Replaces: 'abc@phone;to-tag=1;from-tag=2', Require: 'replaces' })
})

test('a transfer that fails is told, and the call goes on', async (t) => {
  const { called, server, application } = await startCallsOut({}, () => other)
  const { call, invite } = await called()
  const dialog = invite.accept(answer)
  await call.answered
  dialog.request('refer', { headers: { 'Refer-To': `<${other.uri}>` } })
  await settled()
  server.invites.at(-1)!.decline(486)
  dialog.requests[0]!.answer(200)
  await settled()
  t.is(dialog.requests[1]!.options.body, 'SIP/2.0 486 Busy Here\r\n')
  t.is(application.calls()[0]!.state, 'established')
  dialog.bye()
  t.like(await call.ended, { by: 'callee', reason: 'bye' })
})

test('no transfer to strangers, to oneself, by nonsense, or where policy allows none', async (t) => {
  const { called, server } = await startCallsOut({}, (uri) => (uri === other.uri ? other : uri === expert.uri ? expert : null))
  const { call, invite } = await called()
  const dialog = invite.accept(answer)
  await call.answered
  const refer = (to: string | null) => dialog.request('refer', to === null ? {} : { headers: { 'Refer-To': to } }).status()
  t.is(refer('<sip:stranger@premium.example>'), 403)
  t.is(refer(`<${expert.uri}>`), 403)
  for (const nonsense of [
    null,
    '',
    '<tel:+49900>',
    `<${other.uri};method=BYE>`,
    `<${other.uri}?Replaces=x>`,
    `<${other.uri}?Route=y>`
  ])
    t.is(refer(nonsense), 400, String(nonsense))
  t.is(server.invites.length, 1)
  const closed = await startCallsOut()
  const second = await closed.called()
  const there = second.invite.accept(answer)
  await second.call.answered
  t.is(there.request('refer', { headers: { 'Refer-To': `<${other.uri}>` } }).status(), 403)
})
