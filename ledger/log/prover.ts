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

async function rangeHash(tiles: TileReader, [from, to]: Range): Promise<Buffer> {
  const size = to - from
  const split = size === 1 ? 1 : splitOf(size)
  if (size !== 1 && split * 2 !== size) {
    return nodeHash(await rangeHash(tiles, [from, from + split]), await rangeHash(tiles, [from + split, to]))
  }
  const height = Math.log2(size)
  const level = Math.floor(height / tileHeight)
  const count = 2 ** (height % tileHeight)
  const first = from / tileWidth ** level
  const hashes = await tiles(level, Math.floor(first / tileWidth))
  const at = first % tileWidth
  if (hashes.length < (at + count) * hashLength) {
    throw new RangeError(
      `tile ${Math.floor(first / tileWidth)} of level ${level} has ${hashes.length / hashLength} hashes, ${at + count} are needed`
    )
  }
  return rootOfHashes(hashes, at, count)
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
  for (const range of ranges) hashes.push(await rangeHash(once, range))
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
  return size === 0 ? rootOfHashes(new Uint8Array()) : rangeHash(tiles, [0, size])
}
