/** baresip, a phone that nobody here wrote, and H.323 terminals, through Kamailio and the whole suite. */
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { toneLevel } from '#media'
import { startBaresip } from '../../scripts/baresip/baresip.ts'
import { expertInside, hasBaresip } from '../testing/baresip.ts'
import { terminal } from '../testing/h323.ts'
import { folderWithExpert, runSuite, until } from '../testing/harness.ts'
import { hears } from '../testing/sound.ts'

const call = hasBaresip ? test.serial : test.serial.skip
const h323 = { enabled: true, ras: 0, signalling: 0 } as const

call(
  'an expert with baresip over TLS and SRTP and a Guardian at an H.323 terminal hear each other; keys, hold, who hangs up',
  async (t) => {
    const running = await runSuite(t, { md5OnlyUsers: ['expert-safety'], h323 })
    const { suite, entriesOf, verify } = running
    const room = await terminal(t, running, 'guardian-1', 1000, 'G722')
    const inCouncil = await room.call('council')
    const expert = await expertInside(t, suite, { srtp: true })
    t.true(await hears(room.phone, 440, 16_000), 'the Guardian hears the expert')
    // what baresip records ends with the hold: so long it hears the Guardian
    await sleep(1200)
    await expert.hold()
    await until(() => suite.status().calls.some(({ bridge }) => bridge === 'HOLD'))
    await expert.resume()
    await until(() => suite.status().calls.every(({ bridge }) => bridge === 'CONNECTED'))
    await expert.dtmf('5')
    inCouncil.sendDigit('8')
    await until(() => entriesOf('sip_dtmf_received').length > 0 && entriesOf('h323_dtmf_received').length > 0)
    await sleep(1500)
    await expert.hangup()
    await until(() => entriesOf('TERMINATED').length === 1)
    const { samples, sampleRateHz } = (await expert.recording())!
    t.true(toneLevel(samples.slice(-8000, -2000), sampleRateHz, 1000) > -30, 'the expert hears the Guardian')
    t.like(entriesOf('TERMINATED')[0]!.payload, { leg: { encrypted: true } })
    inCouncil.release()
    await until(() => entriesOf('h323_call_complete').length === 1)
    t.is((await verify()).verdict, 'valid')
  }
)

call('a terminal calls an expert by its id: his phone rings, answers, both are heard, digits cross, the end too', async (t) => {
  const expert = await startBaresip({ address: 'expert-safety@external.advisor', source: { toneHz: 440 } })
  t.teardown(expert.stop)
  const data = await folderWithExpert(t, expert.uri, { guardians: ['guardian-1'] })
  const running = await runSuite(t, { data, h323, media: { srtp: 'off' } })
  const { entriesOf } = running
  const room = await terminal(t, running, 'guardian-1', 1000)
  const calling = room.call('expert-safety')
  await expert.next('CALL_INCOMING', 10_000)
  await until(() => room.events.some(({ type }) => type === 'alerting'), 10_000, 'the terminal is told that it rings')
  await expert.accept()
  const connected = await calling
  t.true(await hears(room.phone, 440), 'the Guardian hears the expert')
  await expert.dtmf('6')
  await until(
    () => room.events.some((event) => event.type === 'digit' && event.digit === '6'),
    10_000,
    'the terminal has the digit'
  )
  connected.sendDigit('9')
  await expert.next('CALL_DTMF_START', 5000)
  const established = entriesOf('BRIDGE_ESTABLISHED').find(({ component }) => component === 'IF.bridge.sip-h323')!
  t.is(established.trace_id, connected.traceId, 'the call has one trace on both sides')
  t.true(entriesOf('sip_invite_sent').some(({ parent_trace_id }) => parent_trace_id === connected.traceId))
  await sleep(1000)
  connected.release()
  await expert.next('CALL_CLOSED', 10_000)
  const { samples, sampleRateHz } = (await expert.recording())!
  t.true(toneLevel(samples.slice(-8000, -2000), sampleRateHz, 1000) > -30, 'the expert hears the Guardian')
  await until(() => entriesOf('TERMINATED').some(({ component }) => component === 'IF.bridge.sip-h323'))
})
