import type { LedgerFilter, LedgerReader } from '#ledger'
import type { Run } from '../../command.ts'
import { type Arguments, CommandError, UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { type Output, printable } from '../../show/output.ts'
import { entryJson, ledgerPlace, type StoredEntry, withReader } from '../../subjects/ledger.ts'
import { pages } from '../../subjects/pages.ts'
import { createTimeline, type TimeForm, type Timeline, timeForms } from '../../subjects/timeline.ts'

/** Entries of a timeline: more would help nobody, and are in memory at once. */
const mostEntries = 100_000
/** Columns where there is no terminal to ask. */
const usualColumns = 160

export const run: Run = async (args, output) => {
  const trace = args.operands[0]!
  const time = readTimeForm(args)
  const stop = new AbortController()
  const interrupt = (): void => stop.abort()
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt)
  try {
    await withReader(ledgerPlace(args), async (reader) => {
      const timeline = createTimeline({ trace, time, columns: output.columns() ?? usualColumns })
      const last = output.json
        ? await showJson(pages(reader, { trace }, Number.POSITIVE_INFINITY, stop.signal), output)
        : await showAll(await read(reader, trace, stop.signal), trace, timeline, output)
      if (last === null && !args.has('follow'))
        throw new CommandError('cli.not-found', `no entry in the ledger has the trace ${JSON.stringify(trace)}`)
      if (args.has('follow'))
        await follow(reader, { trace, ...(last === null ? {} : { afterIndex: last }) }, timeline, output, stop.signal)
    })
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  }
  return exitCodes.ok
}

function readTimeForm(args: Arguments): TimeForm {
  const given = args.value('time') ?? 'offset'
  const form = timeForms.find((each) => each === given)
  if (form === undefined) throw new UsageError(`--time: expected one of ${timeForms.join(', ')}`)
  return form
}

async function read(reader: LedgerReader, trace: string, signal: AbortSignal): Promise<StoredEntry[]> {
  const entries: StoredEntry[] = []
  for await (const stored of pages(reader, { trace }, Number.POSITIVE_INFINITY, signal)) {
    if (entries.length >= mostEntries)
      throw new CommandError(
        'cli.too-many',
        `more than ${mostEntries} entries: --json, or ifctl witness query --trace, gives them all`
      )
    entries.push(stored)
  }
  return entries
}

/** @returns leaf number of the last entry; null when there is none */
async function showJson(entries: AsyncIterable<StoredEntry>, output: Output): Promise<number | null> {
  let last: number | null = null
  for await (const stored of entries) {
    await output.document(entryJson(stored))
    last = stored.entry.index
  }
  return last
}

async function showAll(
  stored: readonly StoredEntry[],
  trace: string,
  timeline: Timeline,
  output: Output
): Promise<number | null> {
  const entries = stored.map(({ entry }) => entry)
  if (entries.length === 0) return null
  timeline.take(entries)
  await output.line(`${output.paint('bold', printable(trace))}  ${entries[0]!.time}  ${timeline.summary()}`)
  for (const line of timeline.lines(entries)) await output.line(line)
  return entries.at(-1)!.index
}

async function follow(
  reader: LedgerReader,
  filter: LedgerFilter,
  timeline: Timeline,
  output: Output,
  signal: AbortSignal
): Promise<void> {
  for await (const stored of reader.follow(filter, signal)) {
    if (output.json) {
      await output.document(entryJson(stored))
      continue
    }
    timeline.take([stored.entry])
    for (const line of timeline.lines([stored.entry])) await output.line(line)
  }
}
