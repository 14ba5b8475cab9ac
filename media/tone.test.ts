import test from 'ava'
import { signalLevel, sine, toneLevel } from './tone.ts'

const near = (a: number, b: number, by: number) => Math.abs(a - b) <= by

test('a sine is measured at the level at which it was made', (t) => {
  for (const level of [0, -6, -20, -50]) {
    for (const frequency of [300, 440, 1000, 3000]) {
      const samples = sine(8000, frequency, level, 4000)
      t.true(near(toneLevel(samples, 8000, frequency), level, 0.2), `${frequency} Hz at ${level}`)
      t.true(near(signalLevel(samples), level, 0.2), `${frequency} Hz at ${level}`)
    }
  }
})

test('another frequency is hardly there, also beside a loud one', (t) => {
  const samples = sine(8000, 1000, -3, 4000)
  for (const frequency of [500, 900, 1100, 2000]) t.true(toneLevel(samples, 8000, frequency) < -60)
})

test('a sine begins at its phase, so that pieces fit', (t) => {
  const whole = sine(8000, 440, -6, 320)
  t.deepEqual([...sine(8000, 440, -6, 160), ...sine(8000, 440, -6, 160, 160)], [...whole])
})

test('silence has no level', (t) => {
  t.is(toneLevel(new Int16Array(160), 8000, 440), Number.NEGATIVE_INFINITY)
  t.is(signalLevel(new Int16Array(160)), Number.NEGATIVE_INFINITY)
  t.is(signalLevel(new Int16Array(0)), Number.NEGATIVE_INFINITY)
})
