import { dirname } from 'node:path'
import type { JsonObject } from '#kernel'
import { commitmentOf, isCommittedTo } from '../log/commitment.ts'
import { type LedgerEntry, openEntry } from '../log/entry.ts'
import { leafHash } from '../log/merkle.ts'
import { entriesOf } from '../log/segment.ts'
import { openSqliteReader } from '../store/sqlite-store.ts'
import type { LogReader, Segment } from '../store/store.ts'
import { defaultLimit, type EntryIndex, type LedgerFilter, openEntryIndex } from './entry-index.ts'

/** An entry and how it is proved. */
export interface StoredEntry {
  readonly entry: LedgerEntry
  /** Canonical bytes as stored. */
  readonly bytes: Uint8Array
  /** 64 hex digits. */
  readonly hash: string
  /** Of an entry that commits to a payload beside the log: the payload, or what became of it. `altered`: it is not what the entry committed to. */
  readonly erasable?: { readonly state: 'present'; readonly payload: JsonObject } | { readonly state: 'erased' | 'altered' }
}

export interface LedgerReader {
  /** Entries in the order of the log, up to the newest. */
  readonly query: (filter: LedgerFilter) => Promise<StoredEntry[]>
  /** Entries as they come, from `filter.afterIndex` on, until `signal` is aborted. */
  readonly follow: (filter: LedgerFilter, signal: AbortSignal, pollMs?: number) => AsyncGenerator<StoredEntry>
  readonly size: () => Promise<number>
  /** The latest signed checkpoint; null while the log is empty. */
  readonly checkpoint: () => Promise<string | null>
  /** The log itself: its segments and tiles. */
  readonly log: LogReader
  /** Of a selection, which has no tiles: the proof that an entry of it brings, a tlog-proof. */
  readonly keptProof?: (index: number) => string
  readonly close: () => Promise<void>
}

/** Entries taken into the index in one turn of the event loop. */
const entriesOfStep = 4096

/** The hash is made when it is asked for: few readers do. */
const storedEntry = (bytes: Uint8Array): StoredEntry => ({
  entry: openEntry(bytes),
  bytes,
  get hash() {
    return leafHash(bytes).toString('hex')
  }
})

/**
 * A log of any store with an index of its entries.
 *
 * @param payloads whether erasable payloads are kept beside it: of a copy without them, nothing is said of what became of them
 */
export function createLedgerReader(log: LogReader, index: EntryIndex, { payloads = true } = {}): LedgerReader {
  /** Entries with these leaf numbers, in order. Many of them share a segment. */
  const read = async (numbers: readonly number[]): Promise<StoredEntry[]> => {
    const found: StoredEntry[] = []
    let segment: Segment | null = null
    let entries: Uint8Array[] = []
    for (const number of numbers) {
      if (segment === null || number >= segment.first + segment.count) {
        segment = null
        for await (const next of log.segments(number, number + 1)) segment = next
        if (segment === null) break
        entries = entriesOf(segment.data)
      }
      const bytes = entries[number - segment.first]!
      found.push(storedEntry(bytes))
    }
    return joinErasable(found)
  }

  /** Entries in a row: the log itself says which they are. */
  const readOn = async (afterIndex: number, limit: number): Promise<StoredEntry[]> => {
    const found: StoredEntry[] = []
    for await (const { first, data } of log.segments(afterIndex + 1, (await log.head()).size)) {
      for (const [number, bytes] of entriesOf(data).entries()) {
        if (first + number > afterIndex && found.length < limit) found.push(storedEntry(bytes))
      }
      if (found.length >= limit) break
    }
    return joinErasable(found)
  }

  const joinErasable = async (found: readonly StoredEntry[]): Promise<StoredEntry[]> => {
    const committed = found.filter(({ entry }) => commitmentOf(entry.payload) !== null).map(({ entry }) => entry.index)
    if (!payloads || committed.length === 0) return [...found]
    const beside = await log.erasable(committed)
    return found.map((stored) => {
      const commitment = commitmentOf(stored.entry.payload)
      if (commitment === null) return stored
      const erasable = beside.get(stored.entry.index)
      if (erasable === undefined) return { ...stored, erasable: { state: 'erased' } }
      if (!isCommittedTo(commitment, erasable)) return { ...stored, erasable: { state: 'altered' } }
      return { ...stored, erasable: { state: 'present', payload: JSON.parse(erasable.payload) as JsonObject } }
    })
  }

  const query = async (filter: LedgerFilter): Promise<StoredEntry[]> => {
    const { afterIndex = -1, limit = defaultLimit, ...conditions } = filter
    if (Object.values(conditions).every((condition) => condition === undefined)) return readOn(afterIndex, limit)
    // in steps, so that a process that has other things to do is not held up by an index that is far behind
    while (!(await index.catchUp(entriesOfStep))) await new Promise<void>((resolve) => setImmediate(resolve))
    return read(await index.find(filter))
  }

  return {
    log,
    query,
    follow: async function* (filter, signal, pollMs = 100) {
      let afterIndex = filter.afterIndex ?? -1
      let size = -1
      while (!signal.aborted) {
        const now = (await log.head()).size
        const found = now === size ? [] : await query({ ...filter, afterIndex, limit: 500 })
        for (const stored of found) {
          yield stored
          afterIndex = stored.entry.index
        }
        if (found.length > 0) continue
        size = now
        await pause(pollMs, signal)
      }
    },
    size: async () => (await log.head()).size,
    checkpoint: async () => (await log.head()).checkpoint,
    close: async () => {
      await index.close()
      await log.close()
    }
  }
}

/** Where the index of an embedded ledger lies: beside its database. */
export const indexPathOf = (databasePath: string): string => `${dirname(databasePath)}/index.db`

/**
 * Opens an embedded ledger for reading, beside whoever writes to it.
 *
 * @throws {Error} `ERR_SQLITE_ERROR` when the file is not there or is no database
 */
export function openLedgerReader(databasePath: string): LedgerReader {
  const log = openSqliteReader(databasePath)
  return createLedgerReader(log, openEntryIndex(indexPathOf(databasePath), log))
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end)
  })
}
