/** H.450.1: one supplementary service APDU, an element of h4501SupplementaryService. */
import { choice, type Infer, nothing, optional, sequence, sequenceOf } from '../asn1/asn1.ts'
import { AliasAddress } from '../h225/addresses.ts'
import { ROS } from './ros.ts'

export const EntityType = choice(
  {
    endpoint: nothing,
    anyEntity: nothing
  },
  {}
)
export type EntityType = Infer<typeof EntityType>

export const AddressInformation = AliasAddress
export type AddressInformation = Infer<typeof AddressInformation>

export const NetworkFacilityExtension = sequence(
  {
    sourceEntity: EntityType,
    sourceEntityAddress: optional(AddressInformation),
    destinationEntity: EntityType,
    destinationEntityAddress: optional(AddressInformation)
  },
  {}
)
export type NetworkFacilityExtension = Infer<typeof NetworkFacilityExtension>

export const InterpretationApdu = choice(
  {
    discardAnyUnrecognizedInvokePdu: nothing,
    clearCallIfAnyInvokePduNotRecognized: nothing,
    rejectAnyUnrecognizedInvokePdu: nothing
  },
  {}
)
export type InterpretationApdu = Infer<typeof InterpretationApdu>

export const ServiceApdus = choice(
  {
    rosApdus: sequenceOf(ROS, [1, Number.POSITIVE_INFINITY])
  },
  {}
)
export type ServiceApdus = Infer<typeof ServiceApdus>

export const SupplementaryService = sequence(
  {
    networkFacilityExtension: optional(NetworkFacilityExtension),
    interpretationApdu: optional(InterpretationApdu),
    serviceApdu: ServiceApdus
  },
  {}
)
export type SupplementaryService = Infer<typeof SupplementaryService>
