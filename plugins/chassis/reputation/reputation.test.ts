import test from 'ava'
import fc from 'fast-check'
import { addEvidence, type DayEvidence, dayMs, dayOf, evidenceFrom, noEvidence, reputationOf, wilsonLower } from './reputation.ts'

const now = Date.UTC(2026, 10, 21, 12)
const day = (ago: number): string => dayOf(now - ago * dayMs)
const of = (days: Record<string, Partial<DayEvidence>>, broken: { from: number; until: number | null }[] = []) =>
  reputationOf({ days: new Map(Object.entries(days).map(([name, what]) => [name, addEvidence(noEvidence, what)])), broken }, now)

test('the lower bound, by values of a table', (t) => {
  t.is(wilsonLower(0, 0), 0)
  t.is(wilsonLower(1, 1).toFixed(4), '0.2065')
  t.is(wilsonLower(1, 10).toFixed(4), '0.7225')
  t.is(wilsonLower(0.9, 100).toFixed(4), '0.8256')
})

test('nothing known is nothing; few good results prove little', (t) => {
  t.is(of({}).score, 0)
  const one = of({ [day(0)]: { tasksGood: 1 } })
  t.is(one.score.toFixed(3), '0.207')
  t.true(of({ [day(0)]: { tasksGood: 10 } }).score > 3 * one.score)
})

test('one day counts for 20 tasks, however many there were', (t) => {
  t.is(of({ [day(0)]: { tasksGood: 100_000 } }).score, of({ [day(0)]: { tasksGood: 20 } }).score)
  // the share stays what it was
  t.is(of({ [day(0)]: { tasksGood: 500, tasksBad: 500 } }).p, 0.5)
})

test('runs alone lift nothing, and those that failed always count', (t) => {
  t.is(of({ [day(0)]: { runsGood: 1_000_000 } }).score, 0)
  const tasks = { tasksGood: 8 }
  t.is(of({ [day(0)]: { ...tasks, runsGood: 1_000_000 } }).n, 10)
  t.true(of({ [day(0)]: { ...tasks, runsBad: 5 } }).score < of({ [day(0)]: tasks }).score)
})

test('what is old fades: half in two weeks, gone after 90 days', (t) => {
  t.is(of({ [day(14)]: { tasksGood: 10 } }).n, 5)
  t.is(of({ [day(90)]: { tasksGood: 10 } }).n, 0)
  t.true(of({ [day(60)]: { tasksBad: 20 }, [day(0)]: { tasksGood: 20 } }).p > 0.9)
})

test('time in violation takes up to half, and spans that overlap count once', (t) => {
  const today = { [day(0)]: { tasksGood: 20 } }
  const noon = Date.parse(day(0))
  const whole = of(today, [{ from: noon - dayMs, until: null }])
  t.is(whole.broken, 1)
  t.is(whole.score, whole.proof / 2)
  const spans = [
    { from: noon, until: noon + 3 * 3_600_000 },
    { from: noon + 3_600_000, until: noon + 6 * 3_600_000 }
  ]
  t.is(of(today, spans).broken, 0.5)
})

test('a score is 0 to 1, and one more failed task never lifts it', (t) => {
  const count = fc.integer({ min: 0, max: 60 })
  const evidence = fc.record({ tasksGood: count, tasksBad: count, runsGood: count, runsBad: count })
  fc.assert(
    fc.property(
      fc.dictionary(fc.integer({ min: 0, max: 100 }).map(day), evidence),
      fc.integer({ min: 0, max: 95 }),
      (days, ago) => {
        const { score } = of(days)
        t.true(score >= 0 && score <= 1)
        const before = days[day(ago)] ?? noEvidence
        // a task more makes room for runs that went well: they are left out of this
        const worse = { ...days, [day(ago)]: { ...before, tasksBad: before.tasksBad + 1 } }
        const without = (all: typeof days) =>
          of(Object.fromEntries(Object.entries(all).map(([name, each]) => [name, { ...each, runsGood: 0 }]))).score
        t.true(without(worse) <= without(days) + 1e-12)
      }
    ),
    { numRuns: 300, seed: 7 }
  )
})

test('entries of others, of no known kind and without a time say nothing', (t) => {
  const at = now
  const ended = { swarm: 'alpha', at, outcome: 'exit', code: 0 }
  const { days, broken } = evidenceFrom(
    [
      { event: 'sandbox_ended', payload: ended },
      { event: 'sandbox_ended', payload: { ...ended, swarm: 'beta' } },
      { event: 'sandbox_ended', payload: { ...ended, outcome: 'stopped' } },
      { event: 'sandbox_ended', payload: { swarm: 'alpha', outcome: 'exit', code: 0 } },
      { event: 'task_deadline_passed', payload: { swarm: 'alpha', at, previous: 'pending' } },
      { event: 'task_completed', payload: { swarm: 'alpha', at, previous: 'claimed' } },
      { event: 'task_claimed', payload: { swarm: 'alpha', at, previous: 'pending' } },
      { event: 'slo_violated', payload: { swarm: 'alpha', at, violation: 'v' } },
      { event: 'slo_restored', payload: { swarm: 'alpha', at: at + 5, violation: 'v' } }
    ],
    'alpha'
  )
  t.deepEqual([...days], [[day(0), { tasksGood: 1, tasksBad: 0, runsGood: 1, runsBad: 0 }]])
  t.deepEqual(broken, [{ from: at, until: at + 5 }])
})
