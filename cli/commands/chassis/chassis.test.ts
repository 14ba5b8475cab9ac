import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { buildModule, imports, op } from '../../../plugins/chassis/testing/module-builder.ts'
import { finished, ifctl, start, withFolder } from '../../testing/run.ts'

const json = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))

const words = fileURLToPath(new URL('../../../plugins/chassis/testing/words.wasm', import.meta.url))

test('a sandbox by commands: made, run, looked at, granted a credential, destroyed; what the ledger holds of it', (t) =>
  withFolder(async (data) => {
    const chassis = (...rest: string[]) => ifctl(['chassis', ...rest, '--data', data], { input: 'one two' })
    await mkdir(join(data, 'chassis'))
    const services = { council: { kind: 'hmac-sha256', secret: 'a secret of the council' } }
    await writeFile(join(data, 'chassis/services.json'), JSON.stringify(services), { mode: 0o600 })
    const made = await chassis('sandbox', 'create', 'box', '--swarm', 'alpha', '--wasm', words, '--memory', '4', '--json')
    t.is(made.code, 0, made.stderr)
    // it was given no file to read
    const run = await chassis('sandbox', 'start', 'box', '--input', '-')
    t.is(run.code, 1)
    t.regex(run.stderr, /it ended with 3 \(chassis\.run\.exit\)/)
    t.like(json((await chassis('resources', 'usage', 'box', '--json')).stdout)[0], { runs: 1 })
    t.is(json((await chassis('resources', 'set', 'box', '--cpu', '50', '--json')).stdout)[0].cpuPercent, 50)
    t.regex((await chassis('resources', 'limits', 'box')).stdout, /memory +4 MiB/)
    const [grant] = json((await chassis('credentials', 'scope', 'box', '--allow', 'council', '--json')).stdout)
    t.is((await chassis('credentials', 'revoke', 'box', grant.id)).code, 0)
    t.truthy(json((await chassis('credentials', 'audit', 'box', '--json')).stdout)[0].revokedAt)
    t.regex((await chassis('sandbox', 'list')).stdout, /^box +alpha +stopped/m)
    t.is((await chassis('sandbox', 'destroy', 'box')).code, 0)
    const { records } = json((await chassis('audit', 'trail', 'box', '--export', 'json')).stdout)[0]
    const told = [
      'sandbox_created',
      'sandbox_started',
      'sandbox_ended',
      'sandbox_limits_changed',
      'credential_granted',
      'credential_revoked',
      'sandbox_destroyed'
    ]
    t.deepEqual(
      records.map(({ event }: { event: string }) => event),
      told
    )
    const recorded = json((await ifctl(['witness', 'query', '--data', data, '--component', 'IF.chassis', '--json'])).stdout)
    t.deepEqual(
      recorded.map(({ event }) => event),
      told
    )
    t.false((await readFile(join(data, 'state.db'))).includes('a secret of the council'))
  }))

const exiting = (code: number): Buffer =>
  buildModule({ imports: [imports.exit], functions: [{ code: [...op.constant(code), ...op.call(0)] }] })

test('objectives and reputation by command: set, violated, in figures, and computed again from the ledger', (t) =>
  withFolder(async (data) => {
    const chassis = (...rest: string[]) => ifctl(['chassis', ...rest, '--data', data])
    await writeFile(join(data, 'bad.wasm'), exiting(1))
    await chassis('sandbox', 'create', 'bad', '--swarm', 'alpha', '--wasm', join(data, 'bad.wasm'))
    const set = await chassis('slo', 'set', '--swarm', 'alpha', '--errors', '10', '--least', '1', '--latency', '3600000')
    t.is(set.code, 0, set.stderr)
    t.is((await chassis('sandbox', 'start', 'bad')).code, 1)
    t.regex((await chassis('slo', 'status', '--swarm', 'alpha')).stdout, /swarm alpha +errors +≤ 10 % +100 % +violated +10\.0 +1/)
    const [violation] = json((await chassis('slo', 'violations', '--since', '1h', '--json')).stdout)
    t.like(violation, { scope: 'alpha', objective: 'errors', until: null, measured: 100 })
    t.regex((await chassis('slo', 'metrics')).stdout, /chassis_slo_kept\{kind="swarm",scope="alpha",objective="errors"\} 0/)
    const score = await chassis('reputation', 'score', 'alpha', '--check', '--json')
    t.is(score.code, 0, score.stderr)
    t.like(json(score.stdout)[0], { score: 0, agrees: true, judged: { runsBad: 1 } })
    t.is(json((await chassis('reputation', 'history', 'alpha', '--json')).stdout).length, 1)
    t.is((await chassis('slo', 'set', '--errors', '10')).code, 2)
    t.is((await chassis('slo', 'set', '--swarm', 'alpha', '--errors', '101')).code, 2)
    t.is((await chassis('slo', 'status', '--swarm', 'a', '--sandbox', 'b')).code, 2)
    const witnessed = json((await ifctl(['witness', 'query', '--event', 'slo_violated', '--data', data, '--json'])).stdout)
    t.is(witnessed.length, 1)
  }))

