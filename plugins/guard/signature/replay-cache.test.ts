import test from 'ava'
import fc from 'fast-check'
import { ReplayCache } from './replay-cache.ts'

const limits = { keepMs: 180_000, perKey: 3 }

test('a nonce is fresh once', (t) => {
  const cache = new ReplayCache(limits, 0)
  t.is(cache.admit('k', 'a', 100, 0), 'fresh')
  t.is(cache.admit('k', 'a', 100, 1), 'replayed')
  t.is(cache.admit('other', 'a', 100, 1), 'fresh')
})

test('a full cache takes no more of that key until the oldest is due, and pushes nothing out', (t) => {
  const cache = new ReplayCache(limits, 0)
  for (const [at, nonce] of ['a', 'b', 'c'].entries()) t.is(cache.admit('k', nonce, 100, at), 'fresh')
  t.is(cache.admit('k', 'd', 100, 3), 'full')
  t.is(cache.admit('k', 'a', 100, 3), 'replayed')
  t.is(cache.admit('other', 'd', 100, 3), 'fresh')
  t.is(cache.admit('k', 'd', 300, 180_000), 'fresh')
  t.is(cache.size, 4)
})

test('what is let go leaves its date as a floor, whatever the wall clock says later', (t) => {
  const cache = new ReplayCache(limits, 0)
  cache.admit('k', 'a', 100, 0)
  t.is(cache.admit('k', 'a', 100, 200_000), 'forgotten')
  t.is(cache.admit('k', 'b', 101, 200_000), 'fresh')
})

test('nothing made before the start is admitted', (t) => {
  const cache = new ReplayCache(limits, 100)
  t.is(cache.admit('k', 'a', 100, 0), 'forgotten')
  t.is(cache.admit('k', 'a', 101, 0), 'fresh')
})

test('whatever comes, no nonce is fresh twice and the size keeps its bound', (t) => {
  const step = fc.record({
    key: fc.constantFrom('k', 'l'),
    nonce: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
    skewS: fc.integer({ min: -60, max: 60 }),
    passMs: fc.nat(70_000)
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const cache = new ReplayCache(limits, 0)
      const fresh = new Set<string>()
      let now = 1_000_000
      const issued = new Map<string, number>()
      for (const { key, nonce, skewS, passMs } of steps) {
        now += passMs
        const name = key + nonce
        const issuedAt = issued.get(name) ?? now / 1000 + skewS
        issued.set(name, issuedAt)
        if (cache.admit(key, nonce, issuedAt, now) === 'fresh') {
          if (fresh.has(name)) return false
          fresh.add(name)
        }
        if (cache.size > 2 * limits.perKey) return false
      }
      return true
    }),
    { numRuns: 500, seed: 4 }
  )
  t.pass()
})

test('a flood of nonces holds no more than its bound, and leaves nothing behind', (t) => {
  const cache = new ReplayCache({ keepMs: 180_000, perKey: 1_000 }, 0)
  for (let n = 0; n < 100_000; n++) cache.admit(`key-${n % 5}`, `nonce-${n}`, 1_000 + n, n)
  t.is(cache.size, 5_000)
  t.is(cache.admit('key-0', 'last', 200_000, 1_000_000), 'fresh')
  t.is(cache.size, 1)
})
