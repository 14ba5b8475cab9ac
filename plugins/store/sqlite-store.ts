import { type FSWatcher, watch as watchFile } from 'node:fs'
import { basename, dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { type Clock, InfraFabricError, keepDatabasePrivate, makeFolder, messageOf, systemClock } from '#kernel'
import { checkKey, type WrittenChange, writeChange } from './change.ts'
import {
  type CommitResult,
  type Cursor,
  eventsKept,
  parseCursor,
  type StateStore,
  type StoredRecord,
  type ToldEvent,
  topicMatcher
} from './state-store.ts'

const schema = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA busy_timeout = 0;
  CREATE TABLE IF NOT EXISTS records (key TEXT PRIMARY KEY, version INTEGER NOT NULL, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS feed (
    version INTEGER NOT NULL, ordinal INTEGER NOT NULL, at INTEGER NOT NULL, topic TEXT NOT NULL, data TEXT NOT NULL,
    PRIMARY KEY (version, ordinal)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS counter (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL, cut INTEGER NOT NULL) STRICT;
  INSERT OR IGNORE INTO counter VALUES (1, 0, 0);
  PRAGMA user_version = 1;
`

const schemaVersion = 1
/** How long a commit waits for other processes that write. */
const patienceMs = 10_000
/** Commits written by one transaction of the database: what they share is the wait for the disk. */
const mostTogether = 256
/** A file watcher may miss what happens while the journal is replaced; then this finds it. */
const lookAgainMs = 1000
const pageOfEvents = 500
/** The feed is cut when it is so much longer than what is kept, so that not every commit cuts it. */
const cutEvery = 1000

interface Pending {
  readonly change: WrittenChange
  readonly resolve: (result: CommitResult) => void
  readonly reject: (error: unknown) => void
}

function sqliteError(cause: unknown, place: string): InfraFabricError {
  if (cause instanceof InfraFabricError) return cause
  const number = (cause as { errcode?: number }).errcode ?? 0
  const message = messageOf(cause)
  const codes: Record<number, string> = {
    5: 'busy',
    6: 'busy',
    10: 'io',
    11: 'damaged',
    13: 'full',
    14: 'io',
    26: 'damaged',
    8: 'io'
  }
  return new InfraFabricError(`store.${codes[number & 0xff] ?? 'io'}`, `${place}: ${message}`, { cause })
}

const isBusy = (error: unknown): boolean => [5, 6].includes(((error as { errcode?: number }).errcode ?? 0) & 0xff)

/**
 * Opens the store in the file `path`, made with its folder when absent. Calls of the database run on the thread of the caller; commits of one turn of the
 * event loop share one wait for the disk.
 *
 * @throws {InfraFabricError} as StateStore; `store.damaged` also for a file that is something else or from a later version
 */
export async function openSqliteStore(path: string, clock: Clock = systemClock): Promise<StateStore> {
  makeFolder(dirname(path))
  let database: DatabaseSync
  try {
    database = await openDatabase(path)
  } catch (error) {
    throw sqliteError(error, path)
  }
  const prepared = new Map<string, StatementSync>()
  const sql = (text: string): StatementSync => {
    let statement = prepared.get(text)
    if (statement === undefined) {
      statement = database.prepare(text)
      prepared.set(text, statement)
    }
    return statement
  }

  let closed = false
  const waiting: Pending[] = []
  let writing: Promise<void> | null = null
  const watchers = new Set<() => void>()

  const reading = <T>(work: () => T): T => {
    if (closed) throw new InfraFabricError('store.closed', `${path} is closed`)
    try {
      return work()
    } catch (error) {
      throw sqliteError(error, path)
    }
  }

  const recordOf = (row: Record<string, unknown> | undefined): StoredRecord | null =>
    row === undefined ? null : { key: String(row.key), value: JSON.parse(String(row.value)), version: Number(row.version) }

  const counter = (): { version: number; cut: number } =>
    sql('SELECT version, cut FROM counter').get() as { version: number; cut: number }

  const apply = ({ expect, put, remove, tell }: WrittenChange): CommitResult => {
    for (const { key, version } of expect) {
      const found = sql('SELECT version FROM records WHERE key = ?').get(key) as { version: number } | undefined
      if ((found?.version ?? 0) !== version) return { ok: false, conflict: key }
    }
    const at = clock.now()
    const { version } = sql('UPDATE counter SET version = version + 1 RETURNING version').get() as { version: number }
    for (const { key, text } of put) sql('INSERT OR REPLACE INTO records VALUES (?, ?, ?)').run(key, version, text)
    for (const key of remove) sql('DELETE FROM records WHERE key = ?').run(key)
    for (const [at0, { topic, text }] of tell.entries())
      sql('INSERT INTO feed VALUES (?, ?, ?, ?, ?)').run(version, at0 + 1, at, topic, text)
    if (version % cutEvery === 0) cutFeed()
    return { ok: true, version, at }
  }

  const cutFeed = (): void => {
    const row = sql('SELECT version FROM feed ORDER BY version DESC, ordinal DESC LIMIT 1 OFFSET ?').get(eventsKept) as
      | { version: number }
      | undefined
    if (row === undefined) return
    sql('DELETE FROM feed WHERE version < ?').run(row.version)
    sql('UPDATE counter SET cut = ?').run(row.version - 1)
  }

  /** Runs `work` in one transaction that writes, when no other process does. Nothing of this thread comes between. */
  const writingAlone = async <T>(work: () => T): Promise<T> => {
    for (const until = clock.monotonicMs() + patienceMs; ; await pause(1)) {
      try {
        database.exec('BEGIN IMMEDIATE')
      } catch (error) {
        if (!isBusy(error) || clock.monotonicMs() > until) throw sqliteError(error, path)
        continue
      }
      try {
        const result = work()
        database.exec('COMMIT')
        return result
      } catch (error) {
        if (database.isTransaction) database.exec('ROLLBACK')
        throw sqliteError(error, path)
      }
    }
  }

  const writeWaiting = async (): Promise<void> => {
    let group: readonly Pending[] = []
    try {
      const results = await writingAlone(() => {
        group = waiting.splice(0, mostTogether)
        return group.map(({ change }) => apply(change))
      })
      for (const [at, { resolve }] of group.entries()) resolve(results[at]!)
      for (const wake of watchers) wake()
    } catch (error) {
      for (const { reject } of group.length > 0 ? group : waiting.splice(0)) reject(error)
    }
  }

  const writeSoon = (): void => {
    // a turn later, so that what else is done in this one goes along
    writing ??= new Promise<void>((done) => setImmediate(done)).then(writeWaiting).finally(() => {
      writing = null
      if (waiting.length > 0) writeSoon()
    })
  }

  async function* watchFeed(after: Cursor | 'newest', pattern: string, signal: AbortSignal): AsyncGenerator<ToldEvent> {
    const matches = topicMatcher(pattern)
    let [version, ordinal] = after === 'newest' ? [reading(counter).version, 0] : parseCursor(after)
    if (after === 'newest') ordinal = Number.MAX_SAFE_INTEGER
    const { cut } = reading(counter)
    if (cut > 0 && version <= cut)
      throw new InfraFabricError('store.feed.gone', `events behind ${after} are no longer kept: begin anew with what is there`)
    let wake: () => void = () => undefined
    let changed = true
    const listener = () => {
      changed = true
      wake()
    }
    watchers.add(listener)
    signal.addEventListener('abort', listener)
    // other processes write to the journal beside the file
    const journal = `${basename(path)}-wal`
    const files: FSWatcher = watchFile(dirname(path), (_kind, name) => {
      if (name === journal || name === basename(path)) listener()
    })
    files.on('error', () => undefined)
    try {
      while (!signal.aborted) {
        changed = false
        const rows = reading(() =>
          sql(
            'SELECT version, ordinal, at, topic, data FROM feed WHERE (version, ordinal) > (?, ?) ORDER BY version, ordinal LIMIT ?'
          ).all(version, ordinal, pageOfEvents)
        )
        for (const row of rows) {
          version = Number(row.version)
          ordinal = Number(row.ordinal)
          const topic = String(row.topic)
          if (!matches(topic)) continue
          yield { cursor: `${version}-${ordinal}`, at: Number(row.at), topic, data: JSON.parse(String(row.data)) }
          if (signal.aborted) return
        }
        if (rows.length === pageOfEvents || changed) continue
        await new Promise<void>((resolve) => {
          const cancel = setTimeout(resolve, lookAgainMs)
          wake = () => {
            clearTimeout(cancel)
            resolve()
          }
        })
      }
    } finally {
      watchers.delete(listener)
      signal.removeEventListener('abort', listener)
      files.close()
    }
  }

  return {
    read: async (keys) => {
      for (const key of keys) checkKey(key)
      return reading(() => {
        if (keys.length > 1) database.exec('BEGIN')
        try {
          const records = keys.map((key) => recordOf(sql('SELECT key, version, value FROM records WHERE key = ?').get(key)))
          return { at: clock.now(), records }
        } finally {
          if (keys.length > 1) database.exec('COMMIT')
        }
      })
    },
    list: async (prefix, { after = '', limit = 10_000 } = {}) =>
      reading(() => ({
        at: clock.now(),
        records: sql('SELECT key, version, value FROM records WHERE key >= ? AND key < ? AND key > ? ORDER BY key LIMIT ?')
          .all(prefix, `${prefix}\u{10ffff}`, after, limit)
          .map((row) => recordOf(row)!)
      })),
    count: async (prefix) =>
      reading(() =>
        Number(sql('SELECT count(*) AS count FROM records WHERE key >= ? AND key < ?').get(prefix, `${prefix}\u{10ffff}`)!.count)
      ),
    commit: (change) =>
      new Promise((resolve, reject) => {
        if (closed) throw new InfraFabricError('store.closed', `${path} is closed`)
        waiting.push({ change: writeChange(change), resolve, reject })
        writeSoon()
      }),
    watch: ({ after, pattern, signal }) => watchFeed(after, pattern, signal),
    health: async () => {
      const began = clock.monotonicMs()
      await writingAlone(() => sql('UPDATE counter SET one = 1').run())
      const roundTripMs = clock.monotonicMs() - began
      return reading(() => {
        const newest = sql('SELECT version, ordinal FROM feed ORDER BY version DESC, ordinal DESC LIMIT 1').get()
        const check = sql('PRAGMA quick_check(1)').get()
        return {
          kind: 'sqlite' as const,
          place: path,
          roundTripMs,
          records: Number(sql('SELECT count(*) AS count FROM records').get()!.count),
          events: Number(sql('SELECT count(*) AS count FROM feed').get()!.count),
          newest: newest === undefined ? ('0-0' as const) : (`${Number(newest.version)}-${Number(newest.ordinal)}` as const),
          faults: check?.quick_check === 'ok' ? [] : [`the file is damaged: ${String(check?.quick_check)}`]
        }
      })
    },
    close: async () => {
      if (closed) return
      closed = true
      while (writing !== null) await writing
      for (const wake of watchers) wake()
      database.close()
    }
  }
}

async function openDatabase(path: string): Promise<DatabaseSync> {
  keepDatabasePrivate(path)
  const database = new DatabaseSync(path)
  for (let attempt = 0; ; attempt++) {
    try {
      const version = Number(database.prepare('PRAGMA user_version').get()!.user_version)
      if (version > schemaVersion)
        throw new InfraFabricError('store.damaged', `${path} was written by a later version of the suite (schema ${version})`)
      if (version < schemaVersion) database.exec(schema)
      else database.exec('PRAGMA synchronous = FULL; PRAGMA busy_timeout = 0')
      return database
    } catch (error) {
      if (!isBusy(error) || attempt === 2000) {
        database.close()
        throw error
      }
      await pause(5)
    }
  }
}