test('a sandbox for a task needs its claim, has its trace, and raises what it may; without a suite that is recorded', (t) =>
  withFolder(async (data) => {
    const command = (...rest: string[]) => ifctl([...rest, '--data', data])
    const review = fileURLToPath(new URL('../../../plugins/chassis/example/review.wasm', import.meta.url))
    const create = ['chassis', 'sandbox', 'create', 'box', '--swarm', 'alpha', '--task', 'T-1', '--wasm', review]
    await command('coordinator', 'swarms', 'add', 'alpha')
    await command('coordinator', 'tasks', 'add', 'T-1', '--hazard', 'safety', '--trace', 'case-1')
    t.regex((await command(...create)).stderr, /alpha has not claimed T-1: it is pending \(chassis\.task\)/)
    t.is((await command('coordinator', 'tasks', 'claim', 'T-1', '--swarm', 'alpha')).code, 0)
    t.regex((await command(...create, '--may-raise', 'weather')).stderr, /"weather" is no hazard/)
    t.is((await command(...create, '--trace', 'case-2')).code, 2)
    t.is((await command(...create)).code, 0)
    await writeFile(join(data, 'run.log'), '1 1 done\n2 2 failed\n')
    const ran = await command('chassis', 'sandbox', 'start', 'box', '--input', join(data, 'run.log'), '--json')
    t.is(ran.code, 0, ran.stderr)
    t.deepEqual(JSON.parse(Buffer.from(json(ran.stdout)[0].output, 'base64').toString()), {
      steps: 2,
      suspicious: 1,
      escalated: false
    })
    const entries = json((await command('witness', 'query', '--trace', 'case-1', '--json')).stdout)
    t.like(entries.find(({ event }) => event === 'hazard_not_escalated').payload, { hazard: 'safety', code: 'cli.suite.absent' })
  }))

test('a run without end is stopped from elsewhere; what it printed is kept; a directory is read that was given', (t) =>
  withFolder(async (data) => {
    const code = [...[1, 0, 1, 16].flatMap(op.constant), ...op.call(0), ...op.drop, ...op.forever([])]
    const text = [
      { at: 0, octets: Buffer.from([32, 0, 0, 0, 6, 0, 0, 0]) },
      { at: 32, octets: 'hello\n' }
    ]
    await writeFile(join(data, 'loop.wasm'), buildModule({ imports: [imports.fdWrite], functions: [{ code }], data: text }))
    await writeFile(join(data, 'text'), 'three small words')
    const chassis = (...rest: string[]) => ifctl(['chassis', ...rest, '--data', data], { input: 'one two' })
    await chassis('sandbox', 'create', 'loop', '--swarm', 'alpha', '--wasm', join(data, 'loop.wasm'))
    const child = start(['chassis', 'sandbox', 'start', 'loop', '--data', data])
    const running = finished(child)
    await once(child.stdout, 'data')
    t.is((await chassis('sandbox', 'stop', 'loop')).code, 0)
    t.regex((await running).stderr, /chassis\.run\.stopped/)
    t.regex((await chassis('sandbox', 'logs', 'loop')).stdout, /Z out hello\n$/)

    const made = ['sandbox', 'create', 'box', '--swarm', 'alpha', '--wasm', words, '--read-only', `/in=${data}`]
    t.is((await chassis(...made)).code, 0)
    const run = await chassis('sandbox', 'start', 'box', '--args', '/in/text', '--input', '-')
    t.deepEqual([run.code, run.stdout], [0, '3 words, 2 of the input\n'])
    const cases: [words: string[], code: number, stderr: RegExp][] = [
      [['sandbox', 'create', 'x'], 2, /--swarm is missing/],
      [['sandbox', 'create', 'x', '--swarm', 'a', '--wasm', join(data, 'text')], 1, /chassis\.module\.magic/],
      [['sandbox', 'create', 'x', '--swarm', 'a', '--read-only', 'in'], 2, /--read-only: expected/],
      [['sandbox', 'start', 'none'], 1, /chassis\.unknown/],
      [['sandbox', 'stop', 'box'], 1, /chassis\.stopped/],
      [['sandbox', 'list', '--status', 'gone'], 2, /--status/],
      [['resources', 'set', 'box'], 2, /nothing to change/],
      [['credentials', 'scope', 'box', '--allow', 'none'], 1, /chassis\.service/],
      [['audit', 'trail', 'none'], 1, /chassis\.unknown/]
    ]
    for (const [given, code, stderr] of cases) {
      const result = await chassis(...given)
      t.is(result.code, code, given.join(' '))
      t.regex(result.stderr, stderr)
    }
  }))
