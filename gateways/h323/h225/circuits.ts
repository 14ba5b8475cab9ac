/** H.225.0 v8 §7.6: circuits and carriers behind a gateway. */
import { type Infer, ia5String, integer, octetString, optional, sequence, sequenceOf } from '../asn1/asn1.ts'
import { GenericData } from './generic-data.ts'

export const CicInfo = sequence(
  {
    cic: sequenceOf(octetString([2, 4])),
    pointCode: octetString([2, 5])
  },
  {}
)
export type CicInfo = Infer<typeof CicInfo>

export const GroupID = sequence(
  {
    member: optional(sequenceOf(integer(0, 65_535))),
    group: ia5String({ size: [1, 128] })
  },
  {}
)
export type GroupID = Infer<typeof GroupID>

export const CarrierInfo = sequence(
  {
    carrierIdentificationCode: optional(octetString([3, 4])),
    carrierName: optional(ia5String({ size: [1, 128] }))
  },
  {}
)
export type CarrierInfo = Infer<typeof CarrierInfo>

export const CircuitIdentifier = sequence(
  {
    cic: optional(CicInfo),
    group: optional(GroupID)
  },
  {
    carrier: CarrierInfo
  }
)
export type CircuitIdentifier = Infer<typeof CircuitIdentifier>

export const CircuitInfo = sequence(
  {
    sourceCircuitID: optional(CircuitIdentifier),
    destinationCircuitID: optional(CircuitIdentifier),
    genericData: optional(sequenceOf(GenericData))
  },
  {}
)
export type CircuitInfo = Infer<typeof CircuitInfo>
