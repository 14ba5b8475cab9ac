import type { LedgerReader } from '../read/reader.ts'
import { publishedBackward, publishedOf } from '../store/published.ts'

/** Heads of a page. */
export const mostHeads = 200
/** Changes of key that are followed back. */
const mostHandovers = 100

/** Heads published, oldest first. */
export interface HistoryPage {
  readonly checkpoints: readonly string[]
  /** What the page before this one is asked by; null where there is none. */
  readonly previous: string | null
}

/**
 * Pages of the file of published heads, from its end: it grows by up to a line a second, and nothing of it is kept in memory.
 *
 * @param path a JSON string a line; need not be there yet
 * @param before as `previous` gives it: lines that begin before this octet; null for the newest page
 */
function pageOf(path: string, before: string | null, limit: number): HistoryPage {
  const heads: string[] = []
  let last = Number.POSITIVE_INFINITY
  for (const { note, at } of publishedBackward(path, before === null ? undefined : Number(before))) {
    if (heads.length === limit) return { checkpoints: heads.reverse(), previous: String(last) }
    if (note !== null) heads.push(note)
    last = at
  }
  return { checkpoints: heads.reverse(), previous: null }
}

/** Heads under which one key handed over to another: by those changes of key are followed. */
async function handovers(path: string, reader: LedgerReader): Promise<string[]> {
  const told = await reader.query({ component: 'IF.witness.ledger', event: 'key_rotated' })
  return told
    .slice(-mostHandovers)
    .map(({ entry }) => publishedOf(path, entry.index + 1))
    .filter((note) => note !== null)
}

/** One page; the newest has, before its heads, those under which keys changed. */
export async function publishedHistory(
  path: string,
  reader: LedgerReader,
  before: string | null,
  limit = mostHeads
): Promise<HistoryPage> {
  const page = pageOf(path, before, limit)
  if (before !== null) return page
  const known = new Set(page.checkpoints)
  const older = (await handovers(path, reader)).filter((note) => !known.has(note))
  return { ...page, checkpoints: [...older, ...page.checkpoints] }
}
