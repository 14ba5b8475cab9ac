/**
 * The thread that keeps the index near the head of the log, and finds in it: a query that has to look through much of it holds up no call. It works for fractions of a
 * millisecond and rests longer than it works: appends have the machine first. Where it works for longer, the system lets it, and whoever is woken meanwhile on its core waits
 * for milliseconds. A question ends its rests.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { type LogPlace, openLogReader } from '../store/open.ts'
import { type LedgerFilter, openEntryIndex } from './entry-index.ts'

export interface IndexerSettings {
  readonly log: LogPlace
  readonly indexPath: string
  /** Questions that have no answer yet; shared with who asks. */
  readonly asked: Int32Array<SharedArrayBuffer>
}

export type IndexerRequest =
  | { readonly type: 'find'; readonly id: number; readonly filter: LedgerFilter }
  | { readonly type: 'close' }

/** `found` is null when the question failed. */
export interface IndexerAnswer {
  readonly id: number
  readonly found: readonly number[] | null
}

/** Entries taken in at once: of 1024 each costs twice as much. */
const atOnce = 4096
const restMs = 200
/** How long it works before it rests. */
const workMs = 0.3
/** How much longer it rests than it worked, at least. */
const restFactor = 4

const port = parentPort!
const settings = workerData as IndexerSettings
const log = await openLogReader(settings.log)
const index = openEntryIndex(settings.indexPath, log)
let stopped = false
let timer: NodeJS.Timeout | null = null
let begun = 0

const rest = (): void => {
  const worked = performance.now() - begun
  if (worked < workMs) return
  Atomics.wait(settings.asked, 0, 0, restFactor * worked)
  begun = performance.now()
}

const step = async (): Promise<void> => {
  timer = null
  begun = performance.now()
  const atHead = await index.catchUp(atOnce, rest).catch(() => true)
  if (!stopped) timer = setTimeout(step, atHead ? restMs : 0)
}

const find = async (id: number, filter: LedgerFilter): Promise<void> => {
  try {
    while (!stopped && !(await index.catchUp(atOnce))) await new Promise<void>((resolve) => setImmediate(resolve))
    port.postMessage({ id, found: await index.find(filter) } satisfies IndexerAnswer)
  } catch {
    port.postMessage({ id, found: null } satisfies IndexerAnswer)
  } finally {
    Atomics.sub(settings.asked, 0, 1)
  }
}

port.on('message', async (request: IndexerRequest) => {
  if (request.type === 'find') return find(request.id, request.filter)
  stopped = true
  if (timer !== null) clearTimeout(timer)
  await index.close()
  await log.close()
  port.close()
})

await step()
