/** What commands that neither read nor write anything take beyond the start of Node itself. */
import { spawnSync } from 'node:child_process'
import { bundleCommands } from '../bundle.ts'
import { cleanEnvironment, shim } from './run.ts'

const commandsWithoutInput: readonly (readonly string[])[] = [
  ['--version'],
  ['help'],
  ['help', 'witness'],
  ['guard', 'explain', '--help'],
  ['coordinator', 'tasks', 'claim', '--help'],
  ['gaurd', 'explain'],
  ['optimise', 'estimate', '--mbit', '2', '--minutes-per-day', '60'],
  ['guard', 'policy', 'show'],
  ['completion', 'bash']
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

/** Each command in turn with the bare start, `runs` times; the slowest first. */
export async function commandOverheads(runs: number): Promise<Overhead[]> {
  await bundleCommands([])
  for (const words of commandsWithoutInput) for (let n = 0; n < 2; n++) took([shim, ...words])
  const beyond = commandsWithoutInput.map(() => [] as number[])
  for (let run = 0; run < runs; run++)
    for (const [at, words] of commandsWithoutInput.entries()) {
      const bare = took(['-e', '0'])
      beyond[at]!.push(took([shim, ...words]) - bare)
    }
  return commandsWithoutInput
    .map((words, at) => ({ line: `ifctl ${words.join(' ')}`, medianMs: median(beyond[at]!) }))
    .sort((a, b) => b.medianMs - a.medianMs)
}
