import test from 'ava'
import { defaultObjectives, judgeRuns, objectivesWith, type RunRecord } from './slo.ts'

const run = (outcome: RunRecord['outcome'], code: number | null = null, wallMs = 100): RunRecord => ({
  at: 0,
  sandbox: 'box',
  swarm: 'alpha',
  outcome,
  code,
  wallMs,
  traceId: '1'.repeat(32)
})
const good = run('exit', 0)
const objectives = { ...defaultObjectives, leastRuns: 4 }
const of = (runs: readonly RunRecord[], tasks: Parameters<typeof judgeRuns>[2] = null) =>
  Object.fromEntries(judgeRuns(objectives, runs, tasks).map((status) => [status.objective, status]))

test('each way of ending counts against its own objectives, a stopped run against none', (t) => {
  const cases: [RunRecord, broken: string[]][] = [
    [run('exit', 3), ['errors']],
    [run('trap'), ['errors']],
    [run('crashed'), ['availability', 'errors']],
    [run('abandoned'), ['availability', 'errors']],
    [run('invalid'), ['availability', 'errors']],
    [run('protocol'), ['availability', 'errors']],
    [run('deadline'), ['errors', 'limits']],
    [run('memory'), ['errors', 'limits']],
    [run('flood'), ['errors', 'limits']],
    [run('stopped'), []],
    [run('exit', 0, 60_000), ['latency']]
  ]
  for (const [bad, broken] of cases) {
    const statuses = Object.values(of([good, good, good, good, bad]))
    t.deepEqual(
      statuses.filter(({ kept }) => kept === false).map(({ objective }) => objective),
      broken,
      bad.outcome
    )
    t.is(statuses[0]!.counted, bad.outcome === 'stopped' ? 4 : 5)
  }
})

test('too few runs say nothing; a share that is just kept is kept', (t) => {
  t.true(Object.values(of([good, good, good])).every(({ measured, kept }) => measured === null && kept === null))
  const twenty = Array.from({ length: 19 }, () => good)
  const { errors, availability } = of([...twenty, run('exit', 1)])
  t.like(errors, { target: 5, measured: 5, kept: true, burn: 1 })
  t.like(availability, { measured: 100, kept: true, burn: 0 })
})

test('latency is the 99th percentile by nearest rank, of runs that ended by themselves', (t) => {
  const times = Array.from({ length: 200 }, (_, at) => run('exit', 0, at + 1))
  t.is(of(times).latency!.measured, 198)
  t.is(of([...times, run('deadline', null, 1_000_000)]).latency!.measured, 198)
})

test('the budget of a swarm is judged by its tasks; a sandbox has none', (t) => {
  const task = (within: boolean) => ({ at: 0, task: 'T', within })
  t.false('budget' in of([good]))
  t.like(of([], [task(true), task(true), task(true), task(false)]).budget, { measured: 75, kept: false, counted: 4 })
})

test('objectives have ranges', (t) => {
  t.is(objectivesWith(defaultObjectives, { errorPct: 1.5 }).errorPct, 1.5)
  for (const changes of [{ errorPct: 101 }, { windowMs: 1 }, { leastRuns: 0 }, { availabilityPct: Number.NaN }])
    t.throws(() => objectivesWith(defaultObjectives, changes), { code: 'chassis.slo' })
})
