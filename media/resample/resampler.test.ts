import test from 'ava'
import fc from 'fast-check'
import { noise } from '../testing/signals.ts'
import { signalLevel, sine, toneLevel } from '../tone.ts'
import { createResampler } from './resampler.ts'

const rates = [8000, 16_000, 24_000, 32_000, 48_000]
const pairs = rates.flatMap((from) => rates.filter((to) => to !== from).map((to) => [from, to] as const))

/** Runs a sound through in frames of 20 ms. */
function run(fromHz: number, toHz: number, sound: Int16Array, frameMs = 20): Int16Array {
  const resampler = createResampler(fromHz, toHz)
  const [inFrame, outFrame] = [(fromHz * frameMs) / 1000, (toHz * frameMs) / 1000]
  const frames = Math.floor(sound.length / inFrame)
  const out = new Int16Array(frames * outFrame)
  for (let n = 0; n < frames; n++) {
    resampler.resample(sound.subarray(n * inFrame, (n + 1) * inFrame), out.subarray(n * outFrame, (n + 1) * outFrame))
  }
  return out
}

/** Ratio of a tone to all else in `heard`, in dB: what is left when the best fitting sine is taken away. */
function signalToNoise(heard: Int16Array, rateHz: number, frequencyHz: number): number {
  const from = Math.round(heard.length / 4)
  const step = (2 * Math.PI * frequencyHz) / rateHz
  // A whole number of periods of any multiple of 50 Hz, so that sine and cosine are orthogonal.
  const length = Math.floor((heard.length - from) / (rateHz / 50)) * (rateHz / 50)
  let s = 0
  let c = 0
  for (let i = 0; i < length; i++) {
    s += heard[from + i]! * Math.sin(step * i)
    c += heard[from + i]! * Math.cos(step * i)
  }
  s *= 2 / length
  c *= 2 / length
  let noisePower = 0
  for (let i = 0; i < length; i++) noisePower += (heard[from + i]! - s * Math.sin(step * i) - c * Math.cos(step * i)) ** 2
  return 10 * Math.log10((length * (s * s + c * c)) / 2 / noisePower)
}

for (const [from, to] of pairs) {
  const nyquist = Math.min(from, to) / 2

  test(`${from} → ${to} Hz: tones of the pass-band keep their level, and noise is 70 dB below them`, (t) => {
    let worstSnr = Number.POSITIVE_INFINITY
    let worstLevel = 0
    for (const share of [0.05, 0.25, 0.5, 0.75, 0.85]) {
      const frequency = Math.round((nyquist * share) / 50) * 50
      const heard = run(from, to, sine(from, frequency, -6, from / 2))
      worstSnr = Math.min(worstSnr, signalToNoise(heard, to, frequency))
      worstLevel = Math.max(worstLevel, Math.abs(toneLevel(heard.subarray(heard.length / 4), to, frequency) + 6))
    }
    t.log(`SNR ${worstSnr.toFixed(1)} dB, level within ${worstLevel.toFixed(3)} dB`)
    t.true(worstSnr > 70, `${worstSnr} dB`)
    t.true(worstLevel < 0.1, `${worstLevel} dB`)
  })

  if (to < from) {
    test(`${from} → ${to} Hz: what the lower rate cannot hold is stopped by 70 dB`, (t) => {
      let loudest = Number.NEGATIVE_INFINITY
      for (const share of [1.05, 1.1, 1.3, 1.6, 1.9]) {
        const frequency = Math.round((nyquist * share) / 50) * 50
        if (frequency >= (from / 2) * 0.99) continue
        const heard = run(from, to, sine(from, frequency, -1, from / 2))
        loudest = Math.max(loudest, signalLevel(heard.subarray(heard.length / 4)) + 1)
      }
      t.log(`${loudest.toFixed(1)} dB`)
      t.true(loudest < -70, `${loudest} dB`)
    })
  }

  test(`${from} → ${to} Hz: an impulse comes out where the delay says`, (t) => {
    const sound = new Int16Array(from / 10)
    const at = from / 20
    sound[at] = 30_000
    const heard = run(from, to, sound)
    let moment = 0
    let sum = 0
    heard.forEach((sample, i) => {
      moment += i * sample * sample
      sum += sample * sample
    })
    const delayMs = (moment / sum / to - at / from) * 1000
    const { delayMs: said } = createResampler(from, to)
    t.true(Math.abs(delayMs - said) < 0.05, `${delayMs} ms, ${said} said`)
    t.true(said <= 24_000 / Math.min(from, to))
  })
}

test('frames of any length give the same samples', (t) => {
  const random = noise(2)
  const sound = Int16Array.from({ length: 9600 }, () => Math.round(random() * 20_000))
  t.deepEqual(run(16_000, 24_000, sound, 10), run(16_000, 24_000, sound, 60))
})

test('full scale does not wrap around', (t) => {
  const square = Int16Array.from({ length: 4800 }, (_, i) => (i % 40 < 20 ? 32_767 : -32_768))
  const heard = run(48_000, 16_000, square)
  for (let i = 200; i < heard.length; i++) {
    const expected = square[Math.round((i - 23.5) * 3)]!
    if (Math.abs(heard[i]!) > 20_000) t.is(Math.sign(heard[i]!), Math.sign(expected))
  }
})

test('the same rate is a copy; reset forgets', (t) => {
  const sound = sine(8000, 440, -3, 160)
  t.deepEqual(run(8000, 8000, sound), sound)
  const resampler = createResampler(8000, 16_000)
  const [first, second, silent] = [new Int16Array(320), new Int16Array(320), new Int16Array(160)]
  resampler.resample(silent, first)
  resampler.resample(sound, second)
  resampler.reset()
  resampler.resample(silent, second)
  t.deepEqual(second, first)
})

test('rates and lengths that do not fit are refused', (t) => {
  t.throws(() => createResampler(8000, 44_100), { instanceOf: RangeError })
  const resampler = createResampler(48_000, 8000)
  fc.assert(
    fc.property(fc.nat(4000), fc.nat(700), (input, out) => {
      const fits = input === out * 6 && input <= 2880
      try {
        resampler.resample(new Int16Array(input), new Int16Array(out))
        return fits
      } catch (error) {
        return !fits && error instanceof RangeError
      }
    }),
    { numRuns: 300, seed: 1 }
  )
  t.pass()
})

test('nothing is allocated for a frame', (t) => {
  const resampler = createResampler(8000, 48_000)
  const [input, out] = [sine(8000, 440, -6, 160), new Int16Array(960)]
  for (let n = 0; n < 2000; n++) resampler.resample(input, out)
  const before = process.memoryUsage().heapUsed
  for (let n = 0; n < 2000; n++) resampler.resample(input, out)
  t.true((process.memoryUsage().heapUsed - before) / 2000 < 32)
})
