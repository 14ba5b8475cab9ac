import { DatabaseSync } from 'node:sqlite'
import type { LogReader } from '../store/store.ts'

/** Copies a log as it stands, octet by octet, into a database as the verifier takes it: segments and head, which is all that it believes. */
export async function copyLog(reader: LogReader, path: string): Promise<void> {
  const database = new DatabaseSync(path)
  try {
    database.exec(`PRAGMA synchronous = OFF; BEGIN;
      CREATE TABLE segment (first INTEGER PRIMARY KEY, count INTEGER NOT NULL, data BLOB NOT NULL) STRICT;
      CREATE TABLE head (id INTEGER PRIMARY KEY, size INTEGER NOT NULL, last_hash TEXT NOT NULL, checkpoint TEXT NOT NULL) STRICT`)
    const { size, lastHash, checkpoint } = await reader.head()
    const insert = database.prepare('INSERT INTO segment VALUES (?, ?, ?)')
    for await (const { first, count, data } of reader.segments(0, size)) insert.run(first, count, data)
    if (checkpoint !== null) database.prepare('INSERT INTO head VALUES (0, ?, ?, ?)').run(size, lastHash, checkpoint)
    database.exec('COMMIT')
  } finally {
    database.close()
  }
}
