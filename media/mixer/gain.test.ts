import test from 'ava'
import { AutoGain } from './gain.ts'
import { powerOfLevel } from './kernel.ts'

const run = (gain: AutoGain, levelDbfs: number, frames: number) => {
  let most = 0
  for (let n = 0; n < frames; n++) {
    const before = gain.decibels
    gain.update(powerOfLevel(levelDbfs))
    most = Math.max(most, Math.abs(gain.decibels - before))
  }
  return most
}

test('soft speech is raised, loud speech lowered, slowly and within bounds; what lies between is left alone', (t) => {
  for (const [level, expected] of [
    [-12, 0],
    [-26, 0],
    [-32, 6],
    [-45, 12],
    [-6, 0],
    [-3, -3],
    [3, -6]
  ] as const) {
    const gain = new AutoGain()
    const fastest = run(gain, level, 1000)
    t.true(Math.abs(gain.decibels - expected) < 0.01, `${level} dBFS: ${gain.decibels}`)
    t.true(fastest < 0.101)
  }
})

test('noise below the gate moves nothing, also after speech', (t) => {
  const gain = new AutoGain()
  run(gain, -60, 1000)
  t.is(gain.decibels, 0)
  run(gain, -32, 1000)
  const before = gain.decibels
  run(gain, -60, 1000)
  t.is(gain.decibels, before)
  gain.reset()
  t.is(gain.decibels, 0)
})
