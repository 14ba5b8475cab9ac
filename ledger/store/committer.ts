/**
 * The embedded store with a thread of its own for large commits: the next one is sequenced and hashed while the disk has the last one. Small ones are made here, by
 * another connection: none is sequenced beside them, and to hand them over and be told would take two turns of threads that wait for a core. To the store the two
 * connections are what two processes are.
 */
import { Worker } from 'node:worker_threads'
import { InfraFabricError } from '#kernel'
import type { CommitterAnswer, CommitterRequest, CommitterSettings } from './commit-thread.ts'
import { flattenCommit } from './crossing.ts'
import { openSqliteStore } from './sqlite-store.ts'
import type { LogStore } from './store.ts'

/**
 * @param threadFrom entries from which on a commit is made by the thread
 * @throws {InfraFabricError} as {@link LogStore.commit}
 */
export async function openCommitThread(settings: CommitterSettings, threadFrom: number): Promise<LogStore> {
  const thread = new Worker(new URL('./commit-thread.ts', import.meta.url), {
    workerData: settings,
    execArgv: ['--disable-warning=ExperimentalWarning']
  })
  /** In the order of the commits, which is that of the answers. */
  const waiting: PromiseWithResolvers<boolean>[] = []
  const ready = Promise.withResolvers<void>()
  const exited = Promise.withResolvers<void>()
  let closing = false
  thread.on('message', (answer: CommitterAnswer) => {
    if (answer.type === 'ready') return ready.resolve()
    if (answer.type === 'committed') return waiting.shift()!.resolve(answer.taken)
    const error = new InfraFabricError(answer.code, answer.message)
    if (answer.type === 'unopened') {
      // an answer that is read when the thread has ended is told in one turn with its end
      closing = true
      return ready.reject(error)
    }
    waiting.shift()!.reject(error)
  })
  thread.on('exit', () => {
    exited.resolve()
    // without it nothing goes on here either: whoever started this thread starts it anew
    if (!closing) throw new InfraFabricError('ledger.worker.exited', 'the thread of the commits ended')
  })
  await ready.promise
  const close = async () => {
    closing = true
    thread.postMessage({ type: 'close' } satisfies CommitterRequest)
    await exited.promise
  }
  try {
    const here = openSqliteStore(settings.path, settings.busyTimeoutMs, true)
    return {
      ...here,
      commit: (commit) => {
        // behind one that the thread has it would come too early
        if (waiting.length === 0 && commit.segment.count < threadFrom) return here.commit(commit)
        const answer = Promise.withResolvers<boolean>()
        waiting.push(answer)
        const flat = flattenCommit(commit)
        thread.postMessage({ type: 'commit', commit: flat } satisfies CommitterRequest, [flat.data.buffer, flat.hashes.buffer])
        return answer.promise
      },
      close: async () => {
        await here.close()
        await close()
      }
    }
  } catch (error) {
    await close()
    throw error
  }
}
