/**
 * A growing Merkle tree that gives off its hashes as tiles: what a store needs to prove any leaf without reading the entries.
 *
 * @see RFC 6962 §2.1; C2SP tlog-tiles
 */
import { emptyRoot, hashLength, nodeHash } from './merkle.ts'

/** A tile is eight levels of the tree high. */
export const tileHeight = 8
/** Hashes of a full tile. */
export const tileWidth = 256

/** Hashes of one level (of the tree: `level` × 8), `index` × 256 on. Full, or the last of its level. */
export interface Tile {
  readonly level: number
  readonly index: number
  /** 1 to 256 hashes, one behind the other. */
  readonly hashes: Uint8Array
}

/** How many hashes level `level` of the tiles of a tree has. */
export const tileHashes = (size: number, level: number): number => Math.floor(size / tileWidth ** level)

/** Root of a perfect or any other tree over `count` hashes. */
export function rootOfHashes(hashes: Uint8Array, from = 0, count = hashes.length / hashLength): Buffer {
  if (count === 0) return emptyRoot
  if (count === 1) return Buffer.from(hashes.subarray(from * hashLength, (from + 1) * hashLength))
  let split = 1
  while (split * 2 < count) split *= 2
  return nodeHash(rootOfHashes(hashes, from, split), rootOfHashes(hashes, from + split, count - split))
}

/** The tree of a log while it grows. */
export class GrowingTree {
  #size = 0
  /** Roots of the perfect subtrees, largest first: one for each bit set in the size. */
  readonly #peaks: Buffer[] = []
  /** The unfinished tile of each level. */
  readonly #open: Buffer[] = []
  readonly #completed: Tile[] = []
  readonly #changed = new Set<number>()

  get size(): number {
    return this.#size
  }

  append(leaf: Buffer): void {
    this.#put(0, this.#size, leaf)
    let node = leaf
    let height = 0
    let position = this.#size
    while (position % 2 === 1) {
      node = nodeHash(this.#peaks.pop()!, node)
      position = (position - 1) / 2
      height++
      if (height % tileHeight === 0) this.#put(height / tileHeight, position, node)
    }
    this.#peaks.push(node)
    this.#size++
  }

  #put(level: number, position: number, hash: Buffer): void {
    const open = this.#open[level] ?? Buffer.allocUnsafe(tileWidth * hashLength)
    this.#open[level] = open
    const at = position % tileWidth
    open.set(hash, at * hashLength)
    if (level > 0) this.#changed.add(level)
    if (at < tileWidth - 1) return
    this.#completed.push({ level, index: (position - at) / tileWidth, hashes: Buffer.from(open) })
    this.#changed.delete(level)
  }

  root(): Buffer {
    if (this.#peaks.length === 0) return emptyRoot
    return this.#peaks.reduceRight((right, left) => nodeHash(left, right))
  }

  /**
   * Tiles to be stored since the last call: those that were filled, and the unfinished ones above the leaves that have grown. The unfinished tile of
   * leaves is not among them: its hashes follow from the entries.
   */
  takeTiles(): Tile[] {
    const unfinished = [...this.#changed].map((level): Tile => {
      const hashes = tileHashes(this.#size, level)
      const count = hashes % tileWidth
      return {
        level,
        index: (hashes - count) / tileWidth,
        hashes: Buffer.from(this.#open[level]!.subarray(0, count * hashLength))
      }
    })
    this.#changed.clear()
    return [...this.#completed.splice(0), ...unfinished]
  }

  /**
   * The tree of `size` leaves, from its unfinished tiles.
   *
   * @param lastTile hashes of the last, unfinished tile of a level; empty where the level has only full ones
   * @throws {RangeError} when a tile has not as many hashes as the size says
   */
  static of(size: number, lastTile: (level: number) => Uint8Array): GrowingTree {
    const tree = new GrowingTree()
    tree.#size = size
    for (let level = 0; tileHashes(size, level) > 0; level++) {
      const count = tileHashes(size, level) % tileWidth
      const hashes = count === 0 ? new Uint8Array() : lastTile(level)
      if (hashes.length !== count * hashLength) {
        throw new RangeError(
          `the last tile of level ${level} of a tree of ${size} leaves has ${count} hashes, got ${hashes.length} octets`
        )
      }
      const open = Buffer.allocUnsafe(tileWidth * hashLength)
      open.set(hashes)
      tree.#open[level] = open
      const ofLevel: Buffer[] = []
      for (let from = 0; from < count; ) {
        const peak = 2 ** Math.floor(Math.log2(count - from))
        ofLevel.push(rootOfHashes(hashes, from, peak))
        from += peak
      }
      tree.#peaks.unshift(...ofLevel)
    }
    return tree
  }
}
