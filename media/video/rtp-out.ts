/** Pictures by RTP to an address: for a recorder or decoder that is no participant. */
import { createSocket } from 'node:dgram'
import type { PictureFeed } from './feed.ts'
import type { VideoCodec } from './nal.ts'
import { createPacketWriter, writtenPayloadType } from './packet-writer.ts'

export interface RtpDestination {
  /** IPv4. */
  readonly address: string
  readonly port: number
}

const encodings = { h264: 'H264', h265: 'H265' } as const

/** What whoever listens there is to be told. @see RFC 6184 §8.2.1, RFC 7798 §7.2.1 */
export function describeRtpOut(codec: VideoCodec, { address, port }: RtpDestination): string {
  const mode = codec === 'h264' ? [`a=fmtp:${writtenPayloadType} packetization-mode=1`] : []
  const lines = [
    'v=0',
    'o=- 0 0 IN IP4 127.0.0.1',
    's=NDI',
    `c=IN IP4 ${address}`,
    't=0 0',
    `m=video ${port} RTP/AVP ${writtenPayloadType}`,
    `a=rtpmap:${writtenPayloadType} ${encodings[codec]}/90000`,
    ...mode,
    'a=sendonly',
    ''
  ]
  return lines.join('\r\n')
}

/** Sends what comes, whether somebody listens or not. */
export function openRtpOut(codec: VideoCodec, { address, port }: RtpDestination): PictureFeed {
  const socket = createSocket('udp4')
  // nobody there is nothing to do about
  socket.on('error', () => undefined)
  const packetsOf = createPacketWriter(codec)
  let isClosed = false
  return {
    picture: (units, capturedMs) => {
      if (isClosed) return
      for (const packet of packetsOf(units, capturedMs)) socket.send(packet, port, address, () => undefined)
    },
    pause: () => undefined,
    close: () => {
      if (!isClosed) socket.close()
      isClosed = true
    }
  }
}
