import { CommandError } from '../arguments.ts'
import type { Run } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { entryJson, ledgerPlace, type StoredEntry, withReader } from '../ledger.ts'
import { type Output, printable } from '../output.ts'
import { table } from '../table.ts'

const mostEntries = 100_000

export const run: Run = async (args, output) => {
  const trace = args.operands[0]!
  const entries = await withReader(ledgerPlace(args), async (reader) => reader.query({ trace, limit: mostEntries }))
  if (entries.length === 0)
    throw new CommandError('cli.not-found', `no entry in the ledger has the trace ${JSON.stringify(trace)}`)
  if (output.json) for (const stored of entries) await output.document(entryJson(stored))
  else await show(trace, entries, output)
  return exitCodes.ok
}

/** A timeline: seconds since the first entry; entries of child traces are marked with the head of their id. */
async function show(trace: string, entries: readonly StoredEntry[], output: Output): Promise<void> {
  const begun = Date.parse(entries[0]!.entry.time)
  const children = new Set(entries.map(({ entry }) => entry.trace_id).filter((id) => id !== trace))
  await output.line(
    `${output.paint('bold', printable(trace))}  ${entries[0]!.entry.time}  ${entries.length} entries, ${children.size} child traces`
  )
  const rows = entries.map(({ entry }) => [
    `+${((Date.parse(entry.time) - begun) / 1_000).toFixed(3)}`,
    entry.trace_id === trace ? '' : printable(entry.trace_id.slice(0, 8)),
    printable(entry.component),
    printable(entry.event),
    facts(entry.payload)
  ])
  for (const line of table(children.size === 0 ? rows.map(([at, , ...rest]) => [at!, ...rest]) : rows)) await output.line(line)
}

const longestFacts = 100

function facts(payload: StoredEntry['entry']['payload']): string {
  const text = Object.entries(payload)
    .filter(([name]) => name !== 'callId')
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ')
  return printable(text.length > longestFacts ? `${text.slice(0, longestFacts - 1)}…` : text)
}
