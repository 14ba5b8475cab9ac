import { randomBytes } from 'node:crypto'
import test from 'ava'
import fc from 'fast-check'
import { flattenItems, flattenPlaces, readItems, readPlaces } from './crossing.ts'

const text = fc.string({ unit: 'binary', maxLength: 12 })
const item = fc.record(
  { draft: fc.tuple(text, text, text), key: text, erasable: fc.record({ salt: text, payload: text }) },
  { requiredKeys: ['draft', 'key'], noNullPrototype: true }
)

test('items and places are on the other side what they were here', (t) => {
  fc.assert(
    fc.property(fc.array(item), fc.array(fc.nat({ max: Number.MAX_SAFE_INTEGER })), fc.nat(), (items, indexes, cut) => {
      t.deepEqual(readItems(structuredClone(flattenItems(items))), items)
      const places = indexes.map((index) => ({ index, hash: randomBytes(32).toString('hex') }))
      const flat = structuredClone(flattenPlaces(places))
      const at = cut % (places.length + 1)
      t.deepEqual([...readPlaces(flat, 0, at), ...readPlaces(flat, at, places.length)], places)
    })
  )
})
