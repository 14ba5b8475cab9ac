/**
 * A growing Merkle tree that gives off its hashes as tiles: what a store needs to prove any leaf without reading the entries.
 *
 * @see RFC 6962 §2.1; C2SP tlog-tiles
 */
import { type Hashing, plain } from './hashing.ts'
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

/** Hashes at a height that lie over one tile. */
const slotsAt = (height: number): number => tileWidth / 2 ** (height % tileHeight)

/** The tree of a log while it grows. */
export class GrowingTree {
  #size = 0
  /**
   * The last hashes at each height, of the unfinished tile and the nodes in it. The hash at a position is in the slot of that number, modulo the slots there are,
   * so that the two beneath a node lie side by side.
   */
  readonly #rows: Buffer[] = []
  readonly #completed: Tile[] = []
  readonly #hashing: Hashing
  readonly #changed = new Set<number>()

  /** @param hashing who hashes the nodes */
  constructor(hashing: Hashing = plain) {
    this.#hashing = hashing
  }

  get size(): number {
    return this.#size
  }

  /** @param leaves hashes of `count` leaves, one behind the other from octet `at` on; copied */
  append(leaves: Uint8Array, at = 0, count = 1): void {
    for (let done = 0; done < count; ) {
      const slot = this.#size % tileWidth
      const some = Math.min(count - done, tileWidth - slot)
      this.#row(0).set(leaves.subarray(at + done * hashLength, at + (done + some) * hashLength), slot * hashLength)
      this.#grow(some)
      done += some
    }
  }

  /** Makes the nodes over `count` leaves that are in their row, all of one tile. */
  #grow(count: number): void {
    let from = this.#size
    let to = from + count
    this.#size = to
    for (let height = 0; ; height++) {
      this.#grown(height, to)
      const row = this.#rows[height]!
      const pair = Math.floor(from / 2)
      from = pair
      to = Math.floor(to / 2)
      if (from === to) return
      const above = this.#row(height + 1)
      this.#hashing.nodes(row, this.#slot(height, 2 * pair), to - from, above, this.#slot(height + 1, pair))
    }
  }

  #row(height: number): Buffer {
    const row = this.#rows[height]
    if (row !== undefined) return row
    for (let next = this.#rows.length; next <= height; next++) this.#rows.push(Buffer.alloc(slotsAt(next) * hashLength))
    return this.#rows[height]!
  }

  #slot(height: number, position: number): number {
    return (position % slotsAt(height)) * hashLength
  }

  /** A row has `length` hashes now. */
  #grown(height: number, length: number): void {
    if (height % tileHeight > 0) return
    const level = height / tileHeight
    if (level > 0) this.#changed.add(level)
    if (length % tileWidth > 0) return
    this.#completed.push({ level, index: length / tileWidth - 1, hashes: Buffer.from(this.#rows[height]!) })
    this.#changed.delete(level)
  }

  root(): Buffer {
    /** A peak, and the root over those behind it. */
    const pair = Buffer.allocUnsafe(2 * hashLength)
    let root: Buffer | null = null
    for (let height = 0; 2 ** height <= this.#size; height++) {
      const nodes = Math.floor(this.#size / 2 ** height)
      if (nodes % 2 === 0) continue
      const at = this.#slot(height, nodes - 1)
      const peak = this.#rows[height]!.subarray(at, at + hashLength)
      if (root === null) root = Buffer.from(peak)
      else {
        pair.set(peak)
        pair.set(root, hashLength)
        this.#hashing.nodes(pair, 0, 1, root, 0)
      }
    }
    return root ?? emptyRoot
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
        hashes: Buffer.from(this.#rows[level * tileHeight]!.subarray(0, count * hashLength))
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
  static of(size: number, lastTile: (level: number) => Uint8Array, hashing: Hashing = plain): GrowingTree {
    const tree = new GrowingTree(hashing)
    tree.#size = size
    for (let level = 0; tileHashes(size, level) > 0; level++) {
      const count = tileHashes(size, level) % tileWidth
      const hashes = count === 0 ? new Uint8Array() : lastTile(level)
      if (hashes.length !== count * hashLength) {
        throw new RangeError(
          `the last tile of level ${level} of a tree of ${size} leaves has ${count} hashes, got ${hashes.length} octets`
        )
      }
      tree.#row(level * tileHeight).set(hashes)
      for (let height = level * tileHeight, pairs = count >> 1; pairs > 0; height++, pairs >>= 1)
        hashing.nodes(tree.#row(height), 0, pairs, tree.#row(height + 1), 0)
    }
    return tree
  }
}
