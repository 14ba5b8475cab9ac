/**
 * The hashes of a whole commit: of its entries, each of which holds the one before, and of the nodes over them. `compiled.ts` does the same, octet for octet.
 *
 * @see RFC 6962 §2.1
 */
import { hash } from 'node:crypto'
import { hashLength, leafHash, sha256, writeNodeHash } from './merkle.ts'
import { lengthOctets } from './segment.ts'

/** Numbers by which a draft is told in `marks`: where it begins, where its leaf number will stand, where its previous hash will stand, where it ends. */
export const marksOfDraft = 4

export interface Hashing {
  /**
   * Writes drafts as entries, one behind the other, each behind its length and with leaf number and previous hash; and hashes them.
   *
   * @param drafts texts without leaf numbers and previous hashes
   * @param marks of each draft, one behind the other
   * @param first leaf number of the first
   * @param previous the hash before the first, 64 hex digits; that of the last afterwards
   * @param data gets the entries, from octet `at` on
   * @param hashes gets those of all, one behind the other
   * @returns the octet behind the last entry
   */
  readonly finish: (
    drafts: Buffer,
    marks: Uint32Array,
    count: number,
    first: number,
    previous: Buffer,
    data: Buffer,
    at: number,
    hashes: Buffer
  ) => number
  /** Writes the hashes of the nodes over `count` pairs in `pairs`, from octet `from` on, to `out`, from octet `at` on. */
  readonly nodes: (pairs: Buffer, from: number, count: number, out: Buffer, at: number) => void
  /** Hash of one entry as a leaf. */
  readonly leaf: (entry: Uint8Array) => Buffer
  readonly sha256: (octets: Uint8Array) => Buffer
}

/** A hash at a time. */
export const plain: Hashing = {
  finish: (drafts, marks, count, first, previous, data, at, hashes) => {
    let prev = previous.toString('latin1')
    let end = at
    for (let number = 0, mark = 0; number < count; number++, mark += marksOfDraft) {
      const begin = end + lengthOctets
      end = begin + drafts.copy(data, begin, marks[mark], marks[mark + 1])
      end += data.write(String(first + number), end, 'latin1')
      end += drafts.copy(data, end, marks[mark + 1], marks[mark + 2])
      end += data.write(prev, end, 'latin1')
      end += drafts.copy(data, end, marks[mark + 2], marks[mark + 3])
      // the octet before the entry holds the tree's leaf prefix while it is hashed, its length afterwards
      data[begin - 1] = 0
      prev = hash('sha256', data.subarray(begin - 1, end), 'hex')
      data.writeUInt16BE(end - begin, begin - lengthOctets)
      hashes.write(prev, number * hashLength, 'hex')
    }
    previous.write(prev, 'latin1')
    return end
  },
  nodes: (pairs, from, count, out, at) => {
    for (let pair = 0; pair < count; pair++) writeNodeHash(pairs, from + pair * 2 * hashLength, out, at + pair * hashLength)
  },
  leaf: leafHash,
  sha256
}
