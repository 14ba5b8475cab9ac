/**
 * The hashes of a whole commit: of its entries, each of which holds the one before, and of the nodes over them. `compiled.ts` does the same, octet for octet.
 *
 * @see RFC 6962 §2.1
 */
import { hash } from 'node:crypto'
import { hashLength, leafHash, sha256, writeNodeHash } from './merkle.ts'
import { lengthOctets } from './segment.ts'

/** Numbers by which an entry is told in `marks`: where it begins, where its leaf number ends, where its previous hash begins, where it ends. */
export const marksOfEntry = 4

export interface Hashing {
  /**
   * Finishes entries in their places: leaf number, previous hash, length; and hashes them.
   *
   * @param marks of each entry, one behind the other
   * @param first leaf number of the first
   * @param previous the hash before the first, 64 hex digits; that of the last afterwards
   * @param hashes gets those of all, one behind the other
   */
  readonly chain: (data: Buffer, marks: Uint32Array, count: number, first: number, previous: Buffer, hashes: Buffer) => void
  /** Writes the hashes of the nodes over `count` pairs in `pairs`, from octet `from` on, to `out`, from octet `at` on. */
  readonly nodes: (pairs: Buffer, from: number, count: number, out: Buffer, at: number) => void
  /** Hash of one entry as a leaf. */
  readonly leaf: (entry: Uint8Array) => Buffer
  readonly sha256: (octets: Uint8Array) => Buffer
}

/** Writes a leaf number that ends at `end`. */
function writeNumber(data: Buffer, end: number, index: number): void {
  let left = index
  let digit = end
  do {
    const tens = Math.floor(left / 10)
    data[--digit] = 48 + (left - tens * 10)
    left = tens
  } while (left > 0)
}

/** A hash at a time. */
export const plain: Hashing = {
  chain: (data, marks, count, first, previous, hashes) => {
    let prev = previous.toString('latin1')
    for (let number = 0, mark = 0; number < count; number++, mark += marksOfEntry) {
      const begin = marks[mark]!
      const end = marks[mark + 3]!
      writeNumber(data, marks[mark + 1]!, first + number)
      data.write(prev, marks[mark + 2]!, 'latin1')
      // the octet before the entry holds the tree's leaf prefix while it is hashed, its length afterwards
      data[begin - 1] = 0
      prev = hash('sha256', data.subarray(begin - 1, end), 'hex')
      const octets = end - begin
      data[begin - lengthOctets] = octets >> 8
      data[begin - 1] = octets & 0xff
      hashes.write(prev, number * hashLength, 'hex')
    }
    previous.write(prev, 'latin1')
  },
  nodes: (pairs, from, count, out, at) => {
    for (let pair = 0; pair < count; pair++) writeNodeHash(pairs, from + pair * 2 * hashLength, out, at + pair * hashLength)
  },
  leaf: leafHash,
  sha256
}
