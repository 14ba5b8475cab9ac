import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { type Capabilities, createCoordinator, type NewTask } from '#coordinator'
import { manualClock, type WitnessEvent } from '#kernel'
import { witnessedStore } from '#store'
import { openSqliteStore } from '../store/sqlite-store.ts'
import { createGovernor, readPolicy } from './governor.ts'
import { askedAt, demandOf, enoughAt, type Patience, stakeOf, sureOf, usualPatience } from './patience.ts'

const folder = mkdtempSync(join(tmpdir(), 'patience-'))
test.after.always(() => rmSync(folder, { recursive: true, force: true }))
let made = 0
const minute = 60_000

test('how long a task is kept: the longest time, or a share of what is left to the deadline', (t) => {
  const rows: [Patience, readyAt: number, deadlineAt: number | null, lastsMinutes: number][] = [
    [usualPatience, 0, null, 10],
    [usualPatience, 0, 240 * minute, 10],
    [usualPatience, 0, 20 * minute, 5],
    [usualPatience, 10 * minute, 20 * minute, 2.5],
    [usualPatience, 20 * minute, 20 * minute, 0],
    [{ ...usualPatience, mostMs: 0 }, 0, null, 0],
    [{ ...usualPatience, ofDeadline: 0 }, 0, null, 0],
    [{ ...usualPatience, ofDeadline: 1 }, 0, 4 * minute, 4]
  ]
  for (const [patience, readyAt, deadlineAt, lasts] of rows) {
    const demand = demandOf(patience, 0.7, readyAt, deadlineAt)
    t.deepEqual([demand.from, demand.until], [readyAt, readyAt + lasts * minute])
    t.is(askedAt(demand, demand.until), 0.7)
  }
})

test('what is asked begins high, falls to the threshold in the time that a task is kept, and no further', (t) => {
  const demand = demandOf(usualPatience, 0.7, 1000, null)
  const rows: [minutes: number, asked: number][] = [
    [0, 0.95],
    [2, 0.9],
    [6, 0.8],
    [10, 0.7],
    [60, 0.7]
  ]
  for (const [minutes, asked] of rows) t.is(askedAt(demand, 1000 + minutes * minute).toFixed(9), asked.toFixed(9))
  t.is(enoughAt(demand, 0.9), 1000 + 2 * minute)
  t.is(enoughAt(demand, 0.99), 1000)
  // who failed last may be less sure than the threshold asks for: the wait ends all the same
  t.is(enoughAt(demand, 0.5), 1000 + 10 * minute)
  // a threshold above what is asked at first is asked for all the time
  t.is(askedAt(demandOf(usualPatience, 0.98, 0, null), 0), 0.98)
})

test('the time a refusal names is enough, and a millisecond less is not', (t) => {
  const number = (max: number) => fc.double({ min: 0, max, noNaN: true })
  fc.assert(
    fc.property(number(1), number(1), number(1), fc.integer({ min: 1, max: 86_400_000 }), (first, threshold, sure, mostMs) => {
      const demand = demandOf({ mostMs, ofDeadline: 1, first }, threshold, 5000, null)
      const at = enoughAt(demand, sure)
      const enough = at >= demand.until || askedAt(demand, at) <= sure + 1e-9
      return at >= demand.from && at <= demand.until && enough && (at === demand.from || askedAt(demand, at - 1) >= sure - 1e-9)
    })
  )
  t.pass()
})

test('doubt counts for more the more is at stake: by the formula, row by row', (t) => {
  t.is(stakeOf(null, 2), 0.5)
  t.is(stakeOf('3', null), 0.5)
  t.is(stakeOf('0', 0), 0.5)
  t.is(stakeOf('2', 2), 0.5)
  t.is(stakeOf('6', 2), 0.75)
  t.is(stakeOf('0', 2), 0)
  const rows: [score: number, expected: number, failures: number, stake: number, sure: number][] = [
    [0.9, 0, 0, 0, 0.9],
    [0.9, 0, 0, 0.5, 0.85],
    [0.9, 24, 0, 0.5, 0.89],
    [0.9, 24, 1, 0.5, 0.9 * 0.8 - 0.01],
    [0.9, 24, 2, 0.5, 0.9 * 0.64 - 0.01],
    [0.9, 24, 2, 0, 0.9],
    [0.9, 24, 1, 0.75, 0.9 * 0.8 ** 1.5 - 0.015]
  ]
  for (const [score, expected, failures, stake, sure] of rows)
    t.is(sureOf({ score, expected }, failures, stake).toFixed(9), sure.toFixed(9))
})

