import { execFile, spawn } from 'node:child_process'
import { readFile, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { commands } from './commands.ts'
import { cleanEnvironment, finished, ifctl, shim, withFolder } from './testing/run.ts'

const run = promisify(execFile)

test('--version says the version of the package', async (t) => {
  const { version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'))
  t.deepEqual(await ifctl(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' })
  t.deepEqual(JSON.parse((await ifctl(['--version', '--json'])).stdout), { version })
})

test('the command works through a symbolic link, as npm installs it', async (t) => {
  await withFolder(async (folder) => {
    const link = join(folder, 'ifctl')
    await symlink(shim, link)
    const path = `${join(process.execPath, '..')}:${process.env.PATH}`
    const { stdout } = await run(link, ['--version'], { env: cleanEnvironment({ PATH: path }), cwd: folder })
    t.regex(stdout, /^\d+\.\d+\.\d+\n$/)
  })
})

test('if-witness and if-optimise are the commands of their group, and say so', async (t) => {
  await withFolder(async (folder) => {
    const called = async (name: string, ...words: string[]) => {
      await symlink(shim, join(folder, name)).catch(() => undefined)
      const child = spawn(join(folder, name), words, { env: cleanEnvironment(), cwd: folder })
      child.stdin.end()
      return finished(child)
    }
    const [whole, one, asked, version, rates, mistaken, none, absent] = await Promise.all([
      called('if-witness', '--help'),
      called('if-witness', 'query', '--help'),
      called('if-witness', 'help', 'token', 'add'),
      called('if-witness', '--version'),
      called('if-optimise', 'rates', '--json'),
      called('if-witness', 'qurey'),
      called('if-optimise'),
      called('if-witness', 'query')
    ])
    t.regex(whole.stdout, /^if-witness: [\s\S]*^ {2}query {2,}entries/m)
    t.false(whole.stdout.includes('optimise rates'))
    t.regex(one.stdout, /^if-witness query\n/)
    t.regex(asked.stdout, /^if-witness token add <name>\n/)
    t.regex(version.stdout, /^\d+\.\d+\.\d+\n$/)
    t.is(rates.code, 0)
    t.is(rates.stdout.trim().split('\n').length, 4)
    t.is(mistaken.code, 2)
    t.regex(mistaken.stderr, /^if-witness: unknown command qurey\n {2}did you mean query\?/)
    t.regex(none.stderr, /^if-optimise: no command; if-optimise help tells of report, budget/)
    t.is(absent.code, 1)
    t.regex(absent.stderr, /^if-witness: there is no ledger/)
  })
})

test('the floor of a conference is asked for by its H.323 name, too', async (t) => {
  const [former, own, mistaken, missing] = await Promise.all([
    ifctl(['h323', 'conference', 'mute', '--help']),
    ifctl(['h323', 'conference', 'invite', '--help']),
    ifctl(['h323', 'conference', 'mute', 'council']),
    ifctl(['h323', 'conference', 'muet'])
  ])
  t.regex(former.stdout, /^ifctl conference mute <conference> <participant>\n/)
  t.regex(own.stdout, /^ifctl h323 conference invite <conference> <alias>\n/)
  t.deepEqual([mistaken.code, missing.code], [2, 2])
  t.regex(mistaken.stderr, /<participant>/)
  t.regex(missing.stderr, /unknown command h323 conference muet/)
})

test('if is the command too: for programs by its name, in shells where it is not the first word as it stands', async (t) => {
  await withFolder(async (folder) => {
    await symlink(shim, join(folder, 'if'))
    const env = cleanEnvironment({ PATH: `${folder}:${join(process.execPath, '..')}:${process.env.PATH}` })
    const { stdout } = await run('if', ['--version'], { env, cwd: folder })
    for (const line of ['\\if --version', "'if' --version", 'command if --version', 'env if --version'])
      for (const shell of ['bash', 'sh']) t.is((await run(shell, ['-c', line], { env })).stdout, stdout, `${shell}: ${line}`)
    t.regex((await run('env', ['if', 'witness', 'query', '--help'], { env })).stdout, /^ifctl witness query\n/)
    const bare = await t.throwsAsync(run('bash', ['-c', 'if --version'], { env }))
    t.regex(bare!.message, /syntax error/)
  })
})

test('help names every command and every exit code, on stdout', async (t) => {
  for (const args of [['help'], ['--help']]) {
    const { code, stdout, stderr } = await ifctl(args)
    t.is(code, 0)
    t.is(stderr, '')
    for (const { words } of commands) t.true(stdout.includes(words.join(' ')), words.join(' '))
    for (const exit of [0, 1, 2, 10, 11, 12, 13, 14, 15, 20, 21, 22, 130]) t.regex(stdout, new RegExp(`^ +${exit}  `, 'm'))
  }
})

test('a command has help of its own, asked for before or behind its words, and a group lists its commands', async (t) => {
  const [behind, before, group] = await Promise.all([
    ifctl(['guard', 'explain', '--help']),
    ifctl(['help', 'guard', 'explain']),
    ifctl(['guard', '--help'])
  ])
  t.deepEqual(behind, before)
  t.is(behind.code, 0)
  t.regex(behind.stdout, /^ifctl guard explain <trace-or-call-id>\n/)
  t.regex(group.stdout, /guard explain[\s\S]*guard sign/)
})

const mistakes: readonly { args: readonly string[]; says: RegExp }[] = [
  { args: [], says: /no command; ifctl help tells of up, edge, sip-server, .*guard/ },
  { args: ['gaurd'], says: /unknown command gaurd\n.*did you mean guard\?/ },
  { args: ['guard'], says: /guard needs one of: explain, replay, policy, registry/ },
  { args: ['guard', 'exlpain', 'x'], says: /did you mean guard explain\?/ },
  { args: ['guard', 'zzz'], says: /unknown command guard zzz\n.*there are: explain/ },
  { args: ['help', 'nothing'], says: /unknown command nothing/ },
  { args: ['guard', 'explain'], says: /<trace-or-call-id> is missing/ },
  { args: ['guard', 'explain', 'a', 'b'], says: /unexpected "b"/ },
  { args: ['guard', 'explain', 'a', '--dta', 'x'], says: /unknown option --dta\n.*did you mean --data\?/ },
  { args: ['guard', 'explain', 'a', '--data'], says: /--data needs a value: --data DIR/ },
  { args: ['guard', 'explain', 'a', '--data', '--json'], says: /needs a value/ },
  { args: ['guard', 'explain', 'a', '--data=x', '--data=y'], says: /--data is given twice/ },
  { args: ['guard', 'explain', 'a', '--json=1'], says: /--json takes no value/ },
  { args: ['guard', 'explain', 'a', '-x'], says: /unknown option -x/ },
  { args: ['guard', 'sign', '--from', 'x'], says: /--key, --to, --call-id are missing/ }
]
for (const { args, says } of mistakes) {
  test(`usage error: ifctl ${args.join(' ')}`, async (t) => {
    const { code, stdout, stderr } = await ifctl(args)
    t.is(code, 2)
    t.regex(args.includes('--json') ? '' : stdout, /^$/)
    t.regex(stderr, says)
  })
}

test('with --json errors are JSON on stderr', async (t) => {
  const { code, stdout, stderr } = await ifctl(['gaurd', '--json'])
  t.is(code, 2)
  t.is(stdout, '')
  t.deepEqual(JSON.parse(stderr), { error: { code: 'cli.usage', message: 'unknown command gaurd', hint: 'did you mean guard?' } })
})

test('no colours and no warnings where the output is no terminal', async (t) => {
  const { stdout, stderr } = await ifctl(['guard', 'registry', 'list', '--registry', 'plugins/guard/experts.example.yaml'])
  t.false(`${stdout}${stderr}`.includes('\u001b'))
  t.is(stderr, '')
})

test('a reader that goes away ends the command quietly', async (t) => {
  const line = `exec "$0" "$1" help | head -n 1; echo "\${PIPESTATUS[0]}" >&2`
  const { stdout, stderr } = await run('bash', ['-c', line, process.execPath, shim], { env: cleanEnvironment() })
  t.regex(stdout, /^ifctl: /)
  t.is(stderr, '0\n')
})
