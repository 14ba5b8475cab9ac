import test from 'ava'
import fc from 'fast-check'
import { manualClock } from '#kernel'
import { createLingeringStore, type Lingering } from './lingering.ts'

const record = (n: number, octets: number): Lingering => ({
  id: `id-${n}`,
  status: 200 + (n % 400),
  response: octets === 0 ? null : Buffer.alloc(octets, n)
})

const same = (a: Lingering, b: Lingering): boolean =>
  a.id === b.id && a.status === b.status && (b.response === null ? a.response === null : a.response?.equals(b.response) === true)

test('what is kept is found as it was, for its time, whatever else comes and goes', (t) => {
  const steps = fc.array(
    fc.oneof(
      { weight: 5, arbitrary: fc.record({ add: fc.nat(12), octets: fc.constantFrom(0, 1, 300, 40_000, 70_000) }) },
      fc.record({ drop: fc.nat(12) }),
      fc.record({ advanceMs: fc.nat(4000) })
    ),
    { maxLength: 80 }
  )
  fc.assert(
    fc.property(steps, (all) => {
      const clock = manualClock()
      const store = createLingeringStore(clock, 10_000, 1000)
      const kept = new Map<string, { what: Lingering; untilMs: number }>()
      let n = 0
      for (const step of all) {
        if ('add' in step) {
          const what = record(n++, step.octets)
          store.add(`k${step.add}`, what)
          kept.set(`k${step.add}`, { what, untilMs: clock.monotonicMs() + 10_000 })
        } else if ('drop' in step) {
          store.delete(`k${step.drop}`)
          kept.delete(`k${step.drop}`)
        } else clock.advance(step.advanceMs)
        const now = clock.monotonicMs()
        for (let key = 0; key <= 12; key++) {
          const expected = kept.get(`k${key}`)
          const found = store.get(`k${key}`)
          if (expected !== undefined && now < expected.untilMs) t.true(found !== undefined && same(found, expected.what))
          else if (expected === undefined || now > expected.untilMs + 100) t.is(found, undefined)
        }
      }
      clock.advance(10_200)
      t.is(store.size(), 0)
      t.is(clock.pending(), 0)
    }),
    { numRuns: 40 }
  )
})

test('of more than it may keep, the oldest go first', (t) => {
  const clock = manualClock()
  const store = createLingeringStore(clock, 10_000, 3000)
  for (let n = 0; n < 10_000; n++) store.add(`k${n}`, record(n, 0))
  t.is(store.size(), 3000)
  t.is(store.get('k6999'), undefined)
  t.deepEqual(store.get('k7000'), record(7000, 0))
  store.close()
  t.is(store.get('k9999'), undefined)
  t.is(clock.pending(), 0)
})
