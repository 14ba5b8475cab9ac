import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { DecodeError } from '#kernel'
import { buildModule, imports, type ModuleParts, op } from '../testing/module-builder.ts'
import { defaultLimits } from './limits.ts'
import { mustWait } from './meter.ts'
import { checkModule, maxTableEntries } from './module.ts'
import type { SandboxProcess } from './process.ts'
import { type Outcome, type RunOptions, runModule } from './run.ts'

const limits = { ...defaultLimits, memoryMb: 1, deadlineMs: 20_000 }
const run = (parts: ModuleParts, options: Partial<RunOptions> = {}) => runModule(buildModule(parts), { limits, ...options })
const program = readFileSync(new URL('../testing/words.wasm', import.meta.url))

test('memory grows to its cap and no further, whatever the module declares', async (t) => {
  // exits with the pages that it has in the end
  const growing: ModuleParts = {
    imports: [imports.exit],
    memory: [1, 65_536],
    functions: [
      {
        code: [
          0x02,
          0x40,
          ...op.forever([...op.constant(1), ...op.grow, ...op.constant(-1), 0x46, 0x0d, 1]),
          0x0b,
          0x3f,
          0,
          ...op.call(0)
        ]
      }
    ]
  }
  const { outcome, code, usage } = await run(growing)
  t.deepEqual([outcome, code, usage.pages], ['exit', 16, 16])
  t.throws(() => checkModule(buildModule({ memory: [17], functions: [{ code: [] }] }), 16), { code: 'chassis.module.memory' })
})

test('what never ends is ended: in the program, and before it begins', async (t) => {
  const forever = { code: op.forever([]) }
  for (const parts of [{ functions: [forever] }, { functions: [{ code: [] }, forever], start: 1 }]) {
    const { outcome, code } = await run(parts, { limits: { ...limits, deadlineMs: 700 } })
    t.deepEqual([outcome, code], ['deadline', null])
  }
  const stopping = new AbortController()
  const running = run({ functions: [forever] }, { signal: stopping.signal, started: () => stopping.abort() })
  t.is((await running).outcome, 'stopped')
})

test('a share of the processor is kept to', async (t) => {
  t.true(mustWait(10, 200, 1000))
  t.false(mustWait(10, 100, 1000))
  t.false(mustWait(100, 5000, 1000))
  const { usage, outcome } = await run(
    { functions: [{ code: op.forever([]) }] },
    { limits: { ...limits, cpuPercent: 20, deadlineMs: 3000 } }
  )
  t.is(outcome, 'deadline')
  // a fifth of three seconds, the burst and two measurements more
  t.true(usage.cpuMs <= 800, `${usage.cpuMs} ms`)
})

test('a run ends with its host, though it looks at nothing', async (t) => {
  const module = buildModule({ functions: [{ code: op.forever([]) }] }).toString('base64')
  const script = `import { runModule } from ${JSON.stringify(new URL('run.ts', import.meta.url).href)}
    await runModule(Buffer.from('${module}', 'base64'), { limits: ${JSON.stringify(limits)}, started: () => console.log('started') })`
  const host = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'ignore'] })
  await once(host.stdout, 'data')
  const children = readFileSync(`/proc/${host.pid}/task/${host.pid}/children`, 'latin1').trim().split(' ')
  t.is(children.length, 1)
  t.true(existsSync(`/proc/${children[0]}`))
  host.kill('SIGKILL')
  for (let tries = 0; tries < 500 && existsSync(`/proc/${children[0]}/exe`); tries++) await pause(10)
  t.false(existsSync(`/proc/${children[0]}/exe`))
})

test('recursion without end is a trap', async (t) => {
  const { outcome, message } = await run({ functions: [{ code: op.call(0) }] })
  t.is(outcome, 'trap')
  t.regex(message!, /stack/)
  t.like(await run({ functions: [{ code: op.unreachable }] }), { outcome: 'trap', code: null })
})

