import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Arguments, Option } from './line/arguments.ts'
import type { Output } from './show/output.ts'

/** A command does its work and returns the exit code. Expected failures are thrown as InfraFabricError or UsageError. */
export type Run = (args: Arguments, output: Output) => Promise<number>

/**
 * What a command does to the world, its options that say `forAgents: false` left out:
 *
 * - `reads`: nothing is different afterwards;
 * - `safe`: something is added, or taken in turn with others and given back by itself when it is left alone; nobody's call, money limit, key, rule or
 *   record is changed or ended by it;
 * - `changes`: anything else.
 *
 * AI agents are offered the first two (mcp/).
 */
export type Effect = 'reads' | 'safe' | 'changes'

/** What is known of a command without loading it. */
export interface Command {
  /** Words after `ifctl`. */
  readonly words: readonly string[]
  /** Names of its operands, for the help: `<file>`; `[file]` may be left out. */
  readonly operands: readonly string[]
  readonly effect: Effect
  /** Operands that are paths of files or folders, or may be. */
  readonly paths?: readonly string[]
  /** What an operand may be, where that is a short list. */
  readonly operandValues?: readonly string[]
  /** Whether it talks to machines that are not of the suite. */
  readonly openWorld?: true
  /** False where an agent has no use for it. */
  readonly forAgents?: false
  readonly summary: string
  readonly options: readonly Option[]
  readonly load: () => Promise<{ readonly run: Run }>
}

export const dataOption: Option = {
  name: 'data',
  value: 'DIR',
  place: true,
  summary: 'folder of ledger, keys and state (default: $IF_DATA, else ./var)'
}

/** Data folder of the suite. */
export function dataFolder(args: Arguments): string {
  return resolve(args.value('data') ?? process.env.IF_DATA ?? 'var')
}

export const ledgerOption: Option = {
  name: 'ledger',
  value: 'DIR',
  place: true,
  summary: 'folder of the ledger (default: ledger in the data folder); to read, also redis://HOST#NAME-OF-THE-LOG'
}

export const recordingsOption: Option = {
  name: 'recordings',
  value: 'DIR',
  place: true,
  summary: 'folder of all recordings (default: recordings in the data folder)'
}

/** Options by which entries are chosen; conditions add up. */
export const filterOptions: readonly Option[] = [
  { name: 'trace', value: 'ID', summary: 'of this trace and of those under it' },
  { name: 'component', value: 'NAME', summary: 'seen by' },
  { name: 'event', value: 'NAME', summary: 'of this kind' },
  { name: 'call-id', value: 'ID', summary: 'of this call' },
  { name: 'since', value: 'TIME', summary: 'ISO 8601, Unix seconds, or ago: 15m; inclusive' },
  { name: 'until', value: 'TIME', summary: 'likewise; exclusive' },
  { name: 'after', value: 'N', summary: 'behind this entry number' },
  { name: 'limit', value: 'N', summary: 'at most so many' }
]

export const registryOption: Option = {
  name: 'registry',
  value: 'FILE',
  place: true,
  summary: 'expert registry (default: $IF_REGISTRY, else registry.yaml in the data folder)'
}

export function registryPath(args: Arguments): string {
  return resolve(args.value('registry') ?? process.env.IF_REGISTRY ?? join(dataFolder(args), 'registry.yaml'))
}

export const ratesOption: Option = {
  name: 'rates',
  value: 'FILE',
  place: true,
  summary: 'what models cost, YAML (default: rates.yaml in the data folder, else the rates of the suite)'
}

/** File of the rates; null when none is given and none lies in the data folder. */
export function ratesPath(args: Arguments): string | null {
  const given = args.value('rates')
  if (given !== undefined) return resolve(given)
  const usual = join(dataFolder(args), 'rates.yaml')
  return existsSync(usual) ? usual : null
}
