/** H.460.18: signalling through NATs and firewalls. */
import { type Infer, sequence } from '../asn1/asn1.ts'
import { TransportAddress } from '../h225/addresses.ts'
import { CallIdentifier, TimeToLive } from '../h225/identifiers.ts'

export const IncomingCallIndication = sequence(
  {
    callSignallingAddress: TransportAddress,
    callID: CallIdentifier
  },
  {}
)
export type IncomingCallIndication = Infer<typeof IncomingCallIndication>

export const LRQKeepAliveData = sequence(
  {
    lrqKeepAliveInterval: TimeToLive
  },
  {}
)
export type LRQKeepAliveData = Infer<typeof LRQKeepAliveData>
