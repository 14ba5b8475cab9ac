import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs, { mkdtempSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { runInThisContext } from 'node:vm'
import test from 'ava'
import { commands as definitions } from './commands.ts'
import { main } from './ifctl.ts'
import { completionScript } from './line/completion.ts'
import { cleanEnvironment } from './testing/run.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('..', import.meta.url))
const parts = ['cli', 'ledger', 'gateways/kernel', 'plugins', 'package.json']

/** A copy of the sources with a cache of its own. */
async function copyOfSources(folder: string): Promise<void> {
  const isSource = (path: string): boolean => !/\/(?:testing|testdata)(?:\/|$)|\.test\.ts$/.test(path)
  for (const part of parts) await cp(join(root, part), join(folder, part), { recursive: true, filter: isSource })
  await mkdir(join(folder, 'node_modules'))
  for (const name of await readdir(join(root, 'node_modules')))
    if (name !== '.cache') await symlink(join(root, 'node_modules', name), join(folder, 'node_modules', name))
}

const folder = mkdtempSync(join(tmpdir(), 'ifctl-bundle-'))
const cache = join(folder, 'node_modules/.cache/ifctl')

const node = (script: string, ...words: string[]) =>
  run(process.execPath, [join(folder, script), ...words], { env: cleanEnvironment(), cwd: folder }).catch((error) => error)

test.before(async () => {
  await copyOfSources(folder)
  await node('cli/bundle.ts', 'ifctl')
})
test.after.always(() => rm(folder, { recursive: true, force: true }))

/** Makes a bundle say that it is used. */
async function tells(file: string): Promise<void> {
  await writeFile(file, `console.error('from the bundle');${await readFile(file, 'utf8')}`)
}

type Main = (argv: readonly string[], called: string, loaded?: () => Promise<void>) => Promise<void>

/** What a line writes to stdout and stderr, and its exit code; `columns` of the terminal, none where it is undefined. */
async function told(start: Main, line: readonly string[], columns: number | undefined): Promise<string> {
  const { writeSync, fstatSync } = fs
  const { exit, exitCode } = process
  const isTTY = Object.getOwnPropertyDescriptor(process.stdout, 'isTTY')
  const terminalColumns = Object.getOwnPropertyDescriptor(process.stdout, 'columns')
  const written: string[] = []
  const write = (fd: number, octets: Uint8Array): number => {
    written.push(`${fd}: ${Buffer.from(octets)}`)
    return octets.length
  }
  const terminal = { rdev: columns === undefined ? 0 : 136 << 8 }
  Object.assign(fs, { writeSync: write, fstatSync: () => terminal })
  syncBuiltinESMExports()
  process.exit = (() => undefined) as unknown as typeof process.exit
  Object.defineProperty(process.stdout, 'isTTY', { value: columns !== undefined, configurable: true })
  Object.defineProperty(process.stdout, 'columns', { value: columns, configurable: true })
  try {
    const called = line[0] === 'witness' ? 'if-witness' : 'ifctl'
    await start(line, called)
    return `${written.join('')}${process.exitCode}`
  } finally {
    Object.assign(fs, { writeSync, fstatSync })
    syncBuiltinESMExports()
    process.exit = exit
    process.exitCode = exitCode
    for (const [name, property] of Object.entries({ isTTY, columns: terminalColumns }))
      if (property === undefined) Reflect.deleteProperty(process.stdout, name)
      else Object.defineProperty(process.stdout, name, property)
  }
}

test.serial('the general bundle tells of every command, group and mistake what the sources tell, at any width', async (t) => {
  const text = await readFile(join(cache, 'ifctl.cjs'), 'utf8')
  const bundle = { exports: {} as { main: Main } }
  runInThisContext(text)(bundle.exports, createRequire(import.meta.url), bundle)
  const left: string[] = []
  const bundled: Main = (line, called) => bundle.exports.main(line, called, async () => void left.push(line.join(' ')))

  const groups = [...new Set(definitions.flatMap(({ words }) => words.map((_, depth) => words.slice(0, depth).join(' '))))]
  const helps = [...definitions.map(({ words }) => words), ...groups.map((group) => group.split(' ').filter(Boolean))]
  for (const words of helps)
    for (const columns of [undefined, 20, 60, 80, 100, 133]) {
      const line = ['help', ...words]
      t.is(await told(bundled, line, columns), await told(main, line, columns), `${line.join(' ')} at ${columns}`)
    }
  const narrow = (await told(bundled, ['help'], 60)).split('\n')
  t.true(narrow.every((line) => line.replace(/^1: /, '').length <= 60))
  t.true(narrow.length > (await told(bundled, ['help'], 133)).split('\n').length)

  const mistakes = definitions.flatMap(({ words, options, operands }) => [
    [...words, '--nonsense'],
    [...words, ...operands, ...options.slice(0, 1).map(({ name }) => `--${name.slice(1)}`)],
    [...words, ...operands, 'one', 'more'],
    [...words.slice(0, -1), [...words.at(-1)!].reverse().join('')],
    [...words.slice(0, -1), `${words.at(-1)}x`, '--json'],
    ['help', ...words, 'more']
  ])
  const others = [...mistakes, ['--version'], ['version', '--json'], []]
  for (const line of others) {
    const heard = await told(bundled, line, undefined)
    if (!left.includes(line.join(' '))) t.is(heard, await told(main, line, undefined), line.join(' '))
  }
  t.true(left.length < others.length / 10, left.join('\n'))
})

/** What a line writes to a pipe that is full, does not block, and is emptied little by little. */
async function throughFullPipe(...words: string[]): Promise<string> {
  const path = join(folder, 'pipe')
  await run('mkfifo', [path])
  const pipe = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_NONBLOCK)
  const octets = Buffer.alloc(4096)
  let filled = 0
  const parts: Buffer[] = []
  const readSome = (): number => {
    try {
      const size = fs.readSync(pipe, octets)
      parts.push(Buffer.from(octets.subarray(0, size)))
      return size
    } catch {
      return 0
    }
  }
  try {
    for (;;) filled += fs.writeSync(pipe, octets)
  } catch {
    // full
  }
  // descriptors 0 to 2 are made to block when a process is started
  const line = ['-c', 'exec "$@" >&3', 'sh', process.execPath, join(folder, 'cli/ifctl.cjs'), ...words]
  const child = spawn('sh', line, { env: cleanEnvironment(), stdio: ['ignore', 'ignore', 'ignore', pipe] })
  try {
    const ended = once(child, 'close')
    while (child.exitCode === null && child.signalCode === null) {
      readSome()
      await pause(1)
    }
    await ended
    while (readSome() > 0);
  } finally {
    child.kill()
    fs.closeSync(pipe)
  }
  return Buffer.concat(parts).subarray(filled).toString()
}

