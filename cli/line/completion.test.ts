import { spawnSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { commands } from '../commands.ts'
import { ifctl, withFolder } from '../testing/run.ts'
import { commonOptions } from './arguments.ts'
import { completionScript, type Shell, shells } from './completion.ts'

/** Lines as they are when Tab is pressed, and all that may come of the last word. */
const cases: readonly [line: string, expected: readonly string[]][] = [
  ['ifctl wit', ['witness']],
  ['ifctl witness tr', ['trace']],
  ['ifctl witness token ', ['add', 'list', 'revoke']],
  ['ifctl witness log --event "two words" --com', ['--component']],
  ['ifctl witness log --payload \'{"a b": 1}\' --tokens-', ['--tokens-in', '--tokens-out']],
  ['ifctl witness trace T --time ', ['local', 'offset', 'utc']],
  ['ifctl witness trace T --time=u', ['utc']],
  ['ifctl witness trace T --time utc --fo', ['--follow']],
  ['ifctl --data /tmp witness tr', ['trace']],
  ['ifctl escalate sa', ['safety']],
  ['ifctl completion ', ['bash', 'fish', 'zsh']],
  ['if-witness quer', ['query']],
  ['if-chassis sandbox list --status r', ['running']],
  ['ifctl witness verify FOLDER/an', ['FOLDER/an entry.zip']],
  ['ifctl witness log --event ', []],
  ['ifctl nonsense --', ['--help', '--json']]
]

/** Has a shell complete the lines. */
type Complete = (script: string, lines: readonly string[], folder: string) => Promise<string[][]>

function ran(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', timeout: 60_000 })
  if (status !== 0) throw new Error(`${command}: ${status}\n${stderr}`)
  return stdout
}

const groupsOf = (text: string): string[][] =>
  text
    .split('== next\n')
    .slice(1)
    .map((part) => part.split('\n').filter((line) => line !== ''))

const completeWith: Readonly<Record<Shell, Complete>> = {
  bash: async (script, lines, folder) => {
    // what readline does: words split at blanks and at the breaks, of which = is one
    const asked = lines.map((line) => {
      const words = (line.match(/(?:'[^']*'|"[^"]*"|[^\s'"=])+|=|(?<=\s)$/g) ?? []).map(
        (word) => `'${word.replaceAll("'", `'\\''`)}'`
      )
      return `COMP_WORDS=(${words.join(' ')}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); COMPREPLY=(); echo '== next'; _ifctl; printf '%s\\n' "\${COMPREPLY[@]}"`
    })
    await writeFile(join(folder, 'ask.bash'), `source ${script}\n${asked.join('\n')}\ntrue\n`)
    return groupsOf(ran('bash', ['--norc', join(folder, 'ask.bash')], folder))
  },
  fish: async (script, lines, folder) => {
    const asked = lines.map(
      (line) =>
        `echo '== next'; complete -C '${line.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}' | string replace -r '\\t.*' ''`
    )
    await writeFile(join(folder, 'ask.fish'), `source ${script}\n${asked.join('\n')}\ntrue\n`)
    return groupsOf(ran('fish', ['--no-config', join(folder, 'ask.fish')], folder))
  },
  // an interactive shell at a pseudo-terminal: its completions are known to nobody else
  zsh: async (script, lines, folder) => {
    const told = join(folder, 'told')
    const begin = [
      'PROMPT=; unsetopt AUTO_LIST; LISTMAX=-1; autoload -U compinit; compinit -u -D',
      `source ${script}`,
      `compadd() { local -a hits; builtin compadd -O hits "$@"; print -rl -- $hits >> ${told}; builtin compadd "$@" }`,
      `next() { print '== next' >> ${told}; BUFFER= }; zle -N next; finish() { exit }; zle -N finish`,
      `bindkey '^I' complete-word '^X' next '^Y' finish; print rea''dy`
    ]
    await writeFile(join(folder, 'begin.zsh'), begin.join('\n'))
    const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
    const drive = [
      'zmodload zsh/zpty; zpty z zsh -f -i',
      `zpty -w z 'source ${join(folder, 'begin.zsh')}'`,
      'while zpty -r z line; do [[ $line == ready* ]] && break; done',
      ...lines.map((line) => `zpty -w -n z $'\\x18'${quoted(line)}$'\\t'`),
      `zpty -w -n z $'\\x19'; while zpty -r z line; do :; done`
    ]
    await writeFile(join(folder, 'drive.zsh'), drive.join('\n'))
    spawnSync('zsh', ['-f', join(folder, 'drive.zsh')], { cwd: folder, timeout: 60_000, env: { ...process.env, TERM: 'dumb' } })
    return groupsOf(await readFile(told, 'utf8'))
  }
}

async function completesCases(t: ExecutionContext, shell: Shell): Promise<void> {
  await withFolder(async (folder) => {
    const script = join(folder, 'script')
    await writeFile(script, completionScript(shell, commands))
    await writeFile(join(folder, 'an entry.zip'), '')
    const lines = cases.map(([line]) => line.replaceAll('FOLDER', folder))
    const found = await completeWith[shell](script, lines, folder)
    for (const [at, [line, expected]] of cases.entries()) {
      const plain = (word: string): string => word.replace(/^--[a-z-]+=/, '').replaceAll('\\', '')
      // zsh completes a path part by part
      const isPart = shell === 'zsh' && line.includes('FOLDER')
      const names = expected.map((word) => (isPart ? word.replace('FOLDER/', '') : word.replaceAll('FOLDER', folder)))
      const told = [...new Set((found[at] ?? []).map(plain))]
      t.deepEqual((isPart ? told.slice(-1) : told).sort(), [...names].sort(), `${shell}: ${line}`)
    }
  })
}

for (const shell of shells) {
  const isThere = spawnSync(shell, ['-c', 'true']).status === 0
  const run = isThere ? test : test.skip
  run(`${shell} completes commands, options, values and files${isThere ? '' : ': not installed'}`, completesCases, shell)
}

test('bash offers at every place exactly what the definitions say', async (t) => {
  await withFolder(async (folder) => {
    const script = join(folder, 'script')
    await writeFile(script, completionScript('bash', commands))
    const lines = commands.flatMap(({ words }) => [`ifctl ${words.join(' ')} --`, `ifctl ${words.slice(0, -1).join(' ')} `])
    const found = await completeWith.bash(
      script,
      lines.map((line) => line.replace('  ', ' ')),
      folder
    )
    for (const [at, { words, options }] of commands.entries()) {
      t.deepEqual(
        found[2 * at],
        [...options, ...commonOptions].map(({ name }) => `--${name}`),
        words.join(' ')
      )
      t.true(found[2 * at + 1]!.includes(words.at(-1)!), words.join(' '))
    }
  })
})

test('the script is told by the command; of another shell, which there are', async (t) => {
  t.is((await ifctl(['completion', 'bash'])).stdout, completionScript('bash', commands))
  const unknown = await ifctl(['completion', 'tcsh'])
  t.is(unknown.code, 2)
  t.regex(unknown.stderr, /expected one of bash, zsh, fish/)
})
