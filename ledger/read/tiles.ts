import { type Hashing, plain } from '../log/hashing.ts'
import { hashLength } from '../log/merkle.ts'
import type { TileReader } from '../log/prover.ts'
import { entriesOf } from '../log/segment.ts'
import { tileWidth } from '../log/tree.ts'
import type { LogReader } from '../store/store.ts'

/** Leaf hashes of entries `from` to `to` (exclusive), from the entries themselves. */
export async function leafHashes(
  log: Pick<LogReader, 'segments'>,
  from: number,
  to: number,
  { leaf }: Pick<Hashing, 'leaf'> = plain
): Promise<Buffer> {
  const leaves = Buffer.alloc((to - from) * hashLength)
  for await (const { first, data } of log.segments(from, to)) {
    for (const [number, entry] of entriesOf(data).entries()) {
      const index = first + number
      if (index >= from && index < to) leaves.set(leaf(entry), (index - from) * hashLength)
    }
  }
  return leaves
}

/** Tiles of a log. The unfinished tile of leaves is not stored: it is made of the entries. */
export function tilesOf(log: LogReader): TileReader {
  return async (level, index) => {
    const stored = await log.tile(level, index)
    if (stored !== null || level > 0) return stored ?? new Uint8Array()
    const { size } = await log.head()
    return leafHashes(log, index * tileWidth, Math.min(size, (index + 1) * tileWidth))
  }
}