const print: ModuleParts = {
  imports: [imports.fdWrite],
  functions: [
    { code: op.forever([...op.constant(1), ...op.constant(0), ...op.constant(1), ...op.constant(16), ...op.call(0), ...op.drop]) }
  ],
  data: [
    { at: 0, octets: Buffer.from([32, 0, 0, 0, 0, 2, 0, 0]) },
    { at: 32, octets: 'x'.repeat(512) }
  ]
}

test('a flood of output is cut, a flood of host calls ends the run', async (t) => {
  let kept = 0
  const { outcome, usage } = await run(print, {
    limits: { ...limits, logOctets: 10_000, hostCalls: 300 },
    log: (_, octets) => {
      kept += octets.length
    }
  })
  t.is(outcome, 'flood')
  t.deepEqual([kept, usage.logOctets], [10_000, 10_000])
  t.true(usage.logOctetsDropped > 100_000)
})

test('there is no environment, no directory and no credential that was not given', async (t) => {
  const environment = await run({
    imports: [imports.environSizes, imports.exit],
    functions: [
      {
        code: [...op.constant(0), ...op.constant(4), ...op.call(0), ...op.drop, ...op.load(0), ...op.load(4), 0x6a, ...op.call(1)]
      }
    ]
  })
  t.is(environment.code, 0)
  const openPath = [3, 0, 0, 1, 0].flatMap(op.constant)
  const open = await run({
    imports: [imports.pathOpen, imports.exit],
    functions: [
      {
        code: [
          ...openPath,
          ...op.constant64(2),
          ...op.constant64(2),
          ...op.constant(0),
          ...op.constant(64),
          ...op.call(0),
          ...op.call(1)
        ]
      }
    ],
    data: [{ at: 0, octets: '.' }]
  })
  t.is(open.code, 8)
  const credential = await run({
    imports: [imports.credentialOpen, imports.exit],
    functions: [{ code: [...op.constant(0), ...op.constant(4), ...op.constant(64), ...op.call(0), ...op.call(1)] }],
    data: [{ at: 0, octets: 'mail' }]
  })
  t.is(credential.code, 76)
  // memory that is not its own is EFAULT, and the run goes on
  const outside = await run({
    imports: [imports.output, imports.exit],
    functions: [{ code: [...op.constant(65_530), ...op.constant(100), ...op.call(0), ...op.call(1)] }]
  })
  t.is(outside.code, 21)
})

/** Raises the hazard at 0 twice, with what lies at 64 as its summary; exits with the second errno. */
const raising = (hazard: string, summary: string | Uint8Array): ModuleParts => ({
  imports: [imports.raiseHazard, imports.exit],
  functions: [
    {
      code: [
        ...[0, hazard.length, 64, summary.length].flatMap(op.constant),
        ...op.call(0),
        ...op.drop,
        ...[0, hazard.length, 64, summary.length].flatMap(op.constant),
        ...op.call(0),
        ...op.call(1)
      ]
    }
  ],
  data: [
    { at: 0, octets: hazard },
    { at: 64, octets: summary }
  ]
})

test('a hazard reaches the host by name, with a summary that is text of at most 4000 octets', async (t) => {
  const raised: string[] = []
  const raiseHazard = async (hazard: string, summary: string) => {
    raised.push(`${hazard}: ${summary}`)
    return 0
  }
  t.is((await run(raising('safety', 'a valve is stuck'), { raiseHazard })).code, 0)
  t.deepEqual(raised, ['safety: a valve is stuck', 'safety: a valve is stuck'])
  t.is((await run(raising('safety', 'x'.repeat(4001)), { raiseHazard })).code, 22)
  t.is((await run(raising('safety', Buffer.from([0xc3, 0x28])), { raiseHazard })).code, 28)
  t.is((await run(raising('safety', 'nobody listens'))).code, 76)
  t.is(raised.length, 2)
})

