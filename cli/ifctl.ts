import type { Command, Run } from './command.ts'
import { commands } from './commands.ts'
import { commonOptions, parseArguments, UsageError } from './line/arguments.ts'
import { exitCodes } from './line/exit-codes.ts'
import { version } from './line/version.ts'
import { type Output, printable, processOutput, toJsonLine } from './show/output.ts'

/** A command that is there already: see bundle.ts. */
export interface LoadedCommand {
  /** Its words, joined by `-`. */
  readonly name: string
  readonly run: Run
  /** Whether it turned out that the sources have to do it, and are at it. */
  readonly isLeftToSources: () => boolean
}

/**
 * The command `ifctl`: runs the command that `argv` (without node and script) names and sets the exit code of the process.
 *
 * What was written is flushed, and what is still at work (`up`) goes on until it is done; where neither can be, the process ends here.
 *
 * @param called name by which it was called: `if-witness` is `ifctl witness`, which `argv` says already
 * @param loaded a command that need not be loaded any more, or what runs every command elsewhere: only help and mistakes are told here then
 */
export async function main(
  argv: readonly string[],
  called = 'ifctl',
  loaded?: LoadedCommand | (() => Promise<void>)
): Promise<void> {
  const output = processOutput(argv.includes('--json'))
  let isElsewhere = (): boolean => typeof loaded === 'object' && loaded.isLeftToSources()
  const here =
    typeof loaded !== 'function'
      ? loaded
      : () => {
          isElsewhere = () => true
          return loaded()
        }
  try {
    process.exitCode = await dispatch(argv, called, output, here)
  } catch (error) {
    process.exitCode = error instanceof UsageError ? exitCodes.usage : exitCodes.failure
    await tell(error, called, output)
  }
  // what is bundled leaves nothing at work: not to have Node put everything away saves a millisecond
  if (loaded !== undefined && !isElsewhere() && output.isFlushed()) process.exit()
}

/**
 * Runs the command that `argv` names and returns its exit code.
 *
 * @throws {UsageError} for a command line that cannot be used; whatever the command throws
 */
export async function dispatch(
  argv: readonly string[],
  called: string,
  output: Output,
  loaded?: LoadedCommand | (() => Promise<void>)
): Promise<number> {
  if (argv[0] === '--version' || argv[0] === 'version') {
    await (output.json ? output.document({ version: version() }) : output.line(version()))
    return exitCodes.ok
  }
  const asksHelp = argv[0] === 'help'
  const line = commandLine(asksHelp ? argv.slice(1) : argv)
  const words = line.slice(0, wordCount(line))
  // what follows the name of a command that has others under it may be its operand: ifctl escalate safety
  const command =
    commands.find((each) => sameWords(each.words, words)) ??
    commands.find((each) => each.operands.length > 0 && sameWords(each.words, words.slice(0, -1)))
  if (asksHelp || argv.includes('--help')) {
    const group = commands.filter((each) => sameWords(each.words.slice(0, words.length), words))
    if (command === undefined && group.length < 1) throw unknownCommand(words, called)
    const { commandHelp, overview } = await import('./line/help.ts')
    const { usualColumns } = await import('./show/wrap.ts')
    const columns = output.columns() ?? usualColumns
    if (command === undefined) await output.line(overview(called, group, columns))
    else {
      const { examplesOf } = await import('./examples.ts')
      await output.line(commandHelp(called, command, examplesOf(command.words), columns))
    }
    return exitCodes.ok
  }
  if (command === undefined) throw unknownCommand(words, called)
  const args = parseArguments(line.slice(command.words.length), [...command.options, ...commonOptions], command.operands)
  if (typeof loaded === 'function') {
    await loaded()
    return Number(process.exitCode ?? exitCodes.ok)
  }
  const { run } = loaded?.name === command.words.join('-') ? loaded : await command.load()
  return run(args, output)
}

/** What was asked of the H.323 part while it alone had the floor is asked of the conference: `ifctl h323 conference mute` is `ifctl conference mute`. */
function commandLine(line: readonly string[]): readonly string[] {
  const names = (words: readonly string[]): boolean => commands.some((each) => sameWords(each.words, words))
  const words = line.slice(0, 3)
  return words[0] === 'h323' && !names(words) && names(words.slice(1)) ? line.slice(1) : line
}

/** How many of the first words name a command, or a group and one word more. */
function wordCount(line: readonly string[]): number {
  let count = 0
  while (count < line.length && !line[count]!.startsWith('-')) {
    count++
    const words = line.slice(0, count)
    const inGroup = commands.some((each) => each.words.length > count && sameWords(each.words.slice(0, count), words))
    if (!inGroup) break
  }
  return count
}

function sameWords(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((word, at) => word === b[at])
}

function unknownCommand(words: readonly string[], called: string): UsageError {
  const shown = (all: readonly string[]): string => all.slice(called === 'ifctl' ? 0 : 1).join(' ')
  const deeper = groupWords(words)
  if (shown(words) === '' && deeper.length > 0) return new UsageError(`no command; ${called} help tells of ${deeper.join(', ')}`)
  if (deeper.length > 0) return new UsageError(`${shown(words)} needs one of: ${deeper.join(', ')}`)
  const before = words.slice(0, -1)
  return new UsageError(`unknown command ${shown(words)}`, {
    typed: words.at(-1)!,
    known: groupWords(before),
    before: shown(before) === '' ? '' : `${shown(before)} `
  })
}

/** Words that may follow these. */
function groupWords(words: readonly string[]): string[] {
  const inGroup = (each: Command): boolean =>
    each.words.length > words.length && sameWords(each.words.slice(0, words.length), words)
  return [...new Set(commands.filter(inGroup).map((each) => each.words[words.length]!))]
}

/** Errors are for people; with `--json` they are JSON too, on stderr. */
async function tell(error: unknown, called: string, output: Output): Promise<void> {
  const message = error instanceof Error ? error.message : String(error)
  const code =
    error instanceof UsageError ? 'cli.usage' : error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
  const hint = error instanceof UsageError ? (await import('./line/suggest.ts')).hintFor(error) : undefined
  const problems =
    error instanceof Error && 'problems' in error && Array.isArray(error.problems) ? error.problems.map(String) : []
  if (output.json) {
    const retryAt = error instanceof Error && 'retryAt' in error ? { retryAt: error.retryAt } : {}
    const more = { ...(hint === undefined ? {} : { hint }), ...(problems.length > 0 ? { problems } : {}), ...retryAt }
    output.talk(toJsonLine({ error: { code, message, ...more } }))
    return
  }
  const detail = error instanceof UsageError || code === 'unknown' ? '' : ` (${code})`
  if (problems.length > 0) {
    output.talk(`${called}: ${problems.length} problem${problems.length === 1 ? '' : 's'}${detail}`)
    for (const problem of problems) output.talk(`  ${printable(problem)}`)
  } else output.talk(`${called}: ${printable(message)}${detail}`)
  if (hint !== undefined) output.talk(`  ${printable(hint)}`)
  if (process.env.IFCTL_DEBUG !== undefined && error instanceof Error) output.talk(error.stack ?? '')
}
