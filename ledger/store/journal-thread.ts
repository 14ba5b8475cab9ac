/** The thread that brings SQLite's write-ahead log home while its owner goes on committing. */
import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'

export type JournalRequest = 'pass' | 'close'

/** What became of a pass. */
export interface JournalPass {
  /** Frames in the journal when it was done, and those of them that are in the database. Null when the pass failed: they stay in the journal. */
  readonly frames: { readonly all: number; readonly home: number } | null
}

const port = parentPort!
const database = new DatabaseSync(workerData as string)
database.exec('PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0')
const bringHome = database.prepare('PRAGMA wal_checkpoint(PASSIVE)')

const pass = (): JournalPass => {
  try {
    const { log, checkpointed } = bringHome.get() as { log: number; checkpointed: number }
    return { frames: { all: log, home: checkpointed } }
  } catch {
    return { frames: null }
  }
}

port.on('message', (request: JournalRequest) => {
  if (request === 'pass') return port.postMessage(pass())
  database.close()
  port.close()
})
