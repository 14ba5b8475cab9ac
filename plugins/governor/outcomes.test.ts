import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { createCoordinator } from '#coordinator'
import { manualClock } from '#kernel'
import { witnessedStore } from '#store'
import { openSqliteStore } from '../store/sqlite-store.ts'
import { createGovernor } from './governor.ts'
import { analyzeCosts, kindOf, type Outcome, reportWaste } from './outcomes.ts'

const folder = mkdtempSync(join(tmpdir(), 'outcomes-'))
test.after.always(() => rmSync(folder, { recursive: true, force: true }))
let made = 0

async function opened(t: ExecutionContext) {
  const clock = manualClock()
  const store = await openSqliteStore(join(folder, `${++made}.db`), clock)
  t.teardown(() => store.close())
  const witnessed = witnessedStore(store, null)
  const governor = createGovernor(witnessed, { threshold: 0, patience: { mostMs: 0, ofDeadline: 0, first: 0 } })
  const coordinator = createCoordinator(witnessed, { gates: [governor.gate], leaseMs: 60_000 })
  for (const swarm of ['alpha', 'beta']) {
    await coordinator.registerSwarm(swarm, { code: 0.9, law: 0.9 }, 3_600_000)
    await governor.configureCircuit(`swarm.${swarm}`, 1000)
  }
  let tasks = 0
  /** A task that `swarm` is given, and what becomes of it. */
  const play = async (
    swarm: string,
    capability: string | null,
    estimate: string | null,
    how: 'complete' | 'fail' | 'release' | 'lease',
    cost?: string
  ) => {
    const id = `T-${++tasks}`
    await coordinator.add({
      id,
      requires: capability === null ? {} : { [capability]: 0.2 },
      ...(estimate === null ? {} : { estimate }),
      mostAttempts: 1
    })
    const claimed = await coordinator.claim(id, swarm)
    if (!claimed.ok) throw new Error(claimed.reason)
    if (how === 'complete') await coordinator.complete(id, swarm, claimed.fence, {}, cost)
    else if (how === 'fail') await coordinator.fail(id, swarm, claimed.fence, 'x', cost)
    else if (how === 'release') await coordinator.release(id, swarm, claimed.fence)
    else {
      clock.advance(61_000)
      await coordinator.sweep()
    }
  }
  return { coordinator, governor, play }
}

test('what claims have cost, by swarm and by capability, exact; what was not told is estimated, and said so', async (t) => {
  const { governor, play } = await opened(t)
  t.deepEqual(await governor.costs('swarm'), [])
  t.like((await governor.waste()).total, { claims: 0, cost: '0', wastedPct: null, perCompleted: null })
  await play('alpha', 'code.rust', '0.1', 'complete', '0.1')
  await play('alpha', 'code', '0.2', 'fail', '0.2')
  await play('alpha', 'law', '0.5', 'fail')
  await play('beta', 'law', '0.3', 'complete', '0.4')
  await play('beta', 'law', '9', 'release')
  await play('beta', null, null, 'lease')
  t.deepEqual(await governor.costs('swarm'), [
    {
      group: 'alpha',
      claims: 3,
      completed: 1,
      cost: '0.8',
      supposed: '0.5',
      wasted: '0.7',
      wastedPct: '87.5',
      perCompleted: '0.8'
    },
    { group: 'beta', claims: 3, completed: 1, cost: '0.4', supposed: '0', wasted: '0', wastedPct: '0', perCompleted: '0.4' }
  ])
  t.deepEqual(
    (await governor.costs('capability')).map(({ group, claims, cost, wasted }) => [group, claims, cost, wasted]),
    [
      ['law', 3, '0.9', '0.5'],
      ['code', 2, '0.3', '0.2'],
      ['any', 1, '0', '0']
    ]
  )
  const { total, lines } = await governor.waste()
  t.like(total, { claims: 6, completed: 2, cost: '1.2', wasted: '0.7', wastedPct: '58.3' })
  t.deepEqual(lines.slice(0, 2), [
    { swarm: 'alpha', kind: 'law', end: 'failed', claims: 1, cost: '0.5' },
    { swarm: 'alpha', kind: 'code', end: 'failed', claims: 1, cost: '0.2' }
  ])
  t.deepEqual(
    lines
      .slice(2)
      .map(({ end }) => end)
      .sort(),
    ['lease-expired', 'released']
  )
})

