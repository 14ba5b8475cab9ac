import { DatabaseSync } from 'node:sqlite'
import { InfraFabricError, keepDatabasePrivate } from '#kernel'

/**
 * The frame hashes of batches, kept beside the log so that single frames can be proved later. The log does without them: what is lost or forgotten here
 * takes with it the proofs of single frames, and nothing else.
 *
 * Durability: survives the death of the process; a power cut may take the last seconds.
 */
export interface FrameStore {
  /** Keeps the hashes of a batch under its root, 64 hex digits. @throws {InfraFabricError} `ledger.frames.store` */
  readonly save: (root: string, hashes: Uint8Array, timeMs: number) => void
  /** Hashes of a batch, one behind the other; null when they are not kept. */
  readonly hashes: (root: string) => Uint8Array | null
  /** Forgets batches saved before a time, the oldest first and no more than 1000 at once. @returns how many. @throws {InfraFabricError} `ledger.frames.store` */
  readonly forgetBefore: (timeMs: number) => number
  readonly close: () => void
}

/** @throws {InfraFabricError} `ledger.frames.store` */
export function openFrameStore(path: string): FrameStore {
  const tried = <T>(act: () => T): T => {
    try {
      return act()
    } catch (error) {
      throw new InfraFabricError('ledger.frames.store', `${path} cannot be used`, { cause: error })
    }
  }
  const database = tried(() => {
    keepDatabasePrivate(path)
    const opened = new DatabaseSync(path, { timeout: 2000 })
    opened.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
      CREATE TABLE IF NOT EXISTS batch (root TEXT PRIMARY KEY, time_ms INTEGER NOT NULL, hashes BLOB NOT NULL) STRICT;
      CREATE INDEX IF NOT EXISTS batch_time ON batch (time_ms)`)
    return opened
  })
  const insert = database.prepare('INSERT OR IGNORE INTO batch VALUES (?, ?, ?)')
  const read = database.prepare('SELECT hashes FROM batch WHERE root = ?')
  const forget = database.prepare(
    'DELETE FROM batch WHERE root IN (SELECT root FROM batch WHERE time_ms < ? ORDER BY time_ms LIMIT 1000)'
  )
  return {
    save: (root, hashes, timeMs) => tried(() => void insert.run(root, Math.floor(timeMs), hashes)),
    hashes: (root) => tried(() => (read.get(root) as { hashes: Uint8Array } | undefined)?.hashes ?? null),
    forgetBefore: (timeMs) => tried(() => Number(forget.run(timeMs).changes)),
    close: () => {
      if (database.isOpen) database.close()
    }
  }
}
