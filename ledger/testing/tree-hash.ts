import { emptyRoot, nodeHash } from '../log/merkle.ts'

/**
 * Root of the tree over leaf hashes, as the standard defines it: what the trees that grow, or join, are held against.
 *
 * @see RFC 6962 §2.1
 */
export function treeHash(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return emptyRoot
  if (leaves.length === 1) return leaves[0]!
  let k = 1
  while (k * 2 < leaves.length) k *= 2
  return nodeHash(treeHash(leaves.slice(0, k)), treeHash(leaves.slice(k)))
}
