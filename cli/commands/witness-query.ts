import { entryLine, type LedgerFilter, type LedgerReader } from '#ledger'
import type { Run } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { readFilter, readLimit } from '../filter.ts'
import { entryJson, ledgerPlace, type StoredEntry, withReader } from '../ledger.ts'

const largestPage = 1_000

export const run: Run = async (args, output) => {
  const filter = readFilter(args)
  const limit = readLimit(args) ?? Number.POSITIVE_INFINITY
  const stop = new AbortController()
  const interrupt = (): void => stop.abort()
  return withReader(ledgerPlace(args), async (reader) => {
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
