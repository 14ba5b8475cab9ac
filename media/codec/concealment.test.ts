import test from 'ava'
import fc from 'fast-check'
import { likeness, noise, voice } from '../testing/signals.ts'
import { signalLevel, sine } from '../tone.ts'
import { Concealment } from './concealment.ts'

/** Plays a sound in frames of 10 ms and loses those that `isLost` names. */
function play(sound: Int16Array, rateHz: number, isLost: (frame: number) => boolean): Int16Array {
  const concealment = new Concealment(rateHz)
  const frame = rateHz / 100
  const heard = sound.slice()
  for (let n = 0; (n + 1) * frame <= sound.length; n++) {
    const out = heard.subarray(n * frame, (n + 1) * frame)
    if (isLost(n)) concealment.conceal(out)
    else concealment.heard(out, frame)
  }
  return heard
}

for (const rateHz of [8000, 16_000, 48_000]) {
  test(`${rateHz} Hz: a lost 10 ms of a tone is the tone, and nothing jumps`, (t) => {
    for (const frequency of [120, 200, 333, 1000]) {
      const tone = sine(rateHz, frequency, -10, rateHz / 5)
      const heard = play(tone, rateHz, (n) => n === 10)
      const lost = [rateHz / 10, (rateHz / 10) * 1.1] as const
      const { snrDb } = likeness(tone.subarray(...lost), heard.subarray(...lost), 0)
      t.true(snrDb > 15, `${frequency} Hz: ${snrDb} dB`)
      let own = 0
      let step = 0
      for (let i = 1; i < tone.length; i++) {
        own = Math.max(own, Math.abs(tone[i]! - tone[i - 1]!))
        step = Math.max(step, Math.abs(heard[i]! - heard[i - 1]!))
      }
      t.true(step < 1.5 * own + 50, `${frequency} Hz: a step of ${step}, the tone has ${own}`)
    }
  })

  test(`${rateHz} Hz: a long loss fades to silence within 60 ms, and sound fades in again`, (t) => {
    const tone = sine(rateHz, 200, -10, rateHz / 2)
    const heard = play(tone, rateHz, (n) => n >= 10 && n < 22)
    const level = (fromMs: number, toMs: number) => signalLevel(heard.subarray((rateHz * fromMs) / 1000, (rateHz * toMs) / 1000))
    t.true(Math.abs(level(100, 110) + 10) < 1)
    t.true(level(120, 130) < level(100, 110) - 1 && level(140, 150) < level(120, 130) - 3)
    t.is(level(161, 220), Number.NEGATIVE_INFINITY)
    t.true(level(220, 225) < -12 && Math.abs(level(240, 260) + 10) < 0.5)
  })
}

test('a voice with 5 % of its packets of 20 ms lost is nearer to itself than with silence or repetition', (t) => {
  const said = voice(8000, 10, -20, 8)
  const random = noise(6)
  const lost = Array.from({ length: 500 }, () => random() < -0.9)
  const isLost = (n: number) => lost[n >> 1]!
  const concealed = likeness(said, play(said, 8000, isLost), 0).snrDb
  const silenced = said.slice()
  const repeated = said.slice()
  for (let n = 1; n < 500; n++) {
    if (!lost[n]) continue
    silenced.fill(0, n * 160, (n + 1) * 160)
    repeated.copyWithin(n * 160, (n - 1) * 160, n * 160)
  }
  const [silence, repetition] = [likeness(said, silenced, 0).snrDb, likeness(said, repeated, 0).snrDb]
  t.log(`made up ${concealed.toFixed(1)} dB, silence ${silence.toFixed(1)} dB, repetition ${repetition.toFixed(1)} dB`)
  t.true(concealed > silence + 1 && concealed > repetition + 1)
})

test('whatever is heard and lost, in pieces of any length, is within 16 bits and ends in silence', (t) => {
  const piece = fc.record({ lost: fc.boolean(), length: fc.integer({ min: 1, max: 700 }), seed: fc.nat() })
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      const concealment = new Concealment(16_000)
      for (const { lost, length, seed } of pieces) {
        const random = noise(seed)
        const samples = Int16Array.from({ length }, () => Math.round(random() * 32_767))
        if (lost) concealment.conceal(samples)
        else concealment.heard(samples, length)
      }
      const silent = new Int16Array(1600)
      concealment.conceal(silent)
      const more = concealment.conceal(silent)
      return !more && silent.every((sample) => sample === 0)
    }),
    { numRuns: 100, seed: 1 }
  )
  t.pass()
})
