/** The floor of conferences, by commands: without H.323, as the suite is by default. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { encodeWav, sine, toneLevel } from '#media'
import { edgeHeaders, runSuite, tone, until } from '../../../deploy/testing/harness.ts'
import { hears } from '../../../deploy/testing/sound.ts'
import { ifctl } from '../../testing/run.ts'

test('who is there is shown, muted, turned down, made an observer, locked out and played to; each change stands in the record', async (t) => {
  const { suite, phone, rtp, entriesOf } = await runSuite(t, { edge: 'external', media: { srtp: 'off' } })
  const run = async (...words: string[]) => {
    const done = await ifctl(['conference', ...words, '--data', suite.data.folder, '--json'])
    t.is(done.code, 0, `${words.join(' ')}: ${done.stderr}`)
    return JSON.parse(done.stdout)
  }
  const call = async (id: string, hz: number) => {
    const sound = await rtp({ says: tone(hz) })
    const to = id.startsWith('guardian') ? { to: 'council' } : {}
    const headers = () => edgeHeaders(id)
    const dialog = await (await phone(id)).invite({ sdp: sound.sdp(), headers, ...to })
    if (dialog.status === 200) sound.talkTo(dialog.response.body)
    return { sound, dialog }
  }
  t.deepEqual(await run('list'), { conferences: [] })
  const [expert, guardian] = [await call('expert-safety', 440), await call('guardian-1', 1000)]
  t.true(await hears(guardian.sound, 440))
  const { participants } = await run('show', 'council')
  t.like(participants, [
    { role: 'expert', protocol: 'other', number: null, muted: false, heardDb: 0 },
    { role: 'guardian', protocol: 'other', codec: 'PCMU' }
  ])
  const who = participants[0].participant as string
  const listed = await ifctl(['conference', 'list', '--data', suite.data.folder])
  t.regex(listed.stdout, /^council +2 +0 +-/m)

  const heard = async (hz: number) => {
    guardian.sound.takeHeard()
    await sleep(500)
    return toneLevel(guardian.sound.takeHeard().subarray(-2000), 8000, hz)
  }
  await run('mute', 'council', who)
  await sleep(200)
  t.true((await heard(440)) < -50)
  t.true((await run('show', 'council')).participants[0].muted)
  await run('unmute', 'council', who)
  await run('volume', 'council', who, '--heard', '-20')
  await sleep(200)
  t.true(Math.abs((await heard(440)) + 32) < 2)
  await run('role', 'council', who, 'observer')
  await sleep(200)
  t.true((await heard(440)) < -50)
  t.like((await run('show', 'council')).participants[0], { role: 'observer', heardDb: -20 })
  for (const wrong of [
    ['role', 'council', who, 'chairman'],
    ['volume', 'council', who],
    ['volume', 'council', who, '--heard', '13']
  ]) {
    const refused = await ifctl(['conference', ...wrong, '--data', suite.data.folder])
    t.is(refused.code, 2)
    t.regex(refused.stderr, /expected/)
  }
  await run('lock', 'council')
  t.not((await call('guardian-2', 1700)).dialog.status, 200)
  await run('unlock', 'council')

  // announcements: to all, to one, and what is none
  const file = join(suite.data.folder, 'break.wav')
  await writeFile(file, encodeWav({ sampleRateHz: 16_000, samples: sine(16_000, 700, -14, 32_000) }))
  t.deepEqual(await run('announce', 'council', file), { seconds: 2 })
  t.true(await hears(guardian.sound, 700))
  t.true(await hears(expert.sound, 700))
  await until(() => entriesOf('announcement_played').length === 1)
  expert.sound.takeHeard()
  t.deepEqual(await run('announce', 'council', file, '--to', participants[1].participant), { seconds: 2 })
  t.true(await hears(guardian.sound, 700))
  t.true(toneLevel(expert.sound.takeHeard(), 8000, 700) < -50)
  await until(() => entriesOf('announcement_played').length === 2)
  t.like(entriesOf('announcement_played')[0]!.payload, { conference: 'council', to: null, seconds: 2, whole: true })
  t.is(entriesOf('announcement_played')[1]!.payload.to, participants[1].participant)
  const broken = join(suite.data.folder, 'broken.wav')
  await writeFile(broken, 'no sound')
  for (const [told, ...words] of [
    [/expected a WAV file \(wav\.malformed\)/, 'announce', 'council', broken],
    [/no such conference or participant/, 'announce', 'elsewhere', file],
    [/no such conference or participant/, 'announce', 'council', file, '--to', 'nobody'],
    [/no such conference/, 'show', 'elsewhere'],
    [/no such conference or participant/, 'mute', 'council', 'nobody']
  ] as const) {
    const refused = await ifctl(['conference', ...words, '--data', suite.data.folder])
    t.is(refused.code, 1)
    t.regex(refused.stderr, told)
  }

  await until(() => entriesOf('conference_unlocked').length === 1)
  const told = ['participant_muted', 'participant_unmuted', 'participant_role_changed', 'participant_volume_changed']
  t.deepEqual(
    told.map((event) => entriesOf(event).map(({ payload }) => payload.participant)),
    [[who], [who], [who], [who]]
  )
  t.is(entriesOf('participant_muted')[0]!.trace_id, entriesOf('participant_volume_changed')[0]!.trace_id)
  t.like(entriesOf('participant_muted')[0]!.payload, { conference: 'council', by: 'chair' })
})