test.serial('help and mistakes are told by the general bundle; a command without a bundle runs from its sources', async (t) => {
  await tells(join(cache, 'ifctl.cjs'))
  const help = await node('cli/ifctl.cjs', 'help', 'coordinator', 'stats')
  t.regex(help.stderr, /^from the bundle/)
  t.regex(help.stdout, /^ifctl coordinator stats\n/)
  const mistaken = await node('cli/ifctl.cjs', 'coordniator', 'stats')
  t.regex(mistaken.stderr, /^from the bundle\nifctl: unknown command coordniator\n.*did you mean coordinator\?/)
  t.is(mistaken.code, 2)
  const missing = await node('cli/ifctl.cjs', 'guard', 'explain')
  t.regex(missing.stderr, /^from the bundle\nifctl: <trace-or-call-id> is missing/)
  const explained = await node('cli/ifctl.cjs', 'guard', 'explain', 'x', '--ledger', folder)
  t.regex(explained.stderr, /^from the bundle\nifctl: there is no ledger/)
  t.is(explained.code, 1)
  const claimed = await node('cli/ifctl.cjs', 'coordinator', 'tasks', 'status')
  t.regex(claimed.stderr, /^from the bundle\nifctl: <task> is missing/)

  const made = await node('cli/ifctl.cjs', 'completion', 'bash')
  t.regex((await node('cli/bundle.ts', 'completion')).stderr, /1 commands bundled/)
  await tells(join(cache, 'completion.cjs'))
  const kept = await node('cli/ifctl.cjs', 'completion', 'bash')
  t.regex(kept.stderr, /^from the bundle/)
  t.is(kept.stdout, made.stdout)
  t.is(await throughFullPipe('completion', 'zsh'), completionScript('zsh', definitions))
  const inside = (name: string): Promise<string> => readFile(join(cache, `${name}.cjs`), 'utf8')
  t.notRegex(
    await inside('completion'),
    /compdef|Every command takes|package\.json/,
    'scripts and version are made, help is told elsewhere'
  )
  t.notRegex(await inside('ifctl'), /package\.json/)
  const governor = join(folder, 'cli/definitions/governor.ts')
  await writeFile(governor, (await readFile(governor, 'utf8')).replaceAll(`'recommendations'`, `'advice'`))
  t.regex((await node('cli/ifctl.cjs', 'completion', 'bash')).stdout, /\badvice\b/, 'made anew of the definitions')
  t.regex((await node('cli/ifctl.cjs', 'help', 'governor', 'advice')).stdout, /^ifctl governor advice/)
})

