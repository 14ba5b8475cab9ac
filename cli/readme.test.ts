import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { commands } from './commands.ts'
import { commonOptions } from './line/arguments.ts'
import { prepareFolder } from './testing/example-folder.ts'
import { cleanEnvironment, shim, withFolder } from './testing/run.ts'

const run = promisify(execFile)
const readme = readFileSync(new URL('README.md', import.meta.url), 'utf8')
const examples = /```sh\n([\s\S]*?)```/
  .exec(readme)![1]!
  .replace(/\\\n\s*/g, '')
  .split('\n')
  .map((line) => line.replace(/\s+# .*$/, ''))
  .filter((line) => line !== '')

/** They go on until they are told to stop; what they do is tested elsewhere. */
const goesOn = (line: string): boolean => /^ifctl (?:up|edge|sip-server|witness serve)\b|--serve\b|--follow\b/.test(line)

/** They ask a suite that runs, or the network; that is tested in h323-suite.test.ts and ndi-commands.test.ts. */
const asksSuite = (line: string): boolean =>
  /^ifctl (?:escalate|ndi|council|conference|h323 (?:dial|endpoints|calls|conference))\b/.test(line)

test('every example names a command there is, with options it has', (t) => {
  t.true(examples.length > 20)
  for (const line of examples) {
    const words = line.slice('ifctl '.length).split(' ')
    const command = commands
      .filter((each) => each.words.every((word, at) => word === words[at]))
      .sort((a, b) => b.words.length - a.words.length)[0]
    t.truthy(command, line)
    for (const [, name] of line.split(/&&|\|\|/)[0]!.matchAll(/ --([a-z-]+)/g))
      t.true(
        [...command!.options, ...commonOptions].some((option) => option.name === name),
        `${line}: --${name}`
      )
  }
})

test('the examples that end by themselves do what they say', async (t) => {
  await withFolder(async (folder) => {
    await prepareFolder(folder)
    await mkdir(join(folder, 'bin'))
    await symlink(shim, join(folder, 'bin/ifctl'))
    const path = `${join(folder, 'bin')}:${join(process.execPath, '..')}:${process.env.PATH}`
    for (const line of examples.filter((each) => !goesOn(each) && !asksSuite(each))) {
      const ended = await run('bash', ['-c', line], { cwd: folder, env: cleanEnvironment({ PATH: path }) }).catch(
        (error) => error
      )
      t.is(ended.code ?? 0, 0, `${line}\n${ended.stdout}${ended.stderr}`)
      if (line.includes('alerts')) t.regex(ended.stdout, /^notice {3}month[\s\S]*spent, or more: 20\n$/)
      else if (line.includes('||')) t.notRegex(ended.stdout, /exit code/)
    }
  })
})
