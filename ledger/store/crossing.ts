/**
 * What crosses to the ledger's thread and back, laid out flat: all appends of one turn of the event loop as one text with the lengths of its parts, all places as two
 * arrays. To clone an object for each entry takes longer than to make it anew on the other side, and to clone its strings longer than to cut them out of one.
 */
import { InfraFabricError } from '#kernel'
import type { Erasable } from '../log/commitment.ts'
import { hashLength } from '../log/merkle.ts'
import type { AppendItem, Commit, Place } from './store.ts'

/** One call of `append`. */
export interface AppendRequest {
  readonly id: number
  /** After a failure everything of the same epoch is refused, so that nothing overtakes what failed. Null for what stands by itself. */
  readonly epoch: number | null
  readonly items: readonly AppendItem[]
  /** Length of the items' text, for grouping. */
  readonly octets: number
}

export interface FlatRequests {
  readonly ids: readonly number[]
  readonly epochs: readonly (number | null)[]
  /** How many items each of them has. */
  readonly counts: readonly number[]
  /** Of each item the three parts of its draft, and its key. */
  readonly text: string
  readonly lengths: Uint32Array<ArrayBuffer>
  /** By the number of the item in all of them. */
  readonly erasable: readonly (readonly [item: number, erasable: Erasable])[]
}

const textsOfItem = 4
/** Length of the text that crosses in one go, about: no text can be longer than eight times that. */
const longestText = 64 << 20

/** Appends that wait for the end of the turn. */
export class OutgoingRequests {
  #ids: number[] = []
  #epochs: (number | null)[] = []
  #counts: number[] = []
  #texts: string[] = []
  #erasable: [number, Erasable][] = []
  #length = 0

  get size(): number {
    return this.#ids.length
  }

  get isFull(): boolean {
    return this.#length >= longestText
  }

  add(id: number, epoch: number | null, items: readonly AppendItem[]): void {
    this.#ids.push(id)
    this.#epochs.push(epoch)
    this.#counts.push(items.length)
    for (const { draft, key, erasable } of items) {
      if (erasable !== undefined) this.#erasable.push([this.#texts.length / textsOfItem, erasable])
      this.#texts.push(draft[0], draft[1], draft[2], key)
      this.#length += draft[0].length + draft[1].length + draft[2].length + key.length
    }
  }

  /** All of them, which are no more here. */
  take(): FlatRequests {
    const lengths = new Uint32Array(this.#texts.length)
    for (let at = 0; at < lengths.length; at++) lengths[at] = this.#texts[at]!.length
    const flat: FlatRequests = {
      ids: this.#ids,
      epochs: this.#epochs,
      counts: this.#counts,
      text: this.#texts.join(''),
      lengths,
      erasable: this.#erasable
    }
    this.#ids = []
    this.#epochs = []
    this.#counts = []
    this.#texts = []
    this.#erasable = []
    this.#length = 0
    return flat
  }
}

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
    for (const text of item.draft) length += text.length
  }
  if (length > longestText)
    throw new InfraFabricError(
      'ledger.entry.too-large',
      `one append brings at most ${longestText} characters, this one ${length}`
    )
}

export function readRequests({ ids, epochs, counts, text, lengths, erasable: erasables }: FlatRequests): AppendRequest[] {
  const requests: AppendRequest[] = []
  let start = 0
  let number = 0
  let nextErasable = 0
  let at = 0
  const cut = (): string => {
    const from = start
    start += lengths[at++]!
    return text.substring(from, start)
  }
  for (let request = 0; request < ids.length; request++) {
    const items: AppendItem[] = []
    const from = start
    let beside = 0
    for (let left = counts[request]!; left > 0; left--, number++) {
      const item: AppendItem = { draft: [cut(), cut(), cut()], key: cut() }
      if (erasables[nextErasable]?.[0] === number) {
        const erasable = erasables[nextErasable++]![1]
        beside += erasable.payload.length
        items.push({ ...item, erasable })
      } else items.push(item)
    }
    requests.push({ id: ids[request]!, epoch: epochs[request]!, items, octets: start - from + beside })
  }
  return requests
}

export interface FlatPlaces {
  readonly indexes: Float64Array<ArrayBuffer>
  /** One behind the other. */
  readonly hashes: Uint8Array<ArrayBuffer>
}

export function flattenPlaces(places: readonly Place[]): FlatPlaces {
  const indexes = new Float64Array(places.length)
  const hashes = Buffer.from(new ArrayBuffer(places.length * hashLength))
  for (let number = 0; number < places.length; number++) {
    const { index, hash } = places[number]!
    indexes[number] = index
    hashes.write(hash, number * hashLength, 'hex')
  }
  return { indexes, hashes }
}

/** Places `from` up to `to`. */
export function readPlaces({ indexes, hashes }: FlatPlaces, from: number, to: number): Place[] {
  const octets = Buffer.from(hashes.buffer, hashes.byteOffset, hashes.byteLength)
  const places: Place[] = []
  for (let number = from; number < to; number++) {
    places.push({ index: indexes[number]!, hash: octets.toString('hex', number * hashLength, (number + 1) * hashLength) })
  }
  return places
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
