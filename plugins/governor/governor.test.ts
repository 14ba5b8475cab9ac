import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { createCoordinator, type NewTask } from '#coordinator'
import { manualClock, type WitnessEvent } from '#kernel'
import { openStore, type StorePlace, witnessedStore } from '#store'
import { startRedis } from '../../ledger/testing/redis-server.ts'
import { openSqliteStore } from '../store/sqlite-store.ts'
import { classOf, noCalibration } from './calibration.ts'
import { type CircuitEvent, circuitMachine, newCircuit } from './circuit.ts'
import { createGovernor, type GovernorConfig, type History, matchOf, readPolicy } from './governor.ts'
import { noHistory, shareOf, unknownSwarm } from './match.ts'

const folder = mkdtempSync(join(tmpdir(), 'governor-'))
const redis = await startRedis()
test.after.always(async () => {
  await redis.stop()
  rmSync(folder, { recursive: true, force: true })
})
let made = 0

async function governed(t: ExecutionContext, config: GovernorConfig = {}) {
  const clock = manualClock()
  const store = await openSqliteStore(join(folder, `${++made}.db`), clock)
  t.teardown(() => store.close())
  const recorded: WitnessEvent[] = []
  const witnessed = witnessedStore(store, async (events) => void recorded.push(...events.map(({ event }) => event)))
  const governor = createGovernor(witnessed, config)
  const coordinator = createCoordinator(witnessed, { gates: [governor.gate] })
  const claim = async (id: string, swarm: string) => {
    const claimed = await coordinator.claim(id, swarm)
    return claimed.ok ? claimed.fence : claimed.code
  }
  const add = (task: NewTask) => coordinator.add(task)
  return { clock, governor, coordinator, claim, add, recorded }
}

test('what stands in for a capability: itself, the more special, the more general; nothing else', (t) => {
  t.is(shareOf('code.rust', 'code.rust'), 1)
  t.is(shareOf('code.rust.async', 'code'), 0.9 ** 2)
  t.is(shareOf('code', 'code.rust'), 0.6)
  t.is(shareOf('code.rust', 'code.go'), 0)
  t.is(shareOf('co', 'code'), 0)
})

const historyOf = (expected: number, succeeded: number, at = 0): History => ({
  ended: expected,
  completed: succeeded,
  expected,
  succeeded,
  at
})

test('a match by the formula, term by term', (t) => {
  const requires = { 'code.rust': 0.8, law: 0.2 }
  const has = { code: 0.9, 'law.contract': 0.9, 'code.rust': 0.4 }
  const week = 7 * 86_400_000
  const rust = historyOf(2, 2)
  const known = {
    all: historyOf(4, 2),
    roots: { code: historyOf(4, 2), law: noHistory },
    capabilities: { 'code.rust': rust, law: noHistory }
  }
  const match = matchOf(requires, has, known)
  t.deepEqual(
    match.terms.map(({ capability, by, term }) => [capability, by, Number(term.toFixed(6))]),
    [
      ['code.rust', 'code', Number(((0.9 * 0.6) / 0.8).toFixed(6))],
      ['law', 'law.contract', 1]
    ]
  )
  const fit = (0.9 * 0.6) / 0.8
  const own = (8 + 2) / (8 + 4)
  t.is(match.fit.toFixed(9), fit.toFixed(9))
  t.is(match.base.toFixed(9), fit.toFixed(9))
  const kind = (8 * own + 2) / 12
  const trust = (8 * kind + 2) / 10
  t.is(match.trust.toFixed(9), trust.toFixed(9))
  t.is(match.score.toFixed(9), (fit * trust).toFixed(9))
  t.is(match.expected, 4)
  // half of it has faded in a week
  const later = matchOf(requires, has, known, noCalibration, week)
  t.is(later.trust.toFixed(9), ((8 * ((8 * (9 / 10) + 1) / 10) + 1) / 9).toFixed(9))
  // what all swarms made of such matches counts with what is declared
  const calibration = noCalibration.map((tally, at) =>
    at === classOf(match.fit, match.margin) ? { ended: 16, completed: 2 } : tally
  )
  t.is(matchOf(requires, has, unknownSwarm, calibration).base.toFixed(9), ((8 * fit + 2) / 24).toFixed(9))
  t.is(matchOf({ code: 0.5, law: 0.1 }, { code: 1 }).score, 0)
  t.is(matchOf({}, {}).score, 1)
})

