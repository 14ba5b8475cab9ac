/** H.245 v17 §C.10: round trip delay. */
import { type Infer, sequence } from '../asn1/asn1.ts'
import { SequenceNumber } from './identifiers.ts'

export const RoundTripDelayRequest = sequence(
  {
    sequenceNumber: SequenceNumber
  },
  {}
)
export type RoundTripDelayRequest = Infer<typeof RoundTripDelayRequest>

export const RoundTripDelayResponse = sequence(
  {
    sequenceNumber: SequenceNumber
  },
  {}
)
export type RoundTripDelayResponse = Infer<typeof RoundTripDelayResponse>
