/**
 * What an RTP packet of H.264 begins with.
 *
 *     |F|NRI|  type   |      1–23: one NAL unit, 24: several (STAP-A), 28: a fragment of one (FU-A)
 *     |S|E|R|  type   |      second octet of a fragment
 *
 * @see RFC 6184 §5.3 to §5.8
 */
const types = { idr: 5, sequenceParameters: 7, aggregation: 24, fragment: 28 } as const

const startsPicture = (type: number) => type === types.idr || type === types.sequenceParameters

/**
 * Whether a picture begins here that needs no other: with a sequence parameter set, or with a slice of an IDR picture where the parameter sets went another way.
 *
 * Octets that are no H.264 begin none.
 */
export function beginsKeyFrame(packet: Uint8Array, start: number, end: number): boolean {
  if (start >= end) return false
  const type = packet[start]! & 0x1f
  if (type === types.fragment) {
    const header = start + 1 < end ? packet[start + 1]! : 0
    return (header & 0x80) !== 0 && startsPicture(header & 0x1f)
  }
  if (type !== types.aggregation) return startsPicture(type)
  for (let at = start + 1; at + 2 < end; ) {
    const size = (packet[at]! << 8) | packet[at + 1]!
    if (size === 0 || at + 2 + size > end) return false
    if (startsPicture(packet[at + 2]! & 0x1f)) return true
    at += 2 + size
  }
  return false
}
