/** Checks a run of entries by itself; what it needs of its neighbours stands in its report. */
import { digest, hashLength } from '../log/merkle.ts'
import { type CallEntry, readCallEntry } from './call-entries.ts'
import { CompactRange, type RangeState } from './compact-range.ts'
import { checkEntry } from './entry-form.ts'
import { isHexOf, isText, newPlace, type Octets, octetsOf, readPlace } from './entry-octets.ts'
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

/** What was found so far in a run; entries are taken in one after another. */
class RangeCheck {
  readonly #task: RangeTask
  readonly #place = newPlace()
  /** Hash of the entry taken last. */
  readonly #last = Buffer.alloc(hashLength)
  readonly tree: CompactRange
  prev: string | null = null
  readonly snapshots: RangeState[] = []
  readonly rotations: Collected[] = []
  readonly calls: CallEntry[] = []
  backward = 0
  firstOrder = -1
  lastOrder = -1

  constructor(task: RangeTask) {
    this.#task = task
    this.tree = new CompactRange(task.from)
  }

  /** Hash of the last entry, 64 hex digits; null before the first. */
  last(): string | null {
    return this.tree.end === this.#task.from ? null : this.#last.toString('hex')
  }

  /** Takes in the entries of a run whose first is leaf `first`, those of the task. */
  walk(data: Uint8Array, first: number): { readonly problem: string | null; readonly entries: number } {
    const { from, to } = this.#task
    const octets = octetsOf(data)
    let at = 0
    let number = 0
    while (at < data.length) {
      const start = at + 2
      const end = start + ((data[at]! << 8) | data[at + 1]!)
      if (start > data.length || end > data.length)
        return { problem: `entry ${first + number} ends behind its segment`, entries: number }
      if (first + number >= from && first + number < to) {
        const problem = this.#take(octets, start, end)
        if (problem !== null) return { problem, entries: number }
      }
      number++
      at = end
    }
    return { problem: null, entries: number }
  }

  /** Takes in the entry from `start` to `end`. @returns what is wrong with it; null when nothing is */
  #take(octets: Octets, start: number, end: number): string | null {
    const { data } = octets
    const place = this.#place
    const last = this.#last
    const index = this.tree.end
    const sure = readPlace(octets, start, end, place)
    if (!sure || this.#task.depth === 'form') {
      const problem = checkEntry(data, start, end, place)
      if (problem !== null) return `entry ${index} is not an entry: ${problem}`
    }
    if (place.index !== index) return `entry ${index} says of itself that it is entry ${place.index}`
    if (index === this.#task.from) {
      this.prev = textAt(data, place.prevAt, place.prevAt + 2 * hashLength)
      this.firstOrder = place.order
    } else if (!isHexOf(octets, place.prevAt, last)) return brokenLink(index)
    if (place.order < this.lastOrder) this.backward++
    this.lastOrder = place.order
    if (isText(data, place.componentAt, place.componentEnd, ledgerComponent)) {
      const problem = this.#takeOwn(data, start, end)
      if (problem !== null) return problem
    }
    if (this.#task.calls) {
      const call = readCallEntry({ index, text: textAt(data, start, end) })
      if (call !== null) this.calls.push(call)
    }
    // The octet before an entry is the second of its length, which was read: here the leaf's prefix (RFC 6962 §2.1) takes its place, and nothing is copied.
    data[start - 1] = 0
    last.write(digest(data.subarray(start - 1, end)), 0, hashLength, 'latin1')
    this.tree.append(last)
    if (this.tree.end === this.#task.sizes[this.snapshots.length]) this.snapshots.push(this.tree.state())
    return null
  }

  /** Takes in what the ledger tells of itself. */
  #takeOwn(data: Uint8Array, start: number, end: number): string | null {
    const index = this.tree.end
    const isEvent = (event: Uint8Array) => isText(data, this.#place.eventAt, this.#place.eventEnd, event)
    if (!isEvent(rotationEvent)) {
      return otherEvents.some(isEvent) ? null : `entry ${index} has the component of the ledger, which tells no such thing`
    }
    if (this.rotations.length === mostRotations) return `more than ${mostRotations} changes of key`
    this.rotations.push({ index, text: textAt(data, start, end) })
    return null
  }
}

/** What is said of an entry that names another hash than that of the entry before it. */
export const brokenLink = (index: number): string =>
  index === 0
    ? 'entry 0 says that another stood before it'
    : `entry ${index} was not written after entry ${index - 1} as it stands there: one of the two was changed`

const textAt = (data: Uint8Array, start: number, end: number): string =>
  Buffer.from(data.buffer, data.byteOffset + start, end - start).toString('utf8')

export async function checkRange(
  source: EntrySource,
  task: RangeTask,
  onProgress: (entries: number) => void = () => {}
): Promise<RangeReport> {
  const check = new RangeCheck(task)
  const { tree } = check
  let fault: Fault | null = null
  for await (const { first, count, data } of task.from < task.to ? source.runs(task.from, task.to) : []) {
    if (first > tree.end) fault = { index: tree.end, problem: `entry ${tree.end} is missing` }
    else if (first < tree.end && first > task.from) fault = { index: first, problem: `entry ${first} is there twice` }
    else {
      const { problem, entries } = check.walk(data, first)
      if (problem !== null) fault = { index: tree.end, problem }
      else if (count !== null && entries !== count) {
        fault = { index: tree.end, problem: `a segment of ${count} entries holds ${entries}` }
      } else if (first + entries > task.to) fault = { index: task.to, problem: `entry ${task.to} is there twice` }
    }
    if (fault !== null) break
    onProgress(tree.end - task.from)
  }
  if (fault === null && tree.end < task.to) fault = { index: tree.end, problem: `entry ${tree.end} is missing` }
  const { prev, snapshots, rotations, calls, backward, firstOrder, lastOrder } = check
  return { fault, prev, last: check.last(), tree: tree.state(), snapshots, rotations, calls, backward, firstOrder, lastOrder }
}
