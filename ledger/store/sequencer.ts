/**
 * Puts entries in their places: the one spot where the log grows.
 *
 *     appends ─▶ group ─▶ keys known? ─▶ leaf numbers, chain, tree, signature ─▶ commit on the head it was made for ─▶ answers
 *
 * Group commit: what arrives while one commit is under way goes into the next. Answers come in the order of the requests.
 */
import { hash as digest } from 'node:crypto'
import { InfraFabricError } from '#kernel'
import { finishDraft } from '../log/entry.ts'
import { hashLength, leafHash } from '../log/merkle.ts'
import { type NoteSigner, signCheckpoint } from '../log/note.ts'
import { entriesOf, maxEntryOctets } from '../log/segment.ts'
import { GrowingTree, tileHashes, tileWidth } from '../log/tree.ts'
import type { AppendItem, Commit, Head, LogStore, Place } from './store.ts'

/** Entries in one commit at most: bounds how long it can take. */
export const largestGroup = 2048
/** Octets in one commit at most, but for a single entry. */
const largestGroupOctets = 4 << 20
/** A head that somebody else moved on: times to begin anew before the writer is told that the log is busy. */
const attempts = 16

export interface Sequencer {
  /** Appends all items, in order, or none. One call at a time. @throws {InfraFabricError} as {@link LogStore}; `ledger.entry.too-large` */
  readonly append: (items: readonly AppendItem[]) => Promise<readonly Place[]>
  /** The newest head this sequencer knows. */
  readonly head: () => Head
}

interface Position {
  readonly head: Head
  readonly tree: GrowingTree
}

/**
 * The tree as the store has it, once its root is the one in the head's own checkpoint: nothing is built, and signed, on a spoiled head.
 *
 * @throws {InfraFabricError} `ledger.store.damaged`
 */
async function readPosition(store: LogStore): Promise<Position> {
  const head = await store.head()
  const damaged = (problem: string, cause?: unknown) => new InfraFabricError('ledger.store.damaged', problem, { cause })
  const lastTiles: Uint8Array[] = []
  try {
    for (let level = 0; tileHashes(head.size, level) > 0; level++) {
      const hashes = tileHashes(head.size, level)
      const index = Math.floor(hashes / tileWidth)
      lastTiles[level] =
        hashes % tileWidth === 0
          ? new Uint8Array()
          : level === 0
            ? await leavesOf(store, index * tileWidth, head.size)
            : ((await store.tile(level, index)) ?? new Uint8Array()).subarray(0, (hashes % tileWidth) * hashLength)
    }
    const tree = GrowingTree.of(head.size, (level) => lastTiles[level]!)
    if (head.checkpoint !== null) {
      const [, size, root] = head.checkpoint.split('\n')
      if (size !== String(head.size) || root !== tree.root().toString('base64'))
        throw damaged('the head of the log does not have the root of its own checkpoint')
    }
    return { head, tree }
  } catch (error) {
    if (error instanceof InfraFabricError && error.code !== 'ledger.segment.malformed') throw error
    throw damaged('the head of the log is spoiled', error)
  }
}

/** Leaf hashes of entries `from` to `to`, from the entries themselves. */
async function leavesOf(store: LogStore, from: number, to: number): Promise<Buffer> {
  const leaves = Buffer.alloc((to - from) * hashLength)
  for await (const { first, data } of store.segments(from, to)) {
    for (const [number, entry] of entriesOf(data).entries()) {
      const index = first + number
      if (index >= from && index < to) leaves.set(leafHash(entry), (index - from) * hashLength)
    }
  }
  return leaves
}

export async function openSequencer(store: LogStore, signer: NoteSigner): Promise<Sequencer> {
  let position: Position | null = await readPosition(store)
  let known: Head = position.head

  /** One attempt. Null when somebody else moved the head. */
  const attempt = async (items: readonly AppendItem[]): Promise<readonly Place[] | null> => {
    position ??= await readPosition(store)
    const { head, tree } = position
    const before = await store.places(items.map(({ key }) => key))
    const fresh: AppendItem[] = []
    const placed = new Map<string, Place | null>(before)
    for (const item of items) {
      if (placed.has(item.key)) continue
      placed.set(item.key, null)
      fresh.push(item)
    }
    if (fresh.length > 0) {
      // the tree is the position's own: until the commit is known to have been taken, there is no position
      position = null
      const { commit, places } = seal(fresh, head, tree, signer)
      if (!(await store.commit(commit))) return null
      position = { head: commit.head, tree }
      known = commit.head
      fresh.forEach(({ key }, number) => {
        placed.set(key, places[number]!)
      })
    }
    return items.map(({ key }) => placed.get(key)!)
  }

  return {
    append: async (items) => {
      for (let times = 0; times < attempts; times++) {
        const places = await attempt(items)
        if (places !== null) return places
      }
      throw new InfraFabricError('ledger.store.busy', `other writers moved the head of the log ${attempts} times`)
    },
    head: () => known
  }
}

/** Makes the commit that puts `items` behind `head`. `tree` grows by them. */
function seal(
  items: readonly AppendItem[],
  head: Head,
  tree: GrowingTree,
  signer: NoteSigner
): { commit: Commit; places: Place[] } {
  let room = 0
  for (const { draft } of items) room += 2 + 3 * (draft[0].length + draft[1].length + draft[2].length) + 96
  const data = Buffer.allocUnsafe(room)
  const places: Place[] = []
  const hashes: Buffer[] = []
  const first = tree.size
  let prev = head.lastHash
  let at = 0
  for (const { draft } of items) {
    const start = at + 2
    const octets = data.write(finishDraft(draft, tree.size, prev), start, 'utf8')
    if (octets > maxEntryOctets)
      throw new InfraFabricError('ledger.entry.too-large', `an entry has at most ${maxEntryOctets} octets, this one ${octets}`)
    const end = start + octets
    // the octet before the entry holds the tree's leaf prefix while it is hashed, its length afterwards
    data[start - 1] = 0
    const leaf = digest('sha256', data.subarray(start - 1, end), 'buffer')
    data.writeUInt16BE(octets, at)
    prev = leaf.toString('hex')
    places.push({ index: tree.size, hash: prev })
    hashes.push(leaf)
    tree.append(leaf)
    at = end
  }
  const checkpoint = signCheckpoint({ origin: signer.name, size: tree.size, root: tree.root() }, signer)
  return {
    places,
    commit: {
      after: head,
      segment: { first, count: items.length, data: data.subarray(0, at) },
      tiles: tree.takeTiles(),
      keys: items.map(({ key }) => key),
      hashes,
      head: { size: tree.size, lastHash: prev, checkpoint }
    }
  }
}

/** How many of the first of `sizes` (entries and octets of requests waiting) go into one commit: at least one. */
export function groupSize(sizes: readonly { readonly entries: number; readonly octets: number }[]): number {
  let entries = 0
  let octets = 0
  let count = 0
  for (const size of sizes) {
    entries += size.entries
    octets += size.octets
    if (count > 0 && (entries > largestGroup || octets > largestGroupOctets)) break
    count++
  }
  return count
}
