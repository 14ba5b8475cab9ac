import test from 'ava'
import { Headroom } from './headroom.ts'
import { knee, unityGain } from './kernel.ts'

/** Frames of voices whose sum has this peak before the gain: the gain moves within a frame, so that the loudest may come at its beginning. */
function hear(headroom: Headroom, peak: number, frames: number): void {
  let before = headroom.gain
  for (let n = 0; n < frames; n++) {
    const now = headroom.gain
    headroom.update(Math.floor((peak * Math.max(before, now)) / unityGain))
    before = now
  }
}

test('a sum that fits changes nothing', (t) => {
  const headroom = new Headroom()
  hear(headroom, knee, 100)
  t.is(headroom.gain, unityGain)
})

test('a sum that is too loud is brought to the knee by its next frame, no further, and stays there', (t) => {
  const headroom = new Headroom()
  hear(headroom, 2 * knee, 1)
  t.is(headroom.gain, unityGain / 2)
  hear(headroom, 2 * knee, 20)
  t.true(Math.abs(headroom.gain - unityGain / 2) <= 1, `${headroom.gain}`)
})

test('it rises again a second after the last loud sum, slowly, and never above one', (t) => {
  const headroom = new Headroom()
  hear(headroom, 2 * knee, 1)
  const low = headroom.gain
  hear(headroom, knee, 50)
  t.is(headroom.gain, low)
  hear(headroom, knee, 50)
  t.true(headroom.gain > low && headroom.gain < 1.25 * low)
  hear(headroom, knee / 4, 1000)
  t.is(headroom.gain, unityGain)
})

test('it does not fall below an eighth', (t) => {
  const headroom = new Headroom()
  hear(headroom, 512 * 32_768, 10)
  t.is(headroom.gain, unityGain / 8)
})

test('what the express lane is lent, it gives back', (t) => {
  const headroom = new Headroom()
  hear(headroom, 2 * knee, 3)
  hear(headroom, knee, 20)
  const fields = new Float64Array(32)
  headroom.lend(fields)
  const other = new Headroom()
  other.follow(fields)
  hear(headroom, knee, 40)
  hear(other, knee, 40)
  t.is(other.gain, headroom.gain)
  t.not(other.gain, unityGain / 2)
})
