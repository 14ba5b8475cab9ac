import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { manualClock, type WitnessEvent } from '#kernel'
import { openStore, type StorePlace, type ToldEvent, witnessedStore } from '#store'
import { startRedis } from '../../ledger/testing/redis-server.ts'
import { openSqliteStore } from '../store/sqlite-store.ts'
import {
  type ClaimGate,
  type Coordinator,
  type CoordinatorConfig,
  createCoordinator,
  measureLatency,
  type Task
} from './coordinator.ts'
import { type TaskEvent, taskMachine, witnessNames } from './task-machine.ts'
import { race } from './testing/race.ts'

const folder = mkdtempSync(join(tmpdir(), 'coordinator-'))
const redis = await startRedis()
test.after.always(async () => {
  await redis.stop()
  rmSync(folder, { recursive: true, force: true })
})
let made = 0

/** A coordinator on SQLite whose time the test moves. */
async function coordinatorAt(t: ExecutionContext, config: CoordinatorConfig = {}) {
  const clock = manualClock()
  const store = await openSqliteStore(join(folder, `${++made}.db`), clock)
  t.teardown(() => store.close())
  const recorded: WitnessEvent[] = []
  const witnessed = witnessedStore(store, async (events) => void recorded.push(...events.map(({ event }) => event)))
  return { clock, store, witnessed, recorded, coordinator: createCoordinator(witnessed, config) }
}

const code = (result: { ok: true } | { ok: false; code: string }): string => (result.ok ? 'ok' : result.code)

async function claimed(coordinator: Coordinator, id: string, swarm: string) {
  const claim = await coordinator.claim(id, swarm)
  if (!claim.ok) throw new Error(claim.reason)
  return claim
}

test('a task from its making to its end, and what the ledger holds of it', async (t) => {
  const { coordinator, recorded } = await coordinatorAt(t)
  await coordinator.registerSwarm('alpha', { 'code.typescript': 0.9 })
  const { traceId } = await coordinator.add({ id: 'T-1', title: 'review', priority: 8, requires: { 'code.typescript': 0.5 } })
  const claim = await claimed(coordinator, 'T-1', 'alpha')
  t.is(claim.fence, 1)
  // asked again, by a swarm that did not hear the answer
  t.deepEqual({ ...(await claimed(coordinator, 'T-1', 'alpha')) }, { ...claim })
  t.is(code(await coordinator.claim('T-1', 'beta')), 'coordinator.swarm-unknown')
  const done = await coordinator.complete('T-1', 'alpha', 1, { found: 2 }, '0.25')
  t.true(done.ok && done.task.state === 'complete' && done.task.leaseUntil === null)
  t.is(code(await coordinator.complete('T-1', 'alpha', 1, {})), 'coordinator.fenced')
  t.is(code(await coordinator.claim('T-1', 'alpha')), 'coordinator.over')
  t.is(code(await coordinator.cancel('T-1', 'late')), 'coordinator.over')
  t.deepEqual(
    recorded.map(({ event }) => event),
    ['swarm_registered', 'task_added', 'task_claimed', 'task_completed']
  )
  t.true(recorded.slice(1).every((event) => event.traceId === traceId && event.component === 'IF.coordinator'))
  t.is(recorded[3]!.cost, '0.25')
  t.like(recorded[2]!.payload, { task: 'T-1', previous: 'pending', state: 'claimed', swarm: 'alpha', fence: 1 })
})

test('the lease of an owner that is gone ends, another goes on, and the late owner is refused', async (t) => {
  const { coordinator, clock, recorded } = await coordinatorAt(t, { leaseMs: 10_000 })
  for (const swarm of ['alpha', 'beta']) await coordinator.registerSwarm(swarm, {})
  await coordinator.add({ id: 'T-1' })
  const first = await claimed(coordinator, 'T-1', 'alpha')
  clock.advance(9_999)
  t.is(code(await coordinator.claim('T-1', 'beta')), 'coordinator.claimed')
  t.true((await coordinator.renew('T-1', 'alpha', first.fence)).ok)
  clock.advance(9_999)
  t.is(code(await coordinator.claim('T-1', 'beta')), 'coordinator.claimed')
  clock.advance(1)
  const second = await claimed(coordinator, 'T-1', 'beta')
  t.is(second.fence, first.fence + 1)
  for (const late of [
    coordinator.complete('T-1', 'alpha', first.fence, {}),
    coordinator.renew('T-1', 'alpha', first.fence),
    coordinator.fail('T-1', 'alpha', first.fence, 'x'),
    coordinator.release('T-1', 'alpha', null),
    // the swarm that has it now, by a token of before
    coordinator.complete('T-1', 'beta', first.fence, {})
  ])
    t.is(code(await late), 'coordinator.fenced')
  t.deepEqual(
    recorded.map(({ event }) => event).filter((event) => event.startsWith('task_lease')),
    ['task_lease_renewed', 'task_lease_expired']
  )
})

