/**
 * Puts entries in their places: the one spot where the log grows.
 *
 *     appends ─▶ group ─▶ keys known? ─▶ leaf numbers, chain, tree, signature ─▶ commit on the head it was made for ─▶ answers
 *
 * Group commit: what arrives while one commit is under way goes into the next. That may be sealed (sequenced, hashed, signed) on top of the one under way, whose
 * head it names: the store takes it only behind that one. The head that others see moves with the commits, so that nothing signed for a place that is not
 * on disk leaves this file but to the store.
 */
import { InfraFabricError } from '#kernel'
import type { Erasable } from '../log/commitment.ts'
import { noPrevious } from '../log/entry.ts'
import { type Hashing, marksOfDraft, plain } from '../log/hashing.ts'
import { hashLength } from '../log/merkle.ts'
import { type Checkpoint, type NoteSigner, signCheckpoint } from '../log/note.ts'
import { rootAt } from '../log/prover.ts'
import { lengthOctets, maxEntryOctets } from '../log/segment.ts'
import { GrowingTree, tileHashes, tileWidth } from '../log/tree.ts'
import { leafHashes, tilesOf } from '../read/tiles.ts'
import type { Keyring } from './keyring.ts'
import { joinKeys, keyChanges, type NumberedKey, numberedKeys, ownText, type Producer, splitKeys } from './keys.ts'
import { knownPlaces } from './known.ts'
import { expectFromProducer, type LaidItem, layOut } from './laid.ts'
import { type FlatPlaces, flatPlacesOf, flattenPlaces, readPlaces } from './places.ts'
import type { AppendItem, Commit, ErasableChanges, Head, LogStore, OwnItem, Place, Segment } from './store.ts'

/** Entries in one commit at most: bounds how long it can take. */
const largestGroup = 1024
/** Octets in one commit at most, but for a single entry. */
const largestGroupOctets = 4 << 20
/** A head that somebody else moved on: times to begin anew before the writer is told that the log is busy. */
const attempts = 16
/** Producers remembered; when there are more, those in use are read again. */
const mostProducers = 10_000

export interface Sequencer {
  /**
   * Appends all items, in order, or none. Whatever producers tell goes this way, and here it is seen to that none of it is the ledger's own to tell.
   *
   * A call may come while others are under way: it is sealed while they are committed, and stands behind them.
   *
   * @throws {InfraFabricError} as {@link LogStore}; `ledger.store.rolled-back`; `ledger.entry.too-large`; `ledger.entry.reserved`, `ledger.entry.invalid` before anything was
   *   tried; likewise `ledger.append.key-taken`, see {@link knownPlaces}; `ledger.key.missing` when another key has taken over that is not here; `ledger.append.again` when
   *   one under way failed beneath it, or has keys of it: nothing of it is in the log, and it is to be told again when that one has ended
   * @param whenSealed called when its commit has been handed to the store
   */
  readonly append: (items: readonly AppendItem[], whenSealed?: () => void) => Promise<readonly Place[]>
  /** The same for items that are laid out. */
  readonly appendLaid: (items: readonly LaidItem[], whenSealed?: () => void) => Promise<FlatPlaces>
  /**
   * Appends what the ledger tells of itself.
   *
   * @param next key that signs from here on: the head of this item carries its signature behind that of the present key
   * @throws {InfraFabricError} as `append`
   */
  readonly appendOwn: (item: OwnItem, next?: NoteSigner) => Promise<Place>
  /** The newest head this sequencer knows. */
  readonly head: () => Head
}

interface Position {
  readonly head: Head
  readonly tree: GrowingTree
  readonly signer: NoteSigner
}

/** An append under way. */
interface Flight {
  /** Keys of its items as its commit has them, from when it is sealed; empty before. */
  keys: string
  /** Whether one before it failed meanwhile: it is not tried once more, so as not to overtake that one. */
  overFailed: boolean
}

/** What became of sealing: places of all items, and whether the store takes the commit that puts them there; null where all were in the log. */
interface Sealed {
  readonly places: FlatPlaces
  readonly taken: Promise<boolean> | null
}

const again = (why: string): InfraFabricError => new InfraFabricError('ledger.append.again', why)

/**
 * The tree as the store has it, once its root is the one in the head's own checkpoint: nothing is built, and signed, on a spoiled head.
 *
 * @throws {InfraFabricError} `ledger.store.damaged`, `ledger.key.missing`
 */
