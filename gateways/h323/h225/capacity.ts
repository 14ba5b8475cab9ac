/** H.225.0 v8 §7.6: how many calls an endpoint can take. */
import { boolean, type Infer, ia5String, integer, nothing, optional, sequence, sequenceOf } from '../asn1/asn1.ts'
import { CarrierInfo } from './circuits.ts'

export const CapacityReportingCapability = sequence(
  {
    canReportCallCapacity: boolean
  },
  {}
)
export type CapacityReportingCapability = Infer<typeof CapacityReportingCapability>

export const CapacityReportingSpecification = sequence(
  {
    when: sequence(
      {
        callStart: optional(nothing),
        callEnd: optional(nothing)
      },
      {}
    )
  },
  {}
)
export type CapacityReportingSpecification = Infer<typeof CapacityReportingSpecification>

export const CallsAvailable = sequence(
  {
    calls: integer(0, 4_294_967_295),
    group: optional(ia5String({ size: [1, 128] }))
  },
  {
    carrier: CarrierInfo
  }
)
export type CallsAvailable = Infer<typeof CallsAvailable>

export const CallCapacityInfo = sequence(
  {
    voiceGwCallsAvailable: optional(sequenceOf(CallsAvailable)),
    h310GwCallsAvailable: optional(sequenceOf(CallsAvailable)),
    h320GwCallsAvailable: optional(sequenceOf(CallsAvailable)),
    h321GwCallsAvailable: optional(sequenceOf(CallsAvailable)),
    h322GwCallsAvailable: optional(sequenceOf(CallsAvailable)),
    h323GwCallsAvailable: optional(sequenceOf(CallsAvailable)),
    h324GwCallsAvailable: optional(sequenceOf(CallsAvailable)),
    t120OnlyGwCallsAvailable: optional(sequenceOf(CallsAvailable)),
    t38FaxAnnexbOnlyGwCallsAvailable: optional(sequenceOf(CallsAvailable)),
    terminalCallsAvailable: optional(sequenceOf(CallsAvailable)),
    mcuCallsAvailable: optional(sequenceOf(CallsAvailable))
  },
  {
    sipGwCallsAvailable: sequenceOf(CallsAvailable)
  }
)
export type CallCapacityInfo = Infer<typeof CallCapacityInfo>

export const CallCapacity = sequence(
  {
    maximumCallCapacity: optional(CallCapacityInfo),
    currentCallCapacity: optional(CallCapacityInfo)
  },
  {}
)
export type CallCapacity = Infer<typeof CallCapacity>