/** A process in place of a sandbox's, which says what it likes on the channel. */
function impostor(t: ExecutionContext, script: string): SandboxProcess {
  const child = spawn(process.execPath, ['-e', `const { readSync, writeSync } = require('node:fs')\n${script}`], {
    env: {},
    stdio: ['ignore', 'ignore', 'pipe', 'pipe']
  })
  t.teardown(() => child.kill('SIGKILL'))
  const stream = child.stdio[3] as Duplex
  stream.on('error', () => {})
  return { child, stream, words: child.stderr!, closed: once(child, 'close').then(() => null) }
}
const frame = `
  const frame = (head, body = Buffer.alloc(0)) => {
    const text = Buffer.from(typeof head === 'string' ? head : JSON.stringify(head))
    const lengths = Buffer.alloc(8)
    lengths.writeUInt32LE(text.length, 0)
    lengths.writeUInt32LE(body.length, 4)
    return Buffer.concat([lengths, text, body])
  }
  const ask = (head, body) => {
    writeSync(3, frame(head, body))
    const lengths = Buffer.alloc(8)
    readSync(3, lengths, 0, 8, null)
    const rest = Buffer.alloc(lengths.readUInt32LE(0) + lengths.readUInt32LE(4))
    for (let at = 0; at < rest.length; ) at += readSync(3, rest, at, rest.length - at, null)
    return rest
  }
  const stay = () => setInterval(() => {}, 1000)
`
const idle = buildModule({ functions: [{ code: [] }] })

test('memory outside the module counts too: a process that outgrows its caps is killed', async (t) => {
  const grown = impostor(t, `${frame} ask({ op: 'begin' }); globalThis.kept = Buffer.alloc(400 << 20, 1); stay()`)
  const { outcome, message } = await runModule(idle, { limits, process: grown })
  t.is(outcome, 'memory')
  t.regex(message!, /its process holds \d+ octets/)
})

test('forged questions end the process: unknown, unreadable, too long, two at once, before the answer, and a forged end', async (t) => {
  const cases: [script: string, outcome: Outcome, message: RegExp][] = [
    [`ask({ op: 'constructor' }); stay()`, 'protocol', /what there is not/],
    [`ask({ op: '__proto__' }); stay()`, 'protocol', /what there is not/],
    [`ask({ op: 7 }); stay()`, 'protocol', /cannot be read/],
    [`ask('{"op":'); stay()`, 'protocol', /cannot be read/],
    [`writeSync(3, Buffer.alloc(8, 0xff)); stay()`, 'protocol', /too long/],
    [`writeSync(3, Buffer.concat([frame({ op: 'begin' }), frame({ op: 'started' })])); stay()`, 'protocol', /before the answer/],
    [`ask({ op: 'end', how: 'exit', code: 'none' }); stay()`, 'protocol', /as no sandbox ends/],
    [`ask({ op: 'end', how: 'deadline' }); stay()`, 'protocol', /as no sandbox ends/],
    [`writeSync(3, Buffer.alloc(4)); stay()`, 'deadline', /not done/],
    [`process.exit(0)`, 'crashed', /ended by itself/]
  ]
  for (const [script, outcome, message] of cases) {
    const found = await runModule(idle, {
      limits: { ...limits, deadlineMs: outcome === 'deadline' ? 500 : limits.deadlineMs },
      process: impostor(t, frame + script)
    })
    t.is(found.outcome, outcome, script)
    t.regex(found.message!, message, script)
  }
})

test('a forged question reaches no directory, no credential and no hazard that was not given', async (t) => {
  const answers = impostor(
    t,
    `${frame}
    const said = ['open', 'read', 'write', 'list', 'rename', 'credentialOpen', 'credentialUse', 'raiseHazard'].map((op) => {
      const head = { op, dir: 3, fd: 3, path: '/etc/passwd', toDir: 3, toPath: 'x', length: 10, offset: null, service: 'council', handle: 1, hazard: 'safety' }
      return JSON.parse(ask(head).toString()).errno
    })
    ask({ op: 'output' }, Buffer.from(JSON.stringify(said)))
    ask({ op: 'end', how: 'exit', code: 0 })`
  )
  const { outcome, output } = await runModule(idle, { limits, process: answers })
  t.is(outcome, 'exit')
  t.deepEqual(JSON.parse(output.toString()), [8, 8, 8, 8, 8, 76, 76, 76])
})

