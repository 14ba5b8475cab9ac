import test from 'ava'
import fc from 'fast-check'
import { type Hunt, type HuntEffect, type HuntEvent, newHunt, stepHunt } from './hunt.ts'

/** Takes steps, and keeps what a test wants to see of the effects. */
function play(candidates: readonly string[], width: number) {
  let hunt: Hunt<string> = newHunt(candidates, width)
  const told: string[] = []
  const step = (event: HuntEvent) => {
    const next = stepHunt(hunt, event)
    hunt = next.hunt
    for (const effect of next.effects) told.push(text(effect))
    return next.effects
  }
  return { step, told, hunt: () => hunt, taken: () => told.splice(0) }
}

const text = (effect: HuntEffect<string>): string =>
  effect.type === 'exhausted'
    ? 'exhausted'
    : `${effect.type} ${effect.branch.candidate}${'why' in effect ? ` ${effect.why}` : ''}`

test('sequential: one after the other, until one answers', (t) => {
  const { step, taken, hunt } = play(['a', 'b', 'c'], 1)
  step({ type: 'begin' })
  t.deepEqual(taken(), ['call a'])
  step({ type: 'failed', branch: 1, again: null })
  t.deepEqual(taken(), ['call b'])
  step({ type: 'claim', branch: 2 })
  step({ type: 'connected', branch: 2 })
  t.deepEqual(taken(), [])
  t.like(hunt(), { phase: 'connected', winner: 2, queue: [] })
})

test('parallel: all at once; the first answer stops the others, and the second is too late', (t) => {
  const { step, taken, hunt } = play(['a', 'b', 'c'], 5)
  step({ type: 'begin' })
  t.deepEqual(taken(), ['call a', 'call b', 'call c'])
  step({ type: 'claim', branch: 2 })
  t.deepEqual(taken(), ['stop a answered-elsewhere', 'stop c answered-elsewhere'])
  step({ type: 'claim', branch: 3 })
  t.is(hunt().winner, 2)
  step({ type: 'failed', branch: 1, again: null })
  step({ type: 'connected', branch: 2 })
  t.like(hunt(), { phase: 'connected', winner: 2 })
})

test('parallel with less room than candidates keeps the room full', (t) => {
  const { step, taken } = play(['a', 'b', 'c'], 2)
  step({ type: 'begin' })
  t.deepEqual(taken(), ['call a', 'call b'])
  step({ type: 'failed', branch: 2, again: null })
  t.deepEqual(taken(), ['call c'])
})

test('who is to be called again later gives the place to the next', (t) => {
  const { step, taken } = play(['a', 'b'], 1)
  step({ type: 'begin' })
  step({ type: 'failed', branch: 1, again: 1000 })
  t.deepEqual(taken(), ['call a', 'wait a', 'call b'])
  step({ type: 'failed', branch: 2, again: null })
  t.deepEqual(taken(), [])
  step({ type: 'due', branch: 1 })
  t.deepEqual(taken(), ['call a'])
  step({ type: 'failed', branch: 3, again: null })
  t.deepEqual(taken(), ['exhausted'])
})

test('a winner that fails after all leaves those who were not called yet', (t) => {
  const { step, taken } = play(['a', 'b'], 1)
  step({ type: 'begin' })
  step({ type: 'claim', branch: 1 })
  step({ type: 'failed', branch: 1, again: null })
  t.deepEqual(taken(), ['call a', 'call b'])
})

test('cancelled: what rings is stopped, what waits is forgotten, nobody else is called', (t) => {
  const { step, taken } = play(['a', 'b', 'c'], 2)
  step({ type: 'begin' })
  step({ type: 'failed', branch: 1, again: 1000 })
  taken()
  step({ type: 'cancelled' })
  t.deepEqual(taken(), ['stop b cancelled', 'stop c cancelled', 'unwait a'])
  step({ type: 'due', branch: 1 })
  step({ type: 'failed', branch: 2, again: null })
  t.deepEqual(taken(), [])
})

test('nobody to call is exhausted at once', (t) => {
  const { step, taken } = play([], 1)
  step({ type: 'begin' })
  t.deepEqual(taken(), ['exhausted'])
})

const anyEvent = fc.oneof(
  fc.record({ type: fc.constant('claim' as const), branch: fc.integer({ min: 1, max: 8 }) }),
  fc.record({ type: fc.constant('connected' as const), branch: fc.integer({ min: 1, max: 8 }) }),
  fc.record({
    type: fc.constant('failed' as const),
    branch: fc.integer({ min: 1, max: 8 }),
    again: fc.option(fc.integer({ min: 1, max: 1000 }), { freq: 3 })
  }),
  fc.record({ type: fc.constant('due' as const), branch: fc.integer({ min: 1, max: 8 }) }),
  fc.constant({ type: 'cancelled' as const })
)

test('in every order of events: never more calls than room, one winner at most, and every wait is ended or comes due', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 4 }),
      fc.integer({ min: 1, max: 4 }),
      fc.array(anyEvent, { maxLength: 40 }),
      (count, width, events) => {
        const { step, hunt } = play(
          Array.from({ length: count }, (_, at) => `c${at}`),
          width
        )
        const waiting = new Set<number>()
        const called = new Map<number, string>()
        let exhausted = 0
        for (const event of [{ type: 'begin' as const }, ...events]) {
          const before = hunt()
          for (const effect of step(event)) {
            if (effect.type === 'exhausted') exhausted++
            else if (effect.type === 'wait') waiting.add(effect.branch.id)
            else if (effect.type === 'unwait') waiting.delete(effect.branch.id)
            else if (effect.type === 'call') {
              if (called.has(effect.branch.id)) return false
              if (before.phase === 'connected' || before.phase === 'over') return false
              called.set(effect.branch.id, effect.branch.candidate)
            }
          }
          if (event.type === 'due' && before.delayed.some(({ id }) => id === event.branch)) waiting.delete(event.branch)
          if (hunt().phase !== 'claimed' && hunt().ringing.length > width) return false
          if (waiting.size !== hunt().delayed.length) return false
          if (hunt().phase === 'connected' && !called.has(hunt().winner!)) return false
        }
        return exhausted <= 1
      }
    ),
    { numRuns: 500 }
  )
  t.pass()
})
