/**
 * What was told before. Idempotency keys lie beside the log, under no signature: what the store says of one counts only where the entry that stands there is the one that is told
 * now. So whoever can write to the store does not have an entry answered that was never taken.
 *
 * The same is what has the same text but for leaf number, previous hash and time: who tells something again may not know when it told it first.
 */
import { InfraFabricError } from '#kernel'
import { commitmentOf } from '../log/commitment.ts'
import { finishDraft, noPrevious, openEntry, timeFrom, timeTo } from '../log/entry.ts'
import type { Hashing } from '../log/hashing.ts'
import { entriesOf } from '../log/segment.ts'
import type { NumberedKey, Producer } from './keys.ts'
import type { LaidItem } from './laid.ts'
import type { LogStore, Place } from './store.ts'

/** Where the store says that a key stands. */
interface Claimed {
  readonly index: number
  /** Undefined where there is none of this number. */
  readonly entry: Uint8Array | undefined
}

/** Places that the store has for keys. Keys that a producer has gone past are looked for among those it has used. */
async function claimedBy(
  store: LogStore,
  producers: ReadonlyMap<string, Producer>,
  items: readonly LaidItem[],
  ids: readonly (NumberedKey | null)[]
): Promise<ReadonlyMap<string, Claimed>> {
  const single: string[] = []
  const used = new Map<string, Producer>()
  for (const [at, { key }] of items.entries()) {
    const id = ids[at]!
    if (id === null) single.push(key)
    else {
      const producer = producers.get(id.producer)
      if (producer !== undefined && id.number <= producer.last) used.set(key, producer)
    }
  }
  const found = new Map<string, Claimed>()
  if (single.length > 0)
    for (const [key, { index }] of await store.singleKeys(single)) found.set(key, { index, entry: await entryAt(store, index) })
  if (used.size === 0) return found
  const from = Math.min(...[...used.values()].map(({ firstIndex }) => firstIndex))
  const to = Math.max(...[...used.values()].map(({ lastIndex }) => lastIndex)) + 1
  let missing = used.size
  for await (const { segment, keys: stored } of store.keysBackward(from, to)) {
    let entries: Uint8Array[] | null = null
    for (const [number, key] of stored.entries()) {
      if (!used.has(key) || found.has(key)) continue
      entries ??= entriesOf(segment.data)
      found.set(key, { index: segment.first + number, entry: entries[number] })
      missing--
    }
    if (missing === 0) break
  }
  return found
}

async function entryAt(store: LogStore, index: number): Promise<Uint8Array | undefined> {
  if (!(index >= 0)) return undefined
  for await (const { first, data } of store.segments(index, index + 1)) return entriesOf(data)[index - first]
  return undefined
}

/** Whether an entry is what an item becomes as number `at`, at whatever time and behind whatever entry. */
function became({ octets, start, index, prev, end }: LaidItem, at: number, entry: Uint8Array): boolean {
  const stored = Buffer.from(entry.buffer, entry.byteOffset, entry.byteLength)
  const number = String(at)
  const numberAt = index - start
  const betweenAt = numberAt + number.length
  const behindAt = betweenAt + (prev - index) + noPrevious.length
  const has = (from: number, told: number, toldEnd: number): boolean =>
    stored.compare(octets, told, toldEnd, from, from + toldEnd - told) === 0
  return (
    stored.length === behindAt + (end - prev) &&
    stored.toString('latin1', numberAt, betweenAt) === number &&
    has(0, start, index) &&
    has(betweenAt, index, prev) &&
    has(behindAt, prev, prev + timeFrom) &&
    has(behindAt + timeTo, prev + timeTo, end)
  )
}

const partsOf = ({ octets, start, index, prev, end }: LaidItem): [string, string, string] => [
  octets.toString('utf8', start, index),
  octets.toString('utf8', index, prev),
  octets.toString('utf8', prev, end)
]

const toldBy = (item: LaidItem) => openEntry(Buffer.from(finishDraft(partsOf(item), 0, noPrevious)))

/**
 * Whether the entry that a key claims is what is told under it now. What is erasable has a fresh salt, and so another hash, where it is drafted anew: there the payloads say
 * whether it is the same, or, when the one in the log was erased, the rest of the entry.
 */
async function isTold(store: LogStore, item: LaidItem, { index, entry }: Claimed): Promise<boolean> {
  if (entry === undefined) return false
  if (became(item, index, entry)) return true
  const { erasable } = item
  if (erasable === undefined) return false
  const [told, stored] = [toldBy(item), openEntry(entry)].map(({ payload }) => commitmentOf(payload)?.hash)
  if (told === undefined || stored === undefined) return false
  const beside = (await store.erasable([index])).get(index)
  if (beside !== undefined && beside.payload !== erasable.payload) return false
  const octets = Buffer.from(item.octets.subarray(item.start, item.end))
  octets.write(stored, octets.indexOf(told), 'latin1')
  const { start, index: number, prev, end } = item
  return became({ ...item, octets, start: 0, index: number - start, prev: prev - start, end: end - start }, index, entry)
}

/** An entry as an error names it. */
const nameOf = ({ component, event, trace_id }: ReturnType<typeof openEntry>): string =>
  `${component} ${event} of trace ${trace_id}`

/** A key that stands for something else than what is told under it. */
export const keyTaken = 'ledger.append.key-taken'

const taken = (item: LaidItem, found: string): InfraFabricError =>
  new InfraFabricError(keyTaken, `the key ${item.key} was told with ${nameOf(toldBy(item))}, and ${found}`)

/**
 * Places of those items that are in the log.
 *
 * @param ids of the items' keys, as numberedKeys finds them
 * @param producers of those keys, as they are in the store
 * @throws {InfraFabricError} `ledger.append.key-taken` for a key that the store, or an earlier one of the items, has for something else
 */
export async function knownPlaces(
  store: LogStore,
  hashing: Hashing,
  producers: ReadonlyMap<string, Producer>,
  items: readonly LaidItem[],
  ids: readonly (NumberedKey | null)[]
): Promise<ReadonlyMap<string, Place>> {
  const claims = await claimedBy(store, producers, items, ids)
  const places = new Map<string, Place>()
  const first = new Map<string, LaidItem>()
  for (const item of items) {
    const claim = claims.get(item.key)
    if (claim !== undefined) {
      const { index, entry } = claim
      if (!(await isTold(store, item, claim))) {
        const found = entry === undefined ? 'is not in the log' : `is ${nameOf(openEntry(entry))}`
        throw taken(item, `entry ${index}, where the store has it, ${found}`)
      }
      places.set(item.key, { index, hash: hashing.leaf(entry!).toString('hex') })
      continue
    }
    const before = first.get(item.key)
    if (before === undefined) first.set(item.key, item)
    else if (!isSameDraft(before, item)) throw taken(item, `before it, in the same append, with ${nameOf(toldBy(before))}`)
  }
  return places
}

/** Whether two items of one append become the same entry, but for its time. */
function isSameDraft(a: LaidItem, b: LaidItem): boolean {
  return became(b, 0, Buffer.from(finishDraft(partsOf(a), 0, noPrevious)))
}
