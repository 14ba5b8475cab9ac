/** Commands that ask the running suite about H.323. */
import test from 'ava'
import { terminal } from '../../../deploy/testing/h323.ts'
import { edgeHeaders, runSuite, temporaryFolder, until } from '../../../deploy/testing/harness.ts'
import { hears } from '../../../deploy/testing/sound.ts'
import { ifctl } from '../../testing/run.ts'

const settings = { edge: 'external', media: { srtp: 'off' }, h323: { enabled: true, ras: 0, signalling: 0 } } as const

test('endpoints, calls and conferences are shown; a terminal is invited and dropped', async (t) => {
  const running = await runSuite(t, settings)
  const { suite, phone, rtp } = running
  const run = async (...words: string[]) => {
    const done = await ifctl([...words, '--data', suite.data.folder, '--json'])
    t.is(done.code, 0, done.stderr)
    return JSON.parse(done.stdout)
  }
  const ask = (...words: string[]) => run('h323', ...words)
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
  const { participants } = await run('conference', 'show', 'council')
  t.deepEqual(
    participants.map(({ number, protocol, role }: Record<string, unknown>) => [number, protocol, role]),
    [
      [1, 'h323', 'guardian'],
      [2, 'other', 'expert'],
      [3, 'h323', 'guardian']
    ]
  )
  const guest = participants[2].participant as string
  await ask('conference', 'drop', 'council', guest)
  await until(() => suite.inside.media.roster('council').length === 2)
  const shown = await ifctl(['conference', 'list', '--data', suite.data.folder])
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
