/**
 * Finds entries by what they are about. The index follows from the log and is thrown away and built anew when it does not fit it; nobody need trust it,
 * since what it names is read from the log, and `verify` never looks at it.
 */
import { rmSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { InfraFabricError, keepDatabasePrivate } from '#kernel'
import { type LedgerEntry, noPrevious, openEntry } from '../log/entry.ts'
import { leafHash } from '../log/merkle.ts'
import { entriesOf } from '../log/segment.ts'
import { isDamage } from '../store/read-only.ts'
import type { Head, LogReader, Segment } from '../store/store.ts'

/** Entries given at most to whoever says no limit. */
export const defaultLimit = 10_000

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

export interface EntryIndex {
  /**
   * Takes in entries the log has beyond the index, about `most` of them.
   *
   * @param rest called after each segment: whoever has time may wait in it for those who have not. The index is locked meanwhile
   * @returns whether the index has reached the head
   * @throws {InfraFabricError} `ledger.index.log` when the entries of the log do not follow one another: nothing is found by half of it
   */
  readonly catchUp: (most?: number, rest?: () => void) => Promise<boolean>
  /** Leaf numbers in order. Takes in first what the log has beyond the index. @throws {InfraFabricError} `ledger.index.log` */
  readonly find: (filter: LedgerFilter) => Promise<readonly number[]>
  readonly close: () => Promise<void>
}

const form = 1
const inMemory = ':memory:'
/** How often an index may turn out not to fit before it is the log that does not fit itself. */
const mostRebuilds = 3
/** Traces come in no order, so that nearly each entry changes pages that no other does: small ones, of which many are kept, are half the work. */
const schema = `
  PRAGMA page_size = 2048; PRAGMA cache_size = -32768; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA user_version = ${form};
  CREATE TABLE IF NOT EXISTS entry (
    idx INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, trace TEXT NOT NULL, parent TEXT, component TEXT NOT NULL, event TEXT NOT NULL, call_id TEXT
  ) STRICT;
  CREATE INDEX IF NOT EXISTS entry_trace ON entry (trace);
  CREATE INDEX IF NOT EXISTS entry_parent ON entry (parent) WHERE parent IS NOT NULL;
  CREATE INDEX IF NOT EXISTS entry_call ON entry (call_id) WHERE call_id IS NOT NULL;
  CREATE INDEX IF NOT EXISTS entry_event ON entry (event, idx);
  CREATE INDEX IF NOT EXISTS entry_component ON entry (component, idx);
  CREATE INDEX IF NOT EXISTS entry_time ON entry (time_ms);
  CREATE TABLE IF NOT EXISTS progress (id INTEGER PRIMARY KEY CHECK (id = 0), size INTEGER NOT NULL, last_hash TEXT NOT NULL) STRICT;
`

/** The facts by which an entry is found. */
const callIdOf = ({ payload }: LedgerEntry): string | null =>
  typeof payload.callId === 'string' ? payload.callId.slice(0, 256) : null

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
    sql: `${filter.trace === undefined ? '' : traceTree}SELECT idx FROM entry${where} ORDER BY idx LIMIT ?`,
    values: [...values, filter.limit ?? defaultLimit]
  }
}

/** The index is of another version of this file. */
class OtherForm extends Error {}

const forgetFile = (path: string): void => {
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
}

/** @throws when there is none and none can be made, or another process holds it: its file is not taken away from it */
function openDatabase(path: string): DatabaseSync {
  const open = () => {
    keepDatabasePrivate(path)
    const database = new DatabaseSync(path, { timeout: 2000 })
    try {
      const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number }
      if (version !== 0 && version !== form) throw new OtherForm()
      database.exec(schema)
      return database
    } catch (error) {
      database.close()
      throw error
    }
  }
  try {
    return open()
  } catch (error) {
    if (!isDamage(error) && !(error instanceof OtherForm)) throw error
    forgetFile(path)
    return open()
  }
}

/**
 * The index of a log, opened when it is first asked, or made empty. Where none can be kept (a copy of a log on read-only media) it is kept in memory.
 *
 * @param path file of the index; null for one in memory
 * @param gaps whether the log is a selection, whose entries do not follow one another
 */
export function openEntryIndex(path: string | null, log: LogReader, { gaps = false } = {}): EntryIndex {
  let opened: EntryIndex | null = null
  const open = (): EntryIndex => {
    opened ??= openNow(path, log, gaps)
    return opened
  }
  /** A file that shows only now that it is spoiled is made anew. */
  const sound = async <T>(work: (index: EntryIndex) => Promise<T>): Promise<T> => {
    try {
      return await work(open())
    } catch (error) {
      if (path === null || !isDamage(error)) throw error
      await opened?.close()
      opened = null
      forgetFile(path)
      return work(open())
    }
  }
  return {
    catchUp: (most, rest) => sound((index) => index.catchUp(most, rest)),
    find: (filter) => sound((index) => index.find(filter)),
    close: async () => opened?.close()
  }
}

