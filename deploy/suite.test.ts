/** The suite on an external edge: ledger, guard, media plane, SIP engine and application together. */
import test from 'ava'
import { errorCode } from '#kernel'
import { startSuite } from '#suite'
import { edgeHeaders, runSuite, temporaryFolder, tone, until } from './testing/harness.ts'
import { hears, level } from './testing/sound.ts'

const external = { edge: 'external' } as const

test('an expert and a Guardian talk in the council, and the ledger that holds their calls verifies', async (t) => {
  const { suite, phone, rtp, entriesOf, verify, events } = await runSuite(t, external)
  const sound = { expert: await rtp({ says: tone(440) }), guardian: await rtp({ says: tone(1000) }) }
  const expert = await (await phone('expert-safety')).invite({
    sdp: sound.expert.sdp(),
    headers: () => edgeHeaders('expert-safety')
  })
  const guardian = await (await phone('guardian-1')).invite({
    to: 'council',
    sdp: sound.guardian.sdp(),
    headers: () => edgeHeaders('guardian-1')
  })
  await new Promise((resolve) => setTimeout(resolve, 300))
  t.deepEqual([expert.status, guardian.status], [200, 200], JSON.stringify(entriesOf('REJECTED')))
  sound.expert.talkTo(expert.response.body)
  sound.guardian.talkTo(guardian.response.body)
  t.true(await hears(sound.expert, 1000), 'the expert hears the Guardian')
  t.true(await hears(sound.guardian, 440), 'the Guardian hears the expert')
  t.true(level(sound.expert, 440) < -50, 'who does not hear himself')
  t.deepEqual(
    suite.inside.media.roster('council').map(({ role }) => role),
    ['expert', 'guardian']
  )
  t.is(suite.status().calls.length, 2)
  await expert.bye()
  await guardian.bye()
  await until(() => suite.status().sip.active === 0)
  t.is(entriesOf('TERMINATED').length, 2)
  t.true((entriesOf('TERMINATED')[0]!.payload as { leg: { received: { packets: number } } }).leg.received.packets > 20)
  t.is((await verify()).verdict, 'valid')
  t.true(events.some((event) => event.type === 'established'))
})

test('calls that a killed run left open are closed in the record by the next', async (t) => {
  const data = await temporaryFolder(t)
  const first = await runSuite(t, { ...external, data })
  const { suite, entriesOf } = first
  await suite.inside.witness.record({
    component: 'IF.proxy',
    event: 'INVITE',
    traceId: 'd'.repeat(32),
    payload: { application: 'sip-1', callId: 'lost@phone' }
  })
  await suite.stop()
  const second = await runSuite(t, { ...external, data })
  const ended = entriesOf('TERMINATED')
  t.is(ended.length, 1)
  t.like(ended[0], { trace_id: 'd'.repeat(32), payload: { callId: 'lost@phone', reason: 'application-restart' } })
  await second.suite.stop()
  const third = await runSuite(t, { ...external, data })
  t.is(third.suite.status().sip.closedAfterRestart, 0)
})

test('a part that does not start is named, and the parts before it are stopped', async (t) => {
  const { suite } = await runSuite(t, external)
  const error = await t.throwsAsync(
    startSuite({ ...external, data: await temporaryFolder(t), logLevel: 'silent', sip: { udp: suite.addresses.app.port } })
  )
  t.is(errorCode(error), 'suite.start.sip-engine')
})

test('production is not given a registry it was not given', async (t) => {
  const error = await t.throwsAsync(
    startSuite({ ...external, profile: 'production', data: await temporaryFolder(t), logLevel: 'silent' })
  )
  t.is(errorCode(error), 'suite.start.guard')
  t.regex(error!.message, /registry\.yaml/)
})
