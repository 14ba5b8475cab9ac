/**
 * `npm run bench:plugins`: what the plugins cost beside the bare store, in the same run.
 *
 *     npm run bench:plugins -- [--json] [--iterations 2000] [--every-command]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createCoordinator, measureLatency } from '#coordinator'
import { judge, matchOf, readPolicy } from '#governor'
import { figure, type Metric, quantile, table } from '#scripts/bench/report.ts'
import { openStore, type StorePlace, witnessedStore } from '#store'
import { commandOverheads } from '../../cli/testing/overhead.ts'
import { startRedis } from '../../ledger/testing/redis-server.ts'
import { chassisFigures } from '../chassis/testing/figures.ts'
import { wasteFigures } from '../governor/testing/waste-figures.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    iterations: { type: 'string', default: '2000' },
    'every-command': { type: 'boolean', default: false }
  }
})
const iterations = Number(values.iterations)
if (!(Number.isInteger(iterations) && iterations >= 100 && iterations <= 100_000))
  throw new Error('--iterations: expected 100 to 100000')

const folder = mkdtempSync(join(tmpdir(), 'bench-plugins-'))
const redis = await startRedis()

/** Claims a second when 64 of them are under way at any time, each of a task of its own. */
async function claimsPerSecond(place: StorePlace): Promise<number> {
  const store = await openStore(place)
  const coordinator = createCoordinator(witnessedStore(store, null))
  await coordinator.registerSwarm('alpha', {}, 3_600_000)
  for (let from = 0; from < iterations; from += 100)
    await Promise.all(
      Array.from({ length: Math.min(100, iterations - from) }, (_, at) => coordinator.add({ id: `T-${from + at}` }))
    )
  let next = 0
  const began = performance.now()
  await Promise.all(
    Array.from({ length: 64 }, async () => {
      while (next < iterations) {
        const claimed = await coordinator.claim(`T-${next++}`, 'alpha')
        if (!claimed.ok) throw new Error(claimed.reason)
      }
    })
  )
  const seconds = (performance.now() - began) / 1000
  await store.close()
  return iterations / seconds
}

async function coordinatorFigures(kind: string, place: (name: string) => StorePlace) {
  const store = await openStore(place('latency'))
  const latency = await measureLatency(store, iterations)
  await store.close()
  return { kind, latency, perSecond: await claimsPerSecond(place('rate')) }
}

/** Median of 50 rounds, microseconds for one call of `work`. */
function microseconds(work: () => unknown): number {
  const rounds = Array.from({ length: 50 }, () => {
    const began = performance.now()
    for (let n = 0; n < 2000; n++) work()
    return (performance.now() - began) / 2
  })
  return quantile(rounds, 0.5)
}

/** A match of three capabilities against twelve, and a policy of 20 rules of which the last one denies. */
async function governorFigures() {
  const requires = { 'code.rust': 0.6, 'code.review': 0.4, law: 0.3 }
  const has = Object.fromEntries(
    ['code', 'code.rust', 'code.go', 'code.review.api', 'law', 'law.contract', 'art', 'art.ink', 'sea', 'sky', 'sun', 'salt'].map(
      (name, at) => [name, 0.3 + 0.05 * at]
    )
  )
  const history = (ended: number, completed: number) => ({ ended, completed, expected: ended, succeeded: completed, at: 0 })
  const known = {
    all: history(43, 34),
    roots: { code: history(40, 31), law: history(3, 3) },
    capabilities: { 'code.rust': history(12, 9), 'code.review': history(9, 8), law: history(3, 3) }
  }
  const rules = Array.from(
    { length: 20 },
    (_, at) =>
      `{ name: r${at}, action: deny, when: { capability: [code, law], costAbove: "${20 - at}.00", hours: 00:00-24:00, notSwarm: [x] } }`
  )
  const policy = await readPolicy(`rules: [${rules.join(', ')}]`, 'benchmark')
  const facts = { task: { requires, estimate: '1.50', hazard: null }, swarm: 'alpha', claims: 2, at: Date.now() }
  if (judge(policy.rules, facts).rule !== 'r19') throw new Error('the policy of the benchmark does not deny by its last rule')
  return {
    match: microseconds(() => matchOf(requires, has, known)),
    policy: microseconds(() => judge(policy.rules, facts))
  }
}

try {
  const governor = await governorFigures()
  const chassis = await chassisFigures()
  const overheads = await commandOverheads(25, values['every-command'])
  const sqlite = await coordinatorFigures('SQLite', (name) => ({ kind: 'sqlite', path: join(folder, `${name}.db`) }))
  const overRedis = await coordinatorFigures('Redis', (name) => ({ kind: 'redis', url: redis.url, name }))
  const waste = await wasteFigures([4, 5, 6])
  const metrics: Metric[] = [
    { metric: 'coordinator.claim_p99_ms', value: sqlite.latency.claim.p99, unit: 'ms', note: 'SQLite, one claim at a time' },
    {
      metric: 'coordinator.claim_ratio_to_store',
      value: sqlite.latency.ratio,
      unit: 'ratio',
      note: 'median claim to median bare read-and-write transaction of the same store, in turn'
    },
    { metric: 'coordinator.claims_per_s', value: sqlite.perSecond, unit: '1/s', note: 'SQLite, 64 under way, each durable' },
    {
      metric: 'governor.match_us',
      value: governor.match,
      unit: 'µs',
      note: 'three capabilities against twelve, without the store'
    },
    { metric: 'governor.policy_us', value: governor.policy, unit: 'µs', note: '20 rules of four conditions, without the store' },
    {
      metric: 'chassis.start_ms',
      value: chassis.startMs,
      unit: 'ms',
      note: 'median of 21: process made to first instruction of its module'
    },
    {
      metric: 'chassis.warm_start_ms',
      value: chassis.warmStartMs,
      unit: 'ms',
      note: 'the same where a process waits, used once'
    },
    {
      metric: 'cli.overhead_ms',
      value: overheads[0]!.medianMs,
      unit: 'ms',
      note: `beyond node -e 0, median of 25, of the slowest of ${overheads.length} commands that read and write nothing: ${overheads[0]!.line}`
    },
    { metric: 'chassis.call_us', value: chassis.callUs, unit: 'µs', note: 'host call and its answer, mean of 20,000' },
    ...waste
  ]
  if (values.json) for (const metric of metrics) console.log(JSON.stringify(metric))
  else {
    const row = ({ kind, latency: { claim, store, ratio }, perSecond }: typeof sqlite) => [
      kind,
      ...[claim.p50, claim.p99, store.p50, store.p99, ratio].map(figure),
      perSecond.toFixed(0)
    ]
    const head = ['coordinator', 'claim p50 ms', 'p99', 'bare p50 ms', 'p99', 'ratio', 'claims/s, 64 under way']
    console.log(table([head, row(sqlite), row(overRedis)]))
    console.log(
      table([
        ['governor', 'match µs', 'policy of 20 rules µs'],
        ['', figure(governor.match), figure(governor.policy)]
      ])
    )
    console.log(
      table([
        ['chassis', 'start ms', 'where a process waits', 'host call µs'],
        ['', figure(chassis.startMs), figure(chassis.warmStartMs), figure(chassis.callUs)]
      ])
    )
    console.log(table([['work wasted', ''], ...waste.map(({ value, unit, note }) => [note ?? '', `${figure(value)} ${unit}`])]))
    console.log(table([['command', 'ms beyond node -e 0'], ...overheads.map(({ line, medianMs }) => [line, figure(medianMs)])]))
  }
} finally {
  await redis.stop()
  rmSync(folder, { recursive: true, force: true })
}
