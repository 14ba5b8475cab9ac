import { hashLength } from '../log/merkle.ts'
import { cutSegment } from '../log/segment.ts'
import { tileHashes, tileWidth } from '../log/tree.ts'
import { tilesOf } from '../read/tiles.ts'
import type { LogReader } from '../store/store.ts'
import type { TilePlace } from './tile-path.ts'

/** What stands at this place: hashes, or entries with their lengths. Null where the log does not reach. Once there it never changes. */
export async function readTile(log: LogReader, { level, index, width }: TilePlace): Promise<Uint8Array | null> {
  const { size } = await log.head()
  const first = index * tileWidth
  if (level === 'entries') return first + width > size ? null : readEntries(log, first, first + width)
  if (first + width > tileHashes(size, level)) return null
  const hashes = await tilesOf(log)(level, index)
  return hashes.length < width * hashLength ? null : hashes.subarray(0, width * hashLength)
}

async function readEntries(log: LogReader, from: number, to: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const { first, count, data } of log.segments(from, to)) {
    const whole = first >= from && first + count <= to
    parts.push(whole ? data : cutSegment(data, Math.max(0, from - first), Math.min(count, to - first)))
  }
  return Buffer.concat(parts)
}
