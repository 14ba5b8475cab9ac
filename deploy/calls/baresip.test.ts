/** baresip, a phone that nobody here wrote, in the council over TLS. */
import test, { type ExecutionContext } from 'ava'
import { toneLevel } from '#media'
import type { BaresipOptions } from '../../scripts/baresip/baresip.ts'
import { expertInside, hasBaresip } from '../testing/baresip.ts'
import { runSuite, tone, until } from '../testing/harness.ts'

const call = hasBaresip ? test : test.skip

/** A Guardian in the council, and baresip as the expert who has just been let in. */
async function expertInCouncil(t: ExecutionContext, options: Pick<BaresipOptions, 'srtp' | 'codecs' | 'ice'> = {}) {
  const run = await runSuite(t, { md5OnlyUsers: ['expert-safety'] })
  const { suite, phone, rtp } = run
  const guardianSound = await rtp({ says: tone(1000) })
  const guardian = await (await phone('guardian-1')).invite({ to: 'council', sdp: guardianSound.sdp() })
  guardianSound.talkTo(guardian.response.body)
  const expert = await expertInside(t, suite, options)
  await new Promise((resolve) => setTimeout(resolve, 1500))
  guardianSound.takeHeard()
  await new Promise((resolve) => setTimeout(resolve, 1000))
  const heard = guardianSound.takeHeard()
  return {
    ...run,
    expert,
    /** Hangs up on both sides and looks at what was heard. */
    end: async () => {
      await expert.hangup()
      await until(() => run.entriesOf('TERMINATED').length === 1)
      const recording = (await expert.recording())!
      t.true(toneLevel(heard.subarray(-4000), 8000, 440) > -30, 'the Guardian hears baresip')
      t.true(toneLevel(recording.samples.slice(-8000, -2000), recording.sampleRateHz, 1000) > -30, 'baresip hears the Guardian')
      await guardian.bye()
      t.is((await run.verify()).verdict, 'valid')
    }
  }
}

call('baresip calls over TLS with MD5, is heard and hears, holds, resumes, presses a key and hangs up', async (t) => {
  const { suite, expert, entriesOf, end } = await expertInCouncil(t)
  await expert.hold()
  await until(() => suite.status().calls.some(({ bridge }) => bridge === 'HOLD'))
  await expert.resume()
  await until(() => suite.status().calls.every(({ bridge }) => bridge === 'CONNECTED'))
  await expert.dtmf('5')
  await until(() => entriesOf('sip_dtmf_received').length > 0)
  await end()
  t.like(entriesOf('INVITE')[1]!.payload, { edge: { transport: 'tls', digestAlgorithm: 'MD5' } })
  t.like(entriesOf('sip_dtmf_received')[0]!.payload, { digit: '5' })
})

call('baresip over TLS with SRTP: heard, hears, and the record says that the call was encrypted', async (t) => {
  const { entriesOf, end } = await expertInCouncil(t, { srtp: true })
  await end()
  t.like(entriesOf('TERMINATED')[0]!.payload, { leg: { encrypted: true } })
})

call('baresip with ICE: its checks are answered, and the sound goes both ways', async (t) => {
  const { entriesOf, end } = await expertInCouncil(t, { ice: true })
  await end()
  t.like(entriesOf('TERMINATED')[0]!.payload, { leg: { ice: 'selected' } })
})

for (const codec of ['opus/48000/2', 'G722/16000/1']) {
  call(`baresip with ${codec}: heard, hears, presses a key`, async (t) => {
    const { expert, entriesOf, end } = await expertInCouncil(t, { codecs: [codec] })
    await expert.dtmf('7')
    await until(() => entriesOf('sip_dtmf_received').length > 0)
    await end()
    t.like(entriesOf('sip_dtmf_received')[0]!.payload, { digit: '7' })
    t.is((entriesOf('TERMINATED')[0]!.payload.leg as { codec: string }).codec.toUpperCase(), codec.split('/')[0]!.toUpperCase())
  })
}
