import test from 'ava'
import fc from 'fast-check'
import { meanOpinionScore, transmissionRating } from './e-model.ts'
import { LossPattern } from './loss-pattern.ts'

const call = { codec: 'PCMU', lossRatio: 0, burstRatio: 1, delayMs: 0 }
const near = (t: { true: (value: boolean, message?: string) => unknown }, value: number, expected: number, within: number) =>
  t.true(Math.abs(value - expected) <= within, `${value}, expected ${expected} ± ${within}`)

test('G.107 annex B, table B.1: scores of ratings', (t) => {
  for (const [rating, score] of [
    [90, 4.34],
    [80, 4.03],
    [70, 3.6],
    [60, 3.1],
    [50, 2.58]
  ] as const)
    near(t, meanOpinionScore(rating), score, 0.01)
  t.is(meanOpinionScore(0), 1)
  t.is(meanOpinionScore(100), 4.5)
})

test('delay costs nothing up to 100 ms, 15 points at 300 ms and 35 at 600', (t) => {
  t.is(transmissionRating(call), 93.2)
  t.is(transmissionRating({ ...call, delayMs: 100 }), 93.2)
  // Idd by hand: x = log2(3) gives 25 · (1.601 − 3.011 + 2) = 14.76; x = log2(6) gives 25 · (2.586 − 3.177 + 2) = 35.25
  near(t, transmissionRating({ ...call, delayMs: 300 }), 93.2 - 14.76, 0.02)
  near(t, transmissionRating({ ...call, delayMs: 600 }), 93.2 - 35.25, 0.02)
})

test('loss: by hand from Ie and Bpl; bursts are worse', (t) => {
  near(t, transmissionRating({ ...call, lossRatio: 0.05 }), 93.2 - (95 * 5) / (5 + 25.1), 1e-9)
  near(t, transmissionRating({ ...call, codec: 'G729', lossRatio: 0.02 }), 93.2 - 11 - (84 * 2) / (2 + 19), 1e-9)
  t.true(transmissionRating({ ...call, lossRatio: 0.05, burstRatio: 2 }) < transmissionRating({ ...call, lossRatio: 0.05 }))
  t.throws(() => transmissionRating({ ...call, lossRatio: 1.1 }), { instanceOf: RangeError, message: /lossRatio/ })
  t.throws(() => transmissionRating({ ...call, burstRatio: 0.5 }), { instanceOf: RangeError })
  t.throws(() => transmissionRating({ ...call, delayMs: Number.NaN }), { instanceOf: RangeError })
})

test('more loss, more delay never score better', (t) => {
  const ratio = fc.double({ min: 0, max: 1, noNaN: true })
  fc.assert(
    fc.property(ratio, ratio, fc.double({ min: 0, max: 5000, noNaN: true }), (a, b, delayMs) => {
      const score = (lossRatio: number) => meanOpinionScore(transmissionRating({ ...call, lossRatio, delayMs }))
      t.true(score(Math.max(a, b)) <= score(Math.min(a, b)) + 1e-9)
    })
  )
})

const noted = (outcomes: string) => {
  const pattern = new LossPattern()
  for (const outcome of outcomes) pattern.note(outcome === '.' ? 'played' : outcome === 'x' ? 'lost' : 'discarded')
  return pattern.summary()
}
const played = (packets: number) => '.'.repeat(packets)

test('a loss by itself is no burst', (t) => {
  const summary = noted(`${played(50)}x${played(49)}`)
  t.like(summary, { expected: 100, lost: 1, burstDensity: 0, burstPackets: 0, gapDensity: 0.01, gapPackets: 100, burstRatio: 1 })
})

test('losses nearer than 16 packets are one burst', (t) => {
  const summary = noted(`${played(40)}x..x...x${played(52)}`)
  t.like(summary, { expected: 100, lost: 3, burstPackets: 8, burstDensity: 3 / 8, gapDensity: 0, gapPackets: 46 })
  const apart = noted(`${played(10)}x${played(16)}x${played(10)}`)
  t.like(apart, { burstPackets: 0, gapDensity: 2 / 38 })
  t.like(noted(`x${played(15)}x`), { burstPackets: 17 })
})

test('what comes too late counts as lost, and is told apart', (t) => {
  t.like(noted('..xd..'), { lost: 1, discarded: 1, burstPackets: 2, burstDensity: 1 })
  t.like(noted('xxxx'), { expected: 4, lost: 4, burstPackets: 4, gapPackets: 0 })
  t.like(noted(''), { expected: 0, lost: 0, burstRatio: 1, gapDensity: 0 })
})

test('the burst ratio is about 1 for random loss and grows with the runs', (t) => {
  let state = 1
  const random = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return state / 2 ** 32
  }
  const scattered = new LossPattern()
  for (let i = 0; i < 100_000; i++) scattered.note(random() < 0.05 ? 'lost' : 'played')
  near(t, scattered.summary().burstRatio, 1, 0.05)
  near(t, noted(`xxxx${played(76)}`.repeat(20)).burstRatio, 4 * 0.95, 1e-9)
})
