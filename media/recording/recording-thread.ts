/** The recording thread as the recorder has it: started, told, ended. What runs in it is thread.ts. */
import { Worker } from 'node:worker_threads'
import { type Clock, errorCode, InfraFabricError, type Log } from '#kernel'
import type { FromRecordingThread, RecoveredRecording, ToRecordingThread } from './protocol.ts'

/** A thread that waits for a disk for so long is given up, ms. */
export const endWithinMs = 10_000

export interface RecordingThread {
  readonly isThere: () => boolean
  /** Resolves when it listens. @throws {InfraFabricError} `recording.thread.lost` */
  readonly start: () => Promise<void>
  /** Nothing happens while there is none. */
  readonly post: (message: Exclude<ToRecordingThread, { type: 'recover' | 'shutdown' }>) => void
  /** What an earlier process left open in this folder, repaired. @throws {InfraFabricError} `recording.thread.lost` */
  readonly recover: (folder: string) => Promise<readonly RecoveredRecording[]>
  readonly close: () => Promise<void>
}

/** What it tells of one recording. */
export type ToldOfRecording = Exclude<FromRecordingThread, { type: 'ready' | 'recovered' }>

export interface RecordingThreadPorts {
  readonly clock: Clock
  readonly log: Log
  readonly onTold: (told: ToldOfRecording) => void
  /** It has ended, asked to or not: what it had not written is gone. */
  readonly onLost: () => void
}

export function createRecordingThread({ clock, log, onTold, onLost }: RecordingThreadPorts): RecordingThread {
  let thread: Worker | null = null
  let recovered: PromiseWithResolvers<readonly RecoveredRecording[]> | null = null
  const post = (message: ToRecordingThread) => thread?.postMessage(message)

  return {
    isThere: () => thread !== null,
    start: () => {
      const ready = Promise.withResolvers<void>()
      const worker = new Worker(new URL('./thread.ts', import.meta.url), {
        name: 'recording',
        execArgv: ['--disable-warning=ExperimentalWarning']
      })
      thread = worker
      worker.on('message', (message: FromRecordingThread) => {
        if (message.type === 'ready') ready.resolve()
        else if (message.type === 'recovered') {
          for (const problem of message.problems) log.warn({ problem }, 'a recording cannot be read')
          recovered?.resolve(message.recordings)
        } else onTold(message)
      })
      worker.on('error', (error) => log.error({ code: errorCode(error) }, 'recording thread failed'))
      worker.on('exit', () => {
        if (thread === worker) thread = null
        const lost = new InfraFabricError('recording.thread.lost', 'the recording thread ended')
        ready.reject(lost)
        recovered?.reject(lost)
        onLost()
      })
      return ready.promise
    },
    post,
    recover: (folder) => {
      recovered = Promise.withResolvers()
      post({ type: 'recover', folder })
      return recovered.promise
    },
    close: async () => {
      const worker = thread
      if (worker === null) return
      const ended = new Promise((resolve) => worker.once('exit', resolve))
      post({ type: 'shutdown' })
      const cancel = clock.after(endWithinMs, () => void worker.terminate())
      await ended
      cancel()
    }
  }
}
