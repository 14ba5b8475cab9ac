import test from 'ava'
import { answer, startCallsOut } from '../testing/calls-out.ts'
import { settled } from '../testing/settled.ts'

test('a defect that shows in a request inside a dialog is answered with 500, ends that call, and no other', async (t) => {
  const { called, application, witness } = await startCallsOut({ maxCallsPerExpert: 9 }, () => {
    throw new TypeError('a defect')
  })
  const broken = () => {
    throw new TypeError('a defect')
  }
  const cases = [
    ['modify', { body: '' }, { localSdp: broken }, 500],
    ['modify', { body: answer, headers: { 'Content-Type': 'application/sdp' } }, { codec: broken }, 200],
    ['refer', { headers: { 'Refer-To': '<sip:expert-ethics@external.advisor>', CSeq: '7 REFER' } }, {}, 500]
  ] as const
  const bystander = await called()
  bystander.invite.accept(answer)
  await bystander.call.answered
  for (const [method, options, spoil, status] of cases) {
    const { call, invite, leg } = await called()
    const dialog = invite.accept(answer)
    await call.answered
    Object.assign(leg, spoil)
    const request = dialog.request(method, options)
    await settled()
    t.deepEqual(
      request.sent.map((each) => each.status),
      [status]
    )
    t.like(await call.ended, { reason: 'internal-error' }, method)
    t.is(dialog.byes.length, 1)
  }
  t.is(witness.entries.filter(({ payload }) => payload.reason === 'internal-error').length, 3)
  t.true(application.calls().some(({ traceId, state }) => traceId === bystander.call.traceId && state === 'established'))
})
