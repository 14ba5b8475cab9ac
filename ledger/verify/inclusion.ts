/**
 * Proofs that an entry is in a log, as they stand in a text.
 *
 * @see C2SP tlog-proof; RFC 9162 §2.1.3.2
 */
import { hashLength, nodeHash } from '../log/merkle.ts'

export interface InclusionProof {
  readonly index: number
  /** The leaf's sibling first. */
  readonly hashes: readonly Uint8Array[]
  /** Text of the checkpoint under it. */
  readonly checkpoint: string
}

const header = 'c2sp.org/tlog-proof@v1'
const mostHashes = 63

/** Null for a text that is no proof; one that brings extra data is none of a bundle. */
export function readProof(text: string): InclusionProof | null {
  const split = text.indexOf('\n\n')
  if (split < 0) return null
  const [first, second, ...lines] = text.slice(0, split).split('\n')
  const index = /^index (0|[1-9]\d{0,15})$/.exec(second ?? '')?.[1]
  if (first !== header || index === undefined || lines.length > mostHashes) return null
  const hashes = lines.map((line) => Buffer.from(line, 'base64'))
  const formed = hashes.every((hash, at) => hash.length === hashLength && hash.toString('base64') === lines[at])
  return formed ? { index: Number(index), hashes, checkpoint: text.slice(split + 2) } : null
}

/** Root of the tree of `size` leaves that the hashes lead to; null when they are not as many as such a proof has. */
export function rootFrom(leaf: Uint8Array, index: number, size: number, hashes: readonly Uint8Array[]): Uint8Array | null {
  if (index >= size) return null
  let hash = leaf
  let used = 0
  let position = index
  // at each level: the last node of the row has no sibling where the row is of odd length, and goes up as it is
  for (let row = size; row > 1; row = Math.ceil(row / 2)) {
    const isLast = position === row - 1
    if (position % 2 === 1 || !isLast) {
      const sibling = hashes[used++]
      if (sibling === undefined) return null
      hash = position % 2 === 1 ? nodeHash(sibling, hash) : nodeHash(hash, sibling)
    }
    position = Math.floor(position / 2)
  }
  return used === hashes.length ? hash : null
}
