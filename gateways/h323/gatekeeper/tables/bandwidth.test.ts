import test from 'ava'
import fc from 'fast-check'
import { createBandwidthAccounts } from './bandwidth.ts'

const limits = { zone: 1000, endpoint: 400, call: 300 }
const groups = [undefined, { name: '00', limit: 350 }] as const

test('the zone pays once for a call, its endpoints each for their leg', (t) => {
  const accounts = createBandwidthAccounts(limits)
  accounts.set('c', 'a', 100)
  accounts.set('c', 'b', 200)
  t.deepEqual([accounts.zoneUsed(), accounts.endpointUsed('a'), accounts.endpointUsed('b')], [200, 100, 200])
  accounts.release('c', 'b')
  accounts.release('c', 'b')
  t.is(accounts.zoneUsed(), 100)
  t.throws(() => accounts.set('c', 'a', 301), { instanceOf: RangeError })
  t.throws(() => accounts.set('c', 'a', -1), { instanceOf: RangeError })
  t.is(accounts.zoneUsed(), 100)
})

test('a prefix has a limit of its own', (t) => {
  const accounts = createBandwidthAccounts(limits)
  accounts.set('c', 'a', 300, groups[1])
  t.is(accounts.available('d', 'b', groups[1]), 50)
  t.is(accounts.available('d', 'b'), 300)
  t.is(accounts.groupUsed('00'), 300)
})

test('property: whatever the order, what is used is the sum of what is held, within the limits, and all of it comes back', (t) => {
  const event = fc.record({
    call: fc.integer({ min: 0, max: 5 }),
    endpoint: fc.constantFrom('a', 'b', 'c'),
    amount: fc.integer({ min: 0, max: 350 }),
    ends: fc.boolean()
  })
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const accounts = createBandwidthAccounts(limits)
      const held = new Map<string, { call: number; endpoint: string; amount: number }>()
      for (const { call, endpoint, amount, ends } of events) {
        const name = `${call} ${endpoint}`
        const group = groups[call % 2]
        if (ends) {
          accounts.release(`${call}`, endpoint)
          held.delete(name)
        } else if (amount <= accounts.available(`${call}`, endpoint, group)) {
          accounts.set(`${call}`, endpoint, amount, group)
          held.set(name, { call, endpoint, amount })
        }
        const legs = [...held.values()]
        const widthOf = (of: number): number => Math.max(0, ...legs.filter((leg) => leg.call === of).map((leg) => leg.amount))
        const widths = [0, 1, 2, 3, 4, 5].map(widthOf)
        const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)
        t.is(accounts.zoneUsed(), sum(widths))
        t.is(accounts.groupUsed('00'), sum(widths.filter((_, at) => at % 2 === 1)))
        for (const id of ['a', 'b', 'c'])
          t.is(accounts.endpointUsed(id), sum(legs.filter((leg) => leg.endpoint === id).map((leg) => leg.amount)))
        t.true(
          accounts.zoneUsed() <= limits.zone && accounts.groupUsed('00') <= 350 && accounts.endpointUsed('a') <= limits.endpoint
        )
      }
      for (const { call, endpoint } of held.values()) accounts.release(`${call}`, endpoint)
      t.deepEqual([accounts.zoneUsed(), accounts.groupUsed('00'), accounts.endpointUsed('a')], [0, 0, 0])
    }),
    { numRuns: 150 }
  )
})
