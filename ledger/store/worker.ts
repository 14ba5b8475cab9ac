/** The ledger's thread. It owns the store: an fsync here delays no packet and no SIP message. What it does is said in sequencer.ts. */
import { parentPort, workerData } from 'node:worker_threads'
import { errorCode, InfraFabricError, messageOf } from '#kernel'
import { type AppendRequest, type FlatRequests, readRequests } from './crossing.ts'
import { keyTaken } from './known.ts'
import { type FlatPlaces, flattenPlaces } from './places.ts'
import type { Brought, Witnessing, WitnessingFigures } from './publisher.ts'
import { aheadFrom, groupSize } from './sequencer.ts'
import type { Place } from './store.ts'
import { type ErasureTold, openWriter, type Writer, type WriterSettings } from './writer.ts'

export type WorkerRequest =
  | { readonly type: 'append'; readonly requests: FlatRequests }
  | { readonly type: 'rotate'; readonly id: number }
  | ({ readonly type: 'erase'; readonly id: number } & ErasureTold)
  | { readonly type: 'bring'; readonly id: number; readonly note: string }
  | { readonly type: 'close' }

export type WorkerAnswer =
  | { readonly type: 'ready'; readonly size: number; readonly witnessing: Witnessing; readonly figures: WitnessingFigures }
  | {
      readonly type: 'appended'
      readonly ids: readonly number[]
      /** How many places each of them is answered with. */
      readonly counts: readonly number[]
      readonly places: FlatPlaces
      readonly size: number
    }
  | { readonly type: 'refused'; readonly id: number; readonly code: string; readonly message: string }
  | { readonly type: 'rotated'; readonly id: number; readonly vkey: string; readonly place: Place; readonly size: number }
  | { readonly type: 'witnessing'; readonly witnessing: Witnessing; readonly figures: WitnessingFigures; readonly size: number }
  | { readonly type: 'brought'; readonly id: number; readonly outcome: Brought; readonly figures: WitnessingFigures }
  | { readonly type: 'unpublished'; readonly code: string }
  | { readonly type: 'notice'; readonly code: string; readonly message: string }
  /** The store cannot be opened; the thread ends. */
  | { readonly type: 'failed'; readonly code: string; readonly message: string }

const port = parentPort!
const { sealAheadFrom = aheadFrom } = workerData as WriterSettings
const answer = (message: WorkerAnswer) => port.postMessage(message)
const wordsOf = (error: unknown): { code: string; message: string } => ({
  code: errorCode(error),
  message: messageOf(error)
})

let queue: AppendRequest[] = []
/** Entries in the queue. */
let queued = 0
let failedEpoch = -1
/** Groups and tasks under way. */
let underWay = 0
/** Whether the last group begun has no places yet. */
let sealing = false
/** A group was taken back: what it was sealed on comes to its end first. */
let tookBack = false
let closing = false
let ended = false
/** What this thread does of its own beside appends, one after another with them. */
const tasks: (() => Promise<void>)[] = []

const writer = await open()

async function open(): Promise<Writer> {
  try {
    return await openWriter(workerData as WriterSettings, {
      notice: (notice) => answer({ type: 'notice', ...notice }),
      unpublished: (code) => answer({ type: 'unpublished', code }),
      witnessing: (witnessing) => answer({ type: 'witnessing', witnessing, figures: writer.figures(), size: writer.head().size }),
      task: (task) => {
        tasks.push(task)
        proceed()
      }
    })
  } catch (error) {
    answer({ type: 'failed', ...wordsOf(error) })
    return process.exit(1)
  }
}

const rotate = async (id: number): Promise<void> => {
  try {
    const { vkey, ...place } = await writer.rotate()
    answer({ type: 'rotated', id, vkey, place, size: writer.head().size })
  } catch (error) {
    answer({ type: 'refused', id, ...wordsOf(error) })
  }
}

const erase = async (id: number, told: ErasureTold): Promise<void> => {
  try {
    const places = flattenPlaces([await writer.erase(told)])
    answer({ type: 'appended', ids: [id], counts: [1], places, size: writer.head().size })
  } catch (error) {
    answer({ type: 'refused', id, ...wordsOf(error) })
  }
}

