import {
  type CostReport,
  type CostSum,
  costJson,
  defaultRates,
  formatRounded,
  type Grouping,
  groupings,
  parseRates,
  type Rates,
  reportCost
} from '#ledger'
import { ratesPath } from '../command.ts'
import { type Arguments, CommandError, UsageError } from '../line/arguments.ts'
import { type Output, printable } from '../show/output.ts'
import { progressBar } from '../show/progress.ts'
import { table } from '../show/table.ts'
import { readInput } from './files.ts'
import { ledgerPlace, withReader } from './ledger.ts'

/** Rates of the file given, or of the one in the data folder; the defaults where there is none. @throws {CommandError} `cli.file.unreadable`; as parseRates */
export async function readRates(args: Arguments): Promise<Rates> {
  const path = ratesPath(args)
  return path === null ? defaultRates : parseRates((await readInput(path)).toString('utf8'))
}

/** How to group: what `--group-by` says. @throws {UsageError} */
async function readGrouping(args: Arguments): Promise<Grouping> {
  const given = args.value('group-by') ?? 'component'
  const grouping = groupings.find((each) => each === given)
  if (grouping === undefined) throw new UsageError(`--group-by: expected one of ${groupings.join(', ')}`)
  return grouping
}

/**
 * Sums up the ledger, or one trace of it with those under it, and shows it. Progress goes to stderr where that is a terminal; SIGINT and SIGTERM end the
 * reading.
 *
 * @throws {CommandError} `cli.not-found` when the trace has no entry; as withReader, reportCost
 */
export async function showCosts(
  args: Arguments,
  output: Output,
  { trace, component }: { readonly trace: string | undefined; readonly component: string | undefined }
): Promise<void> {
  const grouping = await readGrouping(args)
  const rates = await readRates(args)
  const stop = new AbortController()
  const interrupt = (): void => stop.abort()
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt)
  try {
    const report = await withReader(ledgerPlace(args), async (reader) => {
      if (trace !== undefined && (await reader.query({ trace, limit: 1 })).length === 0)
        throw new CommandError('cli.not-found', `no entry in the ledger has the trace ${JSON.stringify(trace)}`)
      const asked = {
        grouping,
        rates,
        ...(trace === undefined ? {} : { trace }),
        ...(component === undefined ? {} : { component })
      }
      return reportCost(reader, asked, progressBar(), stop.signal)
    })
    await show(report, grouping, output)
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  }
}

async function show({ total, groups }: CostReport, grouping: Grouping, output: Output): Promise<void> {
  if (output.json) {
    await output.document({
      group_by: grouping,
      groups: groups.map((group) => ({ [grouping]: group.group, ...costJson(group) })),
      total: costJson(total)
    })
    return
  }
  const row = (name: string, sum: CostSum): string[] => [
    name,
    ...[sum.entries, sum.tokensIn, sum.tokensOut].map(String),
    formatRounded(sum.cost, 6),
    sum.unpriced === 0 ? '' : `${sum.unpriced} without rate`
  ]
  const rows = [
    [grouping, 'entries', 'tokens in', 'tokens out', 'USD', ''],
    ...groups.map((group) => row(group.group === '' ? '-' : printable(group.group), group)),
    row('total', total)
  ]
  for (const [at, line] of table(rows, output.columns()).entries())
    await output.line(at === 0 || at === rows.length - 1 ? output.paint('bold', line) : line)
}
