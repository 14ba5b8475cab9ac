import test from 'ava'
import { Pace } from './pace.ts'

const frameMs = 20

interface Turn {
  readonly atMs: number
  /** How late the oldest frame began that was mixed. */
  readonly lateMs: number
  readonly mixed: number
}

/** A thread whose frames take so long to mix, in simulated time; it stands still once for `stallMs`. */
function run(frameWorkMs: number, stallMs: number, express = true): Turn[] {
  const pace = new Pace()
  const turns: Turn[] = []
  let stalled = false
  let nowMs = 0
  for (let dueMs = frameMs; nowMs < 10_000; ) {
    nowMs = Math.max(nowMs, dueMs)
    if (!stalled && nowMs > 2000) {
      stalled = true
      nowMs += stallMs
    }
    const due = 1 + Math.floor((nowMs - dueMs) / frameMs)
    const mixed = pace.frames(due, express)
    turns.push({ atMs: nowMs, lateMs: nowMs - dueMs - frameMs * (due - mixed), mixed })
    nowMs += mixed * frameWorkMs
    pace.took(mixed * frameWorkMs, mixed)
    dueMs += due * frameMs
  }
  return turns
}

test('a thread that has time mixes every frame', (t) => {
  for (const { lateMs, mixed } of run(7, 0)) t.deepEqual([lateMs, mixed], [0, 1])
})

test('after a stall, however long, the frame after the next is in time', (t) => {
  for (const frameWorkMs of [2, 3.3, 7, 12, 19])
    for (const stallMs of [30, 100, 500, 2000, 5000]) {
      const turns = run(frameWorkMs, stallMs)
      const stalled = turns.findIndex(({ atMs }) => atMs > 2000)
      t.true(turns[stalled]!.mixed * frameWorkMs <= frameMs)
      t.true(turns.slice(stalled + 1).every(({ lateMs, mixed }) => lateMs < frameMs && mixed === 1))
    }
})

test('what it makes up for is bounded', (t) => {
  t.is(Math.max(...run(1, 5000).map(({ mixed }) => mixed)), 6)
  t.is(Math.max(...run(1, 5000, false).map(({ mixed }) => mixed)), 3)
})

test('a thread with more to do than there is time leaves frames out, and none that it mixes is a frame late', (t) => {
  for (const frameWorkMs of [21, 25, 40, 90]) {
    const turns = run(frameWorkMs, 1000)
    t.true(turns.every(({ lateMs, mixed }) => mixed === 1 && lateMs < frameMs))
    const [first, last] = [turns[0]!, turns.at(-1)!]
    t.true(Math.abs((last.atMs - first.atMs - 1000) / frameWorkMs - (turns.length - 1)) <= 1, 'it never waits')
  }
})

test('one turn in which it was held up says nothing about what a frame takes', (t) => {
  const pace = new Pace()
  for (let n = 0; n < 20; n++) pace.took(n === 19 ? 400 : 4, 1)
  t.is(pace.frames(10, true), 5)
})