const refuse = ({ id, epoch }: AppendRequest, error: unknown) => {
  if (epoch !== null) failedEpoch = Math.max(failedEpoch, epoch)
  answer({ type: 'refused', id, ...wordsOf(error) })
}

const takeGroup = (): AppendRequest[] => {
  const count = groupSize(queue)
  const group = queue.slice(0, count)
  queue = queue.slice(count)
  for (const { items } of group) queued -= items.length
  return group.filter((request) => {
    if (request.epoch === null || request.epoch > failedEpoch) return true
    refuse(request, new InfraFabricError('ledger.store.after-failure', 'an append before this one failed'))
    return false
  })
}

const takeBack = (group: readonly AppendRequest[]) => {
  queue = [...group, ...queue]
  for (const { items } of group) queued += items.length
  tookBack = true
}

const neverTried: ReadonlySet<string> = new Set(['ledger.entry.reserved', 'ledger.entry.invalid', keyTaken])

/** @returns those that are to be told again */
const commitGroup = async (group: readonly AppendRequest[]): Promise<readonly AppendRequest[]> => {
  if (group.length === 0) return []
  try {
    const items = group.flatMap((request) => request.items)
    const places = await writer.append(items, afterSealing)
    const ids = group.map(({ id }) => id)
    const counts = group.map((request) => request.items.length)
    const size = writer.head().size
    port.postMessage({ type: 'appended', ids, counts, places, size } satisfies WorkerAnswer, [
      places.indexes.buffer,
      places.hashes.buffer
    ])
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ledger.append.again') return group
    if (group.length > 1 && neverTried.has(code)) return commitEach(group)
    for (const request of group) refuse(request, error)
  }
  return []
}

/** Nothing was tried: what one producer may not say, or says under another's key, is no failure of the others. */
const commitEach = async (group: readonly AppendRequest[]): Promise<readonly AppendRequest[]> => {
  for (const [number, request] of group.entries()) if ((await commitGroup([request])).length > 0) return group.slice(number)
  return []
}

const runGroup = async (): Promise<void> => {
  sealing = true
  const again = await commitGroup(takeGroup())
  if (again.length > 0) takeBack(again)
  sealing = false
}

const run = async (work: () => Promise<void>): Promise<void> => {
  underWay++
  await work()
  underWay--
  if (underWay === 0) tookBack = false
  proceedSoon()
}

/** Begins what can be begun. Tasks are alone; a second group is sealed beside the commit of the first. */
const proceed = (): void => {
  if (ended) return
  if (tasks.length > 0) {
    if (underWay === 0) void run(tasks.shift()!)
  } else if (queue.length > 0) {
    if (underWay === 0 || (underWay === 1 && !sealing && !tookBack && queued >= sealAheadFrom)) void run(runGroup)
  } else if (closing && underWay === 0) void end()
}

let isSoon = false

/** Behind all messages that have come: what was told while a commit was made is one group. */
const proceedSoon = (): void => {
  if (isSoon) return
  isSoon = true
  setImmediate(() => {
    isSoon = false
    proceed()
  })
}

const afterSealing = () => {
  sealing = false
  proceed()
}

const end = async (): Promise<void> => {
  ended = true
  await writer.publish()
  for (const task of tasks.splice(0)) await task()
  await writer.close()
  port.close()
}

port.on('message', (request: WorkerRequest) => {
  if (request.type === 'append') {
    for (const each of readRequests(request.requests)) {
      queue.push(each)
      queued += each.items.length
    }
    proceedSoon()
    return
  }
  if (request.type === 'rotate') {
    tasks.push(() => rotate(request.id))
    proceed()
    return
  }
  if (request.type === 'erase') {
    tasks.push(() => erase(request.id, request))
    proceed()
    return
  }
  if (request.type === 'bring') {
    const outcome = writer.bring(request.note)
    answer({ type: 'brought', id: request.id, outcome, figures: writer.figures() })
    return
  }
  closing = true
  proceed()
})

answer({ type: 'ready', size: writer.head().size, witnessing: writer.witnessing(), figures: writer.figures() })
