/** What crosses to the ledger's thread and back, laid out flat: to clone an object for each entry takes longer than to make it anew on the other side. */
import { InfraFabricError } from '#kernel'
import type { Erasable } from '../log/commitment.ts'
import { hashLength } from '../log/merkle.ts'
import type { AppendItem, Place } from './store.ts'

/** The items of one append. */
export interface FlatItems {
  /** Of each item the three parts of its draft, and its key. */
  readonly texts: readonly string[]
  /** By the number of the item. */
  readonly erasable: readonly (readonly [item: number, erasable: Erasable])[]
}

const textsOfItem = 4

/** @throws {InfraFabricError} `ledger.entry.reserved` for an item that says more than producers may: it is refused here, where it would be lost */
export function flattenItems(items: readonly AppendItem[]): FlatItems {
  const texts: string[] = []
  const erasables: [number, Erasable][] = []
  for (let number = 0; number < items.length; number++) {
    const item = items[number]!
    if ('erases' in item) throw new InfraFabricError('ledger.entry.reserved', 'only the ledger itself erases')
    const { draft, key, erasable } = item
    texts.push(draft[0], draft[1], draft[2], key)
    if (erasable !== undefined) erasables.push([number, erasable])
  }
  return { texts, erasable: erasables }
}

export function readItems({ texts, erasable: erasables }: FlatItems): AppendItem[] {
  const items: AppendItem[] = []
  for (let at = 0; at < texts.length; at += textsOfItem) {
    items.push({ draft: [texts[at]!, texts[at + 1]!, texts[at + 2]!], key: texts[at + 3]! })
  }
  for (const [number, erasable] of erasables) items[number] = { ...items[number]!, erasable }
  return items
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