async function readPosition(store: LogStore, keys: Keyring, hashing: Hashing): Promise<Position> {
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
            ? await leafHashes(store, index * tileWidth, head.size, hashing)
            : ((await store.tile(level, index)) ?? new Uint8Array()).subarray(0, (hashes % tileWidth) * hashLength)
    }
    const tree = GrowingTree.of(head.size, (level) => lastTiles[level]!, hashing)
    if (head.checkpoint !== null) {
      const [, size, root] = head.checkpoint.split('\n')
      if (size !== String(head.size) || root !== tree.root().toString('base64'))
        throw damaged('the head of the log does not have the root of its own checkpoint')
    }
    return { head, tree, signer: keys.signerBehind(head.checkpoint) }
  } catch (error) {
    if (error instanceof InfraFabricError && error.code !== 'ledger.segment.malformed') throw error
    throw damaged('the head of the log is spoiled', error)
  }
}

/**
 * A store that was put back to an earlier state, as by a failover to a server that lagged behind, must not be built on: what was acknowledged is missing
 * there, and the next signature would fork the log.
 *
 * @throws {InfraFabricError} `ledger.store.rolled-back`
 */
async function expectGrowth(store: LogStore, known: Head, now: Head, hashing: Hashing): Promise<void> {
  if (known.size === 0) return
  const last = now.size < known.size ? null : await leafHashes(store, known.size - 1, known.size, hashing)
  if (last?.toString('hex') === known.lastHash) return
  throw new InfraFabricError(
    'ledger.store.rolled-back',
    `the log has ${now.size} entries and lacks what it had at ${known.size}: the store lost entries it had acknowledged`
  )
}

const spoiledTiles = (cause: unknown): never => {
  if (cause instanceof InfraFabricError && cause.code !== 'ledger.segment.malformed') throw cause
  throw new InfraFabricError('ledger.store.damaged', 'the tiles of the log are spoiled', { cause })
}

/**
 * The same for a store that is opened: what was published of the log is known from its file, which may lie on another disk or machine than the log.
 *
 * @throws {InfraFabricError} `ledger.store.rolled-back`
 */
async function expectPublished(store: LogStore, published: Checkpoint, { head, tree }: Position): Promise<void> {
  const { size, root } = published
  const rolledBack = (words: string) =>
    new InfraFabricError('ledger.store.rolled-back', `the log has ${head.size} entries, ${words}`)
  if (size > head.size) throw rolledBack(`and a head of ${size} was published: the store lost what it had acknowledged`)
  const now = size === head.size ? tree.root() : await rootAt(tilesOf(store), size).catch(spoiledTiles)
  if (!now.equals(root))
    throw rolledBack(`and the first ${size} are not those that were published: it went on from an earlier state`)
}

/**
 * @param signers a key alone for a log that never changes it
 * @param published newest head known to be published, read before the store is: a log that does not hold it is not built on
 * @param hashing who hashes entries and nodes
 * @throws {InfraFabricError} as {@link Sequencer.append}
 */
