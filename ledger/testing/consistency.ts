/** Consistency proofs over leaves in memory, written as RFC 6962 §2.1.2 defines them: what proofs made of tiles are held against. */
import { rootOfHashes } from '../log/tree.ts'

function splitOf(size: number): number {
  let split = 1
  while (split * 2 < size) split *= 2
  return split
}

const rootOf = (leaves: readonly Uint8Array[], from: number, to: number): Uint8Array =>
  rootOfHashes(Buffer.concat(leaves.slice(from, to)))

/**
 * The hashes that show the first `oldSize` leaves of a tree to be its own earlier state. Empty for the same size and for an empty old tree.
 *
 * @param leaves leaf hashes of the new tree
 * @throws {RangeError} when the old tree is larger than the new one
 */
export function consistencyProof(leaves: readonly Uint8Array[], oldSize: number): Uint8Array[] {
  if (!Number.isSafeInteger(oldSize) || oldSize < 0 || oldSize > leaves.length) {
    throw new RangeError(`a tree of ${leaves.length} leaves did not grow from one of ${oldSize}`)
  }
  const subproof = (from: number, to: number, known: boolean): Uint8Array[] => {
    if (oldSize === to) return known ? [] : [rootOf(leaves, from, to)]
    const split = from + splitOf(to - from)
    return oldSize <= split
      ? [...subproof(from, split, known), rootOf(leaves, split, to)]
      : [...subproof(split, to, false), rootOf(leaves, from, split)]
  }
  return oldSize === 0 ? [] : subproof(0, leaves.length, true)
}
