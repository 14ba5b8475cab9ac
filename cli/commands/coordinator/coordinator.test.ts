import test, { type ExecutionContext } from 'ava'
import { startRedis } from '../../../ledger/testing/redis-server.ts'
import { finished, ifctl, start, withFolder } from '../../testing/run.ts'

const json = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))

async function lifeOfATask(t: ExecutionContext, data: string, more: readonly string[]) {
  const coordinator = (...words: string[]) => ifctl(['coordinator', ...words, '--data', data, ...more])
  t.is((await coordinator('swarms', 'add', 'alpha', '--capabilities', 'code.rust:0.8,law')).code, 0)
  await coordinator('swarms', 'add', 'beta', '--capabilities', 'code.rust:0.6')
  const [added] = json(
    (await coordinator('tasks', 'add', 'T-1', '--priority', '8', '--requires', 'code.rust:0.5', '--json')).stdout
  )
  t.like(added, { state: 'pending', priority: 8, requires: { 'code.rust': 0.5 } })
  await coordinator('tasks', 'add', 'T-2', '--depends-on', 'T-1')
  const listed = json((await coordinator('tasks', 'list', '--status', 'pending', '--json')).stdout)
  t.deepEqual(
    listed.map(({ id }) => id),
    ['T-1', 'T-2']
  )
  // exactly one of two processes
  const claims = await Promise.all(
    ['alpha', 'beta'].map((swarm) => coordinator('tasks', 'claim', 'T-1', '--swarm', swarm, '--json'))
  )
  t.deepEqual(claims.map(({ code }) => code).sort(), [0, 1])
  const winner = json(claims.find(({ code }) => code === 0)!.stdout)[0]
  t.is(winner.fence, 1)
  t.is(JSON.parse(claims.find(({ code }) => code === 1)!.stderr).error.code, 'coordinator.claimed')
  t.regex(
    (await coordinator('tasks', 'claim', 'T-2', '--swarm', 'alpha')).stderr,
    /T-2 waits for T-1, which is claimed \(coordinator.waits\)/
  )
  t.regex((await coordinator('tasks', 'status', 'T-2')).stdout, /can be claimed +no: T-2 waits for T-1/)
  t.regex((await coordinator('swarms', 'tasks', winner.swarm)).stdout, /^T-1 +claimed/m)
  const late = await coordinator('tasks', 'complete', 'T-1', '--swarm', winner.swarm, '--fence', '7')
  t.is(late.code, 1)
  t.regex(late.stderr, /coordinator\.fenced/)
  t.is((await coordinator('tasks', 'complete', 'T-1', '--swarm', winner.swarm, '--fence', '1', '--cost', '0.25')).code, 0)
  const events = json((await coordinator('tasks', 'watch', '--json')).stdout)
  t.deepEqual(
    events.map(({ topic }) => topic),
    ['task.added.T-1', 'task.added.T-2', 'task.claimed.T-1', 'task.completed.T-1', 'task.ready.T-2']
  )
  const rest = json((await coordinator('tasks', 'watch', '--after', events[3].cursor, '--json')).stdout)
  t.deepEqual(
    rest.map(({ topic }) => topic),
    ['task.ready.T-2']
  )
  t.like(json((await coordinator('stats', '--json')).stdout)[0], { tasks: { pending: 1, complete: 1 }, ready: 1 })
  t.is((await coordinator('health', 'check')).code, 0)
  const latency = json((await coordinator('latency', 'benchmark', '--iterations', '5', '--json')).stdout)[0]
  t.is(latency.iterations, 5)
  t.deepEqual(json((await coordinator('swarms', 'list', '--active', '--json')).stdout).length, 2)
  const recorded = json((await ifctl(['witness', 'query', '--data', data, '--trace', added.traceId, '--json'])).stdout)
  t.deepEqual(
    recorded.map(({ event, cost }) => [event, cost]),
    [
      ['task_added', undefined],
      ['task_matched', undefined],
      ['task_claimed', undefined],
      ['task_completed', '0.25']
    ]
  )
  t.is((await ifctl(['witness', 'verify', '--data', data])).code, 0)
}

test('a task from its making to its end, by commands; what the ledger holds of it', (t) =>
  withFolder((data) => lifeOfATask(t, data, [])))

test('the same on a Redis server', async (t) => {
  const server = await startRedis()
  try {
    await withFolder((data) => lifeOfATask(t, data, ['--store', `${server.url}#council`]))
  } finally {
    await server.stop()
  }
})

test('who watches is told by another process at once, and stops at SIGINT', async (t) => {
  await withFolder(async (data) => {
    await ifctl(['coordinator', 'swarms', 'add', 'alpha', '--data', data])
    const watching = start(['coordinator', 'eventbus', 'watch', 'task.added.*', '--follow', '--json', '--data', data])
    let text = ''
    watching.stdout!.setEncoding('utf8').on('data', (part: string) => {
      text += part
    })
    const ended = finished(watching)
    // it may not watch yet: tasks are added until one is told
    for (let task = 1; text === '' && task < 100; task++)
      await ifctl(['coordinator', 'tasks', 'add', `T-${task}`, '--data', data])
    t.regex(json(text)[0].topic, /^task\.added\.T-\d+$/)
    watching.kill('SIGINT')
    t.is((await ended).code, 0)
  })
})

test('what cannot be is refused by name', async (t) => {
  await withFolder(async (data) => {
    const cases: [words: string[], code: number, stderr: RegExp][] = [
      [['tasks', 'claim', 'T-1'], 2, /--swarm is missing/],
      [['tasks', 'claim', 'T-1', '--swarm', 'alpha'], 1, /there is no task T-1 \(coordinator.task-unknown\)/],
      [['tasks', 'list', '--status', 'done'], 2, /--status: expected one of pending, claimed/],
      [['tasks', 'add', 'T-1', '--requires', 'rust:2'], 2, /--requires: expected name:level/],
      [['tasks', 'add', 'T-1', '--depends-on', 'T-0'], 1, /T-1 depends on T-0, which is unknown/],
      [['tasks', 'add', 'T-1', '--input', '[]'], 2, /--input: expected a JSON object/],
      [['tasks', 'complete', 'T-1', '--swarm', 'alpha'], 2, /--fence is missing/],
      [['tasks', 'watch', '--after', 'x'], 2, /--after: expected a cursor/],
      [['swarms', 'status', 'alpha'], 1, /there is no swarm alpha/],
      [['tasks', 'list', '--store', 'redis://127.0.0.1:1'], 2, /needs the name of the store/],
      [['tasks', 'list', '--store', 'redis://127.0.0.1:1#x'], 1, /store\.unreachable/],
      [['tusks', 'list'], 2, /did you mean/]
    ]
    for (const [words, code, stderr] of cases) {
      const result = await ifctl(['coordinator', ...words, '--data', data])
      t.is(result.code, code, words.join(' '))
      t.regex(result.stderr, stderr)
    }
  })
})
