import { setImmediate } from 'node:timers/promises'
import test from 'ava'
import { manualClock } from '#kernel'
import { watchAnswers } from './probe.ts'

const times = { everyMs: 1000, withinMs: 500, lostAfter: 2, hopelessAfter: 4 }

test('silence is counted in questions: lost after two, hopeless after four, found again by an answer', async (t) => {
  const clock = manualClock()
  const told: string[] = []
  let answers: 'yes' | 'no' | 'never' = 'yes'
  const ask = () =>
    answers === 'yes' ? Promise.resolve() : answers === 'no' ? Promise.reject(new Error('no')) : new Promise(() => {})
  const stop = watchAnswers(clock, ask, times, {
    lost: () => void told.push('lost'),
    found: () => void told.push('found'),
    hopeless: () => void told.push('hopeless')
  })
  const rounds = async (count: number) => {
    for (let n = 0; n < 15 * count; n++) {
      clock.advance(100)
      await setImmediate()
    }
  }
  await rounds(5)
  t.deepEqual(told, [])
  answers = 'never'
  await rounds(1)
  answers = 'yes'
  await rounds(3)
  t.deepEqual(told, [], 'one question without an answer is none')
  answers = 'no'
  await rounds(2)
  t.deepEqual(told, ['lost'])
  answers = 'yes'
  await rounds(2)
  t.deepEqual(told, ['lost', 'found'])
  answers = 'never'
  await rounds(8)
  t.deepEqual(told, ['lost', 'found', 'lost', 'hopeless'])
  stop()
  t.is(clock.pending(), 0)
})