test.serial('a command runs from its bundle until one of its sources changes, and from the sources then', async (t) => {
  const query = () => node('cli/ifctl.cjs', 'witness', 'query', '--ledger', folder)
  const bundleAnew = async () => {
    const { stderr } = await node('cli/bundle.ts', 'witness-query')
    if (stderr !== '') await tells(join(cache, 'witness-query.cjs'))
    return stderr
  }

  t.regex((await query()).stderr, /^ifctl: there is no ledger/)
  t.regex(await bundleAnew(), /1 commands bundled/)
  t.is(await bundleAnew(), '')
  t.regex((await query()).stderr, /^from the bundle\nifctl: there is no ledger/)

  const source = join(folder, 'cli/subjects/ledger.ts')
  await writeFile(source, (await readFile(source, 'utf8')).replace('there is no ledger in', 'no ledger lies there:'))
  t.regex((await query()).stderr, /^ifctl: no ledger lies there:/)
  t.regex(await bundleAnew(), /1 commands bundled/)
  t.regex((await query()).stderr, /^from the bundle\nifctl: no ledger lies there:/)

  await writeFile(source, await readFile(source, 'utf8'))
  t.regex((await query()).stderr, /^ifctl: /, 'written anew with the same octets: not known to be the same')
  t.regex(await bundleAnew(), /1 commands bundled/)

  // a log in Redis is opened by what is not in the bundle
  await writeFile(join(folder, 'vkey'), 'test.example/log+00000000+AA==\n')
  await writeFile(join(folder, 'store.json'), JSON.stringify({ kind: 'redis', url: 'redis://127.0.0.1:1', answerWithinMs: 200 }))
  const lost = await query()
  t.regex(lost.stderr, /^from the bundle\nifctl: .* cannot be read/)
  t.is(lost.code, 1)
})

test.serial('a copy of a checkout runs its own sources, not the bundles that were made of the first', async (t) => {
  const copy = mkdtempSync(join(tmpdir(), 'ifctl-copy-'))
  t.teardown(() => rm(copy, { recursive: true, force: true }))
  await cp(join(folder, 'cli'), join(copy, 'cli'), { recursive: true })
  await cp(cache, join(copy, 'node_modules/.cache/ifctl'), { recursive: true })
  for (const part of ['ledger', 'gateways', 'plugins', 'package.json']) await symlink(join(folder, part), join(copy, part))
  const bundle = join(copy, 'node_modules/.cache/ifctl/ifctl.cjs')
  await tells(bundle)
  const { stdout, stderr } = await run(process.execPath, [join(copy, 'cli/ifctl.cjs'), '--help'], { env: cleanEnvironment() })
  t.regex(stdout, /^ifctl: runs and examines/)
  t.is(stderr, '')
})