test('sweeping takes back what is left, fails what is late, and what used up its attempts', async (t) => {
  const { coordinator, clock } = await coordinatorAt(t, { leaseMs: 1000 })
  await coordinator.registerSwarm('alpha', {}, 3_600_000)
  await coordinator.add({ id: 'left' })
  await coordinator.add({ id: 'last', mostAttempts: 1 })
  await coordinator.add({ id: 'late', deadlineAt: clock.now() + 500 })
  for (const id of ['left', 'last']) await claimed(coordinator, id, 'alpha')
  t.is((await coordinator.sweep()).expired, 0)
  clock.advance(1001)
  t.is((await coordinator.stats()).expiredLeases, 2)
  t.false((await coordinator.health()).ok)
  t.is((await coordinator.sweep()).expired, 3)
  const states = await Promise.all(['left', 'last', 'late'].map((id) => coordinator.task(id)))
  t.deepEqual(
    states.map((task) => [task!.state, task!.reason]),
    [
      ['pending', 'lease-expired'],
      ['failed', 'lease-expired'],
      ['failed', 'deadline-passed']
    ]
  )
  t.is((await coordinator.sweep()).expired, 0)
  t.true((await coordinator.health()).ok)
  t.is(code(await coordinator.claim('late', 'alpha')), 'coordinator.over')
})

test('a task that failed goes back while attempts are left', async (t) => {
  const { coordinator } = await coordinatorAt(t)
  await coordinator.registerSwarm('alpha', {})
  await coordinator.add({ id: 'T-1', mostAttempts: 2 })
  const first = await claimed(coordinator, 'T-1', 'alpha')
  const again = await coordinator.fail('T-1', 'alpha', first.fence, 'no luck')
  t.true(again.ok && again.task.state === 'pending' && again.task.reason === 'no luck')
  const second = await claimed(coordinator, 'T-1', 'alpha')
  const over = await coordinator.fail('T-1', 'alpha', second.fence, 'no luck')
  t.true(over.ok && over.task.state === 'failed')
})

test('tasks wait for those they depend on, and are told when they need not any more', async (t) => {
  const { coordinator, store } = await coordinatorAt(t)
  await coordinator.registerSwarm('alpha', {})
  await coordinator.add({ id: 'a' })
  await coordinator.add({ id: 'b' })
  await coordinator.add({ id: 'c', dependsOn: ['a', 'b', 'a'] })
  t.is(code(await coordinator.claim('c', 'alpha')), 'coordinator.waits')
  t.like(await coordinator.stats(), { ready: 2, waiting: 1 })
  for (const id of ['a', 'b']) await coordinator.complete(id, 'alpha', (await claimed(coordinator, id, 'alpha')).fence, {})
  const status = await coordinator.status('c')
  t.is(status!.hindrance, null)
  t.deepEqual(status!.dependencies, [
    { id: 'a', state: 'complete' },
    { id: 'b', state: 'complete' }
  ])
  const controller = new AbortController()
  const topics: string[] = []
  for await (const { topic } of store.watch({ after: '0-0', pattern: 'task.ready.*', signal: controller.signal })) {
    topics.push(topic)
    break
  }
  t.deepEqual(topics, ['task.ready.c'])
  t.true((await coordinator.claim('c', 'alpha')).ok)
  await t.throwsAsync(() => coordinator.add({ id: 'd', dependsOn: ['e'] }), {
    code: 'coordinator.dependency',
    message: /e, which is unknown/
  })
  await t.throwsAsync(() => coordinator.add({ id: 'd', dependsOn: ['d'] }), { code: 'coordinator.dependency' })
})

test('a dependency that ends while a task on it is made: it is told ready, or was complete before', async (t) => {
  const { coordinator, store } = await coordinatorAt(t)
  await coordinator.registerSwarm('alpha', {})
  for (let round = 0; round < 20; round++) {
    await coordinator.add({ id: `a${round}` })
    const { fence } = await claimed(coordinator, `a${round}`, 'alpha')
    await Promise.all([
      coordinator.complete(`a${round}`, 'alpha', fence, {}),
      coordinator.add({ id: `b${round}`, dependsOn: [`a${round}`] })
    ])
    t.is((await coordinator.status(`b${round}`))!.hindrance, null)
  }
  const { signal, abort } = (() => {
    const controller = new AbortController()
    return { signal: controller.signal, abort: () => controller.abort() }
  })()
  const told: ToldEvent[] = []
  setTimeout(abort, 100)
  for await (const event of store.watch({ after: '0-0', pattern: 'task.**', signal })) told.push(event)
  for (let round = 0; round < 20; round++) {
    const of = (topic: string) => told.findIndex((event) => event.topic === topic)
    const completed = of(`task.completed.a${round}`)
    const added = of(`task.added.b${round}`)
    t.true(added > completed || of(`task.ready.b${round}`) > added, `round ${round}`)
  }
})

