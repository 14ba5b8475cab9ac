/** Video files as video for those who take that alone. ffmpeg is the real one; time is a clock's. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { h264Levels, manualClock, silentLog } from '#kernel'
import { testClip } from '../testing/clips.ts'
import { lumaOf } from '../testing/luma.ts'
import { lastPictureOf, testStill } from '../testing/stills.ts'
import { type ClipFile, probeClip } from './clip-probe.ts'
import { openSlides, type SlideShown } from './slides.ts'
import { createStages } from './stages.ts'

async function folderOf(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'clip-'))
  t.teardown(() => rm(folder, { recursive: true }))
  return folder
}

function scene(t: ExecutionContext) {
  const clock = manualClock()
  const stages = createStages({ conferences: () => ['council'], onConferenceEvent: () => undefined }, clock)
  t.teardown(stages.close)
  const shown: SlideShown[] = []
  const told: string[] = []
  const slides = openSlides({
    stages,
    conference: 'council',
    log: silentLog,
    onShown: (each) => shown.push(each),
    onPlayed: (id) => told.push(`${id} played`),
    onFailed: (id, code) => told.push(`${id} ${code}`)
  })
  t.teardown(slides.close)
  const { stage, release } = stages.hold('council', 'content')
  t.teardown(release)
  const watch = (participant: string, level: number) => {
    const packets: Buffer[] = []
    const times: number[] = []
    const send = (packet: Buffer): void => {
      packets.push(Buffer.from(packet))
      times.push(clock.monotonicMs())
    }
    stage.watch(participant, { ssrc: 1, payloadType: 98, sequence: 1, timestamp: 0, send }, clock.monotonicMs())
    stage.limit(participant, h264Levels.get(level)!, clock.monotonicMs())
    return { packets, times }
  }
  /** Real time for ffmpeg, and the clock's for what it made. */
  const until = async (what: () => boolean, why: string) => {
    for (const deadline = Date.now() + 30_000; !what(); await sleep(5)) {
      if (Date.now() > deadline) throw new Error(`${why}: ${told}`)
      clock.advance(20)
    }
  }
  return { clock, stage, slides, shown, told, watch, until }
}

test.serial('a video is played once, at its pace and for each viewer as it takes it; its last picture stays', async (t) => {
  t.timeout(60_000)
  const { clock, stage, slides, shown, told, watch, until } = scene(t)
  const path = testClip(await folderOf(t), 'mp4', 640, 360, 6)
  slides.play('film', { path, type: 'video/mp4' })
  clock.advance(5000)
  t.false(slides.isPlaying(), 'it waits for somebody to see it')
  const [tall, small] = [watch('tall', 31), watch('small', 12)]
  await until(() => slides.isPlaying(), 'it begins')
  const begunMs = clock.monotonicMs()
  await until(() => clock.monotonicMs() - begunMs > 4500, 'in the middle')
  watch('late', 22)
  t.deepEqual(shown, [], 'nobody has seen it before its end')
  await until(() => told.length > 0, 'its end')
  const endedAt = tall.packets.length
  t.deepEqual(told, ['film played'])
  t.false(slides.isPlaying())
  const tookMs = clock.monotonicMs() - begunMs
  t.true(tookMs >= 6000, `${tookMs} ms`)
  await until(() => stage.shownTo('late') !== null, 'who comes late sees it')
  for (const who of ['tall', 'small', 'late']) {
    const isTold = (): boolean => {
      stage.reported(who, stage.sentTo(who)!)
      return shown.some(({ participant }) => participant === who)
    }
    await until(isTold, `${who} has seen it`)
  }
  t.like(
    shown.find(({ participant }) => participant === 'tall'),
    { id: 'film', isConfirmed: true, width: 1280, height: 720, fromSeconds: 0 }
  )
  t.like(
    shown.find(({ participant }) => participant === 'small'),
    { width: 352, height: 288, kbps: 128, fromSeconds: 0 }
  )
  t.true(shown.find(({ participant }) => participant === 'late')!.fromSeconds! >= 4)
  for (const [{ packets, times }, perSecond] of [
    [tall, 15],
    [small, 7]
  ] as const) {
    const lights = await lumaOf(packets)
    const turned = lights.findIndex((light) => light > 100)
    // the first three seconds dark, at the rate of the size; then light to the end
    t.true(Math.abs(turned - 3 * perSecond) <= 2, `light from picture ${turned} on`)
    t.true(lights.slice(turned + 1).every((light) => light > 100))
    t.true(lights.length >= 6 * perSecond)
    const turnedMs = times[packets.flatMap((packet, at) => (packet[1]! >> 7 === 1 ? [at] : []))[turned]!]! - times[0]!
    t.true(turnedMs > 2700 && turnedMs < 6000, `light after ${turnedMs} ms`)
  }
  const before = tall.packets.length
  const isRepeated = (): boolean => tall.packets.length > before + 4
  await until(isRepeated, 'the last picture goes on')
  const { width, height, pixels } = lastPictureOf(tall.packets.slice(endedAt))
  t.deepEqual([width, height], [1280, 720])
  t.true(Math.max(...pixels) > 200)
  const came = shown.length
  slides.clear()
  tall.packets.length = 0
  clock.advance(5000)
  t.is(tall.packets.length, 0)
  t.is(shown.length, came)
})