const isCompiled = fs.existsSync(join(root, 'ledger/build/compiled.node'))
const isCommandCompiled = fs.existsSync(join(root, 'cli/build/compiled.node'))

;(isCompiled ? test.serial : test.serial.skip)('an entry is logged and looked up without node:crypto', async (t) => {
  await node('cli/bundle.ts', 'witness-log', 'witness-query')
  const kept = (await readdir(cache)).filter((file) => /^witness-log\.\w+(\.quick)?\.v8$/.test(file))
  t.is(kept.length, 2, 'rehearsals have kept what V8 compiled')
  const tellsLoaded = join(folder, 'tells-loaded.cjs')
  await writeFile(tellsLoaded, `process.on('exit', () => console.error(process.moduleLoadList.join('\\n')))`)
  const loaded = async (...words: string[]): Promise<string[]> => {
    const line = ['--require', tellsLoaded, join(folder, 'cli/ifctl.cjs'), 'witness', ...words, '--data', folder]
    const { stderr } = await run(process.execPath, line, { env: cleanEnvironment() })
    return stderr.split('\n')
  }
  await loaded('log', '--create', '--event', 'first', '--component', 'IF.test')
  for (const words of [['log', '--event', 'second', '--component', 'IF.test'], ['query']]) {
    const modules = await loaded(...words)
    t.true(modules.includes('NativeModule sqlite'), modules.join(' '))
    t.false(modules.includes('NativeModule crypto'))
  }
})

test.serial('bundles are ASCII, of which a character is an octet', async (t) => {
  await node('cli/bundle.ts', 'witness-log')
  t.regex(await readFile(join(cache, 'witness-log.cjs'), 'utf8'), /^[\0-\x7f]+$/)
})

;(isCommandCompiled ? test.serial : test.serial.skip)(
  'by JavaScript it is seen as by what was compiled whether a source has changed',
  async (t) => {
    const source = join(folder, 'cli/commands/witness/query.ts')
    const query = async () => (await node('cli/ifctl.cjs', 'witness', 'query', '--ledger', folder)).stderr
    for (const way of ['compiled', 'JavaScript']) {
      if (way === 'JavaScript') await rm(join(folder, 'cli/build'), { recursive: true })
      await writeFile(source, await readFile(source, 'utf8'))
      t.notRegex(await query(), /^from the bundle/, way)
      await node('cli/bundle.ts', 'witness-query')
      await tells(join(cache, 'witness-query.cjs'))
      t.regex(await query(), /^from the bundle/, way)
      await rename(source, `${source}.away`)
      t.notRegex(await query(), /^from the bundle/, way)
      await rename(`${source}.away`, source)
    }
  }
)

test('short commands over a ledger are started quickly, whatever serves others as Node starts', async (t) => {
  const bin = join(mkdtempSync(join(tmpdir(), 'ifctl-bin-')), 'node_modules/.bin')
  t.teardown(() => rm(join(bin, '../..'), { recursive: true, force: true }))
  await mkdir(bin, { recursive: true })
  await writeFile(join(bin, 'node'), '#!/bin/sh\necho "$1"\n', { mode: 0o755 })
  for (const name of ['ifctl', 'if-witness']) await symlink(fileURLToPath(new URL('ifctl.cjs', import.meta.url)), join(bin, name))
  const quick = '--no-rehash-snapshot\n'
  for (const [line, first] of [
    ['ifctl witness log --event x', quick],
    ['ifctl witness query', quick],
    ['if-witness trace t', quick],
    ['ifctl witness serve', `${bin}/ifctl\n`],
    ['ifctl witness verify log', `${bin}/ifctl\n`],
    ['if-witness logs', `${bin}/if-witness\n`],
    ['ifctl up', `${bin}/ifctl\n`],
    ['ifctl', `${bin}/ifctl\n`]
  ] as const) {
    const [name, ...words] = line.split(' ')
    t.is((await run(join(bin, name!), words)).stdout, first, line)
  }
})
