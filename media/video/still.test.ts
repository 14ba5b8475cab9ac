/** Still pictures as video: sizes, hostile files, and who is sent what. ffmpeg is the real one; time is a clock's. */
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import fc from 'fast-check'
import { DecodeError, h264Levels, manualClock, silentLog, systemClock } from '#kernel'
import { difference, lastPictureOf, pointsOf, testStill } from '../testing/stills.ts'
import { openSlides, type SlideShown } from './slides.ts'
import { createStages } from './stages.ts'
import { encodeStill, stillFormatFor } from './still-encoder.ts'
import { readStillSize } from './still-size.ts'

const png = testStill('png', 1600, 900)
const jpeg = testStill('jpeg', 640, 480, 3)

/** The header of a PNG of any size. */
function pngHeader(width: number, height: number): Buffer {
  const header = Buffer.from(png.subarray(0, 64))
  header.writeUInt32BE(width, 16)
  header.writeUInt32BE(height, 20)
  return header
}

test('a size is read from the header; what is cut off or something else is refused', (t) => {
  t.deepEqual(readStillSize(png), { type: 'image/png', width: 1600, height: 900 })
  t.deepEqual(readStillSize(jpeg), { type: 'image/jpeg', width: 640, height: 480 })
  const code = (octets: Buffer): string => t.throws(() => readStillSize(octets), { instanceOf: DecodeError }).code
  t.is(code(png.subarray(0, 20)), 'media.still.short')
  t.is(code(jpeg.subarray(0, 30)), 'media.still.short')
  t.is(code(Buffer.alloc(0)), 'media.still.type')
  t.is(code(Buffer.from('GIF89a')), 'media.still.type')
  t.is(code(pngHeader(0, 4)), 'media.still.size')
  t.is(code(Buffer.from('ffd8ffe00001ffc0', 'hex')), 'media.still.type')
})

test('whatever comes, a size is read or refused', (t) => {
  const begin = fc.constantFrom(png.subarray(0, 40), jpeg.subarray(0, 200), Buffer.from('ffd8', 'hex'))
  fc.assert(
    fc.property(begin, fc.nat(60), fc.uint8Array({ maxLength: 60 }), (file, at, noise) => {
      const octets = Buffer.concat([file.subarray(0, at), noise, file.subarray(at + noise.length)])
      try {
        return readStillSize(octets).width > 0
      } catch (error) {
        return error instanceof DecodeError
      }
    })
  )
  t.pass()
})

test('what a viewer is sent, by level and rate', (t) => {
  const format = (level: number, kbps = 100_000) => {
    const { macroblocks, bitsPerSecond } = h264Levels.get(level)!
    const { width, height, kbps: rate } = stillFormatFor({ macroblocks, bitsPerSecond: Math.min(bitsPerSecond, kbps * 1000) })!
    return `${width}x${height} ${rate}`
  }
  t.deepEqual(
    [40, 31, 30, 22, 12, 11, 10].map((level) => format(level)),
    ['1920x1080 1024', '1280x720 1024', '640x480 1024', '640x480 1024', '352x288 128', '352x288 128', '176x144 64']
  )
  t.is(format(31, 300), '1280x720 256')
  t.is(stillFormatFor({ macroblocks: 3600, bitsPerSecond: 63_000 }), null)
  t.is(stillFormatFor({ macroblocks: 50, bitsPerSecond: 1e6 }), null)
})

test('files that would grow beyond bounds, or are none, are refused', async (t) => {
  const format = { width: 352, height: 288, kbps: 128 }
  const code = async (octets: Buffer) =>
    ((await t.throwsAsync(encodeStill(octets, format, systemClock, new AbortController().signal))) as { code?: string }).code
  t.is(await code(pngHeader(60_000, 60_000)), 'media.still.large')
  t.is(await code(Buffer.alloc((32 << 20) + 1)), 'media.still.large')
  t.is(await code(Buffer.from('hello')), 'media.still.type')
  t.is(await code(pngHeader(100, 100)), 'media.ffmpeg.ended')
})

