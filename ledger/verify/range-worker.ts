/** A thread that checks ranges of one log: takes the next that nobody has taken, until there is none. */
import { parentPort, workerData } from 'node:worker_threads'
import { checkRange, type RangeReport, type RangeTask } from './ranges.ts'
import { type LogAddress, openSource, SourceDamaged } from './sources.ts'
import { takeTask } from './tasks.ts'

export interface RangeWork {
  readonly log: LogAddress
  readonly tasks: readonly RangeTask[]
  /** As tasks.ts has it; shared by all threads. */
  readonly counters: Int32Array
}

export type RangeAnswer =
  | { readonly type: 'report'; readonly number: number; readonly report: RangeReport }
  | { readonly type: 'done' }
  | { readonly type: 'damaged'; readonly message: string }
  | { readonly type: 'unreadable'; readonly message: string }

const port = parentPort!
const { log, tasks, counters } = workerData as RangeWork
const tell = (answer: RangeAnswer) => port.postMessage(answer)

try {
  const source = await openSource(log)
  for (let number = takeTask(counters); number !== null; number = takeTask(counters)) {
    tell({ type: 'report', number, report: await checkRange(source, tasks[number]!) })
  }
  source.close()
  tell({ type: 'done' })
} catch (error) {
  tell({
    type: error instanceof SourceDamaged ? 'damaged' : 'unreadable',
    message: error instanceof Error ? error.message : String(error)
  })
}
