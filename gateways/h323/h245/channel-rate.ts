/** H.245 v17 §C.14: rate of a logical channel. */
import { choice, type Infer, integer, nothing, optional, sequence } from '../asn1/asn1.ts'
import { LogicalChannelNumber, SequenceNumber } from './identifiers.ts'

export const MaximumBitRate = integer(0, 4_294_967_295)
export type MaximumBitRate = Infer<typeof MaximumBitRate>

export const LogicalChannelRateRequest = sequence(
  {
    sequenceNumber: SequenceNumber,
    logicalChannelNumber: LogicalChannelNumber,
    maximumBitRate: MaximumBitRate
  },
  {}
)
export type LogicalChannelRateRequest = Infer<typeof LogicalChannelRateRequest>

export const LogicalChannelRateAcknowledge = sequence(
  {
    sequenceNumber: SequenceNumber,
    logicalChannelNumber: LogicalChannelNumber,
    maximumBitRate: MaximumBitRate
  },
  {}
)
export type LogicalChannelRateAcknowledge = Infer<typeof LogicalChannelRateAcknowledge>

export const LogicalChannelRateRejectReason = choice(
  {
    undefinedReason: nothing,
    insufficientResources: nothing
  },
  {}
)
export type LogicalChannelRateRejectReason = Infer<typeof LogicalChannelRateRejectReason>

export const LogicalChannelRateReject = sequence(
  {
    sequenceNumber: SequenceNumber,
    logicalChannelNumber: LogicalChannelNumber,
    rejectReason: LogicalChannelRateRejectReason,
    currentMaximumBitRate: optional(MaximumBitRate)
  },
  {}
)
export type LogicalChannelRateReject = Infer<typeof LogicalChannelRateReject>

export const LogicalChannelRateRelease = sequence({}, {})
export type LogicalChannelRateRelease = Infer<typeof LogicalChannelRateRelease>
