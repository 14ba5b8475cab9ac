import { randomBytes } from 'node:crypto'
import test from 'ava'
import fc from 'fast-check'
import { expectProducers, memoryOf, OutgoingRequests, readRequests } from './crossing.ts'
import type { LaidItem } from './laid.ts'
import { flattenPlaces, readPlaces } from './places.ts'

const text = fc.string({ unit: 'binary', maxLength: 12 })
const key = fc.string({ minLength: 1, maxLength: 12 })
const item = fc.record(
  { draft: fc.tuple(text, text, text), key, erasable: fc.record({ salt: text, payload: text }) },
  { requiredKeys: ['draft', 'key'], noNullPrototype: true }
)

/** What an item says. */
const told = ({ octets, start, index, prev, end, key: own, erasable }: LaidItem) => ({
  draft: [octets.toString('utf8', start, index), octets.toString('utf8', index, prev), octets.toString('utf8', prev, end)],
  key: own,
  ...(erasable === undefined ? {} : { erasable })
})

test('what is appended in one turn is on the other side what it was here', (t) => {
  const request = fc.record({ id: fc.nat(), epoch: fc.option(fc.nat()), items: fc.array(item, { maxLength: 4 }) })
  const outgoing = new OutgoingRequests()
  fc.assert(
    fc.property(fc.array(request), (requests) => {
      for (const { id, epoch, items } of requests) outgoing.add(id, epoch, items)
      t.is(outgoing.size, requests.length)
      const flat = outgoing.take()
      const there = readRequests(structuredClone(flat, { transfer: memoryOf(flat) }))
      t.deepEqual(
        there.map(({ id, epoch, items }) => ({ id, epoch, items: items.map(told) })),
        requests
      )
      const octetsOf = ({ draft, erasable }: (typeof requests)[number]['items'][number]) =>
        2 + Buffer.byteLength(draft.join('')) + 16 + 64 + (erasable?.payload.length ?? 0)
      t.deepEqual(
        there.map(({ octets }) => octets),
        requests.map(({ items }) => items.reduce((sum, one) => sum + octetsOf(one), 0))
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
