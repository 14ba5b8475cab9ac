import test from 'ava'
import { ifctl, withFolder } from './testing/run.ts'

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
        'swarm_budget_alert',
        'circuit_configured',
        'circuit_changed',
        'circuit_changed',
        'swarm_budget_alert'
      ]
    )
    const cases: [words: string[], code: number, stderr: RegExp][] = [
      [['budget', 'set', '--swarm', 'alpha', '--limit', 'much'], 1, /governor\.budget/],
      [['budget', 'set', '--swarm', 'alpha', '--limit', '1', '--period', 'year'], 2, /--period: expected month, week, day/],
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
