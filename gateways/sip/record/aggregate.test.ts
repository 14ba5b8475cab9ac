import test from 'ava'
import { createAggregate } from './aggregate.ts'

test('repetitions are counted and told once per interval', (t) => {
  const aggregate = createAggregate(10_000, 2)
  t.is(aggregate.note('a', 0), 1)
  t.is(aggregate.note('a', 1), null)
  t.is(aggregate.note('a', 9_999, 5), null)
  t.is(aggregate.note('a', 10_000), 7)
  t.is(aggregate.note('b', 10_001), 1)
  t.is(aggregate.note('c', 10_002), 1)
  t.is(aggregate.note('a', 10_003), 1, 'the oldest key was forgotten')
})
