/** H.460.19: media through NATs and firewalls. */
import { type Infer, integer, optional, sequence } from '../asn1/asn1.ts'
import { TimeToLive } from '../h225/identifiers.ts'
import { TransportAddress } from '../h245/addresses.ts'

export const TraversalParameters = sequence(
  {
    multiplexedMediaChannel: optional(TransportAddress),
    multiplexedMediaControlChannel: optional(TransportAddress),
    multiplexID: optional(integer(0, 4_294_967_295)),
    keepAliveChannel: optional(TransportAddress),
    keepAlivePayloadType: optional(integer(0, 127)),
    keepAliveInterval: optional(TimeToLive)
  },
  {}
)
export type TraversalParameters = Infer<typeof TraversalParameters>
