import test from 'ava'
import fc from 'fast-check'
import { gainOfDecibels, knee, largestGain, levelOfPower, limit, powerOfLevel, unityGain } from './kernel.ts'
import { kernels } from './kernels.ts'

const sample = fc.integer({ min: -32_768, max: 32_767 })
const quiet = fc.integer({ min: -6000, max: 6000 })
const framesOf = (of: fc.Arbitrary<number>, most: number, length: number) =>
  fc.array(
    fc.array(of, { minLength: length, maxLength: length }).map((list) => Int16Array.from(list)),
    { minLength: 1, maxLength: most }
  )

for (const kernel of kernels()) {
  const own = (samples: Int16Array) => {
    const frame = kernel.frame(samples.length)
    frame.set(samples)
    return frame
  }

  test(`${kernel.name}: each hears exactly the sum of the others, below the knee`, (t) => {
    fc.assert(
      fc.property(framesOf(quiet, 4, 160), (lists) => {
        const frames = lists.map(own)
        const sum = kernel.sum(160)
        const out = kernel.frame(160)
        for (const frame of frames) kernel.add(sum, frame)
        for (const excluded of [...frames, null]) {
          kernel.without(sum, excluded, out)
          const expected = Int16Array.from({ length: 160 }, (_, i) =>
            frames.reduce((total, frame) => total + (frame === excluded ? 0 : frame[i]!), 0)
          )
          t.deepEqual(out.slice(), expected)
        }
        for (const memory of [...frames, sum, out]) kernel.free(memory)
      }),
      { numRuns: 50, seed: 1 }
    )
  })

  test(`${kernel.name}: one voice at full scale is hardly bent, a hundred do not wrap around`, (t) => {
    const sum = kernel.sum(160)
    const out = kernel.frame(160)
    const loud = own(Int16Array.from({ length: 160 }, (_, i) => (i % 2 === 0 ? 32_767 : -32_768)))
    for (let n = 0; n < 100; n++) kernel.add(sum, loud)
    kernel.without(sum, null, out)
    t.true(out[0]! > 32_000 && out[1]! < -32_000)
  })

  test(`${kernel.name}: a gain of one changes nothing; others scale, and cut off at full scale`, (t) => {
    fc.assert(
      fc.property(framesOf(sample, 1, 160), fc.integer({ min: 0, max: largestGain }), ([list], gain) => {
        const frame = own(list!)
        kernel.scale(frame, unityGain, unityGain)
        t.deepEqual(frame.slice(), list)
        kernel.scale(frame, gain, gain)
        for (let i = 0; i < 160; i++) {
          const exact = Math.max(-32_768, Math.min(32_767, (list![i]! * gain) / unityGain))
          if (Math.abs(frame[i]! - exact) > 0.5) t.fail(`${list![i]} × ${gain}: ${frame[i]}`)
        }
        kernel.free(frame)
      }),
      { numRuns: 50, seed: 1 }
    )
  })

  test(`${kernel.name}: a gain that moves rises evenly and ends where it should`, (t) => {
    const frame = own(new Int16Array(160).fill(10_000))
    kernel.scale(frame, 0, unityGain)
    t.true(frame[0]! > 0 && frame[0]! < 100)
    for (let i = 1; i < 160; i++) t.true(frame[i]! >= frame[i - 1]! && frame[i]! - frame[i - 1]! <= 70)
    t.true(frame[159]! > 9950)
  })

  test(`${kernel.name}: crossfade begins with the one and ends with the other; blend cuts off`, (t) => {
    const before = own(new Int16Array(160).fill(-8000))
    const out = own(new Int16Array(160).fill(8000))
    kernel.crossfade(before, out)
    t.true(out[0]! < -7700 && out[159]! > 7900)
    const loud = own(new Int16Array(160).fill(30_000))
    kernel.blend(loud, loud)
    t.true(loud.every((value) => value === 32_767))
  })

  test(`${kernel.name}: power is the mean square`, (t) => {
    fc.assert(
      fc.property(framesOf(sample, 1, 160), ([list]) => {
        const frame = own(list!)
        const exact = list!.reduce((sum, value) => sum + value * value, 0) / 160
        t.true(Math.abs(kernel.power(frame) - exact) <= exact * 1e-9)
        kernel.free(frame)
      }),
      { numRuns: 50, seed: 1 }
    )
    t.is(kernel.power(own(new Int16Array(160).fill(-32_768))), 2 ** 30)
  })
}

test('kernels give the same bits, at every length of a frame', (t) => {
  const [plain, ...others] = kernels()
  for (const samples of [160, 320, 960]) {
    fc.assert(
      fc.property(
        framesOf(sample, 12, samples),
        fc.integer({ min: 0, max: largestGain }),
        fc.integer({ min: 0, max: largestGain }),
        (lists, fromGain, toGain) => {
          const run = (kernel: NonNullable<typeof plain>) => {
            const frames = lists.map((list) => {
              const frame = kernel.frame(samples)
              frame.set(list)
              return frame
            })
            const sum = kernel.sum(samples)
            const out = kernel.frame(samples)
            const results: unknown[] = []
            results.push(frames.map((frame) => kernel.power(frame)))
            kernel.scale(frames[0]!, fromGain, toGain)
            results.push(frames[0]!.slice())
            for (const frame of frames) kernel.add(sum, frame)
            results.push(sum.slice(), kernel.peak(sum))
            for (const own of [null, frames[0]!]) {
              kernel.without(sum, own, out)
              results.push(out.slice())
            }
            kernel.crossfade(frames.at(-1)!, out)
            results.push(out.slice())
            kernel.blend(out, frames[0]!)
            results.push(out.slice())
            for (const memory of [...frames, sum, out]) kernel.free(memory)
            return results
          }
          t.is(others[0]?.name, 'simd')
          for (const other of others) t.deepEqual(run(other), run(plain!))
        }
      ),
      { numRuns: 30, seed: 2 }
    )
  }
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

test('levels, powers and gains go back and forth', (t) => {
  t.true(Math.abs(levelOfPower(32_767 ** 2 / 2)) < 1e-9)
  for (const level of [-60, -26, -6, 0]) t.true(Math.abs(levelOfPower(powerOfLevel(level)) - level) < 1e-9)
  t.is(gainOfDecibels(0), unityGain)
  t.is(gainOfDecibels(6.0206), 2 * unityGain)
  t.is(gainOfDecibels(60), largestGain)
})
