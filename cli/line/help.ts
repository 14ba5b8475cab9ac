import type { Command } from '../command.ts'
import type { Example } from '../examples.ts'
import { definitions, wrap } from '../show/wrap.ts'
import { commonOptions } from './arguments.ts'
import { exitCodeMeanings, exitCodesOf } from './exit-codes.ts'

type Rows = readonly (readonly [name: string, meaning: string])[]

/** Columns at which a terminal still shows a line whole. */
const inset = 2
const indented = (rows: Rows, columns: number): string[] =>
  definitions(rows, columns - inset).map((line) => `${' '.repeat(inset)}${line}`)

/**
 * What `help` shows of a group of commands, or of all.
 *
 * @param called name by which `ifctl` was called
 * @param columns of the terminal
 */
export function overview(called: string, commands: readonly Command[], columns: number): string {
  return [
    ...wrap(`${called}: runs and examines the InfraFabric telephony suite`, columns),
    '',
    'Commands',
    ...indented(
      commands.map((command) => [usage(called, command), command.summary]),
      columns
    ),
    '',
    ...wrap('Every command takes --json and --help. Data goes to stdout, talk to stderr.', columns),
    '',
    'Exit codes',
    ...indented(
      exitCodeMeanings.map(([code, meaning]) => [String(code).padStart(3), meaning]),
      columns
    )
  ].join('\n')
}

/** What `--help` shows of one command: its examples first. */
export function commandHelp(called: string, command: Command, examples: readonly Example[], columns: number): string {
  const options: Rows = [...command.options, ...commonOptions].map(({ name, value, summary, values, required }) => {
    const among = values === undefined || values.every((each) => summary.includes(each)) ? '' : `; one of ${values.join(', ')}`
    return [`--${name}${value === undefined ? '' : ` ${value}`}`, `${required ? 'needed: ' : ''}${summary}${among}`]
  })
  const lines = examples.flatMap((example) => exampleLines(called, command, example, columns))
  return [
    ...wrap(`${called} ${usage(called, command)}`, columns),
    '',
    ...wrap(command.summary, columns),
    '',
    ...(lines.length === 0 ? [] : ['Examples', ...lines, '']),
    'Options',
    ...indented(options, columns),
    '',
    'Exit codes',
    ...indented(
      exitCodesOf(command.words).map(([code, meaning]) => [String(code).padStart(3), meaning]),
      columns
    )
  ].join('\n')
}

/** An example that can be pasted: lines that are too long go on behind a backslash. */
function exampleLines(called: string, { words }: Command, { line, note }: Example, columns: number): string[] {
  const own = called === 'ifctl' ? line : line.replace(`ifctl ${words[0]}`, called)
  const whole = `${' '.repeat(inset)}${own}${note === undefined ? '' : `  # ${note}`}`
  if (whole.length <= columns) return [whole]
  const remark = note === undefined ? [] : wrap(note, columns - 2 * inset).map((text) => `${' '.repeat(inset)}# ${text}`)
  return [
    ...remark,
    ...brokenLine(own, columns - 2 * inset - 2).map((text, at) => ' '.repeat(at === 0 ? inset : 2 * inset) + text)
  ]
}

/** Breaks a command line between words, quoted ones left whole. */
function brokenLine(line: string, columns: number): string[] {
  const lines: string[] = []
  let current = ''
  for (const word of line.match(/(?:'[^']*'|[^\s'])+/g) ?? []) {
    if (current !== '' && current.length + 1 + word.length > columns) {
      lines.push(`${current} \\`)
      current = ''
    }
    current = current === '' ? word : `${current} ${word}`
  }
  return [...lines, current]
}

/** Words of a command behind the name by which `ifctl` was called: `if-witness` stands for the first of them. */
export function usage(called: string, { words, operands }: Command): string {
  return [...words.slice(called === 'ifctl' ? 0 : 1), ...operands].join(' ')
}
