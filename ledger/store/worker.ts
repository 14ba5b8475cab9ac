/** The ledger's thread. It owns the store: an fsync here delays no packet and no SIP message. What it does is said in sequencer.ts. */
import { parentPort, workerData } from 'node:worker_threads'
import { errorCode, InfraFabricError, newTraceId, systemClock, type WitnessEvent } from '#kernel'
import { createSeatClient } from '../client/seat-client.ts'
import { draftOwnEntry } from '../log/entry.ts'
import { formatVerifierKey } from '../log/note.ts'
import { noPolicy, parsePolicy } from '../log/policy.ts'
import { type KeyFiles, makeNextKey, openKeyring, retireKey, takeOverIn } from './keyring.ts'
import { openStore, type StoreSettings } from './open.ts'
import { openPublished, readPublished } from './published.ts'
import { createPublisher, type Witnessing } from './publisher.ts'
import { groupSize, openSequencer } from './sequencer.ts'
import type { AppendItem, Place } from './store.ts'

export interface WorkerSettings {
  readonly store: StoreSettings
  readonly publishedPath: string
  readonly origin: string
  readonly keys: KeyFiles
  readonly publishIntervalMs: number
  /** Octets of the policy, which says what witnesses are asked before a head is published; null for none. */
  readonly policy: Uint8Array | null
  readonly witnessWithinMs: number
}

/** One call of `append`. */
export interface AppendRequest {
  readonly id: number
  /** After a failure everything of the same epoch is refused, so that nothing overtakes what failed. Null for what stands by itself. */
  readonly epoch: number | null
  readonly items: readonly AppendItem[]
  /** Length of the items' text, for grouping. */
  readonly octets: number
}

/** What the log tells of an erasure. */
export interface ErasureTold {
  /** Leaf number of the entry whose payload goes. */
  readonly entry: number
  /** Hash of the payload's commitment, 64 hex digits. */
  readonly commitment: string
  readonly reason: string
  /** Trace of the entry. */
  readonly traceId: string
}

export type WorkerRequest =
  | { readonly type: 'append'; readonly requests: readonly AppendRequest[] }
  | { readonly type: 'rotate'; readonly id: number }
  | ({ readonly type: 'erase'; readonly id: number } & ErasureTold)
  | { readonly type: 'close' }

export type WorkerAnswer =
  | { readonly type: 'ready'; readonly size: number; readonly witnessing: Witnessing }
  | {
      readonly type: 'appended'
      readonly ids: readonly number[]
      readonly places: readonly (readonly Place[])[]
      readonly size: number
    }
  | { readonly type: 'refused'; readonly id: number; readonly code: string; readonly message: string }
  | { readonly type: 'rotated'; readonly id: number; readonly vkey: string; readonly place: Place; readonly size: number }
  | { readonly type: 'witnessing'; readonly witnessing: Witnessing; readonly size: number }
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
      sequencer: await openSequencer(opened, openKeyring(settings.keys, settings.origin)),
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
/** What this thread does of its own beside appends, one after another with them. */
const tasks: (() => Promise<void>)[] = []

/** Writes what the ledger itself has to tell. */
const record = async (
  told: Omit<WitnessEvent, 'component' | 'traceId'>,
  key: string,
  more: { readonly erases?: number; readonly next?: ReturnType<typeof makeNextKey> } = {}
): Promise<Place> => {
  const { erases, next } = more
  const place = await sequencer.appendOwn(
    { draft: draftOwnEntry(told, Date.now()), key, ...(erases === undefined ? {} : { erases }) },
    next
  )
  publisher.changed()
  return place
}

const seats = createSeatClient()
const publisher = createPublisher({
  log: store,
  head: sequencer.head,
  heads: published,
  policy: settings.policy === null ? noPolicy : parsePolicy(settings.policy),
  ask: seats.ask,
  clock: systemClock,
  intervalMs: settings.publishIntervalMs,
  answerWithinMs: settings.witnessWithinMs,
  onFailure: (code) => answer({ type: 'unpublished', code }),
  onChange: (now, before) => {
    answer({ type: 'witnessing', witnessing: now, size: sequencer.head().size })
    if (now.state === before.state) return
    const payload = { publishedSize: now.publishedSize, missing: now.missing }
    tasks.push(async () => {
      try {
        await record({ event: `checkpoint_${now.state}`, payload }, `witnessing:${newTraceId()}`)
      } catch (error) {
        answer({ type: 'notice', ...wordsOf(error) })
      }
    })
    void drain()
  }
})

