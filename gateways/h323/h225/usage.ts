/** H.225.0 v8 §7.6: what an endpoint reports about the use of a call. */
import { type Infer, nothing, optional, sequence, sequenceOf } from '../asn1/asn1.ts'
import { TimeStamp } from '../h235/tokens.ts'
import { NonStandardParameter } from './identifiers.ts'

export const RasUsageInfoTypes = sequence(
  {
    nonStandardUsageTypes: sequenceOf(NonStandardParameter),
    startTime: optional(nothing),
    endTime: optional(nothing),
    terminationCause: optional(nothing)
  },
  {}
)
export type RasUsageInfoTypes = Infer<typeof RasUsageInfoTypes>

export const RasUsageSpecification = sequence(
  {
    when: sequence(
      {
        start: optional(nothing),
        end: optional(nothing),
        inIrr: optional(nothing)
      },
      {}
    ),
    callStartingPoint: optional(
      sequence(
        {
          alerting: optional(nothing),
          connect: optional(nothing)
        },
        {}
      )
    ),
    required: RasUsageInfoTypes
  },
  {}
)
export type RasUsageSpecification = Infer<typeof RasUsageSpecification>

export const RasUsageInformation = sequence(
  {
    nonStandardUsageFields: sequenceOf(NonStandardParameter),
    alertingTime: optional(TimeStamp),
    connectTime: optional(TimeStamp),
    endTime: optional(TimeStamp)
  },
  {}
)
export type RasUsageInformation = Infer<typeof RasUsageInformation>