test('classes of matches: by fit, and by margin where the fit is whole', (t) => {
  t.deepEqual(
    [
      [0, 0],
      [0.29, 0.3],
      [0.3, 0.5],
      [0.99, 0.99],
      [1, 1],
      [1, 1.2],
      [1, 1.5],
      [1, 10]
    ].map(([fit, margin]) => classOf(fit!, margin!)),
    [0, 0, 1, 6, 7, 8, 9, 10]
  )
})

test('a match is 0 to 1, and never less for more ability', (t) => {
  const name = fc.constantFrom('a', 'a.b', 'a.b.c', 'd')
  const abilities = fc.dictionary(name, fc.double({ min: 0, max: 1, noNaN: true }))
  fc.assert(
    fc.property(abilities, abilities, name, fc.double({ min: 0, max: 1, noNaN: true }), (requires, has, more, level) => {
      const before = matchOf(requires, has).score
      const after = matchOf(requires, { ...has, [more]: Math.max(level, has[more] ?? 0) }).score
      return before >= 0 && after <= 1 + 1e-12 && after >= before - 1e-12
    })
  )
  t.pass()
})

test('a swarm below the threshold never gets the task; the others are ranked, with the reason', async (t) => {
  const { governor, coordinator, claim, add, recorded } = await governed(t)
  await coordinator.registerSwarm('able', { 'code.rust': 0.9 })
  await coordinator.registerSwarm('general', { code: 0.9 })
  await coordinator.registerSwarm('other', { law: 1 })
  const task = await add({ id: 'T-1', requires: { 'code.rust': 0.8 } })
  const ranked = await governor.match(task, await coordinator.swarms())
  t.deepEqual(
    ranked.map(({ swarm, eligible }) => [swarm.id, eligible]),
    [
      ['able', true],
      ['general', false],
      ['other', false]
    ]
  )
  t.is(await claim('T-1', 'general'), 'governor.capability')
  t.is(await claim('T-1', 'other'), 'governor.capability')
  t.is(await claim('T-1', 'able'), 1)
  t.is(recorded.find(({ event }) => event === 'task_claimed')!.payload.score, 1)
})

test('who failed is trusted less, for tasks of that kind', async (t) => {
  const { governor, coordinator, add, clock } = await governed(t, { threshold: 0.7 })
  await governor.configureCircuit('swarm.alpha', 1000)
  await coordinator.registerSwarm('alpha', { code: 1, law: 1 }, 3_600_000)
  const reasons: string[] = []
  for (let n = 0; n < 10; n++) {
    await add({ id: `T-${n}`, requires: { code: 0.9 }, mostAttempts: 1 })
    const claimed = await coordinator.claim(`T-${n}`, 'alpha')
    if (!claimed.ok) {
      reasons.push(claimed.code)
      continue
    }
    await coordinator.fail(`T-${n}`, 'alpha', claimed.fence, 'could not')
    clock.advance(1)
  }
  // one failure leaves a trust of (8 × 8 ÷ 9) ÷ 9, which is 0.79
  t.is(reasons.length, 8)
  const { code } = await governor.history('alpha')
  t.like(code, { ended: 2, completed: 0, succeeded: 0 })
  t.true(code!.expected > 1.9 && code!.expected <= 2)
  await add({ id: 'L-1', requires: { law: 0.9 } })
  t.true((await coordinator.claim('L-1', 'alpha')).ok)
  // a day later it is given one task to try, and no second while that says nothing
  clock.advance(24 * 3_600_000)
  await coordinator.heartbeat('alpha')
  await add({ id: 'X-1', requires: { code: 0.9 }, mostAttempts: 1 })
  const trial = await coordinator.claim('X-1', 'alpha')
  t.true(trial.ok)
  if (trial.ok) await coordinator.fail('X-1', 'alpha', trial.fence, 'could not')
  await add({ id: 'X-2', requires: { code: 0.9 } })
  t.like(await coordinator.claim('X-2', 'alpha'), { ok: false, code: 'governor.capability' })
})