/**
 * After a head that two keys signed: it is published, since what follows cannot be checked without it, and the old private key is removed. Done again
 * when the ledger is opened, should its process have been killed in between.
 */
const completeTakeOver = (): void => {
  const { checkpoint } = sequencer.head()
  const ids = takeOverIn(checkpoint, settings.origin)
  if (ids === null) return
  if (!readPublished(settings.publishedPath).some((note) => note?.startsWith(checkpoint!))) publisher.publishAnyway(checkpoint!)
  retireKey(settings.keys, settings.origin, ids[0])
}

const rotate = async (id: number): Promise<void> => {
  try {
    const next = makeNextKey(settings.keys, settings.origin)
    const vkey = formatVerifierKey(next)
    const place = await record({ event: 'key_rotated', payload: { vkey } }, `rotate:${next.keyHash.toString('hex')}`, { next })
    completeTakeOver()
    answer({ type: 'rotated', id, vkey, place, size: sequencer.head().size })
  } catch (error) {
    answer({ type: 'refused', id, ...wordsOf(error) })
  }
}

const erase = async (id: number, { entry, commitment, reason, traceId }: ErasureTold): Promise<void> => {
  try {
    const told = { event: 'payload_erased', parentTraceId: traceId, payload: { entry, commitment, reason } }
    const place = await record(told, `erase:${entry}:${newTraceId()}`, { erases: entry })
    answer({ type: 'appended', ids: [id], places: [[place]], size: sequencer.head().size })
  } catch (error) {
    answer({ type: 'refused', id, ...wordsOf(error) })
  }
}

const refuse = ({ id, epoch }: AppendRequest, error: unknown) => {
  if (epoch !== null) failedEpoch = Math.max(failedEpoch, epoch)
  answer({ type: 'refused', id, ...wordsOf(error) })
}

const takeGroup = (): AppendRequest[] => {
  const count = groupSize(queue.map(({ items, octets }) => ({ entries: items.length, octets })))
  const group = queue.slice(0, count)
  queue = queue.slice(count)
  return group.filter((request) => {
    if (request.epoch === null || request.epoch > failedEpoch) return true
    refuse(request, new InfraFabricError('ledger.store.after-failure', 'an append before this one failed'))
    return false
  })
}

const neverTried: ReadonlySet<string> = new Set(['ledger.entry.reserved', 'ledger.entry.invalid'])

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
    publisher.changed()
  } catch (error) {
    // nothing was tried: what one producer may not say is no failure of the others
    if (group.length > 1 && neverTried.has(errorCode(error))) for (const request of group) await commitGroup([request])
    else for (const request of group) refuse(request, error)
  }
}

const drain = async (): Promise<void> => {
  if (committing) return
  committing = true
  while (queue.length > 0 || tasks.length > 0) {
    const task = tasks.shift()
    await (task === undefined ? commitGroup(takeGroup()) : task())
    if (!closing) await new Promise<void>((resolve) => setImmediate(resolve))
  }
  committing = false
  if (closing) await end()
}

const end = async (): Promise<void> => {
  await publisher.end()
  for (const task of tasks.splice(0)) await task()
  seats.close()
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
  if (request.type === 'rotate') {
    tasks.push(() => rotate(request.id))
    void drain()
    return
  }
  if (request.type === 'erase') {
    tasks.push(() => erase(request.id, request))
    void drain()
    return
  }
  closing = true
  if (!committing) void drain()
})

try {
  completeTakeOver()
} catch (error) {
  answer({ type: 'unpublished', code: errorCode(error) })
}
publisher.changed()
answer({ type: 'ready', size: sequencer.head().size, witnessing: publisher.witnessing() })
