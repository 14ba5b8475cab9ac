/** The page's end of the worker. */
import type { Question, Questions, Told } from './protocol.ts'
import type { Progress } from './verdict.ts'

export class AskError extends Error {
  /** HTTP status of the service, 0 without an answer; null for what is not the service's. */
  readonly status: number | null

  constructor(message: string, status: number | null) {
    super(message)
    this.status = status
  }
}

export type Ask = <Q extends Question>(
  question: Q,
  ask: Questions[Q]['ask'],
  progress?: (progress: Progress) => void
) => Promise<Questions[Q]['answer']>

interface Waiting {
  readonly resolve: (answer: never) => void
  readonly reject: (error: Error) => void
  readonly progress: ((progress: Progress) => void) | undefined
}

/** @param url of the program, which serves questions where there is no document */
export function startWorker(url: string): Ask {
  const worker = new Worker(url)
  const waiting = new Map<number, Waiting>()
  let next = 0
  worker.addEventListener('message', ({ data }: MessageEvent<Told>) => {
    const waiter = waiting.get(data.id)
    if (waiter === undefined) return
    if ('progress' in data) return waiter.progress?.(data.progress)
    waiting.delete(data.id)
    if ('error' in data) waiter.reject(new AskError(data.error.message, data.error.status))
    else waiter.resolve(data.answer as never)
  })
  worker.addEventListener('error', (event) => {
    event.preventDefault()
    for (const { reject } of waiting.values()) reject(new AskError('The worker of this page ended. Load the page again.', null))
    waiting.clear()
  })
  return (question, ask, progress) =>
    new Promise((resolve, reject) => {
      const id = next++
      waiting.set(id, { resolve, reject, progress })
      worker.postMessage({ id, question, ask })
    })
}
