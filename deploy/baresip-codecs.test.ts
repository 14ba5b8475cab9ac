/** baresip, a phone that nobody here wrote, in the council with the wide-band codecs. */
import { spawnSync } from 'node:child_process'
import test from 'ava'
import { toneLevel } from '#media'
import { readCredentials } from '#suite'
import { startBaresip } from '../scripts/baresip/baresip.ts'
import { runSuite, tone, until } from './testing/harness.ts'

const present = spawnSync('baresip', ['-h'], { stdio: 'ignore' }).error === undefined

for (const codec of ['opus/48000/2', 'G722/16000/1']) {
  test(`baresip with ${codec}: heard, hears, presses a key`, async (t) => {
    if (!present) {
      t.pass('needs baresip')
      return
    }
    const { suite, phone, rtp, entriesOf } = await runSuite(t, { md5OnlyUsers: ['expert-safety'] })
    const { users } = await readCredentials(suite.data.credentials)
    const guardianSound = await rtp({ says: tone(1000) })
    const guardian = await (await phone('guardian-1')).invite({ to: 'council', sdp: guardianSound.sdp() })
    guardianSound.talkTo(guardian.response.body)
    const expert = await startBaresip({
      address: 'expert-safety@external.advisor',
      transport: 'tls',
      outbound: { host: '127.0.0.1', port: suite.addresses.tls!.port },
      digest: { user: 'expert-safety', password: users['expert-safety']!.password! },
      source: { toneHz: 440 },
      codecs: [codec]
    })
    t.teardown(expert.stop)
    await expert.dial('sip:council-safety@external.advisor')
    await expert.next('CALL_ESTABLISHED', 10_000)
    await new Promise((resolve) => setTimeout(resolve, 1500))
    guardianSound.takeHeard()
    await new Promise((resolve) => setTimeout(resolve, 1000))
    const heard = guardianSound.takeHeard()
    await expert.dtmf('7')
    await until(() => entriesOf('sip_dtmf_received').length > 0)
    await expert.hangup()
    await until(() => entriesOf('TERMINATED').length === 1)
    const recording = (await expert.recording())!
    t.true(toneLevel(heard.subarray(-4000), 8000, 440) > -30, 'the Guardian hears baresip')
    const { sampleRateHz } = recording
    const last = recording.samples.slice(-sampleRateHz, -sampleRateHz / 4)
    t.true(toneLevel(last, sampleRateHz, 1000) > -30, 'baresip hears the Guardian')
    t.like(entriesOf('sip_dtmf_received')[0]!.payload, { digit: '7' })
    t.true(
      entriesOf('sip_dialog_established').some(({ payload }) => payload.codec === codec.split('/')[0]),
      JSON.stringify(entriesOf('sip_dialog_established').map(({ payload }) => payload))
    )
    await guardian.bye()
  })
}
