import test from 'ava'
import { createRandom } from './random.ts'
import { simulate, weathers } from './simulation.ts'
import { createWire } from './wire.ts'

test('the same seed draws the same numbers, between the ends that were asked for', (t) => {
  const [one, other] = [createRandom(7), createRandom(7)]
  const drawn = Array.from({ length: 1000 }, () => one.between(3, 5))
  t.deepEqual(
    drawn,
    Array.from({ length: 1000 }, () => other.between(3, 5))
  )
  t.deepEqual([...new Set(drawn)].sort(), [3, 4, 5])
})

test('the wire is watched: a second final answer and a message without end are found out', (t) => {
  const seen: string[] = []
  const wire = createWire((text) => void seen.push(text))
  const answer = (status: number, tag: string): Buffer =>
    Buffer.from(`SIP/2.0 ${status} X\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nTo: <sip:b>;tag=${tag}\r\nCSeq: 1 INVITE\r\n\r\n`)
  for (const status of [100, 180, 200]) wire.sent(answer(status, 'x'), 'a', 'b')
  wire.sent(answer(200, 'fork'), 'a', 'b')
  t.deepEqual(seen, [])
  wire.sent(answer(486, 'x'), 'a', 'b')
  t.is(seen.length, 1)
  for (let times = 0; times < 60; times++) wire.sent(answer(200, 'x'), 'a', 'b')
  t.is(seen.length, 2)
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