test.serial('a WebM that does not say how long it is, as browsers record it, is played to its end', async (t) => {
  t.timeout(60_000)
  const { slides, shown, told, stage, watch, until } = scene(t)
  const file: ClipFile = { path: testClip(await folderOf(t), 'webm', 160, 120, 2), type: 'video/webm' }
  t.is(await probeClip(file, manualClock(), new AbortController().signal), null)
  slides.play('film', file)
  const { packets } = watch('viewer', 12)
  await until(() => told.length > 0, 'it is over')
  t.deepEqual(told, ['film played'])
  stage.reported('viewer', stage.sentTo('viewer')!)
  t.like(shown[0], { participant: 'viewer', isConfirmed: true, fromSeconds: 0 })
  const lights = await lumaOf(packets)
  t.true(lights[0]! < 40 && lights.at(-1)! > 100)
})

test.serial(
  'where all viewers go, a video is over in its time; ffmpeg goes with the last one, and with what is taken down',
  async (t) => {
    t.timeout(60_000)
    const { clock, stage, slides, shown, told, watch, until } = scene(t)
    const path = testClip(await folderOf(t), 'mp4', 160, 120, 4)
    const isRunning = (): boolean => process.getActiveResourcesInfo().includes('ProcessWrap')
    slides.play('film', { path, type: 'video/mp4' })
    const seen = watch('viewer', 12)
    await until(() => seen.packets.length > 0, 'it is seen')
    t.true(isRunning(), 'it is held while it is ahead')
    stage.watch('viewer', null, clock.monotonicMs())
    await until(() => !isRunning(), 'nothing runs for nobody')
    t.true(slides.isPlaying())
    await until(() => told.length > 0, 'it is over')
    t.deepEqual(told, ['film played'])
    t.deepEqual(shown, [], 'nobody has seen its end')
    slides.play('again', { path, type: 'video/mp4' })
    watch('viewer', 12)
    await until(() => slides.isPlaying() && isRunning(), 'it begins again')
    slides.clear()
    await until(() => !isRunning(), 'and is taken down')
    t.deepEqual(told, ['film played'])
  }
)

test.serial('what is no video of its type, or beyond bounds, is refused; nothing is left', async (t) => {
  t.timeout(60_000)
  const folder = await folderOf(t)
  const { clock, slides, told, watch, until } = scene(t)
  watch('viewer', 12)
  const idle = clock.pending()
  const mp4 = testClip(folder, 'mp4', 160, 120, 1)
  const refused = async (name: string, octets: Buffer | string, type: ClipFile['type'] = 'video/mp4') => {
    const path = join(folder, name)
    await writeFile(path, octets)
    told.length = 0
    slides.play(name, { path, type })
    await until(() => told.length > 0, `${name} is refused`)
    return told.join()
  }
  t.is(await refused('noise', Buffer.alloc(5000, 7)), 'noise media.clip.type')
  t.is(await refused('picture', testStill('png', 64, 64)), 'picture media.clip.type')
  t.is(await refused('list', `ffconcat version 1.0\nfile ${mp4}\n`), 'list media.clip.type', 'a list of other files')
  t.is(await refused('stream', `#EXTM3U\n#EXTINF:1,\n${mp4}\n`, 'video/webm'), 'stream media.clip.type')
  for (const [path, code] of [
    [testClip(folder, 'mp4', 4096, 4096, 0.2), 'large'],
    [testClip(folder, 'mp4', 16, 16, 2000, 0.01), 'long']
  ] as const) {
    told.length = 0
    slides.play('file', { path, type: 'video/mp4' })
    await until(() => told.length > 0, `it is too ${code}`)
    t.is(told.join(), `file media.clip.${code}`)
  }
  t.is(clock.pending(), idle)
  const over = new AbortController()
  const probed = probeClip({ path: mp4, type: 'video/mp4' }, clock, over.signal)
  over.abort()
  await t.throwsAsync(probed, { code: 'media.clip.given-up' })
  const slow = probeClip({ path: mp4, type: 'video/mp4' }, clock, new AbortController().signal)
  clock.advance(10_000)
  await t.throwsAsync(slow, { code: 'media.clip.slow' })
})
