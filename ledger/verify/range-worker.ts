/** A thread that checks ranges of one log, one after the other, as they are asked for. */
import { parentPort, workerData } from 'node:worker_threads'
import { checkRange, type RangeReport, type RangeTask } from './ranges.ts'
import { openSource, SourceDamaged } from './sources.ts'

export type RangeAnswer =
  | { readonly type: 'report'; readonly report: RangeReport }
  | { readonly type: 'damaged'; readonly message: string }
  | { readonly type: 'unreadable'; readonly message: string }

const port = parentPort!
const path = workerData as string
let source: ReturnType<typeof openSource> | null = null

port.on('message', (task: RangeTask) => {
  let answer: RangeAnswer
  try {
    source ??= openSource(path)
    answer = { type: 'report', report: checkRange(source, task) }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    answer = { type: error instanceof SourceDamaged ? 'damaged' : 'unreadable', message }
  }
  port.postMessage(answer)
})