test('lists: high priority first, then the older, page by page, by state', async (t) => {
  const { coordinator, clock } = await coordinatorAt(t)
  await coordinator.registerSwarm('alpha', {})
  for (const [id, priority] of [
    ['low', 1],
    ['high', 9],
    ['old', 5],
    ['new', 5]
  ] as const) {
    await coordinator.add({ id, priority })
    clock.advance(1)
  }
  const ids = (tasks: readonly Task[]) => tasks.map(({ id }) => id)
  t.deepEqual(ids(await coordinator.list({ state: 'pending' })), ['high', 'old', 'new', 'low'])
  const first = await coordinator.list({ state: 'pending', limit: 2 })
  t.deepEqual(ids(await coordinator.list({ state: 'pending', after: first[1]! })), ['new', 'low'])
  await claimed(coordinator, 'old', 'alpha')
  t.deepEqual(ids(await coordinator.list({ state: 'claimed' })), ['old'])
  t.deepEqual(ids((await coordinator.swarm('alpha'))!.tasks), ['old'])
  t.is((await coordinator.list({})).length, 4)
  t.like(await coordinator.stats(), { tasks: { pending: 3, claimed: 1, complete: 0 }, swarms: { active: 1, silent: 0 } })
})

test('a swarm that is not heard of claims nothing until it is heard of again', async (t) => {
  const { coordinator, clock } = await coordinatorAt(t)
  await coordinator.registerSwarm('alpha', {}, 1000)
  await coordinator.add({ id: 'T-1' })
  clock.advance(3001)
  t.is(code(await coordinator.claim('T-1', 'alpha')), 'coordinator.swarm-silent')
  t.false((await coordinator.swarms())[0]!.active)
  await coordinator.heartbeat('alpha')
  t.true((await coordinator.claim('T-1', 'alpha')).ok)
  t.is(await coordinator.heartbeat('nobody'), null)
  t.is(await coordinator.swarm('nobody'), null)
})

test('a gate refuses a claim, or writes with it; it settles when the claim ends, however it ends', async (t) => {
  const settled: string[] = []
  const gate: ClaimGate = {
    admit: async ({ get, put }, task, swarm) => {
      const left = (await get<number>('left')) ?? 2
      if (left === 0) return { ok: false, code: 'budget.spent', reason: `${swarm.id} has nothing left for ${task.id}` }
      put('left', left - 1)
      return { ok: true, facts: { left: left - 1 } }
    },
    settle: async ({ get, put }, task, swarm, end, cost) => {
      put('left', ((await get<number>('left')) ?? 0) + 1)
      settled.push(`${task.id} ${swarm} ${end} ${cost}`)
    }
  }
  const { coordinator, recorded, clock } = await coordinatorAt(t, { gates: [gate], leaseMs: 1000 })
  await coordinator.registerSwarm('alpha', {}, 3_600_000)
  const ids = ['a', 'b', 'c', 'd', 'e']
  for (const id of ids) await coordinator.add({ id })
  const results = await Promise.all(ids.map((id) => coordinator.claim(id, 'alpha')))
  t.is(results.filter(({ ok }) => ok).length, 2)
  t.deepEqual(new Set(results.filter(({ ok }) => !ok).map(code)), new Set(['budget.spent']))
  t.deepEqual(
    recorded
      .filter(({ event }) => event === 'task_claimed')
      .map(({ payload }) => payload.left)
      .sort(),
    [0, 1]
  )
  const [one, two] = results.filter((result) => result.ok)
  await coordinator.complete(one!.task.id, 'alpha', one!.fence, {}, '1.5')
  clock.advance(1001)
  await coordinator.sweep()
  t.deepEqual(settled, [`${one!.task.id} alpha complete 1.5`, `${two!.task.id} alpha lease-expired null`])
})

test('what one gate wrote falls when another refuses', async (t) => {
  const writing: ClaimGate = {
    admit: async ({ put, tell, witness }, task) => {
      put('reserved', task.id)
      tell('budget.reserved', {})
      witness({ event: 'reserved', component: 'IF.test', traceId: task.traceId, payload: {} })
      return { ok: true, facts: {} }
    },
    settle: async () => undefined
  }
  const refusing: ClaimGate = {
    admit: async () => ({ ok: false, code: 'test.no', reason: 'no' }),
    settle: async () => undefined
  }
  const { coordinator, store, recorded } = await coordinatorAt(t, { gates: [writing, refusing] })
  await coordinator.registerSwarm('alpha', {})
  await coordinator.add({ id: 'T-1' })
  const { events } = await store.health()
  t.is(code(await coordinator.claim('T-1', 'alpha')), 'test.no')
  t.is((await store.read(['reserved'])).records[0], null)
  t.is((await store.health()).events, events)
  t.false(recorded.some(({ event }) => event === 'reserved'))
})

