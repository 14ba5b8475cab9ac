import { randomInt } from 'node:crypto'
import { encodeRtp, rtpHeaderLength } from '../rtp/rtp.ts'
import { payloadsOf, type VideoCodec } from './nal.ts'
import { videoClockHz } from './switch.ts'

/** Fits with all headers into what any way takes. */
const mostPayload = 1180
/** Payload type of what is written: the first of the dynamic ones. */
export const writtenPayloadType = 96

/**
 * One RTP stream of pictures.
 *
 * @returns writes the packets of one picture: units without start codes, and when it was taken, by any clock that does not step
 * @see RFC 6184 §5.1, RFC 7798 §4.1
 */
export function createPacketWriter(codec: VideoCodec): (units: readonly Buffer[], capturedMs: number) => Buffer[] {
  const ssrc = randomInt(1, 2 ** 32)
  let sequence = randomInt(2 ** 16)
  return (units, capturedMs) => {
    const timestamp = Math.round((capturedMs * videoClockHz) / 1000) >>> 0
    const payloads = units.flatMap((unit) => payloadsOf(codec, unit, mostPayload))
    return payloads.map((payload, at) => {
      const packet = Buffer.allocUnsafe(rtpHeaderLength + payload.length)
      sequence = (sequence + 1) & 0xffff
      encodeRtp(packet, at === payloads.length - 1, writtenPayloadType, sequence, timestamp, ssrc)
      payload.copy(packet, rtpHeaderLength)
      return packet
    })
  }
}
