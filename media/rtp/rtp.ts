import { DecodeError } from '#kernel'

/** Octets of the fixed header. */
export const rtpHeaderLength = 12

/** One RTP header as fields, owned by the caller: decoding allocates nothing. */
export interface RtpHeader {
  marker: boolean
  payloadType: number
  sequenceNumber: number
  /** RTP timestamp, unsigned 32 bits, in units of the payload's clock. */
  timestamp: number
  ssrc: number
  /** Octet of the packet at which the payload begins. */
  payloadStart: number
  /** Octet behind the payload's last; padding is left out. */
  payloadEnd: number
}

export function emptyRtpHeader(): RtpHeader {
  return { marker: false, payloadType: 0, sequenceNumber: 0, timestamp: 0, ssrc: 0, payloadStart: 0, payloadEnd: 0 }
}

function fault(code: string, message: string, octet: number): DecodeError {
  return new DecodeError(code, message, { path: 'rtp.header', bitOffset: octet * 8 })
}

/**
 * Reads the header of one packet into `out`.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |V=2|P|X|  CC   |M|     PT      |       sequence number         |
 *     |                           timestamp                           |
 *     |                             SSRC                              |
 *     |                             CSRC …                            |
 *     |      defined by profile       |           length              |
 *
 * @throws {DecodeError} `rtp.header.short`, `rtp.header.version`, `rtp.header.extension`, `rtp.header.padding`
 * @see RFC 3550 §5.1, §5.3.1
 */
export function decodeRtp(packet: Buffer, out: RtpHeader): void {
  if (packet.length < rtpHeaderLength) throw fault('rtp.header.short', 'header is cut off', packet.length)
  const first = packet[0]!
  if (first >> 6 !== 2) throw fault('rtp.header.version', `version ${first >> 6}, expected 2`, 0)
  const second = packet[1]!
  let start = rtpHeaderLength + 4 * (first & 0x0f)
  if ((first & 0x10) !== 0) {
    if (packet.length < start + 4) throw fault('rtp.header.extension', 'header extension is cut off', start)
    start += 4 + 4 * packet.readUInt16BE(start + 2)
  }
  if (packet.length < start) throw fault('rtp.header.short', 'CSRC list or header extension is cut off', packet.length)
  let end = packet.length
  if ((first & 0x20) !== 0) {
    const padding = packet[end - 1]!
    if (padding === 0 || padding > end - start)
      throw fault('rtp.header.padding', `padding of ${padding} octets does not fit`, end - 1)
    end -= padding
  }
  out.marker = (second & 0x80) !== 0
  out.payloadType = second & 0x7f
  out.sequenceNumber = packet.readUInt16BE(2)
  out.timestamp = packet.readUInt32BE(4)
  out.ssrc = packet.readUInt32BE(8)
  out.payloadStart = start
  out.payloadEnd = end
}

/** Writes a fixed header at the front of `packet`, mirror image of {@link decodeRtp} without CSRC, extension and padding. @returns octets written, always 12 */
export function encodeRtp(
  packet: Buffer,
  marker: boolean,
  payloadType: number,
  sequenceNumber: number,
  timestamp: number,
  ssrc: number
): number {
  packet[0] = 0x80
  packet[1] = (marker ? 0x80 : 0) | payloadType
  packet.writeUInt16BE(sequenceNumber, 2)
  packet.writeUInt32BE(timestamp, 4)
  packet.writeUInt32BE(ssrc, 8)
  return rtpHeaderLength
}

/** `a − b` of two sequence numbers, between −32768 and 32767. */
export function sequenceDistance(a: number, b: number): number {
  return ((a - b) << 16) >> 16
}

/** `a − b` of two RTP timestamps, between −2³¹ and 2³¹−1. */
export function timestampDistance(a: number, b: number): number {
  return (a - b) | 0
}
