import { spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { h264Levels, manualClock, silentLog } from '#kernel'
import { type ConferenceEvent, createMediaPlane } from '../media.ts'
import { openEncoder } from './encoder.ts'
import { openPictureFeed } from './feed.ts'
import { createPictures } from './pictures.ts'
import { createStages } from './stages.ts'
import { createCutter, openPictureView } from './view.ts'

const hasFfmpeg = spawnSync('ffmpeg', ['-version'], { stdio: 'ignore' }).status === 0
const real = hasFfmpeg ? test : test.skip

/** A plane of which only its conferences matter. */
function plane() {
  const open = new Set<string>(['council'])
  const listeners: ((event: ConferenceEvent) => void)[] = []
  return {
    open,
    tell: (event: ConferenceEvent) => {
      for (const listener of listeners) listener(event)
    },
    conferences: () => [...open],
    onConferenceEvent: (listener: (event: ConferenceEvent) => void) => void listeners.push(listener)
  }
}

const left = { type: 'left', conference: 'council', participant: 'one' } as const
const key = [Buffer.from([0x67, 1]), Buffer.from([0x65, 2])]
const other = [Buffer.from([0x41, 3])]

test('a stage lasts while somebody holds it or the conference is there', (t) => {
  const clock = manualClock()
  const conferences = plane()
  const stages = createStages(conferences, clock)
  t.is(stages.at('council', 'people'), null)
  const held = stages.hold('council', 'people')
  const again = stages.hold('council', 'people')
  t.is(held.stage, again.stage)
  t.not(stages.hold('council', 'content').stage, held.stage)
  held.release()
  held.release()
  conferences.open.delete('council')
  conferences.tell(left)
  t.is(stages.at('council', 'people'), again.stage, 'still held once')
  again.release()
  t.is(stages.at('council', 'people'), null)
  stages.close()
  t.is(clock.pending(), 0)
})

test('who takes less than the level of a feed goes on seeing who speaks', (t) => {
  const clock = manualClock()
  const stages = createStages(plane(), clock)
  t.teardown(stages.close)
  const { stage } = stages.hold('council', 'people')
  const screen = { ssrc: 1, payloadType: 96, sequence: 0, timestamp: 0, send: () => undefined }
  const sees = (level: number | null) => {
    const viewer = `level ${level}`
    stage.watch(viewer, screen, 0)
    stage.limit(viewer, level === null ? null : h264Levels.get(level)!, 0)
    return () => stage.shownTo(viewer)
  }
  const [small, large, any] = [sees(31), sees(40), sees(null)]
  const feed = openPictureFeed(stages, 'council', 'ndi:camera')
  const level40 = [Buffer.from([0x67, 66, 0xc0, 40]), Buffer.from([0x65, 2])]
  for (const atMs of [1000, 1033]) feed.picture(level40, atMs)
  t.deepEqual([small(), large(), any()], [null, 'ndi:camera', 'ndi:camera'])
  feed.close()
  const smaller = openPictureFeed(stages, 'council', 'ndi:smaller')
  smaller.picture([Buffer.from([0x67, 66, 0xc0, 31]), Buffer.from([0x65, 2])], 2000)
  t.is(small(), 'ndi:smaller')
  smaller.close()
})

test('a feed is seen by all from its first key frame on, until it pauses; then who speaks', (t) => {
  const clock = manualClock()
  const conferences = plane()
  const stages = createStages(conferences, clock)
  const { stage } = stages.hold('council', 'people')
  const seen: Buffer[] = []
  const screen = {
    ssrc: 7,
    payloadType: 97,
    sequence: 0,
    timestamp: 0,
    send: (packet: Buffer) => void seen.push(Buffer.from(packet))
  }
  stage.watch('viewer', screen, 0)
  stage.film('speaker', { askKeyFrame: () => undefined }, 0)
  const packet = (type: number) =>
    Buffer.concat([Buffer.from('8060000100000000', 'hex'), Buffer.alloc(4), Buffer.from([type, 1])])
  stage.packet('speaker', packet(0x65), 0)
  t.is(stage.shownTo('viewer'), 'speaker')

  const feed = openPictureFeed(stages, 'council', 'ndi:camera')
  feed.picture(other, 0)
  t.is(stage.shownTo('viewer'), 'speaker', 'nobody can begin there')
  seen.length = 0
  feed.picture(key, 1000)
  feed.picture(other, 1040)
  t.is(stage.shownTo('viewer'), 'ndi:camera')
  t.deepEqual(
    seen.map((octets) => octets.subarray(12).toString('hex')),
    ['6701', '6502', '4103']
  )
  const marks = seen.map((octets) => octets[1]! >> 7)
  t.deepEqual(marks, [0, 1, 1], 'the last packet of a picture is marked')
  t.is(seen[2]!.readUInt32BE(4) - seen[1]!.readUInt32BE(4), 40 * 90)

  feed.pause()
  stage.packet('speaker', packet(0x65), 0)
  t.is(stage.shownTo('viewer'), 'speaker')
  feed.picture(key, 2000)
  t.is(stage.shownTo('viewer'), 'ndi:camera')
  feed.close()
  feed.close()
  feed.picture(key, 3000)
  t.not(stage.shownTo('viewer'), 'ndi:camera')
  stages.close()
})

test('a terminal whose pictures go by a port of their own sees the feed, under its own payload type', async (t) => {
  const plane = await createMediaPlane({ address: '127.0.0.1', portRange: [32_340, 32_359], log: silentLog })
  t.teardown(plane.close)
  const stages = createStages(plane)
  t.teardown(stages.close)
  const pictures = createPictures(plane, { address: '127.0.0.1', portRange: [32_360, 32_369], stages, log: silentLog })
  t.teardown(pictures.close)
  const socket = createSocket('udp4')
  t.teardown(() => socket.close())
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  const seen: Buffer[] = []
  const came = Promise.withResolvers<void>()
  socket.on('message', (packet) => {
    if (packet[1]! >= 192 && packet[1]! <= 223) return
    seen.push(packet)
    if (seen.length === 3) came.resolve()
  })
  const leg = await pictures.open('council', 'terminal', 'people')
  const rtp = { address: '127.0.0.1', port: socket.address().port }
  leg!.agree({ rtp, rtcp: rtp, sends: 101, receives: null, takes: null })
  const feed = openPictureFeed(stages, 'council', 'ndi:camera')
  feed.picture(key, 1000)
  feed.picture(other, 1033)
  await came.promise
  t.is(pictures.shownTo('council', 'terminal', 'people'), 'ndi:camera')
  t.deepEqual(
    seen.map((packet) => [packet[1]! & 0x7f, packet.subarray(12).toString('hex')]),
    [
      [101, '6701'],
      [101, '6502'],
      [101, '4103']
    ]
  )
  feed.close()
  leg!.close()
  t.is(stages.at('council', 'people'), null, 'nobody holds the stage')
})

test('octets are cut into pieces of one size', (t) => {
  const pieces: string[] = []
  const cut = createCutter(3, (piece) => pieces.push(piece.toString()))
  for (const part of ['a', 'bcde', '', 'fghij']) cut(Buffer.from(part))
  t.deepEqual(pieces, ['abc', 'def', 'ghi'])
})

real('what goes onto the stage comes out for a viewer as pictures of one size', async (t) => {
  const conferences = plane()
  const stages = createStages(conferences)
  t.teardown(stages.close)
  const seen: number[] = []
  const view = openPictureView(stages, {
    conference: 'council',
    name: 'publisher',
    width: 320,
    height: 240,
    // luma in the middle of the picture
    onPicture: (data) => seen.push(data[120 * 640 + 321]!),
    onEnd: (error) => t.fail(error.message)
  })
  t.teardown(view.close)
  const feed = openPictureFeed(stages, 'council', 'ndi:camera')
  const encoder = openEncoder({
    codec: 'h264',
    fourCC: 'UYVY',
    width: 640,
    height: 360,
    lineStride: 1280,
    mostPerSecond: 30,
    encodedHeight: 480,
    onUnit: (units, at) => feed.picture(units, at),
    onEnd: (error) => t.fail(error.message)
  })
  t.teardown(encoder.close)
  const picture = (luma: number) => new Uint8Array(1280 * 360).map((_, at) => (at % 2 === 0 ? 128 : luma))
  const [dark, light] = [picture(40), picture(200)]
  for (let number = 0; number < 200 && !seen.some((luma) => luma > 180); number++) {
    encoder.picture(number < 20 ? dark : light, number * 34, () => undefined)
    await sleep(20)
  }
  t.is(view.shown(), 'ndi:camera')
  t.true(Math.abs(seen[0]! - 40) < 8, `${seen[0]}`)
  t.true(Math.abs(seen.at(-1)! - 200) < 8, `${seen.at(-1)}`)
  await encoder.close()
  feed.close()
  await view.close()
  await view.close()
})
