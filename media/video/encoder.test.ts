import { spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import type { InfraFabricError } from '#kernel'
import { createChunkReader, type EncoderConfig, openEncoder } from './encoder.ts'
import { isKeyUnit } from './nal.ts'

const hasFfmpeg = spawnSync('ffmpeg', ['-version'], { stdio: 'ignore' }).status === 0
const real = hasFfmpeg ? test.serial : test.serial.skip

const chunk = (id: string, body: Buffer) => {
  const head = Buffer.from(`${id}\0\0\0\0`, 'latin1')
  head.writeUInt32LE(body.length, 4)
  return Buffer.concat([head, body, Buffer.alloc(body.length % 2)])
}

test('units are read out of AVI however the octets arrive', (t) => {
  const bodies = [Buffer.from('one'), Buffer.from('four'), Buffer.alloc(0), Buffer.from('x')]
  const stream = Buffer.concat([
    Buffer.from('RIFF....AVI LIST....movi', 'latin1'),
    chunk('00dc', bodies[0]!),
    chunk('JUNK', Buffer.from('no')),
    ...bodies.slice(1).map((body) => chunk('00dc', body))
  ])
  for (const step of [1, 3, 7, stream.length]) {
    const units: string[] = []
    const read = createChunkReader((unit) => units.push(unit.toString()))
    for (let at = 0; at < stream.length; at += step) read(stream.subarray(at, at + step))
    t.deepEqual(units, ['one', 'four', 'x'])
  }
  const read = createChunkReader(() => t.fail())
  t.throws(() => read(Buffer.from('movi00dc\xff\xff\xff\x7f', 'latin1')), { code: 'media.ffmpeg.output' })
})

const small = { fourCC: 'UYVY', width: 320, height: 240, lineStride: 704, mostPerSecond: 30, encodedHeight: 480 } as const

for (const codec of ['h264', 'h265'] as const) {
  real(`${codec}: each picture becomes a unit, with the time of its picture; the first is one to begin with`, async (t) => {
    // x265 keeps up to two until the next come
    const late = codec === 'h264' ? 0 : 2
    const times: number[] = []
    const keys: number[] = []
    const config: EncoderConfig = {
      ...small,
      codec,
      onUnit: (units, capturedMs) => {
        if (units.some((unit) => isKeyUnit(codec, unit))) keys.push(times.length)
        times.push(capturedMs)
      },
      onEnd: (error) => t.fail(error.message)
    }
    const encoder = openEncoder(config)
    t.teardown(encoder.close)
    let released = 0
    const sent: number[] = []
    for (let number = 0; number < 40; number++) {
      const data = new Uint8Array(704 * 240).fill(16 + number * 4)
      const before = encoder.figures().dropped
      // one at a time, so that none is left out
      for (let waits = 0; sent.length - encoder.figures().encoded > 2 && waits < 400; waits++) await sleep(5)
      encoder.picture(data, number * 34, () => released++)
      t.is(encoder.figures().dropped, before)
      sent.push(number * 34)
    }
    for (let tries = 0; tries < 400 && encoder.figures().encoded < 40 - late; tries++) await sleep(10)
    await encoder.close()
    t.true(times.length >= 40 - late, `${times.length} came out`)
    t.deepEqual(times, sent.slice(0, times.length))
    t.is(keys[0], 0)
    t.true(keys.includes(30), 'one second later there is another')
    t.is(released, 40)
  })
}

real('pictures beyond what is wanted are skipped, and the oldest dropped where the encoder is behind', async (t) => {
  const encoder = openEncoder({ ...small, codec: 'h264', onUnit: () => undefined, onEnd: (error) => t.fail(error.message) })
  let released = 0
  const data = new Uint8Array(704 * 240)
  for (let number = 0; number < 60; number++) encoder.picture(data, number * 16.7, () => released++)
  const { taken, skipped, dropped } = encoder.figures()
  t.is(taken, 60)
  t.true(skipped >= 28 && skipped <= 31, `${skipped} skipped`)
  t.is(dropped, 60 - skipped - 3, 'one is being written and two wait')
  await encoder.close()
  t.is(released, 60)
})

real('an encoder that ends by itself says so once', async (t) => {
  const ended: InfraFabricError[] = []
  const encoder = openEncoder({
    ...small,
    width: 1,
    height: 1,
    codec: 'h264',
    onUnit: () => t.fail(),
    onEnd: (e) => ended.push(e)
  })
  let released = 0
  encoder.picture(new Uint8Array(704), 0, () => released++)
  for (let tries = 0; tries < 400 && ended.length === 0; tries++) await sleep(10)
  await encoder.close()
  t.is(ended.length, 1)
  t.is(ended[0]!.code, 'media.ffmpeg.ended')
  t.is(released, 1)
})