test('what cannot be a task or a swarm is refused by name', async (t) => {
  const { coordinator } = await coordinatorAt(t)
  await coordinator.add({ id: 'T-1' })
  const rejected: [Promise<unknown>, string][] = [
    [coordinator.add({ id: 'T-1' }), 'coordinator.exists'],
    [coordinator.add({ id: '../x' }), 'coordinator.id'],
    [coordinator.add({ id: 'x', priority: 10 }), 'coordinator.task'],
    [coordinator.add({ id: 'x', estimate: '1e3' }), 'coordinator.task'],
    [coordinator.add({ id: 'x', requires: { 'No Name': 1 } }), 'coordinator.capability'],
    [coordinator.add({ id: 'x', requires: { a: Number.NaN } }), 'coordinator.capability'],
    [coordinator.add({ id: 'x', traceId: 'a\nb' }), 'coordinator.task'],
    [coordinator.add({ id: 'x', dependsOn: Array.from({ length: 51 }, (_, n) => `d${n}`) }), 'coordinator.task'],
    [coordinator.registerSwarm('a.b', {}), 'coordinator.id'],
    [coordinator.registerSwarm('s', { a: 2 }), 'coordinator.capability'],
    [coordinator.registerSwarm('s', {}, 10), 'coordinator.swarm']
  ]
  for (const [promise, expected] of rejected) await t.throwsAsync(promise, { code: expected })
  t.is(code(await coordinator.claim('absent', 's')), 'coordinator.task-unknown')
  t.throws(() => createCoordinator(witnessedStore({} as never, null), { leaseMs: 5 }), { code: 'coordinator.lease' })
})

test('every pair of state and event: what is over stays over, and a claim that ends frees the task', (t) => {
  const events: TaskEvent[] = [
    { type: 'claim', swarm: 's', leaseUntil: 1 },
    { type: 'renew', leaseUntil: 2 },
    { type: 'release' },
    { type: 'leaseExpired' },
    { type: 'complete', outcome: {} },
    { type: 'retry', reason: 'r' },
    { type: 'fail', reason: 'r' },
    { type: 'deadlinePassed' },
    { type: 'cancel', reason: 'r' }
  ]
  t.deepEqual(events.map(({ type }) => type).sort(), Object.keys(witnessNames).sort() as TaskEvent['type'][])
  for (const [state, rows] of Object.entries(taskMachine) as [
    string,
    Record<string, readonly [string, (event: never) => object[]]>
  ][])
    for (const event of events) {
      const row = rows[event.type]
      if (['complete', 'failed', 'cancelled'].includes(state)) t.is(row, undefined, `${state} ${event.type}`)
      if (row === undefined) continue
      const effects = Object.assign({}, ...row[1](event as never))
      if (state === 'claimed' && row[0] !== 'claimed')
        t.like(effects, { swarm: null, leaseUntil: null }, `${state} ${event.type}`)
    }
})

for (const [kind, place] of [
  ['SQLite', () => ({ kind: 'sqlite', path: join(folder, `race-${++made}.db`) })],
  ['Redis', () => ({ kind: 'redis', url: redis.url, name: `race-${++made}` })]
] as [string, () => StorePlace][]) {
  test(`${kind}: of 100 claimants in four processes exactly one has each task`, async (t) => {
    const { seconds, ...result } = await race(place(), 500)
    t.deepEqual(result, { tasks: 500, claimants: 100, unclaimed: 0, doubled: 0, disagreeing: 0, other: 0 })
    t.log(`${(500 / seconds).toFixed(0)} tasks a second`)
  })

  test(`${kind}: a lease ends by the time of the store`, async (t) => {
    const store = await openStore(place())
    const coordinator = createCoordinator(witnessedStore(store, null), { leaseMs: 1000 })
    for (const swarm of ['alpha', 'beta']) await coordinator.registerSwarm(swarm, {})
    await coordinator.add({ id: 'T-1' })
    await claimed(coordinator, 'T-1', 'alpha')
    t.is(code(await coordinator.claim('T-1', 'beta')), 'coordinator.claimed')
    await new Promise((resolve) => setTimeout(resolve, 1100))
    t.is((await claimed(coordinator, 'T-1', 'beta')).fence, 2)
    await store.close()
  })

  test(`${kind}: latency is measured against the store, and leaves nothing behind`, async (t) => {
    const store = await openStore(place())
    const report = await measureLatency(store, 20)
    t.is(report.iterations, 20)
    t.true(report.claim.p50 > 0 && report.claim.p99 >= report.claim.p50 && report.store.p50 > 0)
    t.is((await store.list('')).records.length, 0)
    await store.close()
  })
}
