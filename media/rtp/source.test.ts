import test from 'ava'
import fc from 'fast-check'
import { RtpSource } from './source.ts'

const source = () => new RtpSource(1, 8000)
const feed = (to: RtpSource, ...sequence: number[]) => sequence.map((n) => to.receive(n & 0xffff, n * 160, n * 20))

test('loss is expected less received (A.3), the fraction counts since the last report', (t) => {
  const from = source()
  feed(from, 10, 11, 13, 14, 15, 16, 17, 19)
  t.is(from.extendedHighest, 19)
  t.is(from.cumulativeLost, 2)
  t.is(from.takeFractionLost(), Math.floor((2 * 256) / 10))
  feed(from, 20, 21, 22, 24)
  t.is(from.cumulativeLost, 3)
  t.is(from.takeFractionLost(), Math.floor((1 * 256) / 5))
  t.is(from.takeFractionLost(), 0)
})

test('a late packet takes its loss back, a duplicate may make loss negative', (t) => {
  const from = source()
  feed(from, 1, 2, 4)
  t.is(from.cumulativeLost, 1)
  feed(from, 3)
  t.is(from.cumulativeLost, 0)
  feed(from, 4)
  t.is(from.cumulativeLost, -1)
  t.is(from.takeFractionLost(), 0)
})

test('the sequence number wraps into the cycle count', (t) => {
  const from = source()
  feed(from, 65_533, 65_534, 65_535, 65_536, 65_537)
  t.is(from.extendedHighest, 65_537)
  t.is(from.cumulativeLost, 0)
  feed(from, 65_534)
  t.is(from.extendedHighest, 65_537)
})

test('a jump is believed with its second packet (A.1), and counting begins anew', (t) => {
  const from = source()
  feed(from, 1, 2, 3)
  t.deepEqual(feed(from, 30_000), [false])
  t.deepEqual(feed(from, 40_000), [false])
  t.deepEqual(feed(from, 40_001), [true])
  t.is(from.cumulativeLost, 0)
  t.is(from.received, 1)
  t.is(from.extendedHighest, 40_001)
  t.deepEqual(feed(from, 39_950), [true])
  t.deepEqual(feed(from, 39_800), [false])
})

test('jitter by hand (A.8): J += (|D| − J) / 16', (t) => {
  const from = source()
  const arrivals = [0, 20, 45, 60, 83]
  for (const [n, arrivalMs] of arrivals.entries()) from.receive(n, n * 160, arrivalMs)
  // |D| is 0, 40, 40, 24 units; sixteen times J: 0, 0 + 40 − 0 = 40, 40 + 40 − 3 = 77, 77 + 24 − 5 = 96
  t.is(from.jitter, 6)
  t.is(from.jitterMs, 0.75)
})

test('even arrival has no jitter, across the wrap of the RTP timestamp', (t) => {
  const from = source()
  for (let n = 0; n < 100; n++) from.receive(n, (2 ** 32 - 8000 + n * 160) >>> 0, 1e7 + n * 20)
  t.is(from.jitter, 0)
})

test('whatever comes, the counts stay in their ranges', (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(0xffff), fc.nat(0xffffffff)), { maxLength: 200 }), (packets) => {
      const from = source()
      for (const [n, [sequence, timestamp]] of packets.entries()) {
        from.receive(sequence, timestamp, n * 20)
        const fraction = from.takeFractionLost()
        if (fraction < 0 || fraction > 255 || from.jitter < 0 || from.jitter > 0xffffffff) return false
      }
      return true
    }),
    { numRuns: 200, seed: 1 }
  )
  t.pass()
})
