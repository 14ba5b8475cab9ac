import test from 'ava'
import fc from 'fast-check'
import { noise } from '../testing/signals.ts'
import { DelayEstimate } from './delay-estimate.ts'

/** Feeds packets, one each 20 ms, of which the n-th takes `transit(n)`. @returns the estimate after them */
function learn(packets: number, transit: (n: number) => number, estimate = new DelayEstimate(20, 240), from = 0): DelayEstimate {
  for (let n = from; n < from + packets; n++) estimate.packet(transit(n), n * 20 + transit(n))
  return estimate
}

test('a path without jitter needs the least delay', (t) => {
  t.is(learn(500, () => 700).targetMs, 20)
})

test('the target is what 98 % of packets stay below', (t) => {
  const random = noise(2)
  const { targetMs } = learn(2000, () => (random() + 1) * 50)
  t.true(targetMs >= 90 && targetMs <= 100, `${targetMs}`)
})

test('one straggler does not count, the second within a second does', (t) => {
  const estimate = learn(200, () => 0)
  learn(30, (n) => (n === 200 ? 100 : 0), estimate, 200)
  t.is(estimate.targetMs, 20)
  learn(1, () => 100, estimate, 230)
  t.true(estimate.targetMs >= 100 && estimate.targetMs <= 105, `${estimate.targetMs}`)
})

test('what was held up together counts once', (t) => {
  const stall = (n: number, first: number) => Math.max(0, 120 - 20 * (n - first))
  const estimate = learn(200, () => 0)
  learn(20, (n) => stall(n, 200), estimate, 200)
  t.is(estimate.targetMs, 20)
  learn(20, (n) => stall(n, 220), estimate, 220)
  t.true(estimate.targetMs >= 120 && estimate.targetMs <= 125, `${estimate.targetMs}`)
})

test('it stays for some seconds, then falls by 10 ms a second', (t) => {
  const estimate = learn(200, (n) => (n % 2) * 150)
  const high = estimate.targetMs
  learn(100, () => 0, estimate, 200)
  t.is(estimate.targetMs, high)
  learn(200, () => 0, estimate, 300)
  const falling = estimate.targetMs
  learn(250, () => 0, estimate, 500)
  t.true(Math.abs(falling - estimate.targetMs - 50) < 0.1, `${falling} then ${estimate.targetMs}`)
})

test('a path that has become longer is not jitter for long', (t) => {
  const estimate = learn(300, () => 50)
  learn(700, () => 150, estimate, 300)
  t.is(estimate.baseMs, 150)
  t.is(estimate.targetMs, 20)
})

test('another time line begins anew, the jitter stays', (t) => {
  const random = noise(3)
  const estimate = learn(300, () => (random() + 1) * 30)
  const before = estimate.targetMs
  learn(1, () => 1e6, estimate, 300)
  t.is(estimate.baseMs, 1e6)
  t.true(estimate.targetMs > before - 1)
})

test('whatever comes, the target stays within its bounds', (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: -5000, max: 5000 }), fc.nat(1000)), { maxLength: 200 }), (packets) => {
      const estimate = new DelayEstimate(10, 100)
      let now = 0
      return packets.every(([transit, wait]) => {
        now += wait
        estimate.packet(transit, now)
        return estimate.targetMs >= 10 && estimate.targetMs <= 100 && Number.isFinite(estimate.baseMs)
      })
    }),
    { numRuns: 300, seed: 1 }
  )
  t.pass()
})
