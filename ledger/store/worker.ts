/**
 * The ledger's thread. It owns the database: an fsync here delays no packet and no SIP message.
 *
 * Group commit: what has arrived while one commit was under way goes into the next as one transaction. Answers come in the order of the requests.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { errorCode, InfraFabricError } from '#kernel'
import { readSigner } from '../log/note.ts'
import { openPublished } from './published.ts'
import { openSqliteStore } from './sqlite-store.ts'
import type { AppendItem, Place } from './store.ts'

export interface WorkerSettings {
  readonly databasePath: string
  readonly publishedPath: string
  readonly origin: string
  readonly keyPem: string
  readonly busyTimeoutMs: number
  readonly publishIntervalMs: number
}

export type WorkerRequest =
  /** `epoch`: after a failure everything of the same epoch is refused, so that nothing overtakes what failed. */
  | { readonly type: 'append'; readonly id: number; readonly epoch: number; readonly items: readonly AppendItem[] }
  | { readonly type: 'close' }

export type WorkerAnswer =
  | { readonly type: 'ready' }
  | { readonly type: 'appended'; readonly id: number; readonly places: readonly Place[] }
  | { readonly type: 'refused'; readonly id: number; readonly code: string; readonly message: string }
  | { readonly type: 'unpublished'; readonly code: string }
  /** The store cannot be opened; the thread ends. */
  | { readonly type: 'failed'; readonly code: string; readonly message: string }

/** Entries in one transaction at most: bounds how long a commit can take. */
const largestGroup = 1000

const settings = workerData as WorkerSettings
const port = parentPort!
const answer = (message: WorkerAnswer) => port.postMessage(message)
const { store, published } = open()

function open() {
  try {
    return {
      store: openSqliteStore(settings.databasePath, readSigner(settings.origin, settings.keyPem), settings.busyTimeoutMs),
      published: openPublished(settings.publishedPath)
    }
  } catch (error) {
    answer({ type: 'failed', ...wordsOf(error) })
    return process.exit(1)
  }
}

function wordsOf(error: unknown): { code: string; message: string } {
  return { code: errorCode(error), message: error instanceof Error ? error.message : String(error) }
}

type Append = Extract<WorkerRequest, { type: 'append' }>
let queue: Append[] = []
let failedEpoch = -1
let commitScheduled = false
let publishTimer: NodeJS.Timeout | null = null

const publish = () => {
  publishTimer = null
  try {
    const { checkpoint } = store.head()
    if (checkpoint !== null) published.publish(checkpoint)
  } catch (error) {
    answer({ type: 'unpublished', code: errorCode(error) })
  }
}

const refuse = ({ id, epoch }: Append, error: unknown) => {
  failedEpoch = Math.max(failedEpoch, epoch)
  answer({ type: 'refused', id, ...wordsOf(error) })
}

const takeGroup = (): Append[] => {
  let entries = 0
  let count = 0
  while (count < queue.length && (count === 0 || entries + queue[count]!.items.length <= largestGroup)) {
    entries += queue[count]!.items.length
    count++
  }
  const group = queue.slice(0, count)
  queue = queue.slice(count)
  return group
}

const commit = () => {
  commitScheduled = false
  const group = takeGroup().filter((request) => {
    if (request.epoch > failedEpoch) return true
    refuse(request, new InfraFabricError('ledger.store.after-failure', 'an append before this one failed'))
    return false
  })
  try {
    const places = store.append(group.flatMap(({ items }) => items))
    let at = 0
    for (const { id, items } of group) {
      answer({ type: 'appended', id, places: places.slice(at, at + items.length) })
      at += items.length
    }
    publishTimer ??= setTimeout(publish, settings.publishIntervalMs)
  } catch (error) {
    for (const request of group) refuse(request, error)
  }
  scheduleCommit()
}

const scheduleCommit = () => {
  if (commitScheduled || queue.length === 0) return
  commitScheduled = true
  setImmediate(commit)
}

port.on('message', (request: WorkerRequest) => {
  if (request.type === 'close') {
    while (queue.length > 0) commit()
    if (publishTimer !== null) clearTimeout(publishTimer)
    publish()
    published.close()
    store.close()
    port.close()
    return
  }
  queue.push(request)
  scheduleCommit()
})

publish()
answer({ type: 'ready' })
