import test from 'ava'
import fc from 'fast-check'
import { RateWindow } from './rate-window.ts'

test('the place is free again when the first call leaves the window, not at the full minute', (t) => {
  const calls = new RateWindow(2, 60_000)
  t.deepEqual(calls.take('a', 0), { ok: true, left: 1 })
  t.deepEqual(calls.take('a', 50_000), { ok: true, left: 0 })
  t.deepEqual(calls.take('a', 59_999), { ok: false, retryInMs: 1 })
  t.deepEqual(calls.take('b', 59_999), { ok: true, left: 1 })
  t.deepEqual(calls.take('a', 60_000), { ok: true, left: 0 })
  t.like(calls.take('a', 60_001), { ok: false })
})

test('never more than the limit in any window, and idle parties are dropped', (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat(30_000), { minLength: 1, maxLength: 100 }), (gaps) => {
      const calls = new RateWindow(3, 60_000)
      const taken: number[] = []
      let now = 0
      for (const gap of gaps) {
        now += gap
        if (calls.take('a', now).ok) taken.push(now)
      }
      return taken.every((at) => taken.filter((other) => other > at - 60_000 && other <= at).length <= 3)
    }),
    { numRuns: 200, seed: 5 }
  )
  const calls = new RateWindow(1, 60_000)
  for (let party = 0; party < 100; party++) calls.take(`p${party}`, 0)
  calls.take('late', 120_000)
  t.is(calls.size, 1)
})
