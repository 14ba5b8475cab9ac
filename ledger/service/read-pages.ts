import type { LedgerFilter } from '../read/entry-index.ts'
import type { LedgerReader, StoredEntry } from '../read/reader.ts'

/** Entries read in one go. */
const step = 50
/** A page ends with the entry that brings it to so many octets. */
const mostOctets = 2 << 20

/**
 * Entries of one page: as many as are wanted, fewer where they are large or the log ends.
 *
 * @returns `ended`: there were no more
 */
export async function readPage(
  reader: LedgerReader,
  filter: LedgerFilter,
  limit: number
): Promise<{ readonly entries: readonly StoredEntry[]; readonly ended: boolean }> {
  const entries: StoredEntry[] = []
  let octets = 0
  let afterIndex = filter.afterIndex ?? -1
  while (entries.length < limit && octets < mostOctets) {
    const wanted = Math.min(step, limit - entries.length)
    const found = await reader.query({ ...filter, afterIndex, limit: wanted })
    for (const stored of found) {
      entries.push(stored)
      octets += stored.bytes.length
    }
    if (found.length < wanted) return { entries, ended: true }
    afterIndex = found.at(-1)!.entry.index
  }
  return { entries, ended: false }
}
