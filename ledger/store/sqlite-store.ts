import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { errorCode, InfraFabricError, keepDatabasePrivate, messageOf } from '#kernel'
import type { Erasable } from '../log/commitment.ts'
import { type LedgerEntry, noPrevious, openEntry } from '../log/entry.ts'
import { entriesOf } from '../log/segment.ts'
import { openJournal } from './journal.ts'
import { type Producer, splitKeys } from './keys.ts'
import { openForReading, settleJournal } from './read-only.ts'
import type { Head, LogReader, LogStore, Place, Segment } from './store.ts'

/** `head` has one row: what it says and the segments change in one transaction. */
const schema = `
  CREATE TABLE IF NOT EXISTS segment (first INTEGER PRIMARY KEY, count INTEGER NOT NULL, data BLOB NOT NULL, keys TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS tile (level INTEGER NOT NULL, position INTEGER NOT NULL, hashes BLOB NOT NULL, PRIMARY KEY (level, position)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS producer (
    id TEXT PRIMARY KEY, last INTEGER NOT NULL, first_idx INTEGER NOT NULL, last_idx INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS single_key (key TEXT PRIMARY KEY, idx INTEGER NOT NULL, hash TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS erasable (idx INTEGER PRIMARY KEY, salt TEXT NOT NULL, payload TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS head (
    id INTEGER PRIMARY KEY CHECK (id = 0), size INTEGER NOT NULL, last_hash TEXT NOT NULL, checkpoint TEXT NOT NULL
  ) STRICT;
`

const emptyHead: Head = { size: 0, lastHash: noPrevious, checkpoint: null }

const primaryCode = (errcode: number): number => errcode & 0xff

/** SQLite's word for it as a code of ours. @see sqlite.org/rescode.html */
function storeError(error: unknown): InfraFabricError {
  if (error instanceof InfraFabricError) return error
  const errcode = error instanceof Error && 'errcode' in error ? Number(error.errcode) : 0
  const message = messageOf(error)
  switch (primaryCode(errcode)) {
    case 13:
      return new InfraFabricError('ledger.store.full', `the disk under the ledger is full: ${message}`, { cause: error })
    case 5:
    case 6:
      return new InfraFabricError('ledger.store.busy', `the ledger is locked by another writer: ${message}`, { cause: error })
    case 11:
    case 26:
      return new InfraFabricError('ledger.store.damaged', `the ledger's database is damaged: ${message}`, { cause: error })
    default:
      return new InfraFabricError('ledger.store.io', `the ledger's database failed (${errorCode(error)}): ${message}`, {
        cause: error
      })
  }
}

/** Segments read in one go: bounds memory, and the time for which a reader holds the log back from being cleaned up. */
const readAhead = 64

/** What a writer asks of the log beside reading it. */
type KeyReader = Pick<LogStore, 'producers' | 'singleKeys' | 'keysBackward'>

function keyReaderOf(database: DatabaseSync): KeyReader {
  const readProducer = database.prepare(
    'SELECT id, last, first_idx AS firstIndex, last_idx AS lastIndex FROM producer WHERE id = ?'
  )
  const readKey = database.prepare('SELECT idx AS "index", hash FROM single_key WHERE key = ?')
  const readKeys = database.prepare('SELECT first, count, data, keys FROM segment WHERE first < ? ORDER BY first DESC LIMIT 1')
  return {
    producers: async (ids) => lookUp(ids, (id) => readProducer.get(id) as Producer | undefined),
    singleKeys: async (keys) => lookUp(keys, (key) => readKey.get(key) as Place | undefined),
    keysBackward: async function* (from, to) {
      for (let before = to; before > from; ) {
        const row = reading(() => readKeys.get(before) as (Segment & { readonly keys: string }) | undefined)
        if (row === undefined || row.first + row.count <= from) return
        yield { segment: row, keys: splitKeys(row.keys) }
        before = row.first
      }
    }
  }
}

