/** H.225.0 v8 §7.6: identifiers, and the element for what no standard says. */
import {
  bmpString,
  choice,
  type Infer,
  ia5String,
  integer,
  objectIdentifier,
  octetString,
  optional,
  sequence
} from '../asn1/asn1.ts'

export const H221NonStandard = sequence(
  {
    t35CountryCode: integer(0, 255),
    t35Extension: integer(0, 255),
    manufacturerCode: integer(0, 65_535)
  },
  {}
)
export type H221NonStandard = Infer<typeof H221NonStandard>

export const VendorIdentifier = sequence(
  {
    vendor: H221NonStandard,
    productId: optional(octetString([1, 256])),
    versionId: optional(octetString([1, 256]))
  },
  {
    enterpriseNumber: objectIdentifier
  }
)
export type VendorIdentifier = Infer<typeof VendorIdentifier>

export const TunnelledProtocolAlternateIdentifier = sequence(
  {
    protocolType: ia5String({ size: [1, 64] }),
    protocolVariant: optional(ia5String({ size: [1, 64] }))
  },
  {}
)
export type TunnelledProtocolAlternateIdentifier = Infer<typeof TunnelledProtocolAlternateIdentifier>

export const TunnelledProtocol = sequence(
  {
    id: choice(
      {
        tunnelledProtocolObjectID: objectIdentifier,
        tunnelledProtocolAlternateID: TunnelledProtocolAlternateIdentifier
      },
      {}
    ),
    subIdentifier: optional(ia5String({ size: [1, 64] }))
  },
  {}
)
export type TunnelledProtocol = Infer<typeof TunnelledProtocol>

export const NonStandardIdentifier = choice(
  {
    object: objectIdentifier,
    h221NonStandard: H221NonStandard
  },
  {}
)
export type NonStandardIdentifier = Infer<typeof NonStandardIdentifier>

export const NonStandardParameter = sequence({
  nonStandardIdentifier: NonStandardIdentifier,
  data: octetString()
})
export type NonStandardParameter = Infer<typeof NonStandardParameter>

export const GloballyUniqueID = octetString(16)
export type GloballyUniqueID = Infer<typeof GloballyUniqueID>

export const ConferenceIdentifier = GloballyUniqueID
export type ConferenceIdentifier = Infer<typeof ConferenceIdentifier>

export const RequestSeqNum = integer(1, 65_535)
export type RequestSeqNum = Infer<typeof RequestSeqNum>

export const GatekeeperIdentifier = bmpString({ size: [1, 128] })
export type GatekeeperIdentifier = Infer<typeof GatekeeperIdentifier>

export const BandWidth = integer(0, 4_294_967_295)
export type BandWidth = Infer<typeof BandWidth>

export const CallReferenceValue = integer(0, 65_535)
export type CallReferenceValue = Infer<typeof CallReferenceValue>

export const EndpointIdentifier = bmpString({ size: [1, 128] })
export type EndpointIdentifier = Infer<typeof EndpointIdentifier>

export const ProtocolIdentifier = objectIdentifier
export type ProtocolIdentifier = Infer<typeof ProtocolIdentifier>

export const TimeToLive = integer(1, 4_294_967_295)
export type TimeToLive = Infer<typeof TimeToLive>

export const H248PackagesDescriptor = octetString()
export type H248PackagesDescriptor = Infer<typeof H248PackagesDescriptor>

export const H248SignalsDescriptor = octetString()
export type H248SignalsDescriptor = Infer<typeof H248SignalsDescriptor>

export const CallIdentifier = sequence(
  {
    guid: GloballyUniqueID
  },
  {}
)
export type CallIdentifier = Infer<typeof CallIdentifier>
