import type { SQLInputValue } from 'node:sqlite'
import { type LedgerEntry, openEntry } from '../log/entry.ts'
import { openForReading } from '../store/read-only.ts'

/** Which entries are wanted; conditions add up. */
export interface LedgerFilter {
  /** Entries of this trace and of every trace that hangs under it. */
  readonly trace?: string
  readonly component?: string
  readonly event?: string
  readonly callId?: string
  /** Milliseconds since 1970, inclusive. */
  readonly since?: number
  /** Milliseconds since 1970, exclusive. */
  readonly until?: number
  /** Only entries behind this leaf number. */
  readonly afterIndex?: number
  /** Default 10,000. */
  readonly limit?: number
}

/** An entry and how it is proved. */
export interface StoredEntry {
  readonly entry: LedgerEntry
  /** Canonical bytes as stored. */
  readonly bytes: Uint8Array
  /** 64 hex digits. */
  readonly hash: string
}

export interface LedgerReader {
  /** Entries in the order of the log. */
  readonly query: (filter: LedgerFilter) => StoredEntry[]
  /** Entries as they come, from `filter.afterIndex` on, until `signal` is aborted. */
  readonly follow: (filter: LedgerFilter, signal: AbortSignal, pollMs?: number) => AsyncGenerator<StoredEntry>
  readonly size: () => number
  /** The latest signed checkpoint; null while the log is empty. */
  readonly checkpoint: () => string | null
  readonly close: () => void
}

const traceTree = `WITH RECURSIVE tree(id) AS (SELECT ? UNION SELECT entry.trace FROM entry JOIN tree ON entry.parent = tree.id) `

function build(filter: LedgerFilter): { sql: string; values: SQLInputValue[] } {
  const values: SQLInputValue[] = []
  const conditions: string[] = []
  const when = (condition: string, value: SQLInputValue | undefined) => {
    if (value === undefined) return
    conditions.push(condition)
    values.push(value)
  }
  when('trace IN (SELECT id FROM tree)', filter.trace)
  when('component = ?', filter.component)
  when('event = ?', filter.event)
  when('call_id = ?', filter.callId)
  when('time_ms >= ?', filter.since)
  when('time_ms < ?', filter.until)
  when('idx > ?', filter.afterIndex)
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
  return {
    sql: `${filter.trace === undefined ? '' : traceTree}SELECT bytes, hash FROM entry${where} ORDER BY idx LIMIT ?`,
    values: [...values, filter.limit ?? 10_000]
  }
}

/**
 * Opens a ledger's database for reading, beside whoever writes to it.
 *
 * @throws {Error} `ERR_SQLITE_ERROR` when the file is not there or is no database
 */
export function openLedgerReader(databasePath: string): LedgerReader {
  const database = openForReading(databasePath)
  const query = (filter: LedgerFilter): StoredEntry[] => {
    const { sql, values } = build(filter)
    return (database.prepare(sql).all(...values) as { bytes: Uint8Array; hash: Uint8Array }[]).map(({ bytes, hash }) => ({
      entry: openEntry(bytes),
      bytes,
      hash: Buffer.from(hash).toString('hex')
    }))
  }
  const head = () =>
    database.prepare('SELECT size, checkpoint FROM head WHERE id = 0').get() as { size: number; checkpoint: string } | undefined
  return {
    query,
    follow: async function* (filter, signal, pollMs = 100) {
      let afterIndex = filter.afterIndex ?? -1
      while (!signal.aborted) {
        const found = query({ ...filter, afterIndex, limit: 500 })
        for (const stored of found) {
          yield stored
          afterIndex = stored.entry.index
        }
        if (found.length === 0) await pause(pollMs, signal)
      }
    },
    size: () => head()?.size ?? 0,
    checkpoint: () => head()?.checkpoint ?? null,
    close: () => {
      if (database.isOpen) database.close()
    }
  }
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
