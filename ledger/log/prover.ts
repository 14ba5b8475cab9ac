/**
 * Proofs made from tiles: a handful of reads, whatever the size of the log.
 *
 * @see RFC 6962 §2.1.1, §2.1.2; C2SP tlog-tiles
 */
import { hashLength, nodeHash } from './merkle.ts'
import { rootOfHashes, tileHeight, tileWidth } from './tree.ts'

/** Gives the hashes of a tile, as many as there are now: at least those that the tree in question has. */
export type TileReader = (level: number, index: number) => Promise<Uint8Array>

/** Leaves `from` to `to`, exclusive. */
type Range = readonly [from: number, to: number]

/** Largest power of two below `size`, for `size` of 2 and more. */
function splitOf(size: number): number {
  let split = 1
  while (split * 2 < size) split *= 2
  return split
}

function inclusionRanges(index: number, size: number): Range[] {
  const ranges: Range[] = []
  let [from, to] = [0, size]
  while (to - from > 1) {
    const split = from + splitOf(to - from)
    if (index < split) {
      ranges.push([split, to])
      to = split
    } else {
      ranges.push([from, split])
      from = split
    }
  }
  return ranges.reverse()
}

function consistencyRanges(oldSize: number, newSize: number): Range[] {
  if (oldSize === 0 || oldSize === newSize) return []
  const ranges: Range[] = []
  let [from, to] = [0, newSize]
  while (oldSize !== to) {
    const split = from + splitOf(to - from)
    if (oldSize <= split) {
      ranges.push([split, to])
      to = split
    } else {
      ranges.push([from, split])
      from = split
    }
  }
  if (from > 0) ranges.push([from, to])
  return ranges.reverse()
}

/** Inner hashes of one tile as they become known: node 1 is its root, the children of node n are 2n and 2n + 1. */
interface TileNodes {
  readonly hashes: Uint8Array
  readonly known: Uint8Array
}

/** What is kept beside a reader: tiles by place, the one used last behind the others. */
interface Kept {
  readonly tiles: Map<string, TileNodes>
  readonly most: number
}

const caches = new WeakMap<TileReader, Kept>()

/**
 * A reader of the same tiles beside which proofs keep the inner hashes they had to compute: half of the work of a proof is in tiles that other proofs
 * need too. What stands above hashes that are there never changes, also in a tile that is not full.
 *
 * @param most tiles whose hashes are kept, 8.5 KiB each; those not used for longest go first
 */
export function rememberingNodes(tiles: TileReader, most = 512): TileReader {
  const reader: TileReader = (level, index) => tiles(level, index)
  caches.set(reader, { tiles: new Map(), most })
  return reader
}

function nodesOf({ tiles, most }: Kept, name: string): TileNodes {
  const nodes = tiles.get(name) ?? { hashes: new Uint8Array(tileWidth * hashLength), known: new Uint8Array(tileWidth) }
  tiles.delete(name)
  if (tiles.size >= most) tiles.delete(tiles.keys().next().value!)
  tiles.set(name, nodes)
  return nodes
}

/** Hash of node `node` of a tile, computed from the tile's hashes where it is not known. */
function nodeOf(tile: Uint8Array, nodes: TileNodes, node: number): Uint8Array {
  if (node >= tileWidth) return tile.subarray((node - tileWidth) * hashLength, (node - tileWidth + 1) * hashLength)
  const own = nodes.hashes.subarray(node * hashLength, (node + 1) * hashLength)
  if (nodes.known[node] === 0) {
    own.set(nodeHash(nodeOf(tile, nodes, 2 * node), nodeOf(tile, nodes, 2 * node + 1)))
    nodes.known[node] = 1
  }
  return own
}

async function rangeHash(tiles: TileReader, [from, to]: Range, kept: Kept | undefined): Promise<Buffer> {
  const size = to - from
  const split = size === 1 ? 1 : splitOf(size)
  if (size !== 1 && split * 2 !== size) {
    return nodeHash(await rangeHash(tiles, [from, from + split], kept), await rangeHash(tiles, [from + split, to], kept))
  }
  const height = Math.log2(size)
  const level = Math.floor(height / tileHeight)
  const count = 2 ** (height % tileHeight)
  const first = from / tileWidth ** level
  const index = Math.floor(first / tileWidth)
  const at = first % tileWidth
  const node = (tileWidth + at) / count
  const nodes = kept === undefined ? null : nodesOf(kept, `${level}/${index}`)
  if (nodes !== null && nodes.known[node] === 1) return Buffer.from(nodeOf(nodes.hashes, nodes, node))
  const hashes = await tiles(level, index)
  if (hashes.length < (at + count) * hashLength) {
    throw new RangeError(`tile ${index} of level ${level} has ${hashes.length / hashLength} hashes, ${at + count} are needed`)
  }
  return nodes === null ? rootOfHashes(hashes, at, count) : Buffer.from(nodeOf(hashes, nodes, node))
}

async function hashesOf(tiles: TileReader, ranges: readonly Range[]): Promise<Buffer[]> {
  const read = new Map<string, Promise<Uint8Array>>()
  const once: TileReader = (level, index) => {
    const name = `${level}/${index}`
    const tile = read.get(name) ?? tiles(level, index)
    read.set(name, tile)
    return tile
  }
  const hashes: Buffer[] = []
  for (const range of ranges) hashes.push(await rangeHash(once, range, caches.get(tiles)))
  return hashes
}

/**
 * The hashes that lead from one leaf to the root, lowest first.
 *
 * @throws {RangeError} when the tree has no leaf `index`
 */
export function proveInclusion(tiles: TileReader, index: number, size: number): Promise<Buffer[]> {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) {
    throw new RangeError(`a tree of ${size} leaves has no leaf ${index}`)
  }
  return hashesOf(tiles, inclusionRanges(index, size))
}

/**
 * The hashes that show the first `oldSize` leaves of a tree to be its own earlier state. Empty for the same size and for an empty old tree.
 *
 * @throws {RangeError} when the old tree is larger than the new one
 */
export function proveConsistency(tiles: TileReader, oldSize: number, newSize: number): Promise<Buffer[]> {
  if (!Number.isSafeInteger(oldSize) || !Number.isSafeInteger(newSize) || oldSize < 0 || oldSize > newSize) {
    throw new RangeError(`a tree of ${newSize} leaves did not grow from one of ${oldSize}`)
  }
  return hashesOf(tiles, consistencyRanges(oldSize, newSize))
}

/** Root of the first `size` leaves. */
export async function rootAt(tiles: TileReader, size: number): Promise<Buffer> {
  return size === 0 ? rootOfHashes(new Uint8Array()) : rangeHash(tiles, [0, size], caches.get(tiles))
}
