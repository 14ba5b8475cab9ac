/** What is read is what the installed ava writes: a new one that writes it otherwise fails here. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { filesOf, tellTroubles, troublesIn } from './ava-output.ts'

const modules = fileURLToPath(new URL('../node_modules', import.meta.url))

/** Runs ava in a folder with these test files. @returns what it wrote */
async function ava(t: ExecutionContext, files: Readonly<Record<string, string>>, timeout: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'ava-output-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  symlinkSync(modules, join(folder, 'node_modules'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'ava.config.js'), `export default { workerThreads: false, cache: false, timeout: '${timeout}' }`)
  for (const [name, code] of Object.entries(files)) writeFileSync(join(folder, name), `import test from 'ava'\n${code}`)
  const env = { ...process.env, AVA_FORCE_CI: 'ci', FORCE_COLOR: '1' }
  const child = spawn(process.execPath, [join(modules, 'ava/entrypoints/cli.js')], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'pipe']
  })
  t.teardown(() => void child.kill('SIGKILL'))
  const [written] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return written
}

const good = "test('one that holds', (t) => t.pass())\n"

test('files and errors: an exception, a rejection, a death, tests that fail, none at all', async (t) => {
  const output = await ava(
    t,
    {
      'good.test.js': good,
      'thrown.test.js': `${good}test('waits', () => new Promise(() => setTimeout(() => { throw new RangeError('nobody caught it') }, 50)))`,
      'rejected.test.js': `${good}test('goes on', (t) => { void Promise.reject(new TypeError('nobody waited')); t.pass() })`,
      'killed.test.js': `${good}test('ends', () => process.kill(process.pid, 'SIGKILL'))`,
      'failing.test.js': `${good}test('a failure', (t) => t.is(1, 2))\ntest('a failure with words', (t) => t.true(false, 'told by the test'))`,
      'empty.test.js': ''
    },
    '60s'
  )
  const troubles = troublesIn(output)
  const of = (file: string) => troubles.filter((trouble) => trouble.file === file)
  t.deepEqual(filesOf(troubles, ['failing.test.js']).sort(), [
    'empty.test.js',
    'failing.test.js',
    'killed.test.js',
    'rejected.test.js',
    'thrown.test.js'
  ])
  t.is(of('thrown.test.js')[0]?.title, 'Uncaught exception in thrown.test.js')
  t.regex(of('thrown.test.js')[0]!.text, /RangeError: nobody caught it/)
  t.regex(of('rejected.test.js')[0]!.text, /^Unhandled rejection in rejected\.test\.js[\s\S]*TypeError: nobody waited/)
  t.true(of('killed.test.js').some(({ title }) => title === 'killed.test.js exited due to SIGKILL'))
  t.deepEqual(
    of('failing.test.js').map(({ title }) => title),
    ['failing › a failure', 'failing › a failure with words']
  )
  t.regex(of('failing.test.js')[0]!.text, /Difference[\s\S]*- 1[\s\S]*\+ 2/)
  t.regex(of('failing.test.js')[1]!.text, /told by the test/)
  for (const { text: told } of troubles) t.notRegex(told, /✔/)

  const last = tellTroubles('failed:', troubles).split('\nfailed:\n').at(-1)!
  t.regex(last, /^ {2}Uncaught exception in thrown\.test\.js: RangeError: nobody caught it$/m)
  t.regex(last, /^ {2}failing › a failure \(failing\.test\.js\): Difference/m)
})

test('a file in which nothing moves any more is named, with the tests that were pending', async (t) => {
  const output = await ava(
    t,
    { 'stuck.test.js': "test('for ever', () => new Promise(() => setInterval(() => {}, 1000)))" },
    '10s'
  )
  const troubles = troublesIn(output)
  t.deepEqual(filesOf(troubles, []), ['stuck.test.js'])
  t.regex(troubles[0]!.text, /^1 tests were pending in stuck\.test\.js[\s\S]*for ever/)
})

test('what holds has nothing to tell, and a failure whose details are missing is told by its line', (t) => {
  t.deepEqual(troublesIn('\n  ✔ a › b (2s)\n  ✔ c\n  ─\n\n  2 tests passed\n'), [])
  const title = 'a › b it did not'
  t.deepEqual(troublesIn(`\n  ✘ [fail]: ${title}\n  ✔ c\n`), [{ file: null, title, text: title }])
  const long = troublesIn(`  Uncaught exception in a.test.ts\n\n${'  at x\n'.repeat(500)}  ✔ c\n`)
  t.is(long.length, 1)
  t.true(long[0]!.text.split('\n').length < 100)
})

test('a file that only a stack names, by its whole path, is named from where ava ran', (t) => {
  const lines = [
    '✘ [fail]: a › b › c Error',
    '─',
    '',
    'a › b › c',
    '',
    'Error: x',
    '    at deep (file:///root/a/b.test.ts:46:45)',
    '',
    '─'
  ]
  const troubles = troublesIn(lines.map((line) => `  ${line}`).join('\n'), '/root')
  t.deepEqual(filesOf(troubles, ['a/b.test.ts']), ['a/b.test.ts'])
})