export async function openSequencer(
  store: LogStore,
  signers: NoteSigner | Keyring,
  published: Checkpoint | null = null,
  hashing: Hashing = plain
): Promise<Sequencer> {
  const keys: Keyring = 'signerBehind' in signers ? signers : { signerBehind: () => signers }
  /** Behind all commits under way; null after one of them was not taken. */
  let position: Position | null = await readPosition(store, keys, hashing)
  if (published !== null) await expectPublished(store, published, position)
  /** Behind those that were taken. */
  let known: Head = position.head
  /** How often the position was read. */
  let readings = 0

  /** The oldest first. */
  const underWay: Flight[] = []
  const commits = new Set<Promise<boolean>>()

  /** Producers as they are at the position's head, as far as they have been asked for. */
  let producers = new Map<string, Producer>()

  const learn = async (keys: readonly (NumberedKey | null)[]): Promise<void> => {
    const ids = new Set<string>()
    let last: string | null = null
    for (const key of keys) {
      if (key === null || key.producer === last) continue
      last = key.producer
      if (!producers.has(last)) ids.add(ownText(last))
    }
    if (ids.size === 0) return
    // those of commits under way are nowhere else
    if (producers.size > mostProducers && commits.size === 0) producers = new Map()
    for (const [id, producer] of await store.producers([...ids])) producers.set(id, producer)
  }

  /**
   * Whether each key is the next of its producer, or one further on: none of them is in the log, in an append under way, or here twice. `producers` has
   * what is sealed, taken or not.
   */
  const areAhead = (numbered: readonly (NumberedKey | null)[]): boolean => {
    const lasts = new Map<string, { number: number }>()
    let name: string | null = null
    let last = { number: -1 }
    for (const id of numbered) {
      if (id === null) return false
      if (id.producer !== name) {
        name = id.producer
        const seen = lasts.get(name)
        last = seen ?? { number: producers.get(name)?.last ?? -1 }
        if (seen === undefined) lasts.set(name, last)
      }
      if (id.number <= last.number) return false
      last.number = id.number
    }
    return true
  }

  let turns: Promise<unknown> = Promise.resolve()
  /** One after another, in the order of the calls. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = turns.then(work)
    turns = turn.catch(() => undefined)
    return turn
  }

  /** Sets out the commit of those items that are not in the log. */
  const sealNext = async (flight: Flight, items: readonly LaidItem[], next?: NoteSigner): Promise<Sealed> => {
    if (flight.overFailed) throw again('an append before this one failed')
    if (position === null) {
      if (underWay[0] !== flight) throw again('an append before this one failed')
      // what may still be taken is part of the head that is read
      await Promise.allSettled(commits)
      producers.clear()
      const read = await readPosition(store, keys, hashing)
      await expectGrowth(store, known, read.head, hashing)
      readings++
      position = read
      known = read.head
    }
    const before = position
    const itemKeys = items.map(({ key }) => key)
    const ids = numberedKeys(itemKeys)
    await learn(ids)
    const fresh = areAhead(ids) ? null : await findFresh(flight, items, itemKeys, ids)
    if (position !== before) throw again('an append before this one failed')
    if (fresh === null) return sealFresh(flight, items, itemKeys, ids, before, next)
    const { placed, numbers } = fresh
    const pick = <T>(all: readonly T[]): T[] => numbers.map((number) => all[number]!)
    const pickedKeys = pick(itemKeys)
    if (numbers.length === 0) return { places: flattenPlaces(itemKeys.map((key) => placed.get(key)!)), taken: null }
    const { places, taken } = sealFresh(flight, pick(items), pickedKeys, pick(ids), before, next)
    const all = new Map(placed)
    readPlaces(places, 0, numbers.length).forEach((place, number) => {
      all.set(pickedKeys[number]!, place)
    })
    return { places: flattenPlaces(itemKeys.map((key) => all.get(key)!)), taken }
  }

  /**
   * Which of the items are not in the log, and where the others stand; of several with one key the first.
   *
   * @throws {InfraFabricError} `ledger.append.key-taken`
   */
  const findFresh = async (
    flight: Flight,
    items: readonly LaidItem[],
    itemKeys: readonly string[],
    ids: readonly (NumberedKey | null)[]
  ): Promise<{ readonly placed: ReadonlyMap<string, Place>; readonly numbers: readonly number[] }> => {
    for (const other of underWay) {
      if (other === flight) break
      const others = new Set(splitKeys(other.keys))
      if (itemKeys.some((key) => others.has(key))) throw again('an append under way has keys of this one')
    }
    const placed = await knownPlaces(store, hashing, producers, items, ids)
    const seen = new Set<string>()
    const numbers: number[] = []
    for (let number = 0; number < items.length; number++) {
      const key = itemKeys[number]!
      if (placed.has(key) || seen.has(key)) continue
      seen.add(key)
      numbers.push(number)
    }
    return { placed, numbers }
  }

  const sealFresh = (
    flight: Flight,
    items: readonly LaidItem[],
    itemKeys: readonly string[],
    ids: readonly (NumberedKey | null)[],
    { head, tree, signer }: Position,
    next: NoteSigner | undefined
  ): Sealed => {
    flight.keys = joinKeys(itemKeys)
    // the tree is the position's own and grows while it is sealed
    position = null
    const signers: readonly [NoteSigner, ...NoteSigner[]] = next === undefined ? [signer] : [signer, next]
    const { segment, places, checkpoint, lastHash } = seal(items, head, tree, signers, hashing)
    const placeOf = (number: number): Place => readPlaces(places, number, number + 1)[0]!
    const commit: Commit = {
      after: head,
      segment,
      tiles: tree.takeTiles(),
      keys: flight.keys,
      keyChanges: keyChanges(itemKeys, ids, segment.first, placeOf, producers),
      erasableChanges: erasableChanges(items, segment.first),
      head: { size: tree.size, lastHash, checkpoint }
    }
    position = { head: commit.head, tree, signer: next ?? signer }
    for (const producer of commit.keyChanges.producers) producers.set(producer.id, producer)
    return { places, taken: take(commit) }
  }

  /** Has the store take a commit; after one that it did not take, whatever was sealed behind it stands nowhere. */
  const take = async (commit: Commit): Promise<boolean> => {
    const reading = readings
    const committed = store.commit(commit)
    commits.add(committed)
    let taken = false
    try {
      taken = await committed
      if (taken && commit.head.size > known.size) known = commit.head
      return taken
    } finally {
      commits.delete(committed)
      if (!taken && reading === readings) position = null
    }
  }

  const append = async (items: readonly LaidItem[], next?: NoteSigner, whenSealed?: () => void): Promise<FlatPlaces> => {
    const flight: Flight = { keys: '', overFailed: false }
    underWay.push(flight)
    try {
      for (let times = 0; times < attempts; times++) {
        const { places, taken } = await inTurn(() => sealNext(flight, items, next))
        whenSealed?.()
        if (taken === null || (await taken)) return places
      }
      throw new InfraFabricError('ledger.store.busy', `other writers moved the head of the log ${attempts} times`)
    } catch (error) {
      for (const later of underWay.slice(underWay.indexOf(flight) + 1)) later.overFailed = true
      throw error
    } finally {
      underWay.splice(underWay.indexOf(flight), 1)
    }
  }

  const appendLaid = async (items: readonly LaidItem[], whenSealed?: () => void): Promise<FlatPlaces> => {
    for (const item of items) {
      expectFromProducer(item)
      if (item.erases !== undefined) throw new InfraFabricError('ledger.entry.reserved', 'only the ledger itself erases')
    }
    return append(items, undefined, whenSealed)
  }

  return {
    appendLaid,
    append: async (items, whenSealed) => readPlaces(await appendLaid(layOut(items), whenSealed), 0, items.length),
    appendOwn: async (item, next) => readPlaces(await append(layOut([item]), next), 0, 1)[0]!,
    head: () => known
  }
}

