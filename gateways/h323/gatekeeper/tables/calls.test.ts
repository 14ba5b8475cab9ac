import test from 'ava'
import fc from 'fast-check'
import { draftEntry, formatDecimal, h323SessionCost, parseDecimal } from '../../../../ledger/ledger.ts'
import { type Call, usageOf } from './calls.ts'

test('property: the price of any call is one that the ledger takes', (t) => {
  const day = 86_400_000
  fc.assert(
    fc.property(fc.integer({ min: 1, max: day }), fc.integer({ min: 1, max: 4_294_967_295 }), (durationMs, width) => {
      const call = { startedAt: 1000, metered: BigInt(width) * BigInt(durationMs), meteredAt: 1000 + durationMs, legs: new Map() }
      const { minutes, mbitPerSecond } = usageOf(call as unknown as Call, 1000 + durationMs)
      const cost = formatDecimal(h323SessionCost(parseDecimal(mbitPerSecond), parseDecimal(minutes)))
      t.notThrows(
        () =>
          draftEntry(
            { event: 'h323_call_complete', component: 'IF.witness.h323', traceId: 'c'.repeat(32), payload: {}, cost },
            0
          ),
        cost
      )
    }),
    { numRuns: 200 }
  )
})
