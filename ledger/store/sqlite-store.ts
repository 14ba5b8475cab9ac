import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { errorCode, InfraFabricError } from '#kernel'
import { noPrevious, sealEntry } from '../log/entry.ts'
import { Frontier } from '../log/merkle.ts'
import { type NoteSigner, signCheckpoint } from '../log/note.ts'
import type { AppendItem, Head, LedgerStore, Place } from './store.ts'

/**
 * `idx` is the leaf number. `trace` to `call_id` repeat what stands in `bytes`, for look-ups; the verifier holds them against each other.
 * `head` has one row: what it says and the entries change in one transaction.
 */
const schema = `
  CREATE TABLE IF NOT EXISTS entry (
    idx INTEGER PRIMARY KEY, bytes BLOB NOT NULL, hash BLOB NOT NULL, idem TEXT NOT NULL UNIQUE,
    trace TEXT NOT NULL, parent TEXT, component TEXT NOT NULL, event TEXT NOT NULL, time_ms INTEGER NOT NULL, call_id TEXT
  ) STRICT;
  CREATE INDEX IF NOT EXISTS entry_trace ON entry (trace);
  CREATE INDEX IF NOT EXISTS entry_parent ON entry (parent) WHERE parent IS NOT NULL;
  CREATE INDEX IF NOT EXISTS entry_call ON entry (call_id) WHERE call_id IS NOT NULL;
  CREATE INDEX IF NOT EXISTS entry_event ON entry (event, idx);
  CREATE INDEX IF NOT EXISTS entry_component ON entry (component, idx);
  CREATE INDEX IF NOT EXISTS entry_time ON entry (time_ms);
  CREATE TABLE IF NOT EXISTS head (
    id INTEGER PRIMARY KEY CHECK (id = 0), size INTEGER NOT NULL, last_hash BLOB NOT NULL, peaks BLOB NOT NULL, checkpoint TEXT NOT NULL
  ) STRICT;
`

interface HeadRow {
  size: number
  last_hash: Uint8Array
  peaks: Uint8Array
  checkpoint: string
}

const primaryCode = (errcode: number): number => errcode & 0xff

/** SQLite's word for it as a code of ours. @see sqlite.org/rescode.html */
function storeError(error: unknown): InfraFabricError {
  if (error instanceof InfraFabricError) return error
  const errcode = error instanceof Error && 'errcode' in error ? Number(error.errcode) : 0
  const message = error instanceof Error ? error.message : String(error)
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

const callIdOf = ({ event }: AppendItem): string | null =>
  typeof event.payload.callId === 'string' ? event.payload.callId.slice(0, 256) : null

/**
 * The embedded store: one SQLite file in WAL mode with synchronous=FULL, so that a commit is on disk before it is acknowledged.
 *
 * @param busyTimeoutMs how long to wait for another writer
 * @throws {InfraFabricError} as {@link LedgerStore.append}
 */
export function openSqliteStore(path: string, signer: NoteSigner, busyTimeoutMs = 2000): LedgerStore {
  let database: DatabaseSync
  try {
    database = new DatabaseSync(path, { timeout: busyTimeoutMs })
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;')
    database.exec(schema)
  } catch (error) {
    throw storeError(error)
  }
  const readHead = database.prepare('SELECT size, last_hash, peaks, checkpoint FROM head WHERE id = 0')
  const readKey = database.prepare('SELECT idx, hash FROM entry WHERE idem = ?')
  const insert = database.prepare('INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
  const writeHead = database.prepare('INSERT OR REPLACE INTO head VALUES (0, ?, ?, ?, ?)')

  const headRow = (): HeadRow | undefined => readHead.get() as HeadRow | undefined

  const transact = (items: readonly AppendItem[]): Place[] => {
    const row = headRow()
    const frontier = row === undefined ? new Frontier() : openFrontier(row)
    let prev = row === undefined ? noPrevious : Buffer.from(row.last_hash).toString('hex')
    const places = items.map((item) => {
      const before = readKey.get(item.key) as { idx: number; hash: Uint8Array } | undefined
      if (before !== undefined) return { index: before.idx, hash: Buffer.from(before.hash).toString('hex') }
      const { event, timeMs } = item
      const index = frontier.size
      const { bytes, hash } = sealEntry(event, timeMs, index, prev)
      insertEntry(insert, index, bytes, hash, item)
      frontier.append(hash)
      prev = hash.toString('hex')
      return { index, hash: prev }
    })
    const size = frontier.size
    if (size !== (row?.size ?? 0)) {
      const checkpoint = signCheckpoint({ origin: signer.name, size, root: frontier.root() }, signer)
      writeHead.run(size, Buffer.from(prev, 'hex'), frontier.toBytes(), checkpoint)
    }
    return places
  }

  return {
    append: (items) => {
      try {
        database.exec('BEGIN IMMEDIATE')
        const places = transact(items)
        database.exec('COMMIT')
        return places
      } catch (error) {
        if (database.isTransaction) database.exec('ROLLBACK')
        throw storeError(error)
      }
    },
    head: () => {
      const row = headRow()
      return row === undefined
        ? { size: 0, lastHash: noPrevious, checkpoint: null }
        : ({ size: row.size, lastHash: Buffer.from(row.last_hash).toString('hex'), checkpoint: row.checkpoint } satisfies Head)
    },
    close: () => database.close()
  }
}

/** The tree as the head row has it, once its root is the one in the row's checkpoint: nothing is built, and signed, on a spoiled head. */
function openFrontier({ size, peaks, checkpoint }: HeadRow): Frontier {
  const [, signedSize, signedRoot] = checkpoint.split('\n')
  try {
    const frontier = new Frontier(size, peaks)
    if (signedSize === String(size) && signedRoot === frontier.root().toString('base64')) return frontier
  } catch (error) {
    throw new InfraFabricError('ledger.store.damaged', 'the head of the log is spoiled', { cause: error })
  }
  throw new InfraFabricError('ledger.store.damaged', 'the head of the log does not have the root of its own checkpoint')
}

function insertEntry(insert: StatementSync, index: number, bytes: Buffer, hash: Buffer, item: AppendItem): void {
  const { traceId, parentTraceId, component, event } = item.event
  insert.run(index, bytes, hash, item.key, traceId, parentTraceId ?? null, component, event, item.timeMs, callIdOf(item))
}
