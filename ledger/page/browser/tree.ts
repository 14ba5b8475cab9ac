/**
 * The Merkle tree of a log, rebuilt from its leaves, and the proofs about it.
 *
 * @see RFC 6962 §2.1; RFC 9162 §2.1.3.2 and §2.1.4.2 for the checks
 */
import { equal } from './octets.ts'
import { digest, hashLength, sha256 } from './sha256.ts'

/** Hash of a leaf: SHA-256(0x00 ‖ data). It is the entry hash as well. */
export function leafHash(data: Uint8Array): Uint8Array {
  const input = new Uint8Array(1 + data.length)
  input.set(data, 1)
  return sha256(input)
}

const pair = new Uint8Array(1 + 2 * hashLength)
pair[0] = 1

/** Hash of a node: SHA-256(0x01 ‖ left ‖ right). */
function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  pair.set(left, 1)
  pair.set(right, 1 + hashLength)
  return sha256(pair)
}

/** Hashes of one level, one behind the other, in room that doubles. */
interface Level {
  octets: Uint8Array
  count: number
}

const firstRoom = 256

/** A growing tree that keeps the hash of every perfect subtree, so that the root of each earlier size and every proof take a few dozen hashes. */
export class Tree {
  readonly #levels: Level[] = [{ octets: new Uint8Array(firstRoom * hashLength), count: 0 }]

  get size(): number {
    return this.#levels[0]!.count
  }

  append(leaf: Uint8Array): void {
    this.#push(0, leaf)
    for (let level = 0; this.#levels[level]!.count % 2 === 0; level++) {
      const { octets, count } = this.#levels[level]!
      pair.set(octets.subarray((count - 2) * hashLength, count * hashLength), 1)
      const parent = this.#room(level + 1)
      digest(pair, parent.octets, parent.count * hashLength)
      parent.count++
    }
  }

  /** Hash of subtree `index` of 2^`level` leaves. @throws {RangeError} when the tree has it not whole */
  node(level: number, index: number): Uint8Array {
    const known = this.#levels[level]
    if (known === undefined || index >= known.count) throw new RangeError(`no node ${index} on level ${level}`)
    return known.octets.subarray(index * hashLength, (index + 1) * hashLength)
  }

  /** How many whole subtrees of 2^`level` leaves there are. */
  nodes(level: number): number {
    return this.#levels[level]?.count ?? 0
  }

  /** The root when the tree had `size` leaves. @throws {RangeError} when it never had so many */
  rootAt(size: number): Uint8Array {
    if (size > this.size) throw new RangeError(`the tree has ${this.size} leaves, not ${size}`)
    return size === 0 ? sha256(new Uint8Array()) : this.#range(0, size)
  }

  /** Hashes that lead from a leaf to the root of the first `size` leaves, lowest first. @see RFC 6962 §2.1.1 */
  inclusionProof(index: number, size: number): Uint8Array[] {
    if (index >= size || size > this.size) throw new RangeError(`no leaf ${index} in a tree of ${size}`)
    const path = (from: number, to: number): Uint8Array[] => {
      if (to - from === 1) return []
      const split = from + splitOf(to - from)
      return index < split ? [...path(from, split), this.#range(split, to)] : [...path(split, to), this.#range(from, split)]
    }
    return path(0, size)
  }

  /** Hashes that show that the tree of `from` leaves became that of `to`. @see RFC 6962 §2.1.2 */
  consistencyProof(from: number, to: number): Uint8Array[] {
    if (from > to || to > this.size) throw new RangeError(`no tree of ${to} leaves that grew from ${from}`)
    const path = (first: number, end: number, known: boolean): Uint8Array[] => {
      if (from === end) return known ? [] : [this.#range(first, end)]
      const split = first + splitOf(end - first)
      return from <= split
        ? [...path(first, split, known), this.#range(split, end)]
        : [...path(split, end, false), this.#range(first, split)]
    }
    return from === 0 ? [] : path(0, to, true)
  }

  /** Hash of leaves `from` to `to` (exclusive); `from` is a multiple of the subtree's width, as splits of a tree are. */
  #range(from: number, to: number): Uint8Array {
    const width = to - from
    const split = splitOf(width)
    if (width === 1 || split * 2 === width) {
      const level = Math.log2(width)
      return this.node(level, from / width)
    }
    return nodeHash(this.#range(from, from + split), this.#range(from + split, to))
  }

  #push(level: number, hash: Uint8Array): void {
    const into = this.#room(level)
    into.octets.set(hash, into.count * hashLength)
    into.count++
  }

  /** A level with room for one more hash. */
  #room(level: number): Level {
    let known = this.#levels[level]
    if (known === undefined) {
      known = { octets: new Uint8Array(firstRoom * hashLength), count: 0 }
      this.#levels.push(known)
    }
    if ((known.count + 1) * hashLength > known.octets.length) {
      const wider = new Uint8Array(known.octets.length * 2)
      wider.set(known.octets)
      known.octets = wider
    }
    return known
  }
}

/** Largest power of two below `size`, for `size` of 2 and more; 1 for 1. */
function splitOf(size: number): number {
  let split = 1
  while (split * 2 < size) split *= 2
  return split
}

const half = (number: number): number => Math.floor(number / 2)
const areHashes = (proof: readonly Uint8Array[]): boolean => proof.every(({ length }) => length === hashLength)

/** Whether `proof` shows that `leaf` is leaf `index` of the tree of `size` leaves with this root. @see RFC 9162 §2.1.3.2 */
export function checkInclusion(
  leaf: Uint8Array,
  index: number,
  size: number,
  root: Uint8Array,
  proof: readonly Uint8Array[]
): boolean {
  if (index < 0 || index >= size || !areHashes(proof)) return false
  let position = index
  let end = size - 1
  let hash = leaf
  for (const sibling of proof) {
    if (end === 0) return false
    if (position % 2 === 1 || position === end) {
      hash = nodeHash(sibling, hash)
      while (position % 2 === 0 && position !== 0) {
        position = half(position)
        end = half(end)
      }
    } else hash = nodeHash(hash, sibling)
    position = half(position)
    end = half(end)
  }
  return end === 0 && equal(hash, root)
}

/** Whether `proof` shows that the tree of `to` leaves grew from that of `from` leaves. @see RFC 9162 §2.1.4.2 */
export function checkConsistency(
  from: number,
  fromRoot: Uint8Array,
  to: number,
  toRoot: Uint8Array,
  proof: readonly Uint8Array[]
): boolean {
  if (from > to || from < 0 || !areHashes(proof)) return false
  if (from === to) return proof.length === 0 && equal(fromRoot, toRoot)
  if (from === 0) return proof.length === 0 && equal(fromRoot, sha256(new Uint8Array()))
  let position = from - 1
  let end = to - 1
  while (position % 2 === 1) {
    position = half(position)
    end = half(end)
  }
  const path = position === 0 ? [fromRoot, ...proof] : proof
  const first = path[0]
  if (first === undefined) return false
  let older = first
  let newer = first
  for (const sibling of path.slice(1)) {
    if (end === 0) return false
    if (position % 2 === 1 || position === end) {
      older = nodeHash(sibling, older)
      newer = nodeHash(sibling, newer)
      while (position % 2 === 0 && position !== 0) {
        position = half(position)
        end = half(end)
      }
    } else newer = nodeHash(newer, sibling)
    position = half(position)
    end = half(end)
  }
  return end === 0 && equal(older, fromRoot) && equal(newer, toRoot)
}
