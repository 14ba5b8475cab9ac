/** What is heard when somebody comes or goes, by the settings. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { encodeWav, type RtpPhone, sine, toneLevel } from '#media'
import { edgeHeaders, runSuite, temporaryFolder, until } from '../testing/harness.ts'
import { hears } from '../testing/sound.ts'

/** A note is heard for 90 ms: where a tone is loudest in what was heard so far, in samples; null where it is not there. */
function noteAt(heard: Int16Array, hz: number): number | null {
  const note = 480
  const places = Array.from({ length: Math.max(0, Math.floor((heard.length - note) / 160)) }, (_, n) => 160 * n)
  const levels = places.map((at) => toneLevel(heard.subarray(at, at + note), 8000, hz))
  const loudest = Math.max(...levels)
  return loudest > -26 ? places[levels.indexOf(loudest)]! : null
}

/** Whether the two notes of somebody who comes are heard, the lower one first. */
async function hearsEntry(phone: RtpPhone): Promise<boolean> {
  let heard = new Int16Array(0)
  for (let tries = 0; tries < 100; tries++) {
    heard = Int16Array.of(...heard, ...phone.takeHeard())
    const [low, high] = [noteAt(heard, 523), noteAt(heard, 784)]
    if (low !== null && high !== null) return low < high
    await sleep(50)
  }
  return false
}

test('who is there hears who comes and who goes: a tone, and a file', async (t) => {
  const exitSound = join(await temporaryFolder(t), 'exit.wav')
  await writeFile(exitSound, encodeWav({ sampleRateHz: 8000, samples: sine(8000, 1300, -14, 8000) }))
  const { suite, phone, rtp } = await runSuite(t, { edge: 'external', media: { entrySound: 'tone', exitSound } })
  const call = async (id: string) => {
    const sound = await rtp()
    const to = id.startsWith('guardian') ? { to: 'council' } : {}
    const dialog = await (await phone(id)).invite({ sdp: sound.sdp(), headers: () => edgeHeaders(id), ...to })
    t.is(dialog.status, 200)
    sound.talkTo(dialog.response.body)
    return { sound, dialog }
  }
  const guardian = await call('guardian-1')
  await until(() => guardian.sound.packetsReceived > 20)
  guardian.sound.takeHeard()
  const entered = hearsEntry(guardian.sound)
  const expert = await call('expert-safety')
  t.true(await entered, 'the two notes of the entry')
  const left = hears(guardian.sound, 1300)
  await expert.dialog.bye()
  t.true(await left, 'the file of the exit')
  t.is(suite.inside.media.roster('council').length, 1)
})

test('a sound that cannot be read, or played, is told at the start', async (t) => {
  const folder = await temporaryFolder(t)
  const odd = join(folder, 'odd.wav')
  await writeFile(odd, encodeWav({ sampleRateHz: 44_100, samples: new Int16Array(100) }))
  for (const [media, told] of [
    [{ entrySound: join(folder, 'absent.wav') }, /entrySound .*absent\.wav: ENOENT/],
    [{ exitSound: odd }, /exitSound: 44100 Hz is not played/]
  ] as const) {
    const error = await t.throwsAsync(runSuite(t, { edge: 'external', media }))
    t.regex(String((error.cause as Error).message), told)
  }
})
