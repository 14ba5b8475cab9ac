import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import { createCoordinator } from '#coordinator'
import { openStore, witnessedStore } from '#store'
import { ifctl } from '../cli/testing/run.ts'
import { runSuite } from './testing/harness.ts'

test('the running suite takes back what a killed owner held, and its metrics tell of it', async (t) => {
  const { suite, entriesOf, verify } = await runSuite(t, {
    edge: 'external',
    h323: { enabled: false },
    plugins: { sweep: { everyMs: 100 } }
  })
  const data = suite.data.folder
  const command = async (...words: string[]) => {
    const { code, stderr } = await ifctl([...words, '--data', data])
    t.is(code, 0, stderr)
  }
  // the state is made while the suite runs
  await command('coordinator', 'swarms', 'add', 'alpha')
  await command('coordinator', 'tasks', 'add', 'T-1')
  const place = { kind: 'sqlite', path: join(data, 'state.db') } as const
  const program = new URL('../plugins/coordinator/testing/owner-process.ts', import.meta.url).pathname
  const owner = spawn(process.execPath, [program, JSON.stringify(place), 'T-1', 'alpha'], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  t.teardown(() => owner.kill('SIGKILL'))
  await once(owner.stdout, 'data')
  owner.kill('SIGKILL')
  const expired = () => entriesOf('task_lease_expired')
  for (let tries = 0; tries < 500 && expired().length === 0; tries++) await pause(20)
  t.like(expired()[0]!.payload, { task: 'T-1', swarm: 'alpha', state: 'pending' })
  const witnessed = witnessedStore(await openStore(place), null)
  t.is((await createCoordinator(witnessed).task('T-1'))!.state, 'pending')
  await witnessed.close()
  const { url, token } = JSON.parse(await readFile(join(data, 'control.json'), 'utf8'))
  const text = await (await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } })).text()
  t.regex(text, /^coordinator_sweep_leader 1$/m)
  t.regex(text, /^coordinator_swept_total 1$/m)
  t.regex(text, /^coordinator_tasks\{state="pending"\} 1$/m)
  t.regex(text, /^# TYPE chassis_slo_kept gauge$/m)
  await suite.stop()
  t.is((await verify()).verdict, 'valid')
})
