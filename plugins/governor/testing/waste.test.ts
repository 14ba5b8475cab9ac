import test from 'ava'
import { memoryState } from './memory-transaction.ts'
import { type Allocation, type Mix, mixes, simulateWaste } from './waste.ts'

const tasks = 150
const firstCome: Allocation = { by: 'first come' }
const by = (threshold: number): Allocation => ({ by: 'governor', config: { threshold } })

test('a run comes again from its seed, and every task has one end', async (t) => {
  const [standard, , , hostile] = mixes as [Mix, Mix, Mix, Mix]
  const run = await simulateWaste(7, standard, firstCome, tasks)
  t.deepEqual(await simulateWaste(7, standard, firstCome, tasks), run)
  t.notDeepEqual(await simulateWaste(8, standard, firstCome, tasks), run)
  t.is(run.completed + run.uncompleted, tasks)
  t.is(run.attempts, run.failed + run.completed)
  const governed = await simulateWaste(7, hostile, by(0.7), tasks)
  t.is(governed.completed + governed.uncompleted, tasks)
  t.is(governed.attempts, governed.failed + governed.completed)
})

test('the gate lets through who fits: less is wasted than when it is open, and no more attempts are made', async (t) => {
  const honest = mixes[2]!
  const open = await simulateWaste(7, honest, firstCome, tasks)
  const governed = await simulateWaste(7, honest, by(0.7), tasks)
  t.true(governed.attempts < open.attempts)
  t.true(governed.wastePct < open.wastePct / 2)
  // a task is kept for who is surest of it: somebody less sure would have tried
  const impatient: Allocation = { by: 'governor', config: { threshold: 0.7, patience: { mostMs: 0, ofDeadline: 0, first: 0 } } }
  const hasty = await simulateWaste(7, honest, impatient, tasks)
  t.true(governed.wastePct < hasty.wastePct && governed.failed < hasty.failed)
  // as little as can be, by somebody who knows what no gate knows
  const known = await simulateWaste(7, honest, { by: 'oracle', least: 0.7 }, tasks)
  t.true(known.wastePct < open.wastePct / 2 && known.completed > 0)
  // some tasks are given to nobody
  const strict = await simulateWaste(7, honest, by(1), tasks)
  t.true(strict.untouched > governed.untouched)
})

test('records in memory: what is not kept never was', async (t) => {
  const { records, run } = memoryState()
  await run(
    1,
    async ({ put, get }) => {
      put('a', 1)
      t.is(await get('a'), 1)
    },
    () => false
  )
  t.is(records.size, 0)
  await run(
    2,
    async ({ put }) => put('a', 2),
    () => true
  )
  await run(
    3,
    async ({ remove, get }) => t.is(await get('a'), 2) && remove('a'),
    () => true
  )
  t.is(records.size, 0)
})
