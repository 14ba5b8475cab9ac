/** Commands that ask the running suite about H.323. */
import test from 'ava'
import { terminal } from '../../../deploy/testing/h323.ts'
import { edgeHeaders, runSuite, temporaryFolder, until } from '../../../deploy/testing/harness.ts'
import { hears } from '../../../deploy/testing/sound.ts'
import { ifctl } from '../../testing/run.ts'

const settings = { edge: 'external', media: { srtp: 'off' }, h323: { enabled: true, ras: 0, signalling: 0 } } as const

test('endpoints, calls and conferences are shown; a terminal is invited, muted, dropped; a conference is locked', async (t) => {
  const running = await runSuite(t, settings)
  const { suite, phone, rtp, entriesOf } = running
  const ask = async (...words: string[]) => {
    const done = await ifctl(['h323', ...words, '--data', suite.data.folder, '--json'])
    t.is(done.code, 0, done.stderr)
    return JSON.parse(done.stdout)
  }
  const [one, two] = [await terminal(t, running, 'guardian-1', 440), await terminal(t, running, 'guardian-2', 1000)]
  two.answerAll()
  await one.call('council')
  const sound = await rtp()
  const sip = await (await phone('expert-safety')).invite({ sdp: sound.sdp(), headers: () => edgeHeaders('expert-safety') })
  t.is(sip.status, 200)
  sound.talkTo(sip.response.body)
  const people = await ifctl(['h323', 'endpoints', '--data', suite.data.folder])
  t.regex(people.stdout, /^h323:guardian-1 +terminal +127\.0\.0\.1:\d+ +guardian-1 /m)
  t.is((await ask('endpoints')).endpoints.length, 3)
  t.like((await ask('calls')).calls[0], { from: 'sip:guardian-1@council.local', to: 'sip:council@council.local' })
  t.like(await ask('conference', 'invite', 'council', 'guardian-2'), { ok: true })
  t.true(await hears(one.phone, 1000), 'who was invited is heard')
  const { terminals } = await ask('conference', 'show', 'council')
  t.deepEqual(
    terminals.map(({ number, protocol, role }: Record<string, unknown>) => [number, protocol, role]),
    [
      [1, 'h323', 'guardian'],
      [2, 'other', 'expert'],
      [3, 'h323', 'guardian']
    ]
  )
  const guest = terminals[2].participant as string
  await ask('conference', 'mute', 'council', guest)
  t.true((await ask('conference', 'show', 'council')).terminals[2].muted)
  await ask('conference', 'unmute', 'council', guest)
  await ask('conference', 'role', 'council', guest, 'observer')
  await ask('conference', 'volume', 'council', guest, '--heard', '-6', '--hears', '3')
  t.like((await ask('conference', 'show', 'council')).terminals[2], { role: 'observer', heardDb: -6, hearsDb: 3 })
  await ask('conference', 'role', 'council', guest, 'guardian')
  for (const wrong of [
    ['role', 'council', guest, 'chairman'],
    ['volume', 'council', guest],
    ['volume', 'council', guest, '--heard', '13']
  ]) {
    const refused = await ifctl(['h323', 'conference', ...wrong, '--data', suite.data.folder])
    t.is(refused.code, 2)
    t.regex(refused.stderr, /expected/)
  }
  await ask('conference', 'lock', 'council')
  await ask('conference', 'drop', 'council', guest)
  await until(() => entriesOf('conference_locked').length === 1)
  const told = ['participant_muted', 'participant_unmuted', 'participant_role_changed', 'participant_volume_changed']
  t.deepEqual(
    told.map((event) => entriesOf(event).map(({ payload }) => payload.participant)),
    [[guest], [guest], [guest, guest], [guest]]
  )
  t.is(entriesOf('participant_muted')[0]!.trace_id, entriesOf('participant_volume_changed')[0]!.trace_id)
  t.like(entriesOf('participant_muted')[0]!.payload, { conference: 'council', by: 'chair' })
  await until(() => suite.inside.media.roster('council').length === 2)
  const shown = await ifctl(['h323', 'conference', 'list', '--data', suite.data.folder])
  t.regex(shown.stdout, /^council +2 +1 +-/m)
  const nobody = await ifctl(['h323', 'conference', 'invite', 'council', 'nobody', '--data', suite.data.folder])
  t.is(nobody.code, 1)
  t.regex(nobody.stderr, /nobody has registered this alias/)
  const [call] = (await ask('calls')).calls
  await ask('calls', '--drop', call.call)
  await until(() => suite.inside.media.roster('council').length === 1)
})

test('where no suite runs, or H.323 is off, that is said', async (t) => {
  const absent = await ifctl(['h323', 'endpoints', '--data', await temporaryFolder(t)])
  t.is(absent.code, 1)
  t.regex(absent.stderr, /cli\.suite\.absent/)
  const { suite } = await runSuite(t, { edge: 'external' })
  const off = await ifctl(['h323', 'calls', '--data', suite.data.folder])
  t.is(off.code, 1)
  t.regex(off.stderr, /H\.323 is off/)
})