function openNow(path: string | null, log: LogReader, gaps: boolean): EntryIndex {
  let database: DatabaseSync
  try {
    database = openDatabase(path ?? inMemory)
  } catch {
    // slower, and as good: it is filled from the log before anything is looked for in it
    database = openDatabase(inMemory)
  }
  const readProgress = database.prepare('SELECT size, last_hash AS lastHash FROM progress WHERE id = 0')
  const writeProgress = database.prepare('INSERT OR REPLACE INTO progress VALUES (0, ?, ?)')
  // replacing would have SQLite keep, for each entry, a copy of all pages that it touches
  const insert = database.prepare('INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)')
  const forgetBeyond = database.prepare('DELETE FROM entry WHERE idx >= ?')
  const progress = () =>
    (readProgress.get() as { size: number; lastHash: string } | undefined) ?? { size: 0, lastHash: noPrevious }

  /** Whether what was taken in before is of this log. */
  let fits = false

  /**
   * Takes in what the segments hold behind the present progress. The hash of the last entry of all is taken from the head: a command that takes in a few need
   * not load node:crypto for it.
   *
   * @returns false when they belong to another log than the index
   */
  const takeIn = (segments: readonly Segment[], head: Pick<Head, 'size' | 'lastHash'>, rest?: () => void): boolean => {
    database.exec('BEGIN IMMEDIATE')
    try {
      let { size, lastHash } = progress()
      let last: Uint8Array | null = null
      forgetBeyond.run(size)
      for (const { first, data } of segments) {
        for (const [number, bytes] of entriesOf(data).entries()) {
          const index = first + number
          if (index < size) continue
          const entry = openEntry(bytes)
          if (!gaps && (index > size || (!fits && entry.prev !== lastHash))) {
            database.exec('ROLLBACK')
            return false
          }
          fits = true
          insertEntry(insert, index, entry)
          last = bytes
          size = index + 1
        }
        rest?.()
      }
      if (last !== null) lastHash = size === head.size ? head.lastHash : leafHash(last).toString('hex')
      writeProgress.run(size, lastHash)
      database.exec('COMMIT')
      rest?.()
      return true
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      throw error
    }
  }

  const forget = () => database.exec('BEGIN IMMEDIATE; DELETE FROM entry; DELETE FROM progress; COMMIT')

  /** Size of the log as the index was when it reached its head last. */
  let reached = 0
  let rebuilds = 0

  /** The index does not fit the log, and begins anew. */
  const beginAnew = (): false => {
    if (++rebuilds > mostRebuilds)
      throw new InfraFabricError('ledger.index.log', 'the entries of the log do not follow one another: verify tells where')
    fits = false
    forget()
    return false
  }
  const atHead = (size: number): true => {
    reached = size
    rebuilds = 0
    return true
  }

  const catchUp = async (most = Number.POSITIVE_INFINITY, rest?: () => void): Promise<boolean> => {
    let { size, lastHash } = await log.head()
    // another process may have taken in what came since
    if (progress().size > size) ({ size, lastHash } = await log.head())
    const { size: from, lastHash: known } = progress()
    if (from > size) return beginAnew()
    if (from === size) return gaps || size === 0 || known === lastHash ? atHead(size) : beginAnew()
    let batch: Segment[] = []
    let taken = 0
    let held = 0
    for await (const segment of log.segments(from, size)) {
      batch.push(segment)
      held += segment.count
      if (held < 4096 && taken + held < most) continue
      if (!takeIn(batch, { size, lastHash }, rest)) return beginAnew()
      taken += held
      batch = []
      held = 0
      if (taken >= most) return progress().size >= size && atHead(size)
    }
    return takeIn(batch, { size, lastHash }, rest) ? atHead(progress().size) : beginAnew()
  }

  /** Leaf numbers as the index is now; null when another process has emptied it meanwhile. */
  const findNow = (filter: LedgerFilter): number[] | null => {
    const { sql, values } = build(filter)
    database.exec('BEGIN')
    try {
      if (progress().size < reached) return null
      return (database.prepare(sql).all(...values) as { idx: number }[]).map(({ idx }) => idx)
    } finally {
      if (database.isTransaction) database.exec('ROLLBACK')
    }
  }

  return {
    catchUp,
    find: async (filter) => {
      for (;;) {
        const found = (await catchUp()) ? findNow(filter) : null
        if (found !== null) return found
      }
    },
    close: async () => {
      if (database.isOpen) database.close()
    }
  }
}

function insertEntry(insert: StatementSync, index: number, entry: LedgerEntry): void {
  insert.run(
    index,
    Date.parse(entry.time),
    entry.trace_id,
    entry.parent_trace_id ?? null,
    entry.component,
    entry.event,
    callIdOf(entry)
  )
}
