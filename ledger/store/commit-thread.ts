/** The thread that makes the commits of an embedded log, one after another. */
import { parentPort, workerData } from 'node:worker_threads'
import { errorCode, messageOf } from '#kernel'
import { type FlatCommit, readCommit } from './crossing.ts'
import { openSqliteStore } from './sqlite-store.ts'
import type { LogStore } from './store.ts'

export interface CommitterSettings {
  readonly path: string
  readonly busyTimeoutMs: number
}

export type CommitterRequest = { readonly type: 'commit'; readonly commit: FlatCommit } | { readonly type: 'close' }

export type CommitterAnswer =
  | { readonly type: 'ready' }
  | { readonly type: 'committed'; readonly taken: boolean }
  | { readonly type: 'failed'; readonly code: string; readonly message: string }
  /** The store cannot be opened; the thread ends. */
  | { readonly type: 'unopened'; readonly code: string; readonly message: string }

const port = parentPort!
const answer = (message: CommitterAnswer) => port.postMessage(message)
const wordsOf = (error: unknown): { code: string; message: string } => ({
  code: errorCode(error),
  message: messageOf(error)
})

function open(): LogStore {
  const { path, busyTimeoutMs } = workerData as CommitterSettings
  try {
    return openSqliteStore(path, busyTimeoutMs, true)
  } catch (error) {
    answer({ type: 'unopened', ...wordsOf(error) })
    return process.exit(1)
  }
}

const store = open()

const commit = async (flat: FlatCommit): Promise<void> => {
  try {
    answer({ type: 'committed', taken: await store.commit(readCommit(flat)) })
  } catch (error) {
    answer({ type: 'failed', ...wordsOf(error) })
  }
}

/** What empties the journal takes its time, and the next commit waits for it. */
let last: Promise<void> = Promise.resolve()

port.on('message', (request: CommitterRequest) => {
  if (request.type === 'commit') {
    last = last.then(() => commit(request.commit))
    return
  }
  void last.then(async () => {
    await store.close()
    port.close()
  })
})

answer({ type: 'ready' })
