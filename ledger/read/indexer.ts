/**
 * The thread that keeps the index near the head of the log, so that whoever asks finds it done. It rests as long as it works: appends have the machine
 * first. It may fail: whoever asks takes in what is missing.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { type LogPlace, openLogReader } from '../store/open.ts'
import { openEntryIndex } from './entry-index.ts'

export interface IndexerSettings {
  readonly log: LogPlace
  readonly indexPath: string
}

const atOnce = 1024
const restMs = 200

const settings = workerData as IndexerSettings
const log = await openLogReader(settings.log)
const index = openEntryIndex(settings.indexPath, log)
let stopped = false
let timer: NodeJS.Timeout | null = null

const step = async (): Promise<void> => {
  timer = null
  const begun = performance.now()
  const done = await index.catchUp(atOnce).catch(() => true)
  if (!stopped) timer = setTimeout(step, done ? restMs : performance.now() - begun)
}

parentPort!.on('message', async () => {
  stopped = true
  if (timer !== null) clearTimeout(timer)
  index.close()
  await log.close()
  parentPort!.close()
})

await step()
