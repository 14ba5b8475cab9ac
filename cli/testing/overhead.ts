/** What commands that neither read nor write anything take beyond the start of Node itself. */
import { spawnSync } from 'node:child_process'
import { bundleCommands } from '../bundle.ts'
import { commands } from '../commands.ts'
import { cleanEnvironment, shim } from './run.ts'

const commandsWithoutInput: readonly (readonly string[])[] = [
  ['--version'],
  ['help'],
  ['help', 'witness'],
  ['guard', 'explain', '--help'],
  ['coordinator', 'tasks', 'claim', '--help'],
  ['gaurd', 'explain'],
  ['coordinator', 'tasks', 'status'],
  ['optimise', 'estimate', '--mbit', '2', '--minutes-per-day', '60'],
  ['guard', 'policy', 'show'],
  ['completion', 'bash'],
  ['completion', 'zsh'],
  ['completion', 'fish']
]

/** Help of each command and group, and what it tells of itself. */
const everyLine: readonly (readonly string[])[] = [
  ...commandsWithoutInput,
  ...[...new Set(commands.map(({ words }) => words[0]!))].map((group) => ['help', group]),
  ...commands.map(({ words }) => [...words, '--help'])
]

export interface Overhead {
  readonly line: string
  /** Median of the differences to `node -e 0` run just before, milliseconds. */
  readonly medianMs: number
}

function took(args: readonly string[]): number {
  const began = performance.now()
  spawnSync(process.execPath, args, { env: cleanEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] })
  return performance.now() - began
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

/** Each command in turn with the bare start, `runs` times; the slowest first. @param every the help of each command among them */
export async function commandOverheads(runs: number, every = false): Promise<Overhead[]> {
  const lines = every ? everyLine : commandsWithoutInput
  await bundleCommands([])
  for (const words of commandsWithoutInput) for (let n = 0; n < 2; n++) took([shim, ...words])
  const beyond = lines.map(() => [] as number[])
  for (let run = 0; run < runs; run++)
    for (const [at, words] of lines.entries()) {
      const bare = took(['-e', '0'])
      beyond[at]!.push(took([shim, ...words]) - bare)
    }
  return lines
    .map((words, at) => ({ line: `ifctl ${words.join(' ')}`, medianMs: median(beyond[at]!) }))
    .sort((a, b) => b.medianMs - a.medianMs)
}