test('recommendations rest on enough history, and tell its numbers', async (t) => {
  const { governor, coordinator, play } = await opened(t)
  const found = async () => governor.recommendations(await coordinator.swarms())
  for (let n = 0; n < 3; n++) await play('alpha', 'code', '1', 'complete', '1')
  t.deepEqual(await found(), [])
  for (let n = 0; n < 3; n++) await play('alpha', 'code', '1', 'complete', '1')
  for (let n = 0; n < 2; n++) await play('beta', 'code', '1', 'complete', '2')
  for (let n = 0; n < 4; n++) await play('beta', 'code', '1', 'fail', '0.5')
  t.deepEqual(await found(), [
    {
      kind: 'withhold',
      subject: 'beta code',
      text: 'give beta fewer tasks of code: it completed 2 of 6, and 2 USD were lost; it declares code 0.9',
      numbers: { completed: 2, claims: 6, wasted: '2', declared: { code: 0.9 } }
    },
    {
      kind: 'prefer',
      subject: 'alpha code',
      text: 'for code prefer alpha to beta: 1 USD a completed task, not 3 (3 times)',
      numbers: { alpha: { perCompleted: '1', completed: 6 }, beta: { perCompleted: '3', completed: 2 } }
    }
  ])
  for (let n = 0; n < 5; n++) await play('alpha', 'law', '0.2', 'complete', '0.5')
  await governor.setBudget('alpha', '9')
  await governor.configureCircuit('swarm.beta', 1, 60_000)
  await play('beta', 'law', null, 'fail')
  t.deepEqual(
    (await found()).slice(2).map(({ kind, subject, text }) => [kind, subject, text]),
    [
      ['estimates', 'law', 'multiply the estimates of law by 2.5: 5 tasks cost 2.5 USD, and 1 were expected'],
      ['circuit', 'swarm.beta', 'look at swarm.beta: its circuit is open after 5 failures in a row'],
      ['circuit', 'swarm.beta.law', 'look at swarm.beta.law: its circuit is open after 1 failures in a row'],
      ['budget', 'alpha', 'raise the budget of alpha or give its tasks to others: 80 % of 9 USD for 2026-01 is gone']
    ]
  )
})

test('leases that end often are told', async (t) => {
  const { governor, coordinator, play } = await opened(t)
  for (let n = 0; n < 4; n++) await play('alpha', 'code', null, 'complete')
  const outcome = { swarm: 'alpha', kind: 'code', estimates: { tasks: 0, estimated: '0', cost: '0' } }
  t.deepEqual(await governor.recommendations(await coordinator.swarms()), [])
  const { recommend } = await import('./recommend.ts')
  const ends: Outcome['ends'] = {
    complete: { claims: 8, told: '0', supposed: '0' },
    'lease-expired': { claims: 2, told: '0', supposed: '1' },
    cancelled: { claims: 50, told: '0', supposed: '0' }
  }
  t.like(recommend({ outcomes: [{ ...outcome, ends }], swarms: [], circuits: [], budgets: [] })[0], {
    kind: 'leases',
    text: 'let alpha renew its claims on code more often, or lengthen the lease: 2 of 10 ended with it'
  })
})

test('a task of several kinds is counted once', (t) => {
  t.is(kindOf({ requires: { 'law.contract': 0.1, code: 0.1, 'code.rust': 0.2 } }), 'code+law')
  const outcome: Outcome = {
    swarm: 'alpha',
    kind: 'code+law',
    ends: { complete: { claims: 1, told: '1', supposed: '0' } },
    estimates: { tasks: 0, estimated: '0', cost: '0' }
  }
  t.is(analyzeCosts([outcome, { ...outcome, kind: 'law' }], 'capability').length, 2)
  t.is(reportWaste([outcome, { ...outcome, kind: 'law' }]).total.cost, '2')
})
