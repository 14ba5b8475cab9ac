import test from 'ava'
import fc from 'fast-check'
import { editDistance, nearest } from './suggest.ts'

test('distances', (t) => {
  t.is(editDistance('', 'abc'), 3)
  t.is(editDistance('gaurd', 'guard'), 1)
  t.is(editDistance('kitten', 'sitting'), 3)
  t.is(editDistance('verify', 'verify'), 0)
})

test('the nearest, and only when it is near', (t) => {
  const candidates = ['log', 'query', 'trace', 'verify', 'key', 'checkpoint']
  t.is(nearest('qurey', candidates), 'query')
  t.is(nearest('check', candidates), 'checkpoint')
  t.is(nearest('lgo', candidates), 'log')
  t.is(nearest('export', candidates), undefined)
  t.is(nearest('', candidates), undefined)
})

test('distance is symmetric and bounded by the longer word', (t) => {
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
      const distance = editDistance(a, b)
      return distance === editDistance(b, a) && distance <= Math.max(a.length, b.length) && (distance === 0) === (a === b)
    }),
    { numRuns: 300, seed: 7 }
  )
  t.pass()
})
