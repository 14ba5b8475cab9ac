import type { LedgerFilter, LedgerReader } from '#ledger'
import type { StoredEntry } from './ledger.ts'

/** Entries at once: bounds what is in memory. */
const largestPage = 1_000

/** Reads page by page, so that a ledger of any size is shown in little memory. */
export async function* pages(
  reader: LedgerReader,
  filter: LedgerFilter,
  limit: number,
  signal: AbortSignal
): AsyncGenerator<StoredEntry> {
  const pageSize = Math.min(limit, largestPage)
  let afterIndex = filter.afterIndex ?? -1
  while (!signal.aborted) {
    const page = await reader.query({ ...filter, afterIndex, limit: pageSize })
    yield* page
    if (page.length < pageSize) return
    afterIndex = page.at(-1)!.entry.index
  }
}
