import { once } from 'node:events'
import test from 'ava'
import { finished, ifctl, start, withFolder } from '../../testing/run.ts'

const spend = (data: string, usd: string) =>
  ifctl(['witness', 'log', '--data', data, '--create', '--event', 'E', '--component', 'IF.a', '--cost', usd])
const json = (text: string) =>
  text
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))

test('a budget is set, shown, and its alerts are recorded once, by whichever of several processes', async (t) => {
  await withFolder(async (data) => {
    const optimise = (...words: string[]) => ifctl(['optimise', ...words, '--data', data, '--json'])
    await spend(data, '41.25')
    t.deepEqual(json((await optimise('budget')).stdout), [])
    const [set] = json((await optimise('budget', '--set', '50.00')).stdout)
    t.deepEqual([set.period, set.limit, set.before, set.index], ['month', '50', null, 1])
    const [state] = json((await optimise('budget', '--period', 'month')).stdout)
    t.deepEqual([state.spent, state.remaining, state.percent, state.level], ['41.25', '8.75', '82.5', 'warning'])
    t.deepEqual(json((await optimise('budget', '--period', 'day')).stdout), [])

    const dry = await optimise('alerts', '--dry-run', '--exit-code')
    t.is(dry.code, 21)
    t.deepEqual(
      json(dry.stdout).map(({ level, entry }) => [level, entry]),
      [
        ['notice', null],
        ['warning', null]
      ]
    )
    const seen = (await Promise.all([1, 2, 3].map(() => optimise('alerts')))).map(({ stdout }) => json(stdout))
    for (const level of ['notice', 'warning']) {
      const told = seen.map((lines) => lines.find((line) => line.level === level))
      t.is(new Set(told.map(({ entry }) => entry)).size, 1, level)
      t.is(told.filter(({ fresh }) => fresh).length, 1, level)
    }
    const recorded = await ifctl(['witness', 'query', '--data', data, '--event', 'budget_alert', '--json'])
    t.deepEqual(
      json(recorded.stdout).map(({ component, payload }) => [component, payload.level, payload.limit]),
      [
        ['IF.optimise', 'notice', '50'],
        ['IF.optimise', 'warning', '50']
      ]
    )
    await spend(data, '8.75')
    const over = await optimise('alerts', '--exit-code')
    t.is(over.code, 22)
    t.deepEqual(
      json(over.stdout).map(({ level, fresh }) => [level, fresh]),
      [
        ['notice', false],
        ['warning', false],
        ['error', true]
      ]
    )
    t.is((await optimise('alerts')).code, 0)
    t.is((await ifctl(['witness', 'verify', '--data', data, '--all'])).code, 0)
  })
})

test('people see a bar, what is left and what it comes to; usage errors are named', async (t) => {
  await withFolder(async (data) => {
    await spend(data, '300')
    const optimise = (...words: string[]) => ifctl(['optimise', ...words, '--data', data])
    t.regex((await optimise('budget')).stderr, /no budget/)
    t.regex((await optimise('alerts')).stderr, /no budget/)
    t.is((await optimise('budget', '--set', '500')).stdout, 'budget of a month: 500 USD, before none (entry 1)\n')
    const { stdout } = await optimise('budget')
    t.regex(stdout, /^month \d{4}-\d{2} {2}█{18}░{12} {2}notice\n {2}spent {6}300\.000000 of 500\.00 USD \(60\.0 %\)\n/)
    t.regex(stdout, /\n {2}remaining {2}200\.000000 USD\n {2}forecast {3}\d+\.\d{2} USD by \d{4}-\d{2}-01\n$/)
    t.is((await optimise('budget', '--remove')).stdout, 'budget of a month: none, before 500 USD (entry 2)\n')
    t.is((await optimise('budget', '--remove')).code, 1)
    for (const words of [
      ['--set', '0'],
      ['--set', '1e3'],
      ['--set', '5', '--period', 'year'],
      ['--set', '5', '--remove']
    ])
      t.is((await optimise('budget', ...words)).code, 2, words.join(' '))
  })
})

test('alerts --follow tells of a level when it is reached, and ends on SIGINT', async (t) => {
  await withFolder(async (data) => {
    await spend(data, '1')
    await ifctl(['optimise', 'budget', '--data', data, '--set', '10', '--period', 'week'])
    const child = start(['optimise', 'alerts', '--data', data, '--follow', '--json', '--exit-code'])
    const end = finished(child)
    const told = once(child.stdout, 'data')
    await spend(data, '5')
    await told
    child.kill('SIGINT')
    const { code, stdout } = await end
    t.is(code, 20)
    t.deepEqual(
      json(stdout).map(({ level, period, spent, fresh }) => [level, period, spent, fresh]),
      [['notice', 'week', '6', true]]
    )
  })
})

test('the monthly estimate of H.323 calls', async (t) => {
  const estimate = (...words: string[]) => ifctl(['optimise', 'estimate', ...words])
  t.deepEqual(json((await estimate('--mbit', '2', '--minutes-per-day', '60', '--json')).stdout), [
    { mbit: '2', minutes_per_day: 60, days: 30, cost: '3.648', cost_of_call: '0.0608' }
  ])
  t.is((await estimate('--mbit', '2', '--minutes-per-day', '60')).stdout.split(' ')[0], '3.648000')
  for (const words of [
    [],
    ['--mbit', '2'],
    ['--mbit', '1e3', '--minutes-per-day', '1'],
    ['--mbit', '2', '--minutes-per-day', 'x']
  ])
    t.is((await estimate(...words)).code, 2)
})
