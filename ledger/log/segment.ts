/**
 * Entries one behind the other, each behind its length in two octets: what a store keeps of one commit, and, cut at multiples of 256 entries, the
 * entry bundles that are served.
 *
 *     | length, big-endian (2) | entry (length) | length (2) | entry | …
 *
 * @see C2SP tlog-tiles, entry bundles
 */
import { InfraFabricError } from '#kernel'

/** Octets before each entry that tell its length. */
export const lengthOctets = 2
/** Largest entry that its length can tell. */
export const maxEntryOctets = 65_535

/** Calls `take` for each entry of a segment with its number in it and its place in `data`. @throws {InfraFabricError} `ledger.segment.malformed` */
export function eachEntry(data: Uint8Array, take: (number: number, start: number, end: number) => void): number {
  let number = 0
  let at = 0
  while (at < data.length) {
    const start = at + 2
    const end = start + ((data[at]! << 8) | data[at + 1]!)
    if (start > data.length || end > data.length) {
      throw new InfraFabricError(
        'ledger.segment.malformed',
        `entry ${number} of a segment ends behind it, at octet ${end} of ${data.length}`
      )
    }
    take(number++, start, end)
    at = end
  }
  return number
}

/** The part of a segment that holds entries `from` up to `to`, their lengths included. @throws {InfraFabricError} `ledger.segment.malformed` */
export function cutSegment(data: Uint8Array, from: number, to: number): Uint8Array {
  let begin = data.length
  let end = data.length
  eachEntry(data, (number, start) => {
    if (number === from) begin = start - 2
    if (number === to) end = start - 2
  })
  return data.subarray(Math.min(begin, end), end)
}

/** The entries of a segment, as views of it. @throws {InfraFabricError} `ledger.segment.malformed` */
export function entriesOf(data: Uint8Array): Uint8Array[] {
  const entries: Uint8Array[] = []
  eachEntry(data, (_, start, end) => entries.push(data.subarray(start, end)))
  return entries
}
