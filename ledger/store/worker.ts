/** The ledger's thread. It owns the store: an fsync here delays no packet and no SIP message. What it does is said in sequencer.ts. */
import { parentPort, workerData } from 'node:worker_threads'
import { errorCode, InfraFabricError } from '#kernel'
import { readSigner } from '../log/note.ts'
import { openStore, type StoreSettings } from './open.ts'
import { openPublished } from './published.ts'
import { groupSize, openSequencer } from './sequencer.ts'
import type { AppendItem, Place } from './store.ts'

export interface WorkerSettings {
  readonly store: StoreSettings
  readonly publishedPath: string
  readonly origin: string
  readonly keyPem: string
  readonly publishIntervalMs: number
}

/** One call of `append`. */
export interface AppendRequest {
  readonly id: number
  /** After a failure everything of the same epoch is refused, so that nothing overtakes what failed. */
  readonly epoch: number
  readonly items: readonly AppendItem[]
  /** Length of the items' text, for grouping. */
  readonly octets: number
}

export type WorkerRequest = { readonly type: 'append'; readonly requests: readonly AppendRequest[] } | { readonly type: 'close' }

export type WorkerAnswer =
  | { readonly type: 'ready'; readonly size: number }
  | {
      readonly type: 'appended'
      readonly ids: readonly number[]
      readonly places: readonly (readonly Place[])[]
      readonly size: number
    }
  | { readonly type: 'refused'; readonly id: number; readonly code: string; readonly message: string }
  | { readonly type: 'unpublished'; readonly code: string }
  | { readonly type: 'notice'; readonly code: string; readonly message: string }
  /** The store cannot be opened; the thread ends. */
  | { readonly type: 'failed'; readonly code: string; readonly message: string }

const settings = workerData as WorkerSettings
const port = parentPort!
const answer = (message: WorkerAnswer) => port.postMessage(message)
const wordsOf = (error: unknown): { code: string; message: string } => ({
  code: errorCode(error),
  message: error instanceof Error ? error.message : String(error)
})

const { store, sequencer, published } = await open()

async function open() {
  try {
    const opened = await openStore(settings.store, (notice) => answer({ type: 'notice', ...notice }))
    return {
      store: opened,
      sequencer: await openSequencer(opened, readSigner(settings.origin, settings.keyPem)),
      published: openPublished(settings.publishedPath)
    }
  } catch (error) {
    answer({ type: 'failed', ...wordsOf(error) })
    return process.exit(1)
  }
}

let queue: AppendRequest[] = []
let failedEpoch = -1
let committing = false
let closing = false
let publishTimer: NodeJS.Timeout | null = null

const publish = () => {
  publishTimer = null
  try {
    const { checkpoint } = sequencer.head()
    if (checkpoint !== null) published.publish(checkpoint)
  } catch (error) {
    answer({ type: 'unpublished', code: errorCode(error) })
  }
}

const refuse = ({ id, epoch }: AppendRequest, error: unknown) => {
  failedEpoch = Math.max(failedEpoch, epoch)
  answer({ type: 'refused', id, ...wordsOf(error) })
}

const takeGroup = (): AppendRequest[] => {
  const count = groupSize(queue.map(({ items, octets }) => ({ entries: items.length, octets })))
  const group = queue.slice(0, count)
  queue = queue.slice(count)
  return group.filter((request) => {
    if (request.epoch > failedEpoch) return true
    refuse(request, new InfraFabricError('ledger.store.after-failure', 'an append before this one failed'))
    return false
  })
}

const commitGroup = async (group: readonly AppendRequest[]): Promise<void> => {
  if (group.length === 0) return
  try {
    const places = await sequencer.append(group.flatMap(({ items }) => items))
    let at = 0
    answer({
      type: 'appended',
      ids: group.map(({ id }) => id),
      places: group.map(({ items }) => {
        const own = places.slice(at, at + items.length)
        at += items.length
        return own
      }),
      size: sequencer.head().size
    })
    publishTimer ??= setTimeout(publish, settings.publishIntervalMs)
  } catch (error) {
    for (const request of group) refuse(request, error)
  }
}

const drain = async (): Promise<void> => {
  if (committing) return
  committing = true
  while (queue.length > 0) {
    await commitGroup(takeGroup())
    if (!closing) await new Promise<void>((resolve) => setImmediate(resolve))
  }
  committing = false
  if (closing) await end()
}

const end = async (): Promise<void> => {
  if (publishTimer !== null) clearTimeout(publishTimer)
  publish()
  published.close()
  await store.close()
  port.close()
}

port.on('message', (request: WorkerRequest) => {
  if (request.type === 'append') {
    for (const each of request.requests) queue.push(each)
    void drain()
    return
  }
  closing = true
  if (!committing) void drain()
})

publish()
answer({ type: 'ready', size: sequencer.head().size })
