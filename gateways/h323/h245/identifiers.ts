/** H.245 v17: numbers and identifiers used all over, and the element for what no standard says. */
import { choice, type Infer, integer, objectIdentifier, octetString, optional, sequence, sequenceOf } from '../asn1/asn1.ts'

export const SequenceNumber = integer(0, 255)
export type SequenceNumber = Infer<typeof SequenceNumber>

export const NonStandardIdentifier = choice({
  object: objectIdentifier,
  h221NonStandard: sequence({
    t35CountryCode: integer(0, 255),
    t35Extension: integer(0, 255),
    manufacturerCode: integer(0, 65_535)
  })
})
export type NonStandardIdentifier = Infer<typeof NonStandardIdentifier>

export const NonStandardParameter = sequence({
  nonStandardIdentifier: NonStandardIdentifier,
  data: octetString()
})
export type NonStandardParameter = Infer<typeof NonStandardParameter>

export const NonStandardMessage = sequence(
  {
    nonStandardData: NonStandardParameter
  },
  {}
)
export type NonStandardMessage = Infer<typeof NonStandardMessage>

export const CapabilityTableEntryNumber = integer(1, 65_535)
export type CapabilityTableEntryNumber = Infer<typeof CapabilityTableEntryNumber>

export const AlternativeCapabilitySet = sequenceOf(CapabilityTableEntryNumber, [1, 256])
export type AlternativeCapabilitySet = Infer<typeof AlternativeCapabilitySet>

export const LogicalChannelNumber = integer(1, 65_535)
export type LogicalChannelNumber = Infer<typeof LogicalChannelNumber>

export const RTPPayloadType = sequence(
  {
    payloadDescriptor: choice(
      {
        nonStandardIdentifier: NonStandardParameter,
        'rfc-number': integer(1, 32_768, { extensible: true }),
        oid: objectIdentifier
      },
      {}
    ),
    payloadType: optional(integer(0, 127))
  },
  {}
)
export type RTPPayloadType = Infer<typeof RTPPayloadType>

export const McuNumber = integer(0, 192)
export type McuNumber = Infer<typeof McuNumber>

export const TerminalNumber = integer(0, 192)
export type TerminalNumber = Infer<typeof TerminalNumber>

export const TerminalLabel = sequence(
  {
    mcuNumber: McuNumber,
    terminalNumber: TerminalNumber
  },
  {}
)
export type TerminalLabel = Infer<typeof TerminalLabel>
