/** Places of entries laid out flat, as they cross between threads. */
import { hashLength } from '../log/merkle.ts'
import type { Place } from './store.ts'

export interface FlatPlaces {
  readonly indexes: Float64Array<ArrayBuffer>
  /** One behind the other, in memory of their own. */
  readonly hashes: Buffer<ArrayBuffer>
}

/** Places of `count` entries from `first` on, whose hashes are not there yet. */
export function flatPlacesOf(count: number, first: number): FlatPlaces {
  const indexes = new Float64Array(count)
  for (let number = 0; number < count; number++) indexes[number] = first + number
  return { indexes, hashes: Buffer.from(new ArrayBuffer(count * hashLength)) }
}

export function flattenPlaces(places: readonly Place[]): FlatPlaces {
  const flat = flatPlacesOf(places.length, 0)
  for (let number = 0; number < places.length; number++) {
    const { index, hash } = places[number]!
    flat.indexes[number] = index
    flat.hashes.write(hash, number * hashLength, 'hex')
  }
  return flat
}

/** Places `from` up to `to`, also of what crossed, whose hashes are a plain array of octets. */
export function readPlaces(
  { indexes, hashes }: { readonly indexes: Float64Array; readonly hashes: Uint8Array },
  from: number,
  to: number
): Place[] {
  const octets = Buffer.from(hashes.buffer, hashes.byteOffset, hashes.byteLength)
  const places: Place[] = []
  for (let number = from; number < to; number++) {
    places.push({ index: indexes[number]!, hash: octets.toString('hex', number * hashLength, (number + 1) * hashLength) })
  }
  return places
}
