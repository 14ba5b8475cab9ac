import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { InfraFabricError } from '#kernel'

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

/**
 * @param create whether to begin with no memory where the file is not there: a witness that has lost its memory may sign another history
 * @throws {InfraFabricError} `ledger.seat.state`
 */
export function openSeatState(path: string, create: boolean): SeatState {
  const failed = (problem: string, cause?: unknown) => new InfraFabricError('ledger.seat.state', `${path}: ${problem}`, { cause })
  if (!create && !existsSync(path)) throw failed('the memory of this witness is not there')
  let database: DatabaseSync
  try {
    database = new DatabaseSync(path, { timeout: 2000 })
    database.exec(`PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA;
      CREATE TABLE IF NOT EXISTS signed (
        origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root TEXT NOT NULL, time_s INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID`)
  } catch (error) {
    throw failed('the memory of this witness cannot be opened', error)
  }
  const read = database.prepare('SELECT size, root, time_s AS timeS FROM signed WHERE origin = ?')
  const write = database.prepare('INSERT OR REPLACE INTO signed VALUES (?, ?, ?, ?)')
  const head = (origin: string) => (read.get(origin) as SignedHead | undefined) ?? null
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
        if (same) write.run(origin, to.size, to.root, to.timeS)
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