test('budgets: reserved at the claim, settled at the end, exact; alerts once at each level', async (t) => {
  const { governor, coordinator, claim, add, recorded, clock } = await governed(t)
  await coordinator.registerSwarm('alpha', {}, 3_600_000)
  await governor.setBudget('alpha', '0.30')
  for (const id of ['a', 'b', 'c', 'd']) await add({ id, estimate: '0.1' })
  const fences = [await claim('a', 'alpha'), await claim('b', 'alpha'), await claim('c', 'alpha')]
  t.deepEqual(fences, [1, 1, 1])
  t.is(await claim('d', 'alpha'), 'governor.budget')
  t.like((await governor.budgets())[0], { left: '0', level: 100, spending: { reserved: '0.3', spent: '0' } })
  await coordinator.complete('a', 'alpha', 1, {}, '0.05')
  await coordinator.release('b', 'alpha', 1)
  t.like((await governor.budgets())[0], { left: '0.15', level: 50, spending: { reserved: '0.1', spent: '0.05', tasks: 2 } })
  t.is(await claim('d', 'alpha'), 1)
  const levels = recorded.filter(({ event }) => event === 'swarm_budget_alert').map(({ payload }) => payload.level)
  t.deepEqual(levels, [50, 100, 80])
  // another month begins with nothing spent
  clock.advance(40 * 86_400_000)
  await coordinator.heartbeat('alpha')
  t.like((await governor.budgets())[0], { left: '0.3', level: 0 })
  t.deepEqual(
    (await governor.spending('alpha', null)).map(({ span, spent }) => [span, spent]),
    [['2026-01', '0.05']]
  )
  t.deepEqual(await governor.spending(null, clock.now()), [])
  await governor.setBudget('alpha', null)
  t.deepEqual(await governor.budgets(), [])
  for (const limit of ['-1', '1e3', '', 'ten'])
    await t.throwsAsync(() => governor.setBudget('alpha', limit), { code: 'governor.budget' })
})

for (const [kind, place] of [
  ['SQLite', () => ({ kind: 'sqlite', path: join(folder, `spend-${++made}.db`) })],
  ['Redis', () => ({ kind: 'redis', url: redis.url, name: `spend-${++made}` })]
] as [string, () => StorePlace][])
  test(`${kind}: however many claim at once, a budget is never overspent`, async (t) => {
    const where = place()
    const stores = await Promise.all([openStore(where), openStore(where), openStore(where)])
    const parties = stores.map((store) => {
      const witnessed = witnessedStore(store, null)
      const governor = createGovernor(witnessed)
      return { governor, coordinator: createCoordinator(witnessed, { gates: [governor.gate] }) }
    })
    const [{ governor, coordinator }] = parties as [(typeof parties)[0]]
    await coordinator.registerSwarm('alpha', {}, 3_600_000)
    await governor.setBudget('alpha', '1')
    const ids = Array.from({ length: 30 }, (_, at) => `T-${at}`)
    for (const id of ids) await coordinator.add({ id, estimate: '0.07' })
    const claims = await Promise.all(ids.map((id, at) => parties[at % 3]!.coordinator.claim(id, 'alpha')))
    t.is(claims.filter(({ ok }) => ok).length, 14)
    t.like((await governor.budgets())[0], { left: '0.02', spending: { reserved: '0.98' } })
    await Promise.all(
      claims.map((claim, at) =>
        claim.ok ? parties[at % 3]!.coordinator.complete(claim.task.id, 'alpha', claim.fence, {}, '0.01') : null
      )
    )
    t.like((await governor.budgets())[0], { left: '0.86', spending: { reserved: '0', spent: '0.14', tasks: 14 } })
    for (const store of stores) await store.close()
  })

