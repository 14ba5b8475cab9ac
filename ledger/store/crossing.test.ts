import { randomBytes } from 'node:crypto'
import test from 'ava'
import fc from 'fast-check'
import { expectProducers, flattenPlaces, OutgoingRequests, readPlaces, readRequests } from './crossing.ts'

const text = fc.string({ unit: 'binary', maxLength: 12 })
const item = fc.record(
  { draft: fc.tuple(text, text, text), key: text, erasable: fc.record({ salt: text, payload: text }) },
  { requiredKeys: ['draft', 'key'], noNullPrototype: true }
)

test('what is appended in one turn is on the other side what it was here', (t) => {
  const request = fc.record({ id: fc.nat(), epoch: fc.option(fc.nat()), items: fc.array(item, { maxLength: 4 }) })
  const outgoing = new OutgoingRequests()
  fc.assert(
    fc.property(fc.array(request), (requests) => {
      for (const { id, epoch, items } of requests) outgoing.add(id, epoch, items)
      t.is(outgoing.size, requests.length)
      const there = readRequests(structuredClone(outgoing.take()))
      t.deepEqual(
        there.map(({ octets: _, ...rest }) => rest),
        requests
      )
      const lengthOf = ({ draft, key, erasable }: (typeof requests)[number]['items'][number]) =>
        [...draft, key, erasable?.payload ?? ''].join('').length
      t.deepEqual(
        there.map(({ octets }) => octets),
        requests.map(({ items }) => items.reduce((sum, one) => sum + lengthOf(one), 0))
      )
      t.is(outgoing.size, 0)
    })
  )
})

test('what says more than producers may does not cross', (t) => {
  const [one] = fc.sample(item, 1)
  t.notThrows(() => expectProducers([one!]))
  t.throws(() => expectProducers([one!, { ...one!, erases: 3 } as never]), { code: 'ledger.entry.reserved' })
})

test('places are on the other side what they were here', (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: Number.MAX_SAFE_INTEGER })), fc.nat(), (indexes, cut) => {
      const places = indexes.map((index) => ({ index, hash: randomBytes(32).toString('hex') }))
      const flat = structuredClone(flattenPlaces(places))
      const at = cut % (places.length + 1)
      t.deepEqual([...readPlaces(flat, 0, at), ...readPlaces(flat, at, places.length)], places)
    })
  )
})
