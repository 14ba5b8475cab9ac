import { Worker } from 'node:worker_threads'
import { errorCode, type Log } from '#kernel'
import type { LogReader } from '../store/store.ts'
import { type EntryIndex, openEntryIndex } from './entry-index.ts'
import type { IndexerAnswer, IndexerRequest, IndexerSettings } from './indexer.ts'

/**
 * An index whose work is done in a thread of its own. Should the thread fail, this thread does it: the index follows from the log, whoever keeps it.
 *
 * @param reader the same log, for when the thread has failed
 */
export function openIndexThread(settings: Omit<IndexerSettings, 'asked'>, reader: LogReader, log: Log): EntryIndex {
  const waiting = new Map<number, PromiseWithResolvers<readonly number[] | null>>()
  let nextId = 0
  let own: EntryIndex | null = null
  let closed = false
  let ended = false
  const { promise: end, resolve: atEnd } = Promise.withResolvers<void>()
  const asked = new Int32Array(new SharedArrayBuffer(4))
  const thread = new Worker(new URL('./indexer.ts', import.meta.url), {
    workerData: { ...settings, asked } satisfies IndexerSettings,
    execArgv: ['--disable-warning=ExperimentalWarning']
  })
  thread.unref()
  const ask = (request: IndexerRequest) => {
    thread.postMessage(request)
    Atomics.add(asked, 0, 1)
    Atomics.notify(asked, 0)
  }
  thread.on('message', ({ id, found }: IndexerAnswer) => {
    waiting.get(id)?.resolve(found)
    waiting.delete(id)
    if (waiting.size === 0) thread.unref()
  })
  thread.on('error', (error) => log.warn({ code: errorCode(error) }, 'the thread of the index failed; queries do its work'))
  thread.on('exit', () => {
    ended = true
    for (const { resolve } of waiting.values()) resolve(null)
    waiting.clear()
    atEnd()
  })

  const here = async (): Promise<EntryIndex> => {
    own ??= openEntryIndex(settings.indexPath, reader)
    while (!closed && !(await own.catchUp(4096))) await new Promise<void>((resolve) => setImmediate(resolve))
    return own
  }

  return {
    // the thread catches up before it answers
    catchUp: async () => true,
    find: async (filter) => {
      if (!ended) {
        const answer = Promise.withResolvers<readonly number[] | null>()
        const id = nextId++
        waiting.set(id, answer)
        // a process that waits for an answer goes on
        thread.ref()
        ask({ type: 'find', id, filter })
        const found = await answer.promise
        if (found !== null) return found
      }
      return (await here()).find(filter)
    },
    close: async () => {
      closed = true
      if (!ended) {
        thread.ref()
        ask({ type: 'close' })
        await end
      }
      await own?.close()
    }
  }
}
