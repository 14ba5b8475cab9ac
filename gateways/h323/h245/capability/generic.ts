/** H.245 v17: generic capabilities, which later Recommendations fill (H.241, H.239). */
import { type Infer, integer, octetString, optional, sequence, sequenceOf } from '../../asn1/asn1.ts'
import { DataProtocolCapability } from '../data-protocol.ts'
import { CapabilityIdentifier, GenericParameter } from '../generic.ts'

export const GenericCapability = sequence(
  {
    capabilityIdentifier: CapabilityIdentifier,
    maxBitRate: optional(integer(0, 4_294_967_295)),
    collapsing: optional(sequenceOf(GenericParameter)),
    nonCollapsing: optional(sequenceOf(GenericParameter)),
    nonCollapsingRaw: optional(octetString()),
    transport: optional(DataProtocolCapability)
  },
  {}
)
export type GenericCapability = Infer<typeof GenericCapability>
