import type { LedgerFilter, LedgerReader } from '#ledger'
import { type Arguments, UsageError } from '../arguments.ts'
import type { Run } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { entryJson, ledgerFolder, type StoredEntry, withReader } from '../ledger.ts'
import { readMoment } from '../times.ts'

const largestPage = 1_000

export const run: Run = async (args, output) => {
  const filter = readFilter(args)
  const limit = args.wholeNumber('limit', 1, 1_000_000_000) ?? Number.POSITIVE_INFINITY
  const { entryLine } = await import('#ledger')
  const stop = new AbortController()
  const interrupt = (): void => stop.abort()
  return withReader(ledgerFolder(args), async (reader) => {
    process.on('SIGINT', interrupt).on('SIGTERM', interrupt)
    try {
      let shown = 0
      const entries = args.has('follow')
        ? reader.follow(filter, stop.signal)
        : pages(reader, filter, Math.min(limit, largestPage), stop.signal)
      for await (const stored of entries) {
        if (output.json) await output.document(entryJson(stored))
        else await output.line(entryLine(stored))
        if (++shown >= limit) break
      }
      return exitCodes.ok
    } finally {
      process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
    }
  })
}

/** Reads page by page, so that a ledger of any size is shown in little memory. */
async function* pages(
  reader: LedgerReader,
  filter: LedgerFilter,
  pageSize: number,
  signal: AbortSignal
): AsyncGenerator<StoredEntry> {
  let afterIndex = filter.afterIndex ?? -1
  while (!signal.aborted) {
    const page = await reader.query({ ...filter, afterIndex, limit: pageSize })
    yield* page
    if (page.length < pageSize) return
    afterIndex = page.at(-1)!.entry.index
  }
}

function readFilter(args: Arguments): LedgerFilter {
  const now = Date.now()
  const moment = (option: string): number | undefined => {
    const text = args.value(option)
    return text === undefined ? undefined : readMoment(text, option, now)
  }
  const since = moment('since')
  const until = moment('until')
  if (since !== undefined && until !== undefined && since >= until) throw new UsageError('--since is not before --until')
  const given: Record<keyof LedgerFilter, string | number | undefined> = {
    trace: args.value('trace'),
    component: args.value('component'),
    event: args.value('event'),
    callId: args.value('call-id'),
    since,
    until,
    afterIndex: args.wholeNumber('after', 0, Number.MAX_SAFE_INTEGER),
    limit: undefined
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}
