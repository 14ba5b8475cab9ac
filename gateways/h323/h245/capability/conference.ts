/** H.245 v17: conference capabilities. */
import { boolean, type Infer, optional, sequence, sequenceOf } from '../../asn1/asn1.ts'
import { NonStandardParameter } from '../identifiers.ts'

export const ConferenceCapability = sequence(
  {
    nonStandardData: optional(sequenceOf(NonStandardParameter)),
    chairControlCapability: boolean
  },
  {
    videoIndicateMixingCapability: boolean,
    multipointVisualizationCapability: boolean
  }
)
export type ConferenceCapability = Infer<typeof ConferenceCapability>
