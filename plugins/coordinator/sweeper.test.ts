import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { manualClock, type WitnessEvent } from '#kernel'
import { openStore, type StorePlace, witnessedStore } from '#store'
import { startRedis } from '../../ledger/testing/redis-server.ts'
import { openSqliteStore } from '../store/sqlite-store.ts'
import { createCoordinator } from './coordinator.ts'
import { createLeadership } from './leadership.ts'
import { startSweeper } from './sweeper.ts'

const folder = mkdtempSync(join(tmpdir(), 'sweeper-'))
const redis = await startRedis()
test.after.always(async () => {
  await redis.stop()
  rmSync(folder, { recursive: true, force: true })
})
let made = 0
const places: readonly (readonly [kind: string, place: () => StorePlace])[] = [
  ['SQLite', () => ({ kind: 'sqlite', path: join(folder, `${++made}.db`) })],
  ['Redis', () => ({ kind: 'redis', url: redis.url, name: `sweeper${++made}` })]
]

async function owner(t: ExecutionContext, place: StorePlace, ...words: string[]): Promise<ChildProcess> {
  const program = new URL('testing/owner-process.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [program, JSON.stringify(place), ...words], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout!, 'data')
  return child
}

async function until(what: () => boolean | Promise<boolean>): Promise<boolean> {
  for (let tries = 0; tries < 1000; tries++) {
    if (await what()) return true
    await pause(20)
  }
  return false
}

for (const [kind, makePlace] of places) {
  test(`${kind}: what an owner held that was killed is taken back, and another goes on where it may`, async (t) => {
    const place = makePlace()
    const events: WitnessEvent[] = []
    const witnessed = witnessedStore(await openStore(place), async (told) => void events.push(...told.map(({ event }) => event)))
    const coordinator = createCoordinator(witnessed, { leaseMs: 1000 })
    for (const swarm of ['alpha', 'beta']) await coordinator.registerSwarm(swarm, {})
    await coordinator.add({ id: 'T-1' })
    await coordinator.add({ id: 'late', deadlineAt: Date.now() + 1 })
    const child = await owner(t, place, 'T-1', 'alpha')
    child.kill('SIGKILL')
    t.is((await coordinator.task('T-1'))!.state, 'claimed')
    const sweeper = startSweeper(witnessed.store, coordinator, { everyMs: 50, leaseMs: 1000 })
    t.true(await until(async () => (await coordinator.task('T-1'))!.state === 'pending'))
    t.true(await until(async () => (await coordinator.task('late'))!.state === 'failed'))
    t.like(await coordinator.task('T-1'), { swarm: null, reason: 'lease-expired', fence: 1 })
    t.like(await coordinator.claim('T-1', 'beta'), { ok: true, fence: 2 })
    t.like(await coordinator.complete('T-1', 'alpha', 1, {}), { ok: false, code: 'coordinator.fenced' })
    await sweeper.close()
    await sweeper.close()
    t.is(sweeper.figures().expired, 2)
    t.deepEqual(
      events
        .map(({ event }) => event)
        .filter((event) => /expired|deadline/.test(event))
        .sort(),
      ['task_deadline_passed', 'task_lease_expired']
    )
    await witnessed.close()
  })

  test(`${kind}: one of two sweeps; when the leader is killed the other takes over, and frees what it held`, async (t) => {
    const place = makePlace()
    const witnessed = witnessedStore(await openStore(place), null)
    const coordinator = createCoordinator(witnessed, { leaseMs: 3000 })
    await coordinator.registerSwarm('alpha', {})
    await coordinator.add({ id: 'T-1' })
    const leader = await owner(t, place, 'T-1', 'alpha', 'sweep')
    const sweeper = startSweeper(witnessed.store, coordinator, { everyMs: 50, leaseMs: 3000 })
    await pause(200)
    t.is((await coordinator.task('T-1'))!.state, 'claimed')
    t.like(sweeper.figures(), { leading: false, sweeps: 0, failures: 0 })
    leader.kill('SIGKILL')
    t.true(await until(() => sweeper.figures().leading))
    t.true(await until(async () => (await coordinator.task('T-1'))!.state === 'pending'))
    t.is((await createLeadership(witnessed.store, 'sweep', 'nobody', 3000).leader())!.term, 2)
    await sweeper.close()
    t.is(await createLeadership(witnessed.store, 'sweep', 'nobody', 1000).leader(), null)
    await witnessed.close()
  })
}

test('leadership: renewed by its owner, refused to others, lost with its lease, given up at once', async (t) => {
  const clock = manualClock()
  const store = await openSqliteStore(join(folder, 'lease.db'), clock)
  t.teardown(() => store.close())
  const [a, b] = [createLeadership(store, 'sweep', 'a', 1000), createLeadership(store, 'sweep', 'b', 1000)]
  t.is(await a.leader(), null)
  t.deepEqual([await a.lead(), await b.lead()], [true, false])
  clock.advance(999)
  t.deepEqual([await a.lead(), await b.lead()], [true, false])
  t.like(await b.leader(), { owner: 'a', term: 1 })
  clock.advance(1000)
  t.deepEqual([await b.lead(), await a.lead()], [true, false])
  t.like(await a.leader(), { owner: 'b', term: 2 })
  // whoever does not lead gives nothing up
  await a.resign()
  t.like(await a.leader(), { owner: 'b' })
  await b.resign()
  t.deepEqual([await a.lead(), await b.lead()], [true, false])
  t.like(await a.leader(), { owner: 'a', term: 3 })
  t.throws(() => createLeadership(store, 'Sweep', 'a', 1000), { code: 'coordinator.leadership' })
  t.throws(() => createLeadership(store, 'sweep', 'a', 1), { code: 'coordinator.leadership' })
})

test('a sweep that fails is told, and the next one is made all the same', async (t) => {
  const store = await openSqliteStore(join(folder, 'failing.db'), manualClock())
  const witnessed = witnessedStore(store, null)
  const coordinator = createCoordinator(witnessed)
  let rounds = 0
  const failures: unknown[] = []
  const sweeper = startSweeper(store, coordinator, {
    everyMs: 5,
    leaseMs: 1000,
    also: async () => {
      if (++rounds === 1) throw new Error('once')
    },
    failed: (error) => void failures.push(error)
  })
  t.true(await until(() => sweeper.figures().sweeps >= 2))
  await sweeper.close()
  t.is(failures.length, 1)
  t.is(sweeper.figures().failures, 1)
  await store.close()
})
