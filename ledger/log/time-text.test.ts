import test from 'ava'
import fc from 'fast-check'
import { timeText } from './time-text.ts'

const of = (text: string): number => Date.parse(text)
const first = of('0000-01-01T00:00:00.000Z')
const last = of('9999-12-31T23:59:59.999Z')

test('every day of 500 years has the name that Date gives it, its first and its last moment', (t) => {
  const wrong: string[] = []
  for (let ms = of('1700-01-01T00:00:00.000Z'); ms < of('2200-01-01T00:00:00.000Z'); ms += 86_400_000)
    for (const moment of [ms, ms + 86_399_999])
      if (timeText(moment) !== new Date(moment).toISOString()) wrong.push(timeText(moment))
  t.deepEqual(wrong, [])
})

test('any moment is written as Date writes it, also a fraction of a millisecond', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: first, max: last }), (ms) => t.is(timeText(ms), new Date(ms).toISOString())),
    { numRuns: 2000 }
  )
  for (const ms of [first, last, 0.5, -0.5, 1.7e12 + 0.9, -1.7e12 - 0.9]) t.is(timeText(ms), new Date(ms).toISOString())
})
