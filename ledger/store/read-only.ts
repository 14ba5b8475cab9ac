import { existsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { syncPath } from './durable-file.ts'

const resultCode = { cantOpen: 14, readOnly: 8, corrupt: 11, notADatabase: 26 }

/** SQLite's primary result code. @see sqlite.org/rescode.html */
const codeOf = (error: unknown): number => (error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0)

/** Whether SQLite says that the file's content is at fault, and not the way to it. */
export function isDamage(error: unknown): boolean {
  const code = codeOf(error)
  return code === resultCode.corrupt || code === resultCode.notADatabase
}

/**
 * Puts on disk what a killed writer left in the `-wal` file: SQLite shows such a commit to whoever opens the database next, though nobody waited for the
 * disk. Nothing may be answered, signed or given away on its strength before.
 *
 * @throws what the file system throws
 */
export function settleJournal(path: string): void {
  const journal = `${path}-wal`
  if ((statSync(journal, { throwIfNoEntry: false })?.size ?? 0) === 0) return
  syncPath(journal)
  syncPath(dirname(path))
}

function probe(path: string): DatabaseSync {
  const database = openAndRead(path)
  try {
    settleJournal(path)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

function openAndRead(location: string | URL): DatabaseSync {
  const database = new DatabaseSync(location, { readOnly: true, timeout: 2000 })
  try {
    database.prepare('SELECT count(*) FROM sqlite_schema').get()
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

/**
 * Opens a ledger's database for reading, beside whoever writes to it.
 *
 * A file in WAL mode wants a `-shm` file beside it even to be read. Where none can be made (a copy on read-only media) and no `-wal` file holds
 * anything back, the file is complete in itself and opened as one that does not change.
 *
 * @throws {Error} `ERR_SQLITE_ERROR` when the file is not there or is no database
 */
export function openForReading(path: string): DatabaseSync {
  try {
    return probe(path)
  } catch (error) {
    const code = codeOf(error)
    if (code !== resultCode.cantOpen && code !== resultCode.readOnly) throw error
    if (!existsSync(path) || existsSync(`${path}-wal`)) throw error
    const location = pathToFileURL(path)
    location.searchParams.set('immutable', '1')
    return openAndRead(location)
  }
}
