/** Checks a run of entries by itself; what it needs of its neighbours stands in its report. */
import { digest } from '../log/merkle.ts'
import { type CallEntry, readCallEntry } from './call-entries.ts'
import { CompactRange, type RangeState } from './compact-range.ts'
import { checkEntry } from './entry-form.ts'
import { isHexOf, isText, newPlace, readPlace } from './entry-octets.ts'
import type { EntrySource } from './sources.ts'

/** How closely the entries are looked at. */
export type Depth =
  /** Every octet is hashed; place and previous hash are read. */
  | 'place'
  /** As well, every entry is canonical JSON of an entry and of nothing else. */
  | 'form'

export interface RangeTask {
  readonly from: number
  readonly to: number
  /** Sizes of the log at which its root is asked for: above `from`, up to `to`; ascending. */
  readonly sizes: readonly number[]
  readonly depth: Depth
  /** Whether what the entries say of calls is handed out. */
  readonly calls: boolean
}

export interface Fault {
  readonly index: number
  readonly problem: string
}

/** An entry handed out whole. */
export interface Collected {
  readonly index: number
  readonly text: string
}

export interface RangeReport {
  /** The first thing that is wrong; the rest of the report ends before it. */
  readonly fault: Fault | null
  /** The hash that the first entry says stands before it, 64 hex digits; null for no entries. */
  readonly prev: string | null
  /** Hash of the last entry, 64 hex digits. */
  readonly last: string | null
  readonly tree: RangeState
  /** The run up to each of the sizes asked for. */
  readonly snapshots: readonly RangeState[]
  /** Every entry that brings a new key. */
  readonly rotations: readonly Collected[]
  readonly calls: readonly CallEntry[]
  /** Entries whose time is before that of the entry before them: no fault, clocks are set back. */
  readonly backward: number
  readonly firstOrder: number
  readonly lastOrder: number
}

const ledgerComponent = Buffer.from('IF.witness.ledger')
const rotationEvent = Buffer.from('key_rotated')
/** What else the ledger tells of itself. */
const otherEvents = ['checkpoint_unwitnessed', 'checkpoint_witnessed', 'payload_erased'].map((event) => Buffer.from(event))
/** Keys are changed by hand: a log with more of these entries wants to be a burden. */
const mostRotations = 10_000

/** What the first entry has as the hash before it. */
export const noPrevious = '0'.repeat(64)

export async function checkRange(
  source: EntrySource,
  task: RangeTask,
  onProgress: (entries: number) => void = () => {}
): Promise<RangeReport> {
  const tree = new CompactRange(task.from)
  const place = newPlace()
  const snapshots: RangeState[] = []
  const rotations: Collected[] = []
  const calls: CallEntry[] = []
  let fault: Fault | null = null
  let prev: string | null = null
  /** Hash of the last entry, a character for an octet. */
  let last: string | null = null
  let backward = 0
  let firstOrder = -1
  let lastOrder = -1
  let nextSize = 0

  const faultIn = (data: Uint8Array, start: number, end: number): string | null => {
    const index = tree.end
    const sure = readPlace(data, start, end, place)
    if (!sure || task.depth === 'form') {
      const problem = checkEntry(data, start, end, place)
      if (problem !== null) return `entry ${index} is not an entry: ${problem}`
    }
    if (place.index !== index) return `entry ${index} says of itself that it is entry ${place.index}`
    if (last !== null && !isHexOf(data, place.prevAt, last)) return `entry ${index} does not follow from the entry before it`
    return null
  }

  const take = (data: Uint8Array, start: number, end: number): string | null => {
    const problem = faultIn(data, start, end)
    if (problem !== null) return problem
    const index = tree.end
    if (prev === null) {
      prev = Buffer.from(data.buffer, data.byteOffset + place.prevAt, 64).toString('latin1')
      firstOrder = place.order
    }
    if (place.order < lastOrder) backward++
    lastOrder = place.order
    const text = (): Collected => ({
      index,
      text: Buffer.from(data.buffer, data.byteOffset + start, end - start).toString('utf8')
    })
    if (isText(data, place.componentAt, place.componentEnd, ledgerComponent)) {
      const isEvent = (event: Uint8Array) => isText(data, place.eventAt, place.eventEnd, event)
      if (isEvent(rotationEvent)) {
        if (rotations.length === mostRotations) return `more than ${mostRotations} changes of key`
        rotations.push(text())
      } else if (!otherEvents.some(isEvent)) return `entry ${index} has the component of the ledger, which tells no such thing`
    }
    if (task.calls) {
      const call = readCallEntry(text())
      if (call !== null) calls.push(call)
    }
    // The octet before an entry is the second of its length, which was read: here the leaf's prefix (RFC 6962 §2.1) takes its place, and nothing is copied.
    data[start - 1] = 0
    last = digest(data.subarray(start - 1, end))
    tree.append(last)
    if (tree.end === task.sizes[nextSize]) {
      snapshots.push(tree.state())
      nextSize++
    }
    return null
  }

  /** What is wrong in a run; null when nothing is. */
  const walk = (data: Uint8Array, first: number): { problem: string | null; entries: number } => {
    let at = 0
    let number = 0
    while (at < data.length) {
      const start = at + 2
      const end = start + ((data[at]! << 8) | data[at + 1]!)
      if (start > data.length || end > data.length)
        return { problem: `entry ${first + number} ends behind its segment`, entries: number }
      if (first + number >= task.from && first + number < task.to) {
        const problem = take(data, start, end)
        if (problem !== null) return { problem, entries: number }
      }
      number++
      at = end
    }
    return { problem: null, entries: number }
  }

  for await (const { first, count, data } of task.from < task.to ? source.runs(task.from, task.to) : []) {
    if (first > tree.end) fault = { index: tree.end, problem: `entry ${tree.end} is missing` }
    else if (first < tree.end && first > task.from) fault = { index: first, problem: `entry ${first} is there twice` }
    else {
      const { problem, entries } = walk(data, first)
      if (problem !== null) fault = { index: tree.end, problem }
      else if (count !== null && entries !== count) {
        fault = { index: tree.end, problem: `a segment of ${count} entries holds ${entries}` }
      } else if (first + entries > task.to) fault = { index: task.to, problem: `entry ${task.to} is there twice` }
    }
    if (fault !== null) break
    onProgress(tree.end - task.from)
  }
  if (fault === null && tree.end < task.to) fault = { index: tree.end, problem: `entry ${tree.end} is missing` }
  return {
    fault,
    prev,
    last: last === null ? null : Buffer.from(last as string, 'latin1').toString('hex'),
    tree: tree.state(),
    snapshots,
    rotations,
    calls,
    backward,
    firstOrder,
    lastOrder
  }
}