async function governed(t: ExecutionContext, swarms: Readonly<Record<string, Capabilities>>) {
  const clock = manualClock()
  const store = await openSqliteStore(join(folder, `${++made}.db`), clock)
  t.teardown(() => store.close())
  const recorded: WitnessEvent[] = []
  const witnessed = witnessedStore(store, async (events) => void recorded.push(...events.map(({ event }) => event)))
  const governor = createGovernor(witnessed)
  const coordinator = createCoordinator(witnessed, { gates: [governor.gate], leaseMs: 3_600_000 })
  for (const [swarm, capabilities] of Object.entries(swarms)) await coordinator.registerSwarm(swarm, capabilities, 3_600_000)
  const add = (id: string, more: Partial<NewTask> = {}) => coordinator.add({ id, requires: { code: 0.8 }, ...more })
  const claim = async (id: string, swarm: string) => {
    const claimed = await coordinator.claim(id, swarm)
    return claimed.ok ? 'given' : claimed.code
  }
  /** The fleet is read anew, and heard of. */
  const wait = async (ms: number) => {
    clock.advance(ms)
    for (const swarm of Object.keys(swarms)) await coordinator.heartbeat(swarm)
  }
  const match = async (id: string) => {
    const { task, readyAt } = (await coordinator.status(id))!
    return governor.match(task, await coordinator.swarms(), { readyAt })
  }
  return { clock, governor, coordinator, recorded, add, claim, wait, match }
}

const expert = { code: 1 }
/** Fits tasks of 0.8 by 0.775. */
const fair = { code: 0.62 }

test('a swarm lets a better one go before that is idle, and is told until when; then it is given the task', async (t) => {
  const { add, claim, coordinator, clock, match, recorded } = await governed(t, { expert, fair })
  await add('T-1')
  const [best, second] = await match('T-1')
  t.like(best, { eligible: true, yields: null })
  t.is(best!.swarm.id, 'expert')
  t.like(second, { eligible: true, yields: { to: 'expert' } })
  const refused = await coordinator.claim('T-1', 'fair')
  t.false(refused.ok)
  if (refused.ok) return
  t.is(refused.code, 'governor.patience')
  t.is(refused.retryAt, second!.yields!.until)
  t.true(refused.retryAt! > clock.now() && refused.retryAt! <= clock.now() + usualPatience.mostMs)
  t.true(refused.reason.includes('expert') && refused.reason.endsWith(new Date(refused.retryAt!).toISOString()))
  // nobody better takes it: an expert that is heard of and never asks holds nothing back for long
  clock.advance(refused.retryAt! - clock.now() - 1)
  t.is(await claim('T-1', 'fair'), 'governor.patience')
  clock.advance(1)
  t.is(await claim('T-1', 'fair'), 'given')
  t.like(recorded.find(({ event }) => event === 'task_matched')!.payload, { swarm: 'fair', threshold: 0.7 })
})

test('who is better counts only while it could take the task: rows of what hinders it', async (t) => {
  const rows: Record<string, (world: Awaited<ReturnType<typeof governed>>) => Promise<unknown>> = {
    'it holds a claim': ({ add, claim }) => add('other').then(() => claim('other', 'expert')),
    'it is not heard of': async ({ clock, coordinator }) => {
      clock.advance(3 * 3_600_000 + 1)
      await coordinator.heartbeat('fair')
    },
    'its circuit is open': async ({ add, coordinator, governor }) => {
      await governor.configureCircuit('swarm.expert', 1, 3_600_000)
      await add('other', { mostAttempts: 1 })
      const claimed = await coordinator.claim('other', 'expert')
      if (claimed.ok) await coordinator.fail('other', 'expert', claimed.fence, 'x')
    },
    'its budget is spent': ({ governor }) => governor.setBudget('expert', '1'),
    'the policy denies it': async ({ governor }) =>
      governor.applyPolicy(await readPolicy('rules: [{ name: no, action: deny, when: { swarm: expert } }]', 'x')),
    'the policy keeps nothing': async ({ governor }) =>
      governor.applyPolicy(await readPolicy('{ rules: [], patience: { minutes: 0 } }', 'x'))
  }
  for (const [name, hinder] of Object.entries(rows)) {
    const world = await governed(t, { expert, fair })
    await hinder(world)
    await world.wait(name === 'it is not heard of' ? 0 : 1000)
    if (name === 'it is not heard of') world.clock.advance(3 * 3_600_000 + 1)
    await world.coordinator.heartbeat('fair')
    await world.add('T-1', { estimate: '2' })
    t.is(await world.claim('T-1', 'fair'), 'given', name)
  }
})

