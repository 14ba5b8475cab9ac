import { commonOptions } from './arguments.ts'
import type { Command } from './command.ts'
import { exitCodeMeanings } from './exit-codes.ts'
import { table } from './table.ts'

const indent = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`)

export function overview(commands: readonly Command[]): string {
  return [
    'ifctl: runs and examines the InfraFabric telephony suite',
    '',
    'Commands',
    ...indent(table(commands.map((command) => [usage(command), command.summary]))),
    '',
    'Every command takes --json and --help. Data goes to stdout, talk to stderr.',
    '',
    'Exit codes',
    ...indent(exitCodeMeanings.map(([code, meaning]) => `${String(code).padStart(3)}  ${meaning}`))
  ].join('\n')
}

export function commandHelp(command: Command): string {
  const options = [...command.options, ...commonOptions]
  const rows = options.map(({ name, value, summary }) => [`--${name}${value === undefined ? '' : ` ${value}`}`, summary])
  return [`ifctl ${usage(command)}`, '', command.summary, '', 'Options', ...indent(table(rows))].join('\n')
}

function usage({ words, operands }: Command): string {
  return [...words, ...operands].join(' ')
}
