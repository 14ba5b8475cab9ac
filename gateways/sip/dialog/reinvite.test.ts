import test from 'ava'
import { step } from '#kernel'
import { answer, startCallsOut } from '../testing/calls-out.ts'
import { settled } from '../testing/settled.ts'
import { type ReinviteEffect, type ReinviteEvent, type ReinviteState, reinviteTable, yieldMs } from './reinvite.ts'

test('a re-INVITE of ours: every state meets every event; who made the Call-ID yields longer', (t) => {
  const all: readonly ReinviteEvent[] = [
    { type: 'ask' },
    { type: 'accepted' },
    { type: 'glare' },
    { type: 'refused' },
    { type: 'turn' },
    { type: 'over' }
  ]
  const walked = (['idle', 'sending', 'yielding'] as const).map((state) =>
    all
      .map((event) => step<ReinviteState, ReinviteEvent, ReinviteEffect, void>(reinviteTable, state, event, undefined))
      .map(({ allowed, state: next, effects }) => (allowed ? `${next} ${effects.map(({ type }) => type)}`.trim() : '–'))
  )
  t.deepEqual(walked, [
    ['sending send', '–', '–', '–', '–', '–'],
    ['–', 'idle', 'yielding yield', 'idle', '–', 'idle'],
    ['–', '–', '–', 'idle', 'sending send', 'idle forget']
  ])
  t.deepEqual([yieldMs(true, 0), yieldMs(true, 0.9999), yieldMs(false, 0), yieldMs(false, 0.9999)], [2100, 4000, 0, 2000])
})

test('held and resumed by us: neither hears the other meanwhile, and the versions of our descriptions grow', async (t) => {
  const { called, application, witness } = await startCallsOut()
  const { call, invite, leg } = await called()
  t.like(await call.hold(true), { ok: false, code: 'sip.call.over' })
  const dialog = invite.accept(answer)
  await call.answered
  leg.held = true
  const held = call.hold(true)
  t.like(await call.hold(false), { ok: false, code: 'sip.491' })
  t.like(dialog.requests[0]!.options, { method: 'INVITE' })
  t.regex(dialog.requests[0]!.options.body!, /a=inactive/)
  dialog.requests[0]!.answer(200, 'v=0\r\ns=held\r\n')
  t.deepEqual(await held, { ok: true })
  t.is(application.calls()[0]!.bridge, 'HOLD')
  leg.held = false
  const resumed = call.hold(false)
  dialog.requests[1]!.answer(200, answer)
  t.deepEqual(await resumed, { ok: true })
  t.is(application.calls()[0]!.bridge, 'CONNECTED')
  t.is(witness.entries.filter(({ event }) => event === 'sip_session_modified').length, 2)
})

test('both sides ask at once: 491, and it is our turn 2.1 to 4 s later, as we made the Call-ID', async (t) => {
  const { called, clock } = await startCallsOut()
  const { call, invite } = await called()
  const dialog = invite.accept(answer)
  await call.answered
  const held = call.hold(true)
  // theirs, while ours is on its way
  t.is(dialog.request('modify', { headers: { 'Content-Type': 'application/sdp' }, body: answer }).status(), 491)
  dialog.requests[0]!.answer(491)
  clock.advance(2099)
  t.is(dialog.requests.length, 1)
  clock.advance(1901)
  t.is(dialog.requests.length, 2)
  dialog.requests[1]!.answer(200, answer)
  t.deepEqual(await held, { ok: true })
})

test('a hold that is refused leaves the call as it was; one that never comes to its turn ends with the call', async (t) => {
  const { called, clock, application } = await startCallsOut()
  const { call, invite } = await called()
  const dialog = invite.accept(answer)
  await call.answered
  const refused = call.hold(true)
  dialog.requests[0]!.answer(488)
  t.like(await refused, { ok: false, code: 'sip.488' })
  t.is(application.calls()[0]!.bridge, 'CONNECTED')
  t.is(dialog.request('modify', { headers: { 'Content-Type': 'application/sdp' }, body: answer }).status(), null)
  await settled()
  const waiting = call.hold(true)
  dialog.requests[1]!.answer(491)
  dialog.bye()
  t.like(await waiting, { ok: false, code: 'sip.call.over' })
  await call.ended
  t.is(clock.pending(), 0)
})

for (const [status, source, code, bye] of [
  [408, '', 'sip.408', 'SIP;cause=408;text="Request Timeout"'],
  [481, '192.0.2.7', 'sip.481', 'SIP;cause=481;text="Call/Transaction Does Not Exist"']
] as const) {
  test(`a re-INVITE answered with ${status} ends the call (RFC 3261 §14.1)`, async (t) => {
    const { called, witness } = await startCallsOut()
    const { call, invite } = await called()
    const dialog = invite.accept(answer)
    await call.answered
    const held = call.hold(true)
    dialog.requests[0]!.answer(status, undefined, source)
    t.like(await held, { ok: false, code })
    t.like(await call.ended, { by: 'application' })
    t.is(dialog.byes[0]!.headers!.Reason, bye)
    t.like(witness.payload('TERMINATED'), { reason: status === 408 ? 'peer-silent' : 'peer-forgot' })
  })
}

test('a call that ends while its hold is on the way says so, not that it was cancelled', async (t) => {
  const { called, server } = await startCallsOut()
  const { call, invite } = await called()
  const dialog = invite.accept(answer)
  await call.answered
  const held = call.hold(true)
  server.silent = true
  call.stop('escalation-ended')
  t.like(await held, { ok: false, code: 'sip.call.over' }, 'before the phone has answered anything')
  dialog.requests[0]!.answer(487)
})
