import test from 'ava'
import type { Economy } from './codec/codec.ts'
import { LoadEconomy } from './economy.ts'

/** A thread whose frames take so long at each economy. @returns the economy of each frame */
function run(economy: LoadEconomy, frames: number, workMs: (level: Economy, frame: number) => number): Economy[] {
  return Array.from({ length: frames }, (_, frame) => {
    economy.took(workMs(economy.level, frame))
    return economy.level
  })
}

test('a thread with time saves none', (t) => {
  t.deepEqual([...new Set(run(new LoadEconomy('auto'), 1000, () => 12))], [0])
})

test('it saves before frames get late, and stays where that suffices', (t) => {
  const levels = run(new LoadEconomy('auto'), 3000, (level) => [17, 12, 8][level]!)
  t.true(levels.indexOf(1) < 50)
  t.is(levels.at(-1), 1)
  t.false(levels.includes(2))
})

test('where that does not suffice it saves all it can; where no frame is in time, at once', (t) => {
  const slow = run(new LoadEconomy('auto'), 3000, (level) => [18, 16, 13][level]!)
  t.is(slow.at(-1), 2)
  t.true(slow.indexOf(2) - slow.indexOf(1) >= 50)
  const late = run(new LoadEconomy('auto'), 200, (level) => [60, 40, 13][level]!)
  t.true(late.indexOf(2) < 30, `after ${late.indexOf(2)} frames`)
})

test('after ten seconds with time it goes back, a step at a time', (t) => {
  const levels = run(new LoadEconomy('auto'), 3000, (level, frame) => (frame < 500 ? [40, 30, 16][level]! : [8, 6, 4][level]!))
  const [from2, from1] = [levels.indexOf(1, 500), levels.indexOf(0, 500)]
  t.true(from2 >= 1000 && from2 < 1100, `${from2}`)
  t.true(from1 >= from2 + 500)
  t.is(levels.at(-1), 0)
})

test('a load at which it has gone back does not make it save again: no step costs more than 1.7 times', (t) => {
  const levels = run(new LoadEconomy('auto'), 20_000, (level, frame) => (frame < 500 ? 30 : [13, 7.7, 5][level]!))
  t.is(
    levels.findLastIndex((level) => level > 0),
    levels.indexOf(0, 500) - 1
  )
})

test('one frame in which the thread was held up changes nothing', (t) => {
  t.deepEqual([...new Set(run(new LoadEconomy('auto'), 300, (_, frame) => (frame === 100 ? 5000 : 8)))], [0])
})

test('what is fixed stays, whatever the load', (t) => {
  for (const fixed of [0, 1, 2] as const) t.deepEqual([...new Set(run(new LoadEconomy(fixed), 500, () => 30))], [fixed])
})
