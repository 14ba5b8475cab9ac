/** H.225.0 v8 §7.6: media sessions as RAS reports them. */
import { boolean, type Infer, integer, nothing, optional, printableString, sequence, sequenceOf } from '../asn1/asn1.ts'
import { TransportAddress } from './addresses.ts'
import { BandWidth } from './identifiers.ts'

export const TransportChannelInfo = sequence(
  {
    sendAddress: optional(TransportAddress),
    recvAddress: optional(TransportAddress)
  },
  {}
)
export type TransportChannelInfo = Infer<typeof TransportChannelInfo>

export const BandwidthDetails = sequence(
  {
    sender: boolean,
    multicast: boolean,
    bandwidth: BandWidth,
    rtcpAddresses: TransportChannelInfo
  },
  {}
)
export type BandwidthDetails = Infer<typeof BandwidthDetails>

export const RTPSession = sequence(
  {
    rtpAddress: TransportChannelInfo,
    rtcpAddress: TransportChannelInfo,
    cname: printableString(),
    ssrc: integer(1, 4_294_967_295),
    sessionId: integer(1, 255),
    associatedSessionIds: sequenceOf(integer(1, 255))
  },
  {
    multicast: nothing,
    bandwidth: BandWidth
  }
)
export type RTPSession = Infer<typeof RTPSession>
