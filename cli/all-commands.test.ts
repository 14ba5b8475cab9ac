/** What holds for every command there is. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import test from 'ava'
import type { Command } from './command.ts'
import { commands } from './commands.ts'
import { examples } from './examples.ts'
import { commonOptions, parseArguments } from './line/arguments.ts'
import { commandHelp, overview } from './line/help.ts'
import { cleanEnvironment, shim } from './testing/run.ts'

const asked = readFileSync(new URL('testdata/commands-asked-for.txt', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')

/** What a command takes beyond the words that were asked for, and why. */
const departures: Readonly<Record<string, string>> = {
  'chassis sandbox start': 'says which sandbox',
  'chassis sandbox stop': 'says which sandbox',
  'chassis sandbox destroy': 'says which sandbox',
  'chassis sandbox logs': 'says which sandbox',
  'chassis resources set': 'says which sandbox: limits belong to one',
  'chassis credentials revoke': 'says which sandbox and which grant'
}

/** The command that these words begin, with those before ` | ` where they name only its end. */
function commandOf(words: readonly string[], before: readonly string[]): Command | undefined {
  for (let count = Math.min(2, before.length); count >= 0; count--) {
    const whole = [...before.slice(0, count), ...words]
    const found = commands
      .filter((each) => each.words.every((word, at) => word === whole[at]))
      .sort((a, b) => b.words.length - a.words.length)[0]
    if (found !== undefined && found.words.length > count) return found
  }
  return undefined
}

/** A command line as it was asked for: `[--status pending|claimed]` with each value, `--swarm <id>` and `--swarm` with one. */
function linesOf(text: string, command: Command): string[][] {
  const parts = text.match(/\[[^\]]+\]|--[a-z-]+(?: <[^>]+>)?|<[^>]+>/g) ?? []
  const needed = parts.filter((part) => !part.startsWith('[')).flatMap((part) => optionOf(part, command)[0]!)
  const optional = parts.filter((part) => part.startsWith('[')).flatMap((part) => optionOf(part.slice(1, -1), command))
  return [needed, ...optional.map((words) => [...needed, ...words])]
}

function optionOf(part: string, { options }: Command): string[][] {
  const [name, value] = part.split(/ (.*)/)
  if (!name!.startsWith('--')) return [['operand']]
  const takesValue = options.some((option) => `--${option.name}` === name && option.value !== undefined)
  if (!takesValue) return [[name!]]
  if (value === undefined || value.startsWith('<')) return [[name!, '1']]
  return value.split('|').map((each) => [name!, each])
}

function refusalOf({ options, operands }: Command, args: readonly string[]): string | null {
  try {
    parseArguments(args, [...options, ...commonOptions], operands)
    return null
  } catch (error) {
    return String(error)
  }
}

test('every command that was asked for is there, word for word, with its options and their values', (t) => {
  const seen = new Set<string>()
  for (const line of asked) {
    const alternatives = line.split(' | ')
    const before = alternatives[0]!.split(' ').filter((word) => /^[a-z0-9]/.test(word))
    for (const alternative of alternatives) {
      const words = alternative.split(' ').filter((_, at, all) => all.slice(0, at + 1).every((each) => /^[a-z0-9]/.test(each)))
      const command = commandOf(words, alternative === alternatives[0] ? [] : before)
      if (command === undefined) {
        t.fail(alternative)
        continue
      }
      const name = command.words.join(' ')
      seen.add(name)
      const more = departures[name] === undefined ? [] : command.operands.map(() => 'operand')
      for (const given of linesOf(alternative, command)) {
        // what was asked for does not name every option that the command cannot do without
        const unnamed = command.options.filter(({ name: option, required }) => required && !given.includes(`--${option}`))
        const needed = unnamed.flatMap(({ name: option, values }) => [`--${option}`, values?.[0] ?? '1'])
        const refused = refusalOf(command, [...more, ...given, ...needed])
        if (refused !== null) t.fail(`${name} ${given.join(' ')}: ${refused}`)
      }
    }
  }
  t.true(seen.size >= 76, `${seen.size}`)
  for (const name of Object.keys(departures)) t.true(seen.has(name), name)
})

const helpOf = (command: Command, columns: number): string =>
  commandHelp('ifctl', command, examples[command.words.join(' ')] ?? [], columns)

test('help shows examples first, every option, and no line longer than the terminal', (t) => {
  for (const columns of [48, 80, 120]) {
    const tooLong: string[] = []
    const pages = [overview('ifctl', commands, columns), ...commands.map((command) => helpOf(command, columns))]
    for (const page of pages) tooLong.push(...page.split('\n').filter((line) => line.length > columns))
    t.deepEqual(tooLong, [])
  }
  for (const command of commands) {
    const page = helpOf(command, 100)
    t.regex(page, /^ifctl .+\n\n(?:.+\n)+\nExamples\n(?: {2}.+\n)+\nOptions\n(?: .+\n)+\nExit codes\n/)
    const told = [...page.matchAll(/^ {2}--([a-z0-9-]+)(?: |$)/gm)].map(([, name]) => name)
    t.deepEqual(
      told,
      [...command.options, ...commonOptions].map(({ name }) => name)
    )
  }
})

test('options of a command differ from each other and from those of all; operands that may be left out come last', (t) => {
  for (const { words, options, operands, paths = [] } of commands) {
    const names = [...options, ...commonOptions].map(({ name }) => name)
    t.is(new Set(names).size, names.length, words.join(' '))
    const optional = operands.findIndex((operand) => operand.startsWith('['))
    if (optional >= 0)
      t.true(
        operands.slice(optional).every((operand) => operand.startsWith('[')),
        words.join(' ')
      )
    for (const path of paths) t.true(operands.includes(path), words.join(' '))
    if (names.includes('follow')) t.true(options.some(({ name, value }) => name === 'follow' && value === undefined))
  }
})

/** At a pseudo-terminal of 60 columns. */
function atTerminal(line: string, env: Readonly<Record<string, string>>): string {
  const { stdout } = spawnSync('script', ['-qec', `stty cols 60; ${process.execPath} ${shim} ${line}`, '/dev/null'], {
    encoding: 'utf8',
    env: { ...cleanEnvironment(env), TERM: 'xterm' },
    timeout: 60_000
  })
  return stdout.replaceAll('\r', '')
}

test('at a terminal: colours, but not with NO_COLOR; tables and help as wide as it', (t) => {
  const list = 'guard registry list --registry plugins/guard/experts.example.yaml'
  const shown = atTerminal(list, {})
  t.regex(shown, /\u001b\[\d+m/)
  t.regex(shown, /…/)
  const plain = atTerminal(list, { NO_COLOR: '1' })
  t.notRegex(plain, /\u001b/)
  t.true(plain.includes('…'))
  for (const line of [plain, atTerminal('witness cosign --help', { NO_COLOR: '1' })].join('\n').split('\n'))
    t.true(line.length <= 60, line)
})
