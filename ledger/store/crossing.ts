/**
 * What crosses to the ledger's thread and to that of the commits, laid out flat: all appends of one turn of the event loop are octets, as they will be stored, whose memory
 * is handed over. To clone an object for each entry takes longer than to make it anew on the other side, and strings would have to be written as octets there, and be kept by
 * its collector meanwhile.
 */
import { InfraFabricError } from '#kernel'
import type { Erasable } from '../log/commitment.ts'
import { noPrevious } from '../log/entry.ts'
import { lengthOctets } from '../log/segment.ts'
import { joinKeys, splitKeys } from './keys.ts'
import { type LaidItem, type LaidText, LaidTextReader, Layout } from './laid.ts'
import type { AppendItem, Commit } from './store.ts'

/** One call of `append`. */
export interface AppendRequest {
  readonly id: number
  /** After a failure everything of the same epoch is refused, so that nothing overtakes what failed. Null for what stands by itself. */
  readonly epoch: number | null
  readonly items: readonly LaidItem[]
  /** Octets of the items, for grouping, about. */
  readonly octets: number
}

export interface FlatRequests {
  readonly ids: readonly number[]
  readonly epochs: readonly (number | null)[]
  /** How many items each of them has. */
  readonly counts: readonly number[]
  readonly text: LaidText
  /** Idempotency keys of all items, as joinKeys writes them. */
  readonly keys: string
  /** By the number of the item in all of them. */
  readonly erasable: readonly (readonly [item: number, erasable: Erasable])[]
}

/** Characters that cross in one go, about, and that one append may bring: no text can be longer than eight times that. */
const longestText = 64 << 20

/** Appends that wait for the end of the turn. */
export class OutgoingRequests {
  #ids: number[] = []
  #epochs: (number | null)[] = []
  #counts: number[] = []
  #layout: Layout | null = null
  #keys: string[] = []
  #erasable: [number, Erasable][] = []

  get size(): number {
    return this.#ids.length
  }

  get isFull(): boolean {
    return this.#layout !== null && this.#layout.length >= longestText
  }

  add(id: number, epoch: number | null, items: readonly AppendItem[]): void {
    this.#layout ??= new Layout()
    this.#ids.push(id)
    this.#epochs.push(epoch)
    this.#counts.push(items.length)
    for (const { draft, key, erasable } of items) {
      if (erasable !== undefined) this.#erasable.push([this.#keys.length, erasable])
      this.#layout.add(draft)
      this.#keys.push(key)
    }
  }

  /** All of them, which are no more here; to be transferred with {@link memoryOf}. */
  take(): FlatRequests {
    const flat: FlatRequests = {
      ids: this.#ids,
      epochs: this.#epochs,
      counts: this.#counts,
      text: (this.#layout ?? new Layout()).text(),
      keys: joinKeys(this.#keys),
      erasable: this.#erasable
    }
    this.#ids = []
    this.#epochs = []
    this.#counts = []
    this.#layout = null
    this.#keys = []
    this.#erasable = []
    return flat
  }
}

/** What of them is handed over, not copied. */
export const memoryOf = ({ text }: FlatRequests): ArrayBuffer[] => [text.octets.buffer, text.lengths.buffer]

/**
 * What can cross.
 *
 * @throws {InfraFabricError} `ledger.entry.reserved` for an item that says more than producers may: what it says more would be lost on the way;
 *   `ledger.entry.too-large` for more text than one append can bring
 */
export function expectProducers(items: readonly AppendItem[]): void {
  let length = 0
  for (const item of items) {
    if ('erases' in item) throw new InfraFabricError('ledger.entry.reserved', 'only the ledger itself erases')
    const [begin, between, behind] = item.draft
    length += begin.length + between.length + behind.length
  }
  if (length > longestText)
    throw new InfraFabricError(
      'ledger.entry.too-large',
      `one append brings at most ${longestText} characters, this one ${length}`
    )
}

/** What an entry has beside its draft: its length, leaf number and previous hash. */
const octetsBesideDraft = lengthOctets + String(Number.MAX_SAFE_INTEGER).length + noPrevious.length

export function readRequests({ ids, epochs, counts, text, keys: keysText, erasable: erasables }: FlatRequests): AppendRequest[] {
  const requests: AppendRequest[] = []
  const reader = new LaidTextReader(text)
  const keys = splitKeys(keysText)
  let number = 0
  let nextErasable = 0
  for (let request = 0; request < ids.length; request++) {
    const items: LaidItem[] = []
    const from = reader.at
    let beside = 0
    for (let left = counts[request]!; left > 0; left--, number++) {
      const erasable = erasables[nextErasable]?.[0] === number ? erasables[nextErasable++]![1] : undefined
      if (erasable !== undefined) beside += erasable.payload.length
      items.push(reader.next(keys[number]!, erasable))
    }
    requests.push({
      id: ids[request]!,
      epoch: epochs[request]!,
      items,
      octets: reader.at - from + items.length * octetsBesideDraft + beside
    })
  }
  return requests
}

/** A commit on its way to the thread that makes it. Its octets go there and are no more here. */
export interface FlatCommit extends Omit<Commit, 'segment' | 'tiles'> {
  readonly first: number
  readonly count: number
  readonly data: Uint8Array<ArrayBuffer>
  /** Level, index and number of hashes of each tile. */
  readonly tiles: readonly (readonly [level: number, index: number, octets: number])[]
  /** One behind the other. */
  readonly hashes: Uint8Array<ArrayBuffer>
}

export function flattenCommit({ segment, tiles, ...rest }: Commit): FlatCommit {
  const hashes = new Uint8Array(tiles.reduce((octets, tile) => octets + tile.hashes.length, 0))
  let at = 0
  for (const tile of tiles) {
    hashes.set(tile.hashes, at)
    at += tile.hashes.length
  }
  const { first, count, data } = segment
  return {
    ...rest,
    first,
    count,
    data: data as Uint8Array<ArrayBuffer>,
    tiles: tiles.map(({ level, index, hashes: own }) => [level, index, own.length]),
    hashes
  }
}

export function readCommit({ first, count, data, tiles, hashes, ...rest }: FlatCommit): Commit {
  let at = 0
  return {
    ...rest,
    segment: { first, count, data },
    tiles: tiles.map(([level, index, octets]) => {
      at += octets
      return { level, index, hashes: hashes.subarray(at - octets, at) }
    })
  }
}
