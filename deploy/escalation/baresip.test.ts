/** baresip, a phone that nobody here wrote, called out into the council. */
import { spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { toneLevel } from '#media'
import { readCredentials } from '#suite'
import { startBaresip } from '../../scripts/baresip/baresip.ts'
import { folderWithExpert, runSuite, tone, until } from '../testing/harness.ts'
import { hears } from '../testing/sound.ts'

const present = spawnSync('baresip', ['-h'], { stdio: 'ignore' }).error === undefined
const call = present ? test : test.skip

call('baresip registers over TLS, and is called over the connection that it keeps', async (t) => {
  const data = await folderWithExpert(t, 'registered', { host: '127.0.0.1' })
  const settings = { data, md5OnlyUsers: ['expert-safety'], escalation: { tls: 'required' as const } }
  const { suite, entriesOf, verify } = await runSuite(t, settings)
  const escalate = async () => {
    const message = { performative: 'escalate', sender: 'test', payload: { hazard: 'safety' } } as const
    const { escalation } = await suite.escalator.escalate(message, { by: 'test' })
    return { id: escalation.id, result: suite.escalator.result(escalation.id) }
  }
  t.like(await (await escalate()).result, { result: { status: 'failed' } }, 'nobody has registered')
  const { users } = await readCredentials(suite.data.credentials)
  const expert = await startBaresip({
    address: 'expert-safety@127.0.0.1',
    transport: 'tls',
    outbound: { host: '127.0.0.1', port: suite.addresses.tls!.port },
    digest: { user: 'expert-safety', password: users['expert-safety']!.password! },
    registerIntervalS: 300,
    answer: 'auto'
  })
  t.teardown(expert.stop)
  await until(() => entriesOf('sip_registered').length === 1)
  t.like(entriesOf('sip_registered')[0], { payload: { user: 'expert-safety', transport: 'tls' } })
  const { id, result } = await escalate()
  t.like(await result, { result: { status: 'connected' } })
  suite.escalator.cancel(id, 'test')
  await expert.next('CALL_CLOSED', 10_000)
  await suite.escalator.ended(id)
  t.is((await verify()).verdict, 'valid')
})

call('baresip is called, rings, is heard and hears, holds, is held, and hangs up', async (t) => {
  const expert = await startBaresip({ address: 'expert-safety@external.advisor', transport: 'udp', source: { toneHz: 440 } })
  t.teardown(expert.stop)
  const data = await folderWithExpert(t, `sip:expert-safety@127.0.0.1:${expert.sipPort}`, { guardians: ['guardian-1'] })
  const { suite, phone, rtp, entriesOf, verify } = await runSuite(t, { data })
  const sound = await rtp({ says: tone(1000) })
  const guardian = await (await phone('guardian-1')).invite({ to: 'council', sdp: sound.sdp() })
  sound.talkTo(guardian.response.body)
  const { escalation } = await suite.escalator.escalate(
    { performative: 'escalate', sender: 'test', payload: { hazard: 'safety' } },
    { by: 'test' }
  )
  await expert.next('CALL_INCOMING', 10_000)
  await until(() => suite.escalator.events.after(0).some(({ type }) => type === 'ringing'))
  await expert.accept()
  t.like(await suite.escalator.result(escalation.id), { result: { status: 'connected' } })
  t.true(await hears(sound, 440), 'the Guardian hears the expert')
  // what baresip records ends with the hold: so long it hears the Guardian
  await sleep(1200)

  const bridgeIs = (state: string) =>
    until(() => suite.status().calls.some(({ direction, bridge }) => direction === 'outbound' && bridge === state))
  await expert.hold()
  await bridgeIs('HOLD')
  await expert.resume()
  await bridgeIs('CONNECTED')
  t.deepEqual(await suite.escalator.hold(escalation.id, true, 'test'), { ok: true })
  await bridgeIs('HOLD')
  sound.takeHeard()
  await sleep(600)
  t.true(toneLevel(sound.takeHeard().subarray(-2000), 8000, 440) < -50, 'who is on hold is not heard')
  t.deepEqual(await suite.escalator.hold(escalation.id, false, 'test'), { ok: true })
  await bridgeIs('CONNECTED')
  t.true(await hears(sound, 440), 'the Guardian hears the expert again')
  await expert.hangup()
  t.like(await suite.escalator.ended(escalation.id), { result: { status: 'connected' } })
  t.like(entriesOf('TERMINATED')[0], { payload: { hungUpBy: 'callee', reason: 'bye' } })
  const recording = (await expert.recording())!
  t.true(toneLevel(recording.samples.slice(-6000, -2000), recording.sampleRateHz, 1000) > -30, 'the expert hears the Guardian')
  await guardian.bye()
  t.is((await verify()).verdict, 'valid')
})
