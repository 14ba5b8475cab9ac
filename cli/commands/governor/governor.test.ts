import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { ifctl, withFolder } from '../../testing/run.ts'

const json = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))

test('the governor has its say in claims made by command: capability, budget, circuit', async (t) => {
  await withFolder(async (data) => {
    const run = (...words: string[]) => ifctl([...words, '--data', data])
    await run('coordinator', 'swarms', 'add', 'alpha', '--capabilities', 'code.rust:0.9', '--heartbeat', '600')
    await run('coordinator', 'swarms', 'add', 'beta', '--capabilities', 'law:0.9', '--heartbeat', '600')
    await run('coordinator', 'tasks', 'add', 'T-1', '--requires', 'code.rust:0.8', '--estimate', '0.60')
    await run('coordinator', 'tasks', 'add', 'T-2', '--requires', 'code:0.5', '--estimate', '0.60')

    const ranked = json((await run('governor', 'capabilities', 'match', 'T-1', '--json')).stdout)
    t.deepEqual(
      ranked.map(({ swarm, eligible, score }) => [swarm, eligible, score]),
      [
        ['alpha', true, 1],
        ['beta', false, 0]
      ]
    )
    t.regex(
      (await run('governor', 'capabilities', 'match', 'T-1')).stdout,
      /code\.rust 0\.8: code\.rust 0\.9 × 1\.00 → 1\.000[\s\S]*nothing stands in/
    )
    t.regex(
      (await run('coordinator', 'tasks', 'claim', 'T-1', '--swarm', 'beta')).stderr,
      /beta fits T-1 by 0\.000.*\(governor\.capability\)/
    )

    t.is((await run('governor', 'budget', 'set', '--swarm', 'alpha', '--limit', '1.00')).code, 0)
    t.is((await run('coordinator', 'tasks', 'claim', 'T-1', '--swarm', 'alpha')).code, 0)
    const refused = await run('coordinator', 'tasks', 'claim', 'T-2', '--swarm', 'alpha')
    t.regex(refused.stderr, /alpha has 0\.4 USD left of 1 .*T-2 is expected to cost 0\.60.*\(governor\.budget\)/)
    t.like(json((await run('governor', 'budget', 'status', '--json')).stdout)[0], {
      limit: '1',
      reserved: '0.6',
      left: '0.4',
      level: 50
    })
    t.regex((await run('governor', 'alerts', 'list')).stdout, /alpha .* 50 %/)

    t.is((await run('governor', 'circuit', 'config', 'swarm.alpha', '--threshold', '1', '--cool', '60')).code, 0)
    await run('coordinator', 'tasks', 'fail', 'T-1', '--swarm', 'alpha', '--fence', '1', '--cost', '0.1', '--reason', 'x')
    t.like(json((await run('governor', 'circuit', 'status', '--json')).stdout)[0], { component: 'swarm.alpha', state: 'open' })
    t.regex((await run('coordinator', 'tasks', 'claim', 'T-2', '--swarm', 'alpha')).stderr, /\(governor\.circuit\)/)
    await run('governor', 'circuit', 'reset', 'swarm.alpha')
    t.is((await run('coordinator', 'tasks', 'claim', 'T-2', '--swarm', 'alpha')).code, 0)
    t.like(json((await run('governor', 'budget', 'history', '--swarm', 'alpha', '--json')).stdout)[0], {
      spent: '0.1',
      reserved: '0.6',
      tasks: 1
    })
    t.regex((await run('governor', 'capabilities', 'swarm', 'alpha')).stdout, /code +- +0 of 1/)
    t.regex((await run('governor', 'capabilities', 'list')).stdout, /code\.rust +alpha 0\.9/)

    const events = json((await ifctl(['witness', 'query', '--data', data, '--component', 'IF.governor', '--json'])).stdout)
    t.deepEqual(
      events.map(({ event }) => event),
      [
        'swarm_budget_changed',
        'budget_reserved',
        'swarm_budget_alert',
        'task_matched',
        'circuit_configured',
        'budget_settled',
        'circuit_changed',
        'circuit_changed',
        'circuit_changed',
        'circuit_changed',
        'budget_reserved',
        'swarm_budget_alert',
        'task_matched'
      ]
    )
    const cases: [words: string[], code: number, stderr: RegExp][] = [
      [['budget', 'set', '--swarm', 'alpha', '--limit', 'much'], 1, /governor\.budget/],
      [
        ['budget', 'set', '--swarm', 'alpha', '--limit', '1', '--period', 'year'],
        2,
        /--period: expected one of month, week, day/
      ],
      [['budget', 'status', '--swarm', 'gamma'], 1, /gamma has no budget/],
      [['capabilities', 'match', 'T-9'], 1, /there is no task T-9/],
      [['capabilities', 'match', 'T-1', '--threshold', '7'], 2, /--threshold/],
      [['circuit', 'config', 'swarm.alpha', '--threshold', '0'], 2, /--threshold/],
      [['circuit', 'reset', 'a b'], 1, /governor\.circuit/]
    ]
    for (const [words, code, stderr] of cases) {
      const result = await run('governor', ...words)
      t.is(result.code, code, words.join(' '))
      t.regex(result.stderr, stderr)
    }
  })
})

