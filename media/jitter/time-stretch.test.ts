import test from 'ava'
import fc from 'fast-check'
import { noise, voice } from '../testing/signals.ts'
import { sine, toneLevel } from '../tone.ts'
import { StretchQueue } from './time-stretch.ts'

/**
 * Plays a sound in frames of 20 ms and changes it before each `every`th frame. @returns what is heard and how often it was
 * changed
 */
function play(sound: Int16Array, rateHz: number, change: (queue: StretchQueue, frame: number) => number) {
  const queue = new StretchQueue(rateHz, 200)
  const frame = rateHz / 50
  const out = new Int16Array(frame)
  const heard: number[] = []
  let changes = 0
  let at = 0
  const fill = (wanted: number) => {
    for (; queue.length < wanted && at + frame <= sound.length; at += frame) queue.push(sound, at, at + frame)
  }
  for (let n = 0; ; n++) {
    fill(Math.max(frame, queue.needed))
    if (change(queue, n) > 0) changes++
    fill(frame)
    if (queue.take(out) < frame) break
    heard.push(...out)
  }
  return { heard: Int16Array.from(heard), changes }
}

const largestStep = (samples: Int16Array) => {
  let largest = 0
  for (let i = 1; i < samples.length; i++) largest = Math.max(largest, Math.abs(samples[i]! - samples[i - 1]!))
  return largest
}

for (const rateHz of [8000, 16_000, 48_000]) {
  for (const frequency of [150, 440, 1000]) {
    test(`${rateHz} Hz, a tone of ${frequency} Hz: shorter and longer it is the same tone, without a step`, (t) => {
      const tone = sine(rateHz, frequency, -10, rateHz)
      for (const [name, change] of [
        ['shorter', (queue: StretchQueue, n: number) => (n % 3 === 0 ? queue.shorten(false) : 0)],
        ['longer', (queue: StretchQueue, n: number) => (n % 3 === 0 ? queue.lengthen(false) : 0)]
      ] as const) {
        const { heard, changes } = play(tone, rateHz, change)
        t.true(changes > 8, `${name} ${changes} times`)
        for (let at = 0; at + rateHz / 10 < heard.length; at += rateHz / 10) {
          const level = toneLevel(heard.subarray(at, at + rateHz / 10), rateHz, frequency)
          t.true(Math.abs(level + 10) < 0.5, `${name}: ${level} dB`)
        }
        t.true(largestStep(heard) < 1.25 * largestStep(tone) + 20, name)
      }
    })
  }
}

test('a voice is changed at about its rate of 15 %, without steps that it does not have', (t) => {
  const said = voice(8000, 10, -20, 4)
  const shorter = play(said, 8000, (queue, n) => (n % 4 === 0 ? queue.shorten(false) : 0))
  const longer = play(said, 8000, (queue, n) => (n % 4 === 0 ? queue.lengthen(false) : 0))
  t.true(shorter.heard.length < 0.95 * said.length && longer.heard.length > 1.05 * said.length)
  t.true(shorter.changes > 60 && longer.changes > 60, `${shorter.changes} ${longer.changes}`)
  for (const { heard } of [shorter, longer])
    t.true(largestStep(heard) < 1.5 * largestStep(said), `${largestStep(heard)} ${largestStep(said)}`)
})

test('noise has no period: it is left alone unless it must be changed', (t) => {
  const random = noise(4)
  const sound = Int16Array.from({ length: 16_000 }, () => Math.round(random() * 10_000))
  t.true(play(sound, 8000, (queue) => queue.shorten(false)).changes < 10)
  t.true(play(sound, 8000, (queue) => queue.shorten(true)).changes > 50)
})

test('silence can be changed at any time', (t) => {
  const { changes } = play(new Int16Array(16_000), 8000, (queue) => queue.lengthen(false))
  t.true(changes > 90)
})

test('whatever is asked, lengths add up, and never is there more than room', (t) => {
  const step = fc.record({ kind: fc.nat(5), count: fc.nat(400), force: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.nat(), (steps, seed) => {
      const random = noise(seed)
      const queue = new StretchQueue(8000, 200)
      const samples = Int16Array.from({ length: 400 }, () => Math.round(random() * 32_767))
      let expected = 0
      for (const { kind, count, force } of steps) {
        if (kind < 2) {
          const before = queue.length
          queue.push(samples, 0, count)
          if (queue.length > before + count) return false
          expected = queue.length
        } else if (kind === 2) expected -= queue.take(new Int16Array(count))
        else if (kind === 3) expected -= queue.drop(count)
        else if (kind === 4) expected -= queue.shorten(force)
        else expected += queue.lengthen(force)
        if (queue.length !== expected || expected < 0 || expected > 1600 + 120) return false
      }
      return true
    }),
    { numRuns: 300, seed: 1 }
  )
  t.pass()
})
