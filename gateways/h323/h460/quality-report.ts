/** H.460.9: quality of service reports. */
import { choice, type Infer, integer, octetString, optional, sequence, sequenceOf } from '../asn1/asn1.ts'
import { GenericIdentifier } from '../h225/generic-data.ts'
import { BandWidth, CallIdentifier, CallReferenceValue, ConferenceIdentifier, NonStandardParameter } from '../h225/identifiers.ts'
import { TransportChannelInfo } from '../h225/media-report.ts'

export const EstimatedEnd2EndDelay = integer(0, 4_294_967_295)
export type EstimatedEnd2EndDelay = Infer<typeof EstimatedEnd2EndDelay>

export const CalculatedJitter = integer(0, 4_294_967_295)
export type CalculatedJitter = Infer<typeof CalculatedJitter>

export const Extension = sequence(
  {
    extensionId: GenericIdentifier,
    extensionContent: optional(octetString())
  },
  {}
)
export type Extension = Infer<typeof Extension>

export const RTCPMeasures = sequence(
  {
    rtpAddress: TransportChannelInfo,
    rtcpAddress: TransportChannelInfo,
    sessionId: integer(1, 255),
    nonStandardData: optional(NonStandardParameter),
    mediaSenderMeasures: optional(
      sequence(
        {
          worstEstimatedEnd2EndDelay: optional(EstimatedEnd2EndDelay),
          meanEstimatedEnd2EndDelay: optional(EstimatedEnd2EndDelay)
        },
        {}
      )
    ),
    mediaReceiverMeasures: optional(
      sequence(
        {
          cumulativeNumberOfPacketsLost: optional(integer(0, 4_294_967_295)),
          packetLostRate: optional(integer(0, 65_535)),
          worstJitter: optional(CalculatedJitter),
          estimatedThroughput: optional(BandWidth),
          fractionLostRate: optional(integer(0, 65_535)),
          meanJitter: optional(CalculatedJitter)
        },
        {}
      )
    ),
    extensions: optional(sequenceOf(Extension))
  },
  {}
)
export type RTCPMeasures = Infer<typeof RTCPMeasures>

export const PerCallQoSReport = sequence(
  {
    nonStandardData: optional(NonStandardParameter),
    callReferenceValue: CallReferenceValue,
    conferenceID: ConferenceIdentifier,
    callIdentifier: CallIdentifier,
    mediaChannelsQoS: optional(sequenceOf(RTCPMeasures)),
    extensions: optional(sequenceOf(Extension))
  },
  {}
)
export type PerCallQoSReport = Infer<typeof PerCallQoSReport>

export const PeriodicQoSMonReport = sequence(
  {
    perCallInfo: sequenceOf(PerCallQoSReport),
    extensions: optional(sequenceOf(Extension))
  },
  {}
)
export type PeriodicQoSMonReport = Infer<typeof PeriodicQoSMonReport>

export const FinalQosMonReport = sequence(
  {
    mediaInfo: sequenceOf(RTCPMeasures),
    nonStandardData: optional(NonStandardParameter),
    extensions: optional(sequenceOf(Extension))
  },
  {}
)
export type FinalQosMonReport = Infer<typeof FinalQosMonReport>

export const InterGKQosMonReport = sequence(
  {
    mediaInfo: sequenceOf(RTCPMeasures),
    nonStandardData: optional(NonStandardParameter),
    extensions: optional(sequenceOf(Extension))
  },
  {}
)
export type InterGKQosMonReport = Infer<typeof InterGKQosMonReport>

export const QosMonitoringReportData = choice(
  {
    periodic: PeriodicQoSMonReport,
    final: FinalQosMonReport,
    interGK: InterGKQosMonReport
  },
  {}
)
export type QosMonitoringReportData = Infer<typeof QosMonitoringReportData>