test('a circuit opens after failures in a row, cools, lets one task try, and closes or opens again', async (t) => {
  const { governor, coordinator, claim, add, clock, recorded } = await governed(t)
  await coordinator.registerSwarm('alpha', {}, 3_600_000)
  await governor.configureCircuit('swarm.alpha', 2, 10_000)
  for (let n = 0; n < 8; n++) await add({ id: `T-${n}` })
  const failed = async (id: string) => {
    const fence = await claim(id, 'alpha')
    await coordinator.fail(id, 'alpha', Number(fence), 'x')
  }
  await failed('T-0')
  t.is((await governor.circuit('swarm.alpha')).state, 'closed')
  await failed('T-1')
  t.is((await governor.circuit('swarm.alpha')).state, 'open')
  t.is(await claim('T-2', 'alpha'), 'governor.circuit')
  clock.advance(10_000)
  t.is(await claim('T-2', 'alpha'), 1)
  t.is(await claim('T-3', 'alpha'), 'governor.circuit')
  await coordinator.release('T-2', 'alpha', 1)
  await failed('T-3')
  t.is(await claim('T-4', 'alpha'), 'governor.circuit')
  clock.advance(10_000)
  // twice as long the second time
  t.is(await claim('T-4', 'alpha'), 'governor.circuit')
  clock.advance(10_000)
  t.is(await claim('T-4', 'alpha'), 1)
  await coordinator.complete('T-4', 'alpha', 1, {})
  t.like(await governor.circuit('swarm.alpha'), { state: 'closed', failures: 0 })
  await failed('T-5')
  await failed('T-6')
  t.like(await governor.resetCircuit('swarm.alpha'), { state: 'closed', failures: 0 })
  t.is(await claim('T-7', 'alpha'), 1)
  t.deepEqual(
    recorded.filter(({ event }) => event === 'circuit_changed').map(({ payload }) => payload.state),
    ['open', 'halfOpen', 'open', 'halfOpen', 'closed', 'open', 'closed']
  )
  await t.throwsAsync(() => governor.configureCircuit('swarm.alpha', 0), { code: 'governor.circuit' })
  await t.throwsAsync(() => governor.circuit('a b'), { code: 'governor.circuit' })
})

test('a circuit that has cooled and a budget that is spent: the refused claim leaves the circuit as it was', async (t) => {
  const { governor, coordinator, claim, add, clock } = await governed(t)
  await coordinator.registerSwarm('alpha', {}, 3_600_000)
  await governor.configureCircuit('swarm.alpha', 1, 10_000)
  await add({ id: 'T-1' })
  await coordinator.fail('T-1', 'alpha', Number(await claim('T-1', 'alpha')), 'x')
  await governor.setBudget('alpha', '1')
  await add({ id: 'dear', estimate: '2' })
  clock.advance(10_000)
  t.is(await claim('dear', 'alpha'), 'governor.budget')
  t.like(await governor.circuit('swarm.alpha'), { state: 'open', trying: false })
  t.is(await claim('T-1', 'alpha'), 2)
})

test('a policy is in force from the next claim on, in every process, versioned and witnessed', async (t) => {
  const { governor, coordinator, claim, add, recorded } = await governed(t)
  await coordinator.registerSwarm('alpha', {}, 3_600_000)
  await coordinator.registerSwarm('beta', {}, 3_600_000)
  for (const id of ['a', 'b', 'c', 'd']) await add({ id })
  const limit = await readPolicy('rules: [{ name: two, action: limit, claims: 2 }]', 'limit')
  t.is(await governor.policy(), null)
  await governor.applyPolicy(limit)
  t.is(await claim('a', 'alpha'), 1)
  t.is(await claim('b', 'alpha'), 1)
  const third = await coordinator.claim('c', 'alpha')
  t.like(third, { ok: false, code: 'governor.policy', reason: 'rule two gives c not to alpha: alpha holds 2 claims of 2' })
  t.like(await governor.testPolicy((await coordinator.task('c'))!, 'alpha'), { verdict: 'deny', rule: 'two' })
  t.is(await claim('c', 'beta'), 1)
  await coordinator.complete('a', 'alpha', 1, {})
  await coordinator.release('b', 'alpha', 1)
  t.is(await claim('b', 'alpha'), 2)
  t.is(await claim('d', 'alpha'), 1)
  await coordinator.release('d', 'alpha', 1)

  const never = await readPolicy('rules: [{ name: never, action: deny, when: { swarm: alpha } }]', 'never')
  t.like(await governor.testPolicy((await coordinator.task('d'))!, 'alpha', never.rules), { verdict: 'deny', rule: 'never' })
  t.is(await claim('d', 'alpha'), 2)
  await coordinator.release('d', 'alpha', 2)
  await governor.applyPolicy(never)
  t.is(await claim('d', 'alpha'), 'governor.policy')
  t.is(await claim('d', 'alpha'), 'governor.policy')
  t.deepEqual(
    recorded.filter(({ event }) => event === 'policy_denied').map(({ payload }) => payload),
    [
      { task: 'c', swarm: 'alpha', rule: 'two', reason: 'alpha holds 2 claims of 2', version: 1, hash: limit.hash },
      { task: 'd', swarm: 'alpha', rule: 'never', reason: null, version: 2, hash: never.hash }
    ],
    'once for each swarm and rule, however often it asks'
  )
  t.is(await claim('d', 'beta'), 3)
  t.deepEqual(
    (await governor.policyVersions()).map(({ version, hash, text }) => [version, hash, text]),
    [
      [2, never.hash, never.text],
      [1, limit.hash, limit.text]
    ]
  )
  t.deepEqual(
    recorded.filter(({ event }) => event === 'policy_applied').map(({ payload }) => payload),
    [
      { version: 1, hash: limit.hash, rules: 1, previous: null },
      { version: 2, hash: never.hash, rules: 1, previous: { version: 1, hash: limit.hash } }
    ]
  )
})

