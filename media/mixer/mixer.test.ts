import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test from 'ava'
import fc from 'fast-check'
import { limit, Mix } from './mixer.ts'

const knee = 24_576
const frameOf = fc
  .array(fc.integer({ min: -8000, max: 8000 }), { minLength: 8, maxLength: 8 })
  .map((list) => Int16Array.from(list))

test('each hears exactly the sum of the others, below the knee', (t) => {
  fc.assert(
    fc.property(fc.array(frameOf, { minLength: 1, maxLength: 3 }), (frames) => {
      const mix = new Mix(8)
      const out = new Int16Array(8)
      mix.clear()
      for (const frame of frames) mix.add(frame)
      t.is(mix.voices, frames.length)
      for (const own of frames) {
        mix.without(own, out)
        for (let i = 0; i < 8; i++)
          t.is(
            out[i],
            frames.reduce((sum, frame) => sum + (frame === own ? 0 : frame[i]!), 0)
          )
      }
      mix.without(null, out)
      for (let i = 0; i < 8; i++)
        t.is(
          out[i],
          frames.reduce((sum, frame) => sum + frame[i]!, 0)
        )
    }),
    { numRuns: 100, seed: 1 }
  )
})

test('a frame does not leak into the next', (t) => {
  const mix = new Mix(2)
  const out = new Int16Array(2)
  mix.add(Int16Array.of(100, 200))
  mix.clear()
  mix.without(null, out)
  t.deepEqual([...out], [0, 0])
  t.is(mix.voices, 0)
})

test('one voice at full scale is hardly bent, a hundred do not wrap around', (t) => {
  const mix = new Mix(2)
  const out = new Int16Array(2)
  for (let n = 0; n < 100; n++) mix.add(Int16Array.of(32_767, -32_768))
  mix.without(null, out)
  t.true(out[0]! > 32_000 && out[1]! < -32_000)
})

test('the limiter is exact to the knee, odd, never falling, and never beyond full scale', (t) => {
  for (const sum of [0, 1, 1000, knee]) {
    t.is(limit(sum), sum)
    t.is(limit(-sum), -sum)
  }
  let before = 0
  for (let sum = 0; sum < 4_000_000; sum += 97) {
    const bent = limit(sum)
    if (bent < before || bent > 32_767 || bent > sum || limit(-sum) !== -bent) t.fail(`${sum} → ${bent}`)
    before = bent
  }
  t.true(Math.abs(limit(knee + 1) - knee - 1) < 0.01)
})

test.serial('mixing takes no memory for a frame', (t) => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const mix = new Mix(160)
  const frames = Array.from({ length: 10 }, (_, n) => new Int16Array(160).fill(n * 100))
  const out = new Int16Array(160)
  const round = () => {
    mix.clear()
    for (const frame of frames) mix.add(frame)
    for (const frame of frames) mix.without(frame, out)
  }
  for (let n = 0; n < 20_000; n++) round()
  collect()
  const before = process.memoryUsage().heapUsed
  for (let n = 0; n < 20_000; n++) round()
  const octetsPerFrame = (process.memoryUsage().heapUsed - before) / 200_000
  t.true(octetsPerFrame < 8, `${octetsPerFrame} octets a frame`)
})
