/**
 * NAL units of H.264 and H.265: out of a byte stream, into RTP payloads, and out of them again. No state.
 *
 *     |F|NRI|  type   |              header of H.264, RFC 6184 §1.3
 *     |F|   type    |  layer  |tid|  header of H.265, RFC 7798 §1.1.4
 *     |S|E| type …                   header of a fragment behind them: FU-A (28) and FU (49)
 *
 * @see ITU-T H.264 annex B, RFC 6184 §5.8, RFC 7798 §4.4.3
 */
export const videoCodecs = ['h264', 'h265'] as const
export type VideoCodec = (typeof videoCodecs)[number]

const fragmentTypes = { h264: 28, h265: 49 } as const

/** Units between start codes (00 00 01), without them and without the zero octets that may follow a unit. Octets before the first start code are left out. */
export function splitAnnexB(stream: Buffer): Buffer[] {
  const units: Buffer[] = []
  const startCode = Buffer.from([0, 0, 1])
  for (let at = stream.indexOf(startCode); at >= 0; ) {
    const begin = at + 3
    const next = stream.indexOf(startCode, begin)
    let end = next < 0 ? stream.length : next
    while (end > begin && stream[end - 1] === 0) end--
    if (end > begin) units.push(stream.subarray(begin, end))
    at = next
  }
  return units
}

/** Whether a decoder can begin with this unit: an IDR slice or a sequence parameter set; of H.265 any slice at which one may begin (IRAP). */
export function isKeyUnit(codec: VideoCodec, unit: Uint8Array): boolean {
  if (codec === 'h264') return [5, 7].includes(unit[0]! & 0x1f)
  const type = (unit[0]! >> 1) & 0x3f
  return (type >= 16 && type <= 23) || type === 33
}

/**
 * One unit as RTP payloads: itself where it fits, else fragments.
 *
 * @param most octets of a payload, at least 16
 */
export function payloadsOf(codec: VideoCodec, unit: Uint8Array, most: number): Buffer[] {
  if (unit.length <= most) return [Buffer.from(unit)]
  const headerLength = codec === 'h264' ? 1 : 2
  const room = most - headerLength - 1
  const payloads: Buffer[] = []
  for (let at = headerLength; at < unit.length; at += room) {
    const part = unit.subarray(at, at + room)
    const payload = Buffer.alloc(headerLength + 1 + part.length)
    const bounds = (at === headerLength ? 0x80 : 0) | (at + room >= unit.length ? 0x40 : 0)
    if (codec === 'h264') {
      payload[0] = (unit[0]! & 0xe0) | fragmentTypes.h264
      payload[1] = bounds | (unit[0]! & 0x1f)
    } else {
      payload[0] = (unit[0]! & 0x81) | (fragmentTypes.h265 << 1)
      payload[1] = unit[1]!
      payload[2] = bounds | ((unit[0]! >> 1) & 0x3f)
    }
    payload.set(part, headerLength + 1)
    payloads.push(payload)
  }
  return payloads
}

const startCode = Buffer.from([0, 0, 0, 1])

/**
 * What an RTP payload of H.264 adds to a byte stream: whole units with start codes before them, or a part of one.
 *
 * @returns null for what is none of RFC 6184's packetisation mode 1
 */
export function byteStreamOf(payload: Buffer): Buffer | null {
  if (payload.length === 0) return null
  const type = payload[0]! & 0x1f
  if (type >= 1 && type <= 23) return Buffer.concat([startCode, payload])
  if (type === fragmentTypes.h264) {
    if (payload.length < 3) return null
    const begins = (payload[1]! & 0x80) !== 0
    const header = Buffer.from([(payload[0]! & 0xe0) | (payload[1]! & 0x1f)])
    return begins ? Buffer.concat([startCode, header, payload.subarray(2)]) : payload.subarray(2)
  }
  if (type !== 24) return null
  const parts: Buffer[] = []
  for (let at = 1; at < payload.length; ) {
    const size = at + 2 <= payload.length ? payload.readUInt16BE(at) : 0
    if (size === 0 || at + 2 + size > payload.length) return null
    parts.push(startCode, payload.subarray(at + 2, at + 2 + size))
    at += 2 + size
  }
  return Buffer.concat(parts)
}