for (const [kind, place] of [
  ['SQLite', () => ({ kind: 'sqlite', path: join(folder, `policy-${++made}.db`) })],
  ['Redis', () => ({ kind: 'redis', url: redis.url, name: `policy-${++made}` })]
] as [string, () => StorePlace][])
  test(`${kind}: however many claim at once, no more than the policy allows are held`, async (t) => {
    const where = place()
    const stores = await Promise.all([openStore(where), openStore(where)])
    const parties = stores.map((store) => {
      const witnessed = witnessedStore(store, null)
      const governor = createGovernor(witnessed)
      return { governor, coordinator: createCoordinator(witnessed, { gates: [governor.gate] }) }
    })
    const [{ governor, coordinator }, other] = parties as [(typeof parties)[0], (typeof parties)[0]]
    await coordinator.registerSwarm('alpha', {}, 3_600_000)
    await governor.applyPolicy(await readPolicy('rules: [{ name: three, action: limit, claims: 3 }]', 'x'))
    const ids = Array.from({ length: 12 }, (_, at) => `T-${at}`)
    for (const id of ids) await coordinator.add({ id })
    const claims = await Promise.all(ids.map((id, at) => parties[at % 2]!.coordinator.claim(id, 'alpha')))
    t.is(claims.filter(({ ok }) => ok).length, 3)
    await governor.applyPolicy(await readPolicy('rules: [{ name: none, action: deny }]', 'x'))
    t.like(await other.governor.testPolicy((await coordinator.task('T-0'))!, 'alpha'), { rule: 'none' })
    for (const store of stores) await store.close()
  })

test('every pair of state and event of a circuit: only closed gives tasks freely, and a reset closes', (t) => {
  const events: CircuitEvent[] = [
    { type: 'succeeded' },
    { type: 'failed', at: 1 },
    { type: 'failedTooOften', at: 1 },
    { type: 'cooled' },
    { type: 'untried' },
    { type: 'reset' }
  ]
  type Rows = Record<string, readonly [string, ((event: CircuitEvent, circuit: typeof newCircuit) => object[])?] | undefined>
  for (const [state, rows] of Object.entries(circuitMachine) as [string, Rows][])
    for (const event of events) {
      const row = rows[event.type]
      if (event.type === 'reset') t.is(row?.[0], 'closed')
      if (row === undefined) continue
      const after = { ...newCircuit, trying: state === 'halfOpen', ...Object.assign({}, ...(row[1]?.(event, newCircuit) ?? [])) }
      if (row[0] !== 'halfOpen') t.false(after.trying && row[0] === 'closed', `${state} ${event.type}`)
      if (row[0] === 'open' && state !== 'open') t.is(after.openedAt, 1)
    }
})

test('a threshold that is none is refused', (t) => {
  t.throws(() => createGovernor(witnessedStore({} as never, null), { threshold: 2 }), { code: 'governor.threshold' })
})