test('a policy by command: its problems by line, a dry run, and the claims it refuses', async (t) => {
  await withFolder(async (data) => {
    const run = (...words: string[]) => ifctl([...words, '--data', data])
    const file = join(data, 'policy.yaml')
    const valid = 'rules:\n  - { name: not-beta, action: deny, when: { swarm: beta, hazard: safety } }\n'
    await writeFile(file, valid.replace('deny', 'allow').replace('swarm: beta', 'swarm: [1]'))
    const wrong = await ifctl(['governor', 'policy', 'validate', file])
    t.is(wrong.code, 1)
    t.regex(wrong.stdout, /policy\.yaml: line 2, column 31: rules\[0\]\.action: expected deny or limit\n/)
    t.regex(wrong.stdout, /policy\.yaml: line 2, column 54: rules\[0\]\.when\.swarm\[0\]: /)
    t.is((await run('governor', 'policy', 'apply', file)).code, 1)
    t.regex((await run('governor', 'policy', 'list')).stderr, /no policy was applied/)

    await writeFile(file, valid)
    t.regex((await ifctl(['governor', 'policy', 'validate', file])).stdout, /good, 1 rules, [0-9a-f]{64}/)
    for (const swarm of ['alpha', 'beta']) await run('coordinator', 'swarms', 'add', swarm, '--heartbeat', '600')
    await run('coordinator', 'tasks', 'add', 'T-1', '--hazard', 'safety')
    const asked = ['governor', 'policy', 'test', '--task', 'T-1', '--swarm', 'beta']
    t.is((await run(...asked)).stdout, 'permit\n')
    const dry = await run(...asked, '--file', file)
    t.is(dry.code, 1)
    t.regex(dry.stdout, /denies +not-beta +swarm yes, hazard yes\ndeny, by not-beta\n/)
    t.regex((await run('governor', 'policy', 'apply', file)).stdout, /version 1 is in force/)
    t.like(json((await run(...asked, '--json')).stdout)[0], { verdict: 'deny', rule: 'not-beta' })
    t.regex((await run('coordinator', 'tasks', 'claim', 'T-1', '--swarm', 'beta')).stderr, /not-beta.*\(governor\.policy\)/)
    t.is((await run('coordinator', 'tasks', 'claim', 'T-1', '--swarm', 'alpha')).code, 0)
    const [listed] = json((await run('governor', 'policy', 'list', '--json')).stdout)
    t.like(listed, { version: 1, inForce: true })
    const events = json((await ifctl(['witness', 'query', '--data', data, '--event', 'policy_applied', '--json'])).stdout)
    t.like(events[0], { event: 'policy_applied', payload: { version: 1, hash: listed.policy, previous: null } })
    t.is((await run(...asked.slice(0, -1), 'gamma')).code, 1)
  })
})

test('what claims cost, what was wasted, and what that suggests, by command', async (t) => {
  await withFolder(async (data) => {
    const run = (...words: string[]) => ifctl([...words, '--data', data])
    t.regex((await run('governor', 'cost', 'analyze')).stderr, /no claim has ended/)
    await run('coordinator', 'swarms', 'add', 'alpha', '--heartbeat', '600', '--capabilities', 'code')
    for (const [id, end, cost] of [
      ['T-1', 'complete', '0.25'],
      ['T-2', 'fail', '0.75']
    ] as const) {
      await run('coordinator', 'tasks', 'add', id, '--requires', 'code:0.1', '--attempts', '1')
      await run('coordinator', 'tasks', 'claim', id, '--swarm', 'alpha')
      const reason = end === 'fail' ? ['--reason', 'x'] : []
      const ended = await run('coordinator', 'tasks', end, id, '--swarm', 'alpha', '--fence', '1', '--cost', cost, ...reason)
      t.is(ended.code, 0, ended.stderr)
    }
    t.regex((await run('governor', 'cost', 'analyze')).stdout, /\ncode +2 +1 +1 +0 +0\.75 +75 +1\n/)
    t.like(json((await run('governor', 'cost', 'analyze', '--group-by', 'swarm', '--json')).stdout)[0], {
      swarm: 'alpha',
      cost: '1',
      wastedPct: '75'
    })
    const { stdout } = await run('governor', 'waste', 'report')
    t.regex(stdout, /^0\.75 of 1 USD wasted \(75 %\): 1 of 2 claims ended with a result\n/)
    t.regex(stdout, /\nalpha +code +failed +1 +0\.75\n$/)
    t.regex((await run('governor', 'recommendations')).stderr, /nothing to recommend/)
    await run('governor', 'budget', 'set', '--swarm', 'alpha', '--limit', '1')
    t.like(json((await run('governor', 'recommendations', '--json')).stdout)[0], { kind: 'budget', numbers: { spent: '1' } })
    t.is((await run('governor', 'cost', 'analyze', '--group-by', 'hue')).code, 2)
  })
})
