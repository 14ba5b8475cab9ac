import test from 'ava'
import fc from 'fast-check'
import { manualClock } from '#kernel'
import { newId } from '../common/ids.ts'
import { createTimerQueue, type QueuedTimer } from './timer-queue.ts'

test('timers expire when they are due, whatever is started and stopped in between, and leave nothing with the clock', (t) => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ delayMs: fc.constantFrom(0, 10, 50, 500) }),
      fc.record({ stop: fc.nat(20) }),
      fc.record({ advanceMs: fc.nat(80) })
    ),
    { maxLength: 60 }
  )
  fc.assert(
    fc.property(steps, (all) => {
      const clock = manualClock()
      const expected = new Map<number, number>()
      const started: QueuedTimer<number, string>[] = []
      const queue = createTimerQueue<number, string>(clock, (owner, name) => {
        t.is(name, 'T')
        t.is(expected.get(owner), clock.monotonicMs())
        expected.delete(owner)
      })
      for (const step of all) {
        if ('delayMs' in step) {
          expected.set(started.length, clock.monotonicMs() + step.delayMs)
          started.push(queue.start(started.length, 'T', step.delayMs))
        } else if ('advanceMs' in step) clock.advance(step.advanceMs)
        else if (step.stop < started.length) {
          queue.stop(started[step.stop]!)
          expected.delete(step.stop)
        }
      }
      if (expected.size === 0) t.is(clock.pending(), 0)
      clock.advance(500)
      t.is(expected.size, 0)
      t.is(clock.pending(), 0)
    })
  )
})

test('a timer may start and stop others, and itself, while it expires', (t) => {
  const clock = manualClock()
  const seen: string[] = []
  let second: QueuedTimer<string, string> | undefined
  const queue = createTimerQueue<string, string>(clock, (owner) => {
    seen.push(`${owner}@${clock.monotonicMs()}`)
    if (owner !== 'first') return
    queue.stop(first)
    queue.stop(second!)
    queue.start('again', 'T', 10)
  })
  const first = queue.start('first', 'T', 10)
  second = queue.start('second', 'T', 10)
  queue.start('third', 'T', 10)
  clock.advance(100)
  t.deepEqual(seen, ['first@10', 'third@10', 'again@20'])
  t.is(clock.pending(), 0)
})

test('ids have the form of a UUID and do not repeat', (t) => {
  const ids = new Set(Array.from({ length: 200_000 }, newId))
  t.is(ids.size, 200_000)
  for (const id of [...ids].slice(0, 10)) t.regex(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
})
