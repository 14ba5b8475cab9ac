/**
 * Proofs that a tree holds a leaf, and that a tree grew from another.
 *
 * The checks take a proof from anywhere and never throw for what it holds. Proofs over a log are made of its tiles (prover.ts); here is only what a batch of frames
 * needs, which has its hashes in memory.
 * Sizes are below 2^53, so halving is by division, not by shift.
 *
 * @see RFC 6962 §2.1.1, §2.1.2; RFC 9162 §2.1.3.2, §2.1.4.2 for the checks
 */
import { emptyRoot, hashLength, nodeHash } from './merkle.ts'

/** Largest power of two below `size`, for `size` of 2 and more. */
function splitOf(size: number): number {
  let split = 1
  while (split * 2 < size) split *= 2
  return split
}

/** Tree hash of `leaves[from]` to `leaves[to - 1]`. */
function rootOf(leaves: readonly Uint8Array[], from: number, to: number): Uint8Array {
  if (to === from) return emptyRoot
  if (to - from === 1) return leaves[from]!
  const split = from + splitOf(to - from)
  return nodeHash(rootOf(leaves, from, split), rootOf(leaves, split, to))
}

/**
 * The hashes that lead from one leaf to the root, lowest first.
 *
 * @param leaves leaf hashes of the whole tree
 * @throws {RangeError} when the tree has no leaf `index`
 */
export function inclusionProof(leaves: readonly Uint8Array[], index: number): Uint8Array[] {
  if (!Number.isSafeInteger(index) || index < 0 || index >= leaves.length) {
    throw new RangeError(`a tree of ${leaves.length} leaves has no leaf ${index}`)
  }
  const path = (from: number, to: number): Uint8Array[] => {
    if (to - from === 1) return []
    const split = from + splitOf(to - from)
    return index < split ? [...path(from, split), rootOf(leaves, split, to)] : [...path(split, to), rootOf(leaves, from, split)]
  }
  return path(0, leaves.length)
}

const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
const isSize = (size: number): boolean => Number.isSafeInteger(size) && size >= 0
const areHashes = (proof: readonly Uint8Array[]): boolean => proof.every((hash) => hash.length === hashLength)
const half = (number: number): number => Math.floor(number / 2)

/** Whether `proof` shows that `leaf` is leaf `index` of the tree of `size` leaves with this root. */
export function checkInclusion(
  leaf: Uint8Array,
  index: number,
  size: number,
  root: Uint8Array,
  proof: readonly Uint8Array[]
): boolean {
  if (!isSize(index) || !isSize(size) || index >= size || !areHashes(proof)) return false
  let position = index
  let last = size - 1
  let hash = leaf
  for (const sibling of proof) {
    if (last === 0) return false
    if (position % 2 === 1 || position === last) {
      hash = nodeHash(sibling, hash)
      while (position % 2 === 0 && position !== 0) {
        position = half(position)
        last = half(last)
      }
    } else hash = nodeHash(hash, sibling)
    position = half(position)
    last = half(last)
  }
  return last === 0 && equal(hash, root)
}

/** Whether `proof` shows that the tree of `newSize` leaves grew from that of `oldSize` by appending alone. */
export function checkConsistency(
  oldSize: number,
  oldRoot: Uint8Array,
  newSize: number,
  newRoot: Uint8Array,
  proof: readonly Uint8Array[]
): boolean {
  if (!isSize(oldSize) || !isSize(newSize) || oldSize > newSize || !areHashes(proof)) return false
  if (oldSize === newSize) return proof.length === 0 && equal(oldRoot, newRoot)
  if (oldSize === 0) return proof.length === 0 && equal(oldRoot, emptyRoot)
  let position = oldSize - 1
  let last = newSize - 1
  while (position % 2 === 1) {
    position = half(position)
    last = half(last)
  }
  const path = position === 0 ? [oldRoot, ...proof] : [...proof]
  let oldHash = path[0]
  let newHash = path[0]
  if (oldHash === undefined || newHash === undefined) return false
  for (const sibling of path.slice(1)) {
    if (last === 0) return false
    if (position % 2 === 1 || position === last) {
      oldHash = nodeHash(sibling, oldHash)
      newHash = nodeHash(sibling, newHash)
      while (position % 2 === 0 && position !== 0) {
        position = half(position)
        last = half(last)
      }
    } else newHash = nodeHash(newHash, sibling)
    position = half(position)
    last = half(last)
  }
  return last === 0 && equal(oldHash, oldRoot) && equal(newHash, newRoot)
}
