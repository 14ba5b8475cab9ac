import { commonOptions } from './arguments.ts'
import type { Command } from './command.ts'
import { exitCodeMeanings } from './exit-codes.ts'
import { table } from './table.ts'

const indent = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`)

/** @param called name by which `ifctl` was called */
export function overview(called: string, commands: readonly Command[]): string {
  return [
    `${called}: runs and examines the InfraFabric telephony suite`,
    '',
    'Commands',
    ...indent(table(commands.map((command) => [usage(called, command), command.summary]))),
    '',
    'Every command takes --json and --help. Data goes to stdout, talk to stderr.',
    '',
    'Exit codes',
    ...indent(exitCodeMeanings.map(([code, meaning]) => `${String(code).padStart(3)}  ${meaning}`))
  ].join('\n')
}

export function commandHelp(called: string, command: Command): string {
  const options = [...command.options, ...commonOptions]
  const rows = options.map(({ name, value, summary }) => [`--${name}${value === undefined ? '' : ` ${value}`}`, summary])
  return [`${called} ${usage(called, command)}`, '', command.summary, '', 'Options', ...indent(table(rows))].join('\n')
}

/** Words of a command behind the name by which `ifctl` was called: `if-witness` stands for the first of them. */
function usage(called: string, { words, operands }: Command): string {
  return [...words.slice(called === 'ifctl' ? 0 : 1), ...operands].join(' ')
}