test('each viewer gets what it takes, at its pace; who has it is told; nothing is left', async (t) => {
  t.timeout(120_000)
  const clock = manualClock()
  const stages = createStages({ conferences: () => ['council'], onConferenceEvent: () => undefined }, clock)
  t.teardown(stages.close)
  const shown: SlideShown[] = []
  const failed: string[] = []
  const idle = clock.pending()
  const slides = openSlides({
    stages,
    conference: 'council',
    log: silentLog,
    onShown: (each) => shown.push(each),
    onPlayed: () => undefined,
    onFailed: (id, code) => failed.push(`${id} ${code}`)
  })
  const { stage, release } = stages.hold('council', 'content')
  const watch = (participant: string, level: number, kbps: number) => {
    const packets: { readonly packet: Buffer; readonly atMs: number }[] = []
    const send = (packet: Buffer) => void packets.push({ packet: Buffer.from(packet), atMs: clock.monotonicMs() })
    stage.watch(participant, { ssrc: 1, payloadType: 98, sequence: 65_530, timestamp: 0, send }, clock.monotonicMs())
    const { macroblocks } = h264Levels.get(level)!
    const limit = (rate: number) => stage.limit(participant, { macroblocks, bitsPerSecond: rate * 1000 }, clock.monotonicMs())
    limit(kbps)
    return { packets, limit, taken: () => packets.splice(0).map(({ packet }) => packet) }
  }
  /** Real time for ffmpeg, and the clock's for what it made. */
  const until = async (what: () => boolean, why: string) => {
    for (const deadline = Date.now() + 30_000; !what(); await sleep(5)) {
      if (Date.now() > deadline) throw new Error(why)
      clock.advance(20)
    }
  }
  const tall = watch('tall', 31, 4000)
  const small = watch('small', 12, 150)
  slides.show('first', png)
  const complete = ({ packets }: typeof tall) => packets.filter(({ packet }) => packet[1]! >> 7 === 1).length >= 6
  await until(() => complete(tall) && complete(small), 'both see six pictures')
  t.deepEqual(shown, [], 'nothing is told before it is confirmed')
  stage.reported('tall', 65_530 - 5)
  t.deepEqual(shown, [], 'a report of earlier packets confirms nothing')
  stage.reported('tall', stage.sentTo('tall')!)
  t.deepEqual(shown, [{ id: 'first', participant: 'tall', isConfirmed: true, width: 1280, height: 720, kbps: 1024 }])
  clock.advance(15_000)
  t.like(shown[1], { id: 'first', participant: 'small', isConfirmed: false, width: 352, height: 288, kbps: 128 })
  for (const [viewer, kbps, width, height] of [
    [tall, 1024, 1280, 720],
    [small, 128, 352, 288]
  ] as const) {
    const begun = viewer.packets[0]!.atMs
    let octets = 0
    for (const { packet, atMs } of viewer.packets) {
      octets += packet.length
      t.true(octets <= 8000 + ((atMs - begun + 20) * kbps) / 8, `${octets} octets in ${atMs - begun} ms at ${kbps} kbit/s`)
    }
    const seen = lastPictureOf(viewer.taken())
    t.deepEqual([seen.width, seen.height], [width, height])
    t.true(difference(seen.pixels, pointsOf(png, width, height)) < 4, `${difference(seen.pixels, pointsOf(png, width, height))}`)
  }
  // flow control: less, then nothing, then all again
  small.limit(64)
  await until(() => stage.shownTo('small') === 'slides:352x288@64', 'the smaller stream')
  small.limit(0)
  small.taken()
  clock.advance(20_000)
  t.is(small.packets.length, 0)
  t.true(tall.packets.length > 0)
  small.limit(150)
  await until(() => complete(small), 'again')
  t.is(shown.length, 2, 'told once for each viewer and picture')
  // somebody comes later, another picture is shown, one cannot be
  const late = watch('late', 22, 2000)
  await until(() => complete(late), 'seen by who comes later')
  tall.taken()
  late.taken()
  slides.show('second', jpeg)
  const isTold = (who: string): boolean => {
    stage.reported(who, stage.sentTo(who)!)
    return shown.some(({ id, participant }) => id === 'second' && participant === who)
  }
  await until(() => isTold('tall') && isTold('late'), 'the next picture')
  clock.advance(15_000)
  const seen = lastPictureOf(late.taken())
  t.true(difference(seen.pixels, pointsOf(jpeg, 640, 480)) < 4)
  t.deepEqual(
    shown
      .slice(2)
      .map(({ id, participant }) => `${id} ${participant}`)
      .sort(),
    ['first late', 'second late', 'second small', 'second tall']
  )
  slides.show('third', pngHeader(10, 10))
  await until(() => failed.length > 0, 'refused')
  t.deepEqual(failed, ['third media.ffmpeg.ended'])
  tall.taken()
  clock.advance(20_000)
  t.is(tall.packets.length, 0, 'nothing is shown any more')
  slides.close()
  slides.close()
  await until(() => clock.pending() === idle, 'what was being encoded is given up')
  release()
})