test('modules that ask for what there is not are refused before anything is started', (t) => {
  const one = [{ code: [] }]
  const cases: [parts: ModuleParts, code: string][] = [
    [{ functions: one, imports: [{ module: 'env', name: 'system', type: [[], []] }] }, 'chassis.module.import'],
    [{ functions: one, imports: [{ module: 'infrafabric', name: 'constructor', type: [[], []] }] }, 'chassis.module.import'],
    [{ functions: one, tables: [[maxTableEntries + 1]] }, 'chassis.module.large'],
    [{ functions: one, tables: Array.from({ length: 17 }, () => [1] as const) }, 'chassis.module.large'],
    [{ functions: one, memory: [0xffff_ffff] }, 'chassis.module.memory']
  ]
  for (const [parts, code] of cases) t.throws(() => checkModule(buildModule(parts), 16), { code })
  t.throws(() => checkModule(Buffer.from('\0asm\u0002\0\0\0', 'latin1'), 16), { code: 'chassis.module.magic' })
})

test('what only the engine sees ends inside the process', async (t) => {
  t.is((await run({ functions: [{ code: [], locals: 60_000 }] })).outcome, 'invalid')
  t.is((await run({ functions: [{ code: [0x6a] }] })).outcome, 'invalid')
})

test('20,000 damaged modules: each is taken or refused by name', (t) => {
  let random = 1
  const next = (below: number): number => {
    random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0
    return Math.floor((random / 0x1_0000_0000) * below)
  }
  const sound = buildModule({
    imports: [imports.fdWrite, imports.exit],
    memory: [1, 9],
    tables: [[1, 4]],
    functions: [{ code: op.call(1) }]
  })
  let taken = 0
  for (let round = 0; round < 20_000; round++) {
    const damaged = Buffer.from(round % 4 === 0 ? sound.subarray(0, next(sound.length)) : sound)
    if (round % 4 !== 0) for (let flips = 0; flips <= next(4); flips++) damaged[next(damaged.length)]! ^= 1 << next(8)
    try {
      const { octets, maximumPages } = checkModule(damaged, 16)
      t.true(maximumPages <= 16)
      checkModule(octets, maximumPages)
      taken++
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
    }
  }
  t.true(taken > 0)
})

test('a program that a C compiler made: arguments, input, output, a scoped directory', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'chassis-'))
  try {
    await mkdir(join(folder, 'data'))
    await writeFile(join(folder, 'secret'), 'not for sandboxes')
    await writeFile(join(folder, 'data/words'), 'three small words')
    await symlink('../secret', join(folder, 'data/link'))
    await symlink('..', join(folder, 'data/up'))
    const directory = { name: '/data', path: join(folder, 'data'), writable: true }
    const log: string[] = []
    const words = async (args: string[], writable = true) => {
      log.length = 0
      const { outcome, code } = await runModule(program, {
        limits,
        args: ['words', ...args],
        input: Buffer.from('of the input'),
        directories: [{ ...directory, writable }],
        log: (stream, octets) => log.push(`${stream}:${octets}`)
      })
      return [outcome, code, log.join('')]
    }
    t.deepEqual(await words(['/data/words']), ['exit', 0, '1:3 words, 3 of the input\n'])
    t.deepEqual(await words(['/data/words', '/data/new']), ['exit', 0, '1:3 words, 3 of the input\n'])
    t.is(await readFile(join(folder, 'data/new'), 'utf8'), '3\n')
    t.deepEqual((await words(['/data/words', '/data/other'], false)).slice(0, 2), ['exit', 4])
    for (const path of [
      '/data/../secret',
      '/data/link',
      '/data/up/secret',
      '/secret',
      '/etc/passwd',
      '/data/../data/../secret',
      '/data/none'
    ])
      t.deepEqual((await words([path])).slice(0, 2), ['exit', 3], path)
  } finally {
    await rm(folder, { recursive: true })
  }
})
