/** Calls out by the whole suite to phones that do what no phone should: scripts over UDP behind the real edge. */
import test, { type ExecutionContext } from 'ava'
import type { EscalationView } from '#escalate'
import { answeringWith, CalledPhone, phoneSdp, polite } from '../../kamailio/testing/called-phone.ts'
import { type Message, reply } from '../../kamailio/testing/harness.ts'
import { folderWithExpert, runSuite, until } from '../testing/harness.ts'

async function start(t: ExecutionContext) {
  const phone = await CalledPhone.open()
  t.teardown(() => phone.close())
  const running = await runSuite(t, { data: await folderWithExpert(t, `sip:expert-safety@127.0.0.1:${phone.port}`) })
  const { escalator } = running.suite
  const escalate = async (): Promise<EscalationView> =>
    (
      await escalator.escalate(
        { performative: 'escalate', sender: 'if://agent/monitor', payload: { hazard: 'safety', expert: 'expert-safety' } },
        { by: 'test' }
      )
    ).escalation
  return { ...running, phone, escalator, escalate }
}

test.serial('answers of which nothing can be made are acknowledged, hung up on and named; the next one is a call', async (t) => {
  const { phone, escalate, escalator, entriesOf } = await start(t)
  const failed = async () => (await escalator.result((await escalate()).id)).legs[0]!.branches[0]!
  const hungUpOn = () => phone.count('ACK') > 0 && phone.count('BYE') > 0

  phone.answer = answeringWith(({ contact }) => [contact, `X-Long: ${'x'.repeat(20_000)}`])
  t.like(await failed(), { state: 'failed', code: 'sip.513', reason: 'Message Too Large' })
  await until(hungUpOn)

  phone.got.splice(0)
  phone.answer = answeringWith(() => [])
  t.like(await failed(), { state: 'failed', code: 'sip.answer.malformed', reason: 'the 200 has no Contact' })
  await until(hungUpOn)
  await until(() => entriesOf('REJECTED').length === 2)
  t.deepEqual(
    entriesOf('REJECTED').map(({ payload }) => payload.code),
    ['sip.513', 'sip.answer.malformed']
  )

  const lines = Array.from({ length: 100 }, (_, line) => `a=x-line-${line}:${'x'.repeat(86)}\r\n`)
  phone.answer = answeringWith(
    ({ contact }) => [contact, ...Array.from({ length: 20 }, () => `X-Note: ${'y'.repeat(990)}`)],
    phoneSdp + lines.join('')
  )
  const { id } = await escalate()
  t.like(await escalator.result(id), { result: { status: 'connected' } }, 'an answer of 30 kB comes whole')
  escalator.cancel(id, 'test')
  await escalator.ended(id)
})

test.serial(
  'a phone that does not answer the CANCEL: the expert can be called again at once, and a late answer is hung up on',
  async (t) => {
    const { suite, phone, escalate, escalator, entriesOf } = await start(t)
    let first: Message | null = null
    phone.answer = (request, each) => {
      if (request.startLine.startsWith('CANCEL')) return
      if (!request.startLine.startsWith('INVITE')) return polite(request, each)
      if (first !== null) return answeringWith()(request, each)
      first = request
      each.send(reply(request, 180, 'Ringing', [each.contact]))
    }
    const ringing = await escalate()
    await until(() => entriesOf('sip_180_ringing').length === 1)
    const cancelledMs = performance.now()
    escalator.cancel(ringing.id, 'test')
    t.like(await escalator.ended(ringing.id), { result: { code: 'escalate.cancelled' } })
    t.true(performance.now() - cancelledMs < 20_000, 'long before 64·T1')
    await until(() => phone.count('CANCEL') > 0)

    const again = await escalate()
    t.like(await escalator.result(again.id), { result: { status: 'connected' } })
    const byes = phone.count('BYE')
    phone.send(reply(first!, 200, 'OK', [phone.contact, 'Content-Type: application/sdp'], phoneSdp))
    await until(() => phone.count('BYE') === byes + 1)
    t.is(suite.inside.media.roster('council').length, 1, 'the other call goes on')
    await until(() => entriesOf('TERMINATED').length === 1)
    escalator.cancel(again.id, 'test')
    await escalator.ended(again.id)
  }
)
