/**
 * Writes docs/cli.md, which is made of the definitions of the commands.
 *
 *     npm run docs:cli
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Command, Effect } from './command.ts'
import { commands } from './commands.ts'
import { type Example, examples } from './examples.ts'
import { commonOptions, type Option } from './line/arguments.ts'
import { exitCodeMeanings, exitCodesOf } from './line/exit-codes.ts'
import { usage } from './line/help.ts'
import { toolCommands } from './mcp/tools.ts'

export const docsPath: string = fileURLToPath(new URL('../docs/cli.md', import.meta.url))

const effects: Readonly<Record<Effect, string>> = {
  reads: 'Changes nothing.',
  safe: 'Adds something, and changes or ends nothing that is there.',
  changes: ''
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;')

function optionRow({ name, value, summary, values, required, forAgents }: Option): string {
  const among = values === undefined || values.every((each) => summary.includes(each)) ? '' : `; one of ${values.join(', ')}`
  const withheld = forAgents === false ? '; not for AI agents' : ''
  return `| \`--${name}${value === undefined ? '' : ` ${value}`}\` | ${cell((required ? 'needed: ' : '') + summary + among + withheld)} |`
}

function exampleLines({ line, note }: Example): string[] {
  return [`${line}${note === undefined ? '' : `  # ${note}`}`]
}

function commandSection(command: Command): string[] {
  const { words, summary, effect, options } = command
  const shown = examples[words.join(' ')] ?? []
  const general = exitCodesOf([]).length
  const codes = exitCodesOf(words).filter(([code]) => !exitCodesOf([]).some(([each]) => each === code))
  const tail =
    codes.length === 0
      ? []
      : ['', `Exit codes beside the first ${general}: ${codes.map(([code, meaning]) => `${code}, ${meaning}`).join('; ')}.`]
  return [
    `### ifctl ${cell(usage('ifctl', command))}`,
    '',
    `${summary[0]!.toUpperCase()}${summary.slice(1)}.${effects[effect] === '' ? '' : ` ${effects[effect]}`}`,
    '',
    '```sh',
    ...shown.flatMap(exampleLines),
    '```',
    ...(options.length === 0 ? [] : ['', '| option | meaning |', '|---|---|', ...options.map(optionRow)]),
    ...tail,
    ''
  ]
}

/** The whole page. */
export function docsPage(): string {
  const groups = [...new Set(commands.map(({ words }) => words[0]!))]
  const everything = toolCommands(commands, { files: '/', readOnly: false })
  const reading = toolCommands(commands, { files: '/', readOnly: true })
  const notRun = Object.values(examples)
    .flat()
    .filter(({ elsewhere }) => elsewhere !== undefined).length
  const all = Object.values(examples).flat().length
  return `${[
    '# ifctl',
    '',
    'Every command of the suite, made of the definitions in `cli/` by `npm run docs:cli`. What the commands are about is told in the READMEs of the parts;',
    `how the command itself is built, in [cli/README.md](../cli/README.md). Of the ${all} examples, ${all - notRun} are run by \`cli/examples.test.ts\`; the others say in`,
    '`cli/examples.ts` what they need, and which test has it.',
    '',
    `Groups: ${groups.map((group) => `[${group}](#${group})`).join(', ')}.`,
    '',
    '## Every command',
    '',
    'Data goes to stdout, talk to stderr. Options may stand before or behind operands, as `--name value` or `--name=value`; `--` ends them.',
    '',
    '| option | meaning |',
    '|---|---|',
    ...commonOptions.map(optionRow),
    '',
    'With `--json` a command that may tell many things, or follows them (`--follow`), tells one object a line (NDJSON). Errors are `{"error": {"code", "message"}}` on stderr.',
    '',
    '| exit code | meaning |',
    '|---|---|',
    ...exitCodeMeanings.map(([code, meaning]) => `| ${code} | ${cell(meaning)} |`),
    '',
    '| variable | meaning |',
    '|---|---|',
    '| `IF_DATA` | data folder, where `--data` is not given; else `./var` |',
    '| `IF_REGISTRY` | expert registry, where `--registry` is not given |',
    '| `IF_STORE` | state of the plugins, where `--store` is not given |',
    '| `NO_COLOR` | no colours, also on a terminal |',
    '| `IFCTL_DEBUG` | stacks of errors |',
    '',
    '## Names',
    '',
    '`if-witness`, `if-optimise`, `if-coordinator`, `if-governor` and `if-chassis` are `ifctl` with the word of their group before all others: `if-witness query` is `ifctl witness query`.',
    '`if` is `ifctl`, for programs that start it by its name. In a POSIX shell `if` is a reserved word: `if witness query` is the beginning of a condition there, and a syntax error at its end.',
    "It is taken for a command when it is quoted, or not the first word: `\\if witness query`, `'if' witness query`, `command if witness query`, `env if witness query`, `xargs if witness trace`.",
    '',
    '## Completions',
    '',
    'Commands, options and the values that are a short list are completed; so are files, where a file is meant.',
    '',
    '```sh',
    'ifctl completion bash > /etc/bash_completion.d/ifctl            # or: source <(ifctl completion bash)',
    'ifctl completion zsh > /usr/local/share/zsh/site-functions/_ifctl',
    'ifctl completion fish > ~/.config/fish/completions/ifctl.fish',
    '```',
    '',
    '## AI agents',
    '',
    '`ifctl mcp` speaks the [Model Context Protocol](https://modelcontextprotocol.io/specification/2026-07-28), revision 2026-07-28, and 2025-11-25 and 2025-06-18 with clients that begin with',
    '`initialize`, on stdin and stdout. An agent’s program starts it; most take a file such as this:',
    '',
    '```json',
    JSON.stringify(
      { mcpServers: { infrafabric: { command: 'ifctl', args: ['mcp', '--data', '/srv/council/var', '--read-only'] } } },
      null,
      2
    ),
    '```',
    '',
    `Its tools are the ${reading.size} commands that change nothing and, without \`--read-only\`, the ${everything.size - reading.size} that only add something or take a turn that ends by itself. No tool calls anybody, changes a limit or a rule, signs,`,
    'revokes, erases or writes a file. A tool is its command, run as a process of its own by the user who started the server: it may read the files that user may read, asks a',
    'running suite with the token in the same data folder, and is refused by the same rules. Where state lies (`--data`, `--ledger`, `--store`, `--registry`, `--recordings`, `--rates`) is',
    'said to the server when it is started, never by the agent. Files can be named under `--files DIR` alone, links followed; without it, not at all.',
    '',
    'A call ends after `--timeout` seconds (60), tells at most 1 MiB and then says `truncated`; four run at a time, 32 wait. `follow_seconds` takes the place of `--follow`. Input lines longer',
    'than 1 MiB are refused. A result is the object `exitCode`, `meaning`, `data`, `truncated` and, where it failed, `error` with a stable code: as `structuredContent` and as text.',
    '',
    '| tool | effect |',
    '|---|---|',
    ...[...everything].map(([name, { effect }]) => `| \`${name}\` | ${effect === 'reads' ? 'changes nothing' : 'adds'} |`),
    '',
    ...groups.flatMap((group) => [
      `## ${group}`,
      '',
      ...commands.filter(({ words }) => words[0] === group).flatMap(commandSection)
    ])
  ]
    .join('\n')
    .trimEnd()}\n`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(docsPath, docsPage())
