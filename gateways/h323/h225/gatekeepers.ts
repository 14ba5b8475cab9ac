/** H.225.0 v8 §7.6: alternate and assigned gatekeepers. */
import { boolean, choice, type Infer, integer, nothing, optional, sequence, sequenceOf } from '../asn1/asn1.ts'
import { TransportAddress } from './addresses.ts'
import { GatekeeperIdentifier } from './identifiers.ts'

export const AlternateTransportAddresses = sequence(
  {
    annexE: optional(sequenceOf(TransportAddress))
  },
  {
    sctp: sequenceOf(TransportAddress)
  }
)
export type AlternateTransportAddresses = Infer<typeof AlternateTransportAddresses>

export const UseSpecifiedTransport = choice(
  {
    tcp: nothing,
    annexE: nothing
  },
  {
    sctp: nothing
  }
)
export type UseSpecifiedTransport = Infer<typeof UseSpecifiedTransport>

export const AlternateGK = sequence(
  {
    rasAddress: TransportAddress,
    gatekeeperIdentifier: optional(GatekeeperIdentifier),
    needToRegister: boolean,
    priority: integer(0, 127)
  },
  {}
)
export type AlternateGK = Infer<typeof AlternateGK>

export const AltGKInfo = sequence(
  {
    alternateGatekeeper: sequenceOf(AlternateGK),
    altGKisPermanent: boolean
  },
  {}
)
export type AltGKInfo = Infer<typeof AltGKInfo>

export const RehomingModel = choice({
  gatekeeperBased: nothing,
  endpointBased: nothing
})
export type RehomingModel = Infer<typeof RehomingModel>
