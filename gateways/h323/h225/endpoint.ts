/** H.225.0 v8 §7.6: an endpoint with everything a gatekeeper tells about it. */
import { type Infer, integer, optional, sequence, sequenceOf } from '../asn1/asn1.ts'
import { ClearToken } from '../h235/tokens.ts'
import { AliasAddress, TransportAddress } from './addresses.ts'
import { CircuitInfo } from './circuits.ts'
import { EndpointType } from './endpoint-type.ts'
import { AlternateTransportAddresses } from './gatekeepers.ts'
import { FeatureSet } from './generic-data.ts'
import { NonStandardParameter } from './identifiers.ts'
import { CryptoH323Token } from './security.ts'

export const Endpoint = sequence(
  {
    nonStandardData: optional(NonStandardParameter),
    aliasAddress: optional(sequenceOf(AliasAddress)),
    callSignalAddress: optional(sequenceOf(TransportAddress)),
    rasAddress: optional(sequenceOf(TransportAddress)),
    endpointType: optional(EndpointType),
    tokens: optional(sequenceOf(ClearToken)),
    cryptoTokens: optional(sequenceOf(CryptoH323Token)),
    priority: optional(integer(0, 127)),
    remoteExtensionAddress: optional(sequenceOf(AliasAddress)),
    destExtraCallInfo: optional(sequenceOf(AliasAddress))
  },
  {
    alternateTransportAddresses: AlternateTransportAddresses,
    circuitInfo: CircuitInfo,
    featureSet: FeatureSet
  }
)
export type Endpoint = Infer<typeof Endpoint>