test('alone, equal, best, or fitting fully: nobody waits', async (t) => {
  const alone = await governed(t, { fair })
  await alone.add('T-1')
  t.is(await alone.claim('T-1', 'fair'), 'given')
  const equal = await governed(t, { fair, like: fair })
  await equal.add('T-1')
  t.is(await equal.claim('T-1', 'like'), 'given')
  const both = await governed(t, { expert, fair })
  await both.add('T-1')
  t.is(await both.claim('T-1', 'expert'), 'given')
  // what requires nothing fits everybody
  await both.add('T-2', { requires: {} })
  t.is(await both.claim('T-2', 'fair'), 'given')
})

test('a task that waited for others is kept from when it could first be claimed, and one that came back anew', async (t) => {
  const { add, claim, coordinator, wait } = await governed(t, { expert, fair })
  await add('first', { requires: {} })
  await add('T-1', { dependsOn: ['first'] })
  await wait(60 * minute)
  const first = await coordinator.claim('first', 'expert')
  if (first.ok) await coordinator.complete('first', 'expert', first.fence, {})
  await wait(1000)
  t.is(await claim('T-1', 'fair'), 'governor.patience')
  await wait(60 * minute)
  t.is(await claim('T-1', 'fair'), 'given')
  await coordinator.release('T-1', 'fair', null)
  await wait(1000)
  t.is(await claim('T-1', 'fair'), 'governor.patience')
})

test('who failed last lets others go before, more so where more is at stake; who lost trust is tried with what costs little', async (t) => {
  const { add, claim, coordinator, governor, wait } = await governed(t, { alpha: expert, beta: expert })
  await governor.configureCircuit('swarm.alpha', 1000)
  for (const swarm of ['alpha', 'beta'])
    for (let n = 0; n < 6; n++) {
      const id = `${swarm}-${n}`
      await add(id, { estimate: '1', mostAttempts: 1, requires: { code: 0.8 } })
      await wait(60 * minute)
      const claimed = await coordinator.claim(id, swarm)
      if (claimed.ok) await coordinator.complete(id, swarm, claimed.fence, {}, '1')
    }
  await add('fails', { estimate: '1', mostAttempts: 1 })
  await wait(60 * minute)
  const claimed = await coordinator.claim('fails', 'alpha')
  t.true(claimed.ok)
  if (claimed.ok) await coordinator.fail('fails', 'alpha', claimed.fence, 'x', '1')
  await wait(1000)
  await add('dear', { estimate: '20' })
  await add('cheap', { estimate: '0.01' })
  const [dear, cheap] = [await coordinator.claim('dear', 'alpha'), await coordinator.claim('cheap', 'alpha')]
  t.like(dear, { ok: false, code: 'governor.patience' })
  t.like(cheap, { ok: false, code: 'governor.patience' })
  t.true(!dear.ok && !cheap.ok && dear.retryAt! > cheap.retryAt! + minute)
  t.is(await claim('cheap', 'beta'), 'given')
  await coordinator.complete('cheap', 'beta', 1, {}, '0.01')
  // until it is trusted too little for any: a day later it is given one that costs no more than usual
  const ids = Array.from({ length: 8 }, (_, n) => `fails-${n}`)
  for (const id of ids) await add(id, { estimate: '1', mostAttempts: 1 })
  await wait(60 * minute)
  const held = await Promise.all(ids.map((id) => coordinator.claim(id, 'alpha')))
  for (const each of held) if (each.ok) await coordinator.fail(each.task.id, 'alpha', each.fence, 'x', '1')
  await add('next', { estimate: '0.5' })
  t.is(await claim('next', 'alpha'), 'governor.capability')
  await wait(25 * 60 * minute)
  const refused = await coordinator.claim('dear', 'alpha')
  t.like(refused, { ok: false, code: 'governor.capability' })
  t.true(!refused.ok && refused.reason.includes('is tried with one of'))
  t.is(await claim('next', 'alpha'), 'given')
})

test('however many claim at once, one of the surest has the task, and one only', async (t) => {
  const swarms = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`S-${at}`, { code: 0.6 + at / 400 }]))
  const { add, coordinator } = await governed(t, swarms)
  await add('T-1', { requires: { code: 0.84 } })
  const names = Object.keys(swarms)
  const claims = await Promise.all(names.map((swarm) => coordinator.claim('T-1', swarm)))
  const winners = names.filter((_, at) => claims[at]!.ok)
  t.is(winners.length, 1)
  t.is((await coordinator.task('T-1'))!.swarm, winners[0]!)
  // from 90 on none is surer than another by 0.02
  t.true(Number(winners[0]!.slice(2)) >= 90, winners[0])
  const codes = claims.flatMap((claim) => (claim.ok ? [] : [claim.code]))
  t.true(codes.every((code) => code === 'coordinator.claimed' || code === 'governor.patience'))
})
