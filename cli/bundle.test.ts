import { execFile } from 'node:child_process'
import { appendFile, cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { cleanEnvironment, withFolder } from './testing/run.ts'

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

test('a command runs from its bundle until one of its sources changes, and from the sources then', async (t) => {
  await withFolder(async (folder) => {
    await copyOfSources(folder)
    const node = (script: string, ...words: string[]) =>
      run(process.execPath, [join(folder, script), ...words], { env: cleanEnvironment(), cwd: folder }).catch((error) => error)
    const query = () => node('cli/ifctl.cjs', 'witness', 'query', '--ledger', folder)
    const cache = join(folder, 'node_modules/.cache/ifctl')
    const bundleAnew = async () => {
      const { stderr } = await node('cli/bundle.ts', 'witness-query')
      if (stderr !== '') await appendFile(join(cache, 'witness-query.cjs'), `\nconsole.error('from the bundle')`)
      return stderr
    }

    t.regex((await query()).stderr, /^ifctl: there is no ledger/)
    t.regex(await bundleAnew(), /1 commands bundled/)
    t.is(await bundleAnew(), '')
    t.regex((await query()).stderr, /^from the bundle\nifctl: there is no ledger/)

    const source = join(folder, 'cli/ledger.ts')
    await writeFile(source, (await readFile(source, 'utf8')).replace('there is no ledger in', 'no ledger lies there:'))
    t.regex((await query()).stderr, /^ifctl: no ledger lies there:/)
    t.regex(await bundleAnew(), /1 commands bundled/)
    t.regex((await query()).stderr, /^from the bundle\nifctl: no ledger lies there:/)

    await writeFile(source, await readFile(source, 'utf8'))
    t.regex((await query()).stderr, /^ifctl: /, 'written anew with the same octets: not known to be the same')
    t.regex(await bundleAnew(), /1 commands bundled/)

    // a log in Redis is opened by what is not in the bundle
    await writeFile(join(folder, 'vkey'), 'test.example/log+00000000+AA==\n')
    await writeFile(
      join(folder, 'store.json'),
      JSON.stringify({ kind: 'redis', url: 'redis://127.0.0.1:1', answerWithinMs: 200 })
    )
    const lost = await query()
    t.regex(lost.stderr, /^from the bundle\nifctl: .* cannot be read/)
    t.is(lost.code, 1)
  })
})

test('help and mistakes are told by the general bundle; a command without a bundle runs from its sources', async (t) => {
  await withFolder(async (folder) => {
    await copyOfSources(folder)
    const node = (script: string, ...words: string[]) =>
      run(process.execPath, [join(folder, script), ...words], { env: cleanEnvironment(), cwd: folder }).catch((error) => error)
    const cache = join(folder, 'node_modules/.cache/ifctl')
    t.regex((await node('cli/bundle.ts', 'ifctl')).stderr, /1 commands bundled/)
    await appendFile(join(cache, 'ifctl.cjs'), `\nconsole.error('from the bundle')`)
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
    t.regex(claimed.stderr, /^ifctl: <task> is missing/)

    const made = await node('cli/ifctl.cjs', 'completion', 'bash')
    t.regex((await node('cli/bundle.ts', 'completion')).stderr, /1 commands bundled/)
    await appendFile(join(cache, 'completion.cjs'), `\nconsole.error('from the bundle')`)
    const kept = await node('cli/ifctl.cjs', 'completion', 'bash')
    t.regex(kept.stderr, /^from the bundle/)
    t.is(kept.stdout, made.stdout)
    const commands = join(folder, 'cli/governor-commands.ts')
    await writeFile(commands, (await readFile(commands, 'utf8')).replaceAll(`'recommendations'`, `'advice'`))
    t.regex((await node('cli/ifctl.cjs', 'completion', 'bash')).stdout, /\badvice\b/, 'made anew of the definitions')
  })
})
