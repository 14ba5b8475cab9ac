import test from 'ava'
import { createRandom } from './random.ts'
import { simulate, weathers } from './simulation.ts'

test('the same seed draws the same numbers, between the ends that were asked for', (t) => {
  const [one, other] = [createRandom(7), createRandom(7)]
  const drawn = Array.from({ length: 1000 }, () => one.between(3, 5))
  t.deepEqual(
    drawn,
    Array.from({ length: 1000 }, () => other.between(3, 5))
  )
  t.deepEqual([...new Set(drawn)].sort(), [3, 4, 5])
})

for (const [index, weather] of weathers.entries()) {
  test.serial(`400 calls of every kind in ${weather.name} weather: both sides agree, and nothing is left`, (t) => {
    const { violations, left, outcomes, messages } = simulate({ seed: 1000 + index, calls: 400, weather })
    t.deepEqual(violations, [])
    t.deepEqual(
      Object.entries(left).filter(([, value]) => value !== 0),
      []
    )
    // What is not exercised is not tested.
    for (const outcome of [
      'INVITE 200',
      'INVITE 486',
      'INVITE 487',
      'INVITE 302',
      'prack 200',
      'reinvite 200',
      'update 200',
      'notify 200',
      'subscribe 202',
      'refer 202',
      'early update'
    ]) {
      t.true((outcomes.get(outcome) ?? 0) > 0, outcome)
    }
    t.true(messages > 4000)
  })
}

test('a network that loses everything is found out: the caller is told 408, and nothing is left', (t) => {
  const { violations, left, outcomes } = simulate({
    seed: 1,
    calls: 40,
    weather: { name: 'night', delayMs: 1, loss: 1, repeats: 0, jitterMs: 0 }
  })
  t.deepEqual(violations, [])
  t.deepEqual(
    Object.entries(left).filter(([, value]) => value !== 0),
    []
  )
  t.true([...outcomes.keys()].every((what) => what.includes('408')))
})
