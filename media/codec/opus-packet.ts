/**
 * The outside of an Opus packet, without decoding it.
 *
 *      0 1 2 3 4 5 6 7
 *     +-+-+-+-+-+-+-+-+
 *     | config  |s| c |   then the frames, by the count code c
 *     +-+-+-+-+-+-+-+-+
 *
 * @see RFC 6716 §3, §4.2.3, §4.2.4
 */

/** Frame durations of the configurations 0–31, in units of 2.5 ms. @see RFC 6716 §3.1, table 2 */
const frameUnits = [
  ...[4, 8, 16, 24, 4, 8, 16, 24, 4, 8, 16, 24],
  ...[4, 8, 4, 8],
  ...[1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8]
]
/** Configurations from here on have no SILK layer, which is the one that carries redundancy. */
const firstCeltOnly = 16
const longestUnits = 48

/**
 * Time of a packet.
 *
 * @returns units of 2.5 ms, at most 48 (120 ms); 0 for a packet that is malformed as far as its first two octets tell
 */
export function opusPacketUnits(packet: Uint8Array, start: number, end: number): number {
  if (end <= start) return 0
  const toc = packet[start]!
  const code = toc & 3
  const frames = code === 0 ? 1 : code < 3 ? 2 : end - start < 2 ? 0 : packet[start + 1]! & 0x3f
  const units = frames * frameUnits[toc >> 3]!
  return units <= longestUnits ? units : 0
}

/** Where the first frame begins; −1 where it has no octets or the packet is malformed. */
function firstFrame(packet: Uint8Array, start: number, end: number): number {
  const code = packet[start]! & 3
  if (code === 0 || code === 1) return start + 1 < end ? start + 1 : -1
  let at = start + 1
  if (code === 3) {
    if (at >= end) return -1
    const count = packet[at++]!
    if (count & 0x40) {
      let padding = 255
      while (padding === 255) {
        if (at >= end) return -1
        padding = packet[at++]!
        end -= padding === 255 ? 254 : padding
      }
    }
    const frames = count & 0x3f
    if (frames === 0) return -1
    if (!(count & 0x80)) return at < end ? at : -1
    let first = -1
    for (let n = 0; n < frames - 1; n++) {
      if (at >= end) return -1
      const length = packet[at]! < 252 ? packet[at]! : at + 1 < end ? packet[at]! + 4 * packet[at + 1]! : -1
      if (length < 0) return -1
      at += packet[at]! < 252 ? 1 : 2
      if (n === 0) first = length
    }
    return first !== 0 && at < end ? at : -1
  }
  if (at >= end) return -1
  const length = packet[at]!
  at += length < 252 ? 1 : 2
  return length > 0 && at < end ? at : -1
}

/**
 * Whether a packet carries the frame before it once more, coded low (LBRR).
 *
 * The SILK layer of a frame begins with one bit for each of its 10 or 20 ms frames (is it speech), and then one that tells of
 * redundancy, for each channel; all of even probability, so that they stand in the first octet as they are.
 */
export function opusHasRedundancy(packet: Uint8Array, start: number, end: number): boolean {
  if (opusPacketUnits(packet, start, end) === 0) return false
  const toc = packet[start]!
  const config = toc >> 3
  if (config >= firstCeltOnly) return false
  const at = firstFrame(packet, start, end)
  if (at < 0) return false
  const silkFrames = Math.max(1, frameUnits[config]! >> 3)
  const octet = packet[at]!
  if ((octet >> (7 - silkFrames)) & 1) return true
  return (toc & 4) !== 0 && ((octet >> (6 - 2 * silkFrames)) & 1) === 1
}