function readerOf(database: DatabaseSync): LogReader {
  const readHead = database.prepare('SELECT size, last_hash AS lastHash, checkpoint FROM head WHERE id = 0')
  const readFirst = database.prepare('SELECT max(first) AS first FROM segment WHERE first <= ?')
  const readSegments = database.prepare(
    'SELECT first, count, data FROM segment WHERE first >= ? AND first < ? ORDER BY first LIMIT ?'
  )
  const readTile = database.prepare('SELECT hashes FROM tile WHERE level = ? AND position = ?')
  const readErasable =
    database.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'erasable'`).get() === undefined
      ? null
      : database.prepare('SELECT salt, payload FROM erasable WHERE idx = ?')
  return {
    head: async () => reading(() => (readHead.get() as Head | undefined) ?? emptyHead),
    segments: async function* (from, to) {
      if (from >= to) return
      let at = reading(() => (readFirst.get(from) as { first: number | null }).first ?? from)
      while (at < to) {
        const found = reading(() => readSegments.all(at, to, readAhead) as unknown as Segment[])
        for (const segment of found) {
          if (segment.first >= to) return
          if (segment.first + segment.count > from) yield segment
          at = segment.first + segment.count
        }
        if (found.length < readAhead) return
      }
    },
    tile: async (level, index) =>
      reading(() => (readTile.get(level, index) as { hashes: Uint8Array } | undefined)?.hashes ?? null),
    erasable: async (indexes) => lookUp(indexes, (index) => readErasable?.get(index) as Erasable | undefined),
    close: async () => {
      if (database.isOpen) database.close()
    }
  }
}

/**
 * Opens an embedded log for reading, beside whoever writes to it.
 *
 * @throws {Error} `ERR_SQLITE_ERROR` when the file is not there or is no database
 */
export function openSqliteReader(path: string): LogReader {
  const database = openForReading(path)
  try {
    return readerOf(database)
  } catch (error) {
    database.close()
    throw error
  }
}

/** Every entry of an embedded log, in one go. @throws {Error} `ERR_SQLITE_ERROR` when the file is not there or is no database */
export function readEntries(path: string): LedgerEntry[] {
  const database = openForReading(path)
  try {
    const rows = database.prepare('SELECT data FROM segment ORDER BY first').all() as unknown as Pick<Segment, 'data'>[]
    return rows.flatMap(({ data }) => entriesOf(data).map(openEntry))
  } finally {
    database.close()
  }
}

const pauseMs = 10

/** Turns on the write-ahead log. SQLite does not wait by itself for another process that is about to do the same with a new file. */
function useJournal(database: DatabaseSync, busyTimeoutMs: number): void {
  for (let waitedMs = 0; ; waitedMs += pauseMs) {
    try {
      database.exec('PRAGMA journal_mode = WAL')
      return
    } catch (error) {
      if (waitedMs >= busyTimeoutMs || storeError(error).code !== 'ledger.store.busy') throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs)
    }
  }
}

/**
 * The embedded store: one SQLite file in WAL mode with synchronous=FULL, so that a commit is on disk before it is acknowledged. SQLite's write lock is the
 * lease: the system frees it when its holder dies, and what fences a writer that was overtaken is the head that its commit names.
 *
 * @param busyTimeoutMs how long to wait for another writer
 * @param journalThread whether the journal is brought home by a thread beside the commits, and not inside them: for whoever stays and writes much
 * @throws {InfraFabricError} as {@link LogStore.commit}
 */
export function openSqliteStore(path: string, busyTimeoutMs = 2000, journalThread = false): LogStore {
  let database: DatabaseSync
  try {
    keepDatabasePrivate(path)
    database = new DatabaseSync(path, { timeout: busyTimeoutMs })
    useJournal(database, busyTimeoutMs)
    // where no thread does it, a commit waits while the journal is brought home: with 4000 pages the slowest hundredth took a quarter to a half longer
    database.exec(
      'PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 1000; PRAGMA cache_size = -32768; PRAGMA secure_delete = ON;'
    )
    database.exec(schema)
    settleJournal(path)
  } catch (error) {
    throw storeError(error)
  }
  const reader = readerOf(database)
  const headNow = database.prepare('SELECT size, last_hash AS lastHash FROM head WHERE id = 0')
  const insertSegment = database.prepare('INSERT INTO segment VALUES (?, ?, ?, ?)')
  const insertTile = database.prepare('INSERT OR REPLACE INTO tile VALUES (?, ?, ?)')
  const insertProducer = database.prepare('INSERT OR REPLACE INTO producer VALUES (?, ?, ?, ?)')
  const insertKey = database.prepare('INSERT INTO single_key VALUES (?, ?, ?)')
  const insertErasable = database.prepare('INSERT OR REPLACE INTO erasable VALUES (?, ?, ?)')
  const deleteErasable = database.prepare('DELETE FROM erasable WHERE idx = ?')
  const emptyJournal = database.prepare('PRAGMA wal_checkpoint(TRUNCATE)')
  const writeHead = database.prepare('INSERT OR REPLACE INTO head VALUES (0, ?, ?, ?)')

  const journal = journalThread ? openJournal(path, database) : null

  let journalHoldsErased = false
  /** A pass of another process that is under way refuses this one at once; a reader is waited for by SQLite itself. */
  const emptyNow = async (): Promise<boolean> => {
    const begunMs = performance.now()
    do {
      await journal?.settled()
      if ((emptyJournal.get() as { busy: number }).busy === 0) return true
      await pause(pauseMs)
    } while (performance.now() - begunMs < busyTimeoutMs)
    return false
  }

  return {
    ...reader,
    ...keyReaderOf(database),
    close: async () => {
      await journal?.close()
      await reader.close()
    },
    commit: async ({ after, segment, tiles, keys, keyChanges, erasableChanges, head }) => {
      try {
        database.exec('BEGIN IMMEDIATE')
        const now = (headNow.get() as { size: number; lastHash: string } | undefined) ?? emptyHead
        if (now.size !== after.size || now.lastHash !== after.lastHash) {
          database.exec('ROLLBACK')
          return false
        }
        insertSegment.run(segment.first, segment.count, segment.data, keys)
        for (const { level, index, hashes: tile } of tiles) insertTile.run(level, index, tile)
        for (const { id, last, firstIndex, lastIndex } of keyChanges.producers)
          insertProducer.run(id, last, firstIndex, lastIndex)
        for (const { key, place } of keyChanges.single) insertKey.run(key, place.index, place.hash)
        for (const { index, erasable } of erasableChanges.added) insertErasable.run(index, erasable.salt, erasable.payload)
        for (const index of erasableChanges.erased) deleteErasable.run(index)
        writeHead.run(head.size, head.lastHash, head.checkpoint)
        database.exec('COMMIT')
        // what was erased may still stand in the journal; a reader can keep that from being emptied, and the next commit tries again
        journalHoldsErased ||= erasableChanges.erased.length > 0
        if (journalHoldsErased) journalHoldsErased = !(await emptyNow())
        else journal?.grew(segment.data.length)
        return true
      } catch (error) {
        if (database.isTransaction) database.exec('ROLLBACK')
        throw storeError(error)
      }
    }
  }
}

function reading<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw storeError(error)
  }
}

function lookUp<K, T extends object>(names: readonly K[], read: (name: K) => T | undefined): Map<K, T> {
  const found = new Map<K, T>()
  reading(() => {
    for (const name of names) {
      const row = read(name)
      if (row !== undefined) found.set(name, { ...row })
    }
  })
  return found
}