/** Puts `items` behind `head`: their numbers, hashes and signature. `tree` grows by them. */
function seal(
  items: readonly LaidItem[],
  head: Head,
  tree: GrowingTree,
  signers: readonly [NoteSigner, ...NoteSigner[]],
  hashing: Hashing
): { readonly segment: Segment; readonly places: FlatPlaces; readonly checkpoint: string; readonly lastHash: string } {
  const first = tree.size
  const data = Buffer.allocUnsafeSlow(octetsOf(items, first))
  const places = flatPlacesOf(items.length, first)
  const marks = new Uint32Array(items.length * marksOfDraft)
  const previous = Buffer.from(head.lastHash, 'latin1')
  let at = 0
  for (let from = 0, to = 0; from < items.length; from = to) {
    const { octets } = items[from]!
    let mark = 0
    for (; to < items.length && items[to]!.octets === octets; to++) {
      const { start, index, prev, end } = items[to]!
      marks[mark++] = start
      marks[mark++] = index
      marks[mark++] = prev
      marks[mark++] = end
    }
    at = hashing.finish(octets, marks, to - from, first + from, previous, data, at, places.hashes.subarray(from * hashLength))
  }
  tree.append(places.hashes, 0, items.length)
  const checkpoint = signCheckpoint({ origin: signers[0].name, size: tree.size, root: tree.root() }, ...signers)
  return { segment: { first, count: items.length, data }, places, checkpoint, lastHash: previous.toString('latin1') }
}

/**
 * Octets of the items as entries.
 *
 * @throws {InfraFabricError} `ledger.entry.too-large`
 */
function octetsOf(items: readonly LaidItem[], first: number): number {
  let beside = noPrevious.length + String(first).length
  let longer = 10 ** String(first).length
  let sum = 0
  for (let number = 0; number < items.length; number++) {
    const { start, end } = items[number]!
    if (first + number === longer) {
      beside++
      longer *= 10
    }
    const octets = end - start + beside
    if (octets > maxEntryOctets)
      throw new InfraFabricError('ledger.entry.too-large', `an entry has at most ${maxEntryOctets} octets, this one ${octets}`)
    sum += lengthOctets + octets
  }
  return sum
}

function erasableChanges(items: readonly LaidItem[], first: number): ErasableChanges {
  const added: { index: number; erasable: Erasable }[] = []
  const erased: number[] = []
  for (const [number, { erasable, erases }] of items.entries()) {
    if (erasable !== undefined) added.push({ index: first + number, erasable })
    if (erases !== undefined) erased.push(erases)
  }
  return { added, erased }
}

/** How many entries wait before they are sealed while a commit is under way: fewer would only wait for one commit more. */
export const aheadFrom: number = largestGroup / 2

/** How many of the first of `sizes` (entries and octets of requests waiting) go into one commit: at least one. */
export function groupSize(sizes: readonly { readonly items: readonly unknown[]; readonly octets: number }[]): number {
  let entries = 0
  let octets = 0
  let count = 0
  for (const size of sizes) {
    entries += size.items.length
    octets += size.octets
    if (count > 0 && (entries > largestGroup || octets > largestGroupOctets)) break
    count++
  }
  return count
}
