import { hash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { InfraFabricError, keepDatabasePrivate } from '#kernel'

/** What a witness has signed last of a log. */
export interface SignedHead {
  readonly size: number
  /** 32 octets, base64. */
  readonly root: string
  /** When, in seconds since 1970. */
  readonly timeS: number
}

/**
 * The memory of a witness: of each log the head it signed last.
 *
 * Durability: when `advance` returns true the new head survives a power cut. Concurrency: the head is compared and replaced in one transaction of an
 * SQLite file, so that two processes on one memory do not sign two histories either.
 */
export interface SeatState {
  readonly head: (origin: string) => SignedHead | null
  /** Replaces `from` by `to`; false when the head is another by now. */
  readonly advance: (origin: string, from: SignedHead | null, to: SignedHead) => boolean
  readonly close: () => void
}

/** The second form holds a checksum with each head: a spoiled memory must not be taken for another one. */
const form = 2
const schema = `
  CREATE TABLE signed (
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root TEXT NOT NULL, time_s INTEGER NOT NULL, checksum TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  PRAGMA user_version = ${form}`

const checksumOf = (origin: string, { size, root, timeS }: SignedHead): string =>
  hash('sha256', `${origin}\n${size}\n${root}\n${timeS}\n`, 'hex')

/** Makes the table, or brings it to the present form. @throws {Error} for a file that is there and holds no memory, or is spoiled */
function prepare(database: DatabaseSync, fresh: boolean): void {
  database.exec('BEGIN IMMEDIATE')
  const hasTable = database.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'signed'`).get() !== undefined
  const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number }
  if (!hasTable) {
    if (!fresh || version !== 0) throw new Error('it holds no memory')
    database.exec(schema)
  } else if (version === 0) {
    const rows = database.prepare('SELECT origin, size, root, time_s AS timeS FROM signed').all() as unknown as Row[]
    database.exec(`DROP TABLE signed; ${schema}`)
    const write = database.prepare('INSERT INTO signed VALUES (?, ?, ?, ?, ?)')
    for (const row of rows) write.run(row.origin, row.size, row.root, row.timeS, checksumOf(row.origin, row))
  } else if (version !== form) throw new Error(`it is of form ${version}`)
  database.exec('COMMIT')
  const sound = database.prepare('PRAGMA integrity_check(1)').get()?.integrity_check
  if (sound !== 'ok') throw new Error(String(sound))
}

type Row = SignedHead & { readonly origin: string }

/**
 * @param create whether to begin with no memory where the file is not there: a witness that has lost its memory may sign another history
 * @throws {InfraFabricError} `ledger.seat.state`, also for a memory that is spoiled
 */
export function openSeatState(path: string, create: boolean): SeatState {
  const failed = (problem: string, cause?: unknown) => new InfraFabricError('ledger.seat.state', `${path}: ${problem}`, { cause })
  const fresh = !existsSync(path)
  if (fresh && !create) throw failed('the memory of this witness is not there')
  let database: DatabaseSync
  try {
    keepDatabasePrivate(path)
    database = new DatabaseSync(path, { timeout: 2000 })
  } catch (error) {
    throw failed('the memory of this witness cannot be opened', error)
  }
  const columns = 'origin, size, root, time_s AS timeS, checksum'
  const checked = (row: Row & { readonly checksum: string }): SignedHead => {
    const { size, root, timeS } = row
    if (row.checksum !== checksumOf(row.origin, row)) throw new Error(`what it says of ${row.origin} is spoiled`)
    return { size, root, timeS }
  }
  try {
    database.exec('PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA')
    prepare(database, fresh)
    // a head whose origin is spoiled is not found by its name
    for (const row of database.prepare(`SELECT ${columns} FROM signed`).all()) checked(row as never)
  } catch (error) {
    database.close()
    throw failed('the memory of this witness is spoiled, or none', error)
  }
  const read = database.prepare(`SELECT ${columns} FROM signed WHERE origin = ?`)
  const write = database.prepare('INSERT OR REPLACE INTO signed VALUES (?, ?, ?, ?, ?)')
  const head = (origin: string): SignedHead | null => {
    const row = read.get(origin)
    return row === undefined ? null : checked(row as never)
  }
  return {
    head: (origin) => {
      try {
        return head(origin)
      } catch (error) {
        throw failed('the memory of this witness cannot be read', error)
      }
    },
    advance: (origin, from, to) => {
      try {
        database.exec('BEGIN IMMEDIATE')
        const now = head(origin)
        const same = now?.size === from?.size && now?.root === from?.root && now?.timeS === from?.timeS
        if (same) write.run(origin, to.size, to.root, to.timeS, checksumOf(origin, to))
        database.exec(same ? 'COMMIT' : 'ROLLBACK')
        return same
      } catch (error) {
        if (database.isTransaction) database.exec('ROLLBACK')
        throw failed('the memory of this witness cannot be written', error)
      }
    },
    close: () => {
      if (database.isOpen) database.close()
    }
  }
}
