/** H.225.0 v8 §7.6: transport addresses, aliases and party numbers. */
import {
  bmpString,
  choice,
  type Infer,
  ia5String,
  integer,
  nothing,
  octetString,
  optional,
  sequence,
  sequenceOf
} from '../asn1/asn1.ts'
import { PresentationIndicator, ScreeningIndicator } from './call-types.ts'
import { NonStandardParameter } from './identifiers.ts'

export const TransportAddress = choice(
  {
    ipAddress: sequence({
      ip: octetString(4),
      port: integer(0, 65_535)
    }),
    ipSourceRoute: sequence(
      {
        ip: octetString(4),
        port: integer(0, 65_535),
        route: sequenceOf(octetString(4)),
        routing: choice(
          {
            strict: nothing,
            loose: nothing
          },
          {}
        )
      },
      {}
    ),
    ipxAddress: sequence({
      node: octetString(6),
      netnum: octetString(4),
      port: octetString(2)
    }),
    ip6Address: sequence(
      {
        ip: octetString(16),
        port: integer(0, 65_535)
      },
      {}
    ),
    netBios: octetString(16),
    nsap: octetString([1, 20]),
    nonStandardAddress: NonStandardParameter
  },
  {}
)
export type TransportAddress = Infer<typeof TransportAddress>

export const NumberDigits = ia5String({ size: [1, 128], alphabet: '#*,0123456789' })
export type NumberDigits = Infer<typeof NumberDigits>

export const PublicTypeOfNumber = choice(
  {
    unknown: nothing,
    internationalNumber: nothing,
    nationalNumber: nothing,
    networkSpecificNumber: nothing,
    subscriberNumber: nothing,
    abbreviatedNumber: nothing
  },
  {}
)
export type PublicTypeOfNumber = Infer<typeof PublicTypeOfNumber>

export const PublicPartyNumber = sequence({
  publicTypeOfNumber: PublicTypeOfNumber,
  publicNumberDigits: NumberDigits
})
export type PublicPartyNumber = Infer<typeof PublicPartyNumber>

export const PrivateTypeOfNumber = choice(
  {
    unknown: nothing,
    level2RegionalNumber: nothing,
    level1RegionalNumber: nothing,
    pISNSpecificNumber: nothing,
    localNumber: nothing,
    abbreviatedNumber: nothing
  },
  {}
)
export type PrivateTypeOfNumber = Infer<typeof PrivateTypeOfNumber>

export const PrivatePartyNumber = sequence({
  privateTypeOfNumber: PrivateTypeOfNumber,
  privateNumberDigits: NumberDigits
})
export type PrivatePartyNumber = Infer<typeof PrivatePartyNumber>

export const PartyNumber = choice(
  {
    e164Number: PublicPartyNumber,
    dataPartyNumber: NumberDigits,
    telexPartyNumber: NumberDigits,
    privateNumber: PrivatePartyNumber,
    nationalStandardPartyNumber: NumberDigits
  },
  {}
)
export type PartyNumber = Infer<typeof PartyNumber>

const tbcdString = (min: number, max: number) => ia5String({ size: [min, max], alphabet: '#*0123456789abc' })

export const ANSI41UIM = sequence(
  {
    imsi: optional(tbcdString(3, 16)),
    min: optional(tbcdString(3, 16)),
    mdn: optional(tbcdString(3, 16)),
    msisdn: optional(tbcdString(3, 16)),
    esn: optional(tbcdString(16, 16)),
    mscid: optional(tbcdString(3, 16)),
    'system-id': choice(
      {
        sid: tbcdString(1, 4),
        mid: tbcdString(1, 4)
      },
      {}
    ),
    systemMyTypeCode: optional(octetString(1)),
    systemAccessType: optional(octetString(1)),
    qualificationInformationCode: optional(octetString(1)),
    sesn: optional(tbcdString(16, 16)),
    soc: optional(tbcdString(3, 16))
  },
  {}
)
export type ANSI41UIM = Infer<typeof ANSI41UIM>

export const GSMUIM = sequence(
  {
    imsi: optional(tbcdString(3, 16)),
    tmsi: optional(octetString([1, 4])),
    msisdn: optional(tbcdString(3, 16)),
    imei: optional(tbcdString(15, 16)),
    hplmn: optional(tbcdString(1, 4)),
    vplmn: optional(tbcdString(1, 4))
  },
  {}
)
export type GSMUIM = Infer<typeof GSMUIM>

export const MobileUIM = choice(
  {
    'ansi-41-uim': ANSI41UIM,
    'gsm-uim': GSMUIM
  },
  {}
)
export type MobileUIM = Infer<typeof MobileUIM>

export const NatureOfAddress = choice(
  {
    unknown: nothing,
    subscriberNumber: nothing,
    nationalNumber: nothing,
    internationalNumber: nothing,
    networkSpecificNumber: nothing,
    routingNumberNationalFormat: nothing,
    routingNumberNetworkSpecificFormat: nothing,
    routingNumberWithCalledDirectoryNumber: nothing
  },
  {}
)
export type NatureOfAddress = Infer<typeof NatureOfAddress>

export const IsupDigits = ia5String({ size: [1, 128], alphabet: '0123456789ABCDE' })
export type IsupDigits = Infer<typeof IsupDigits>

export const IsupPublicPartyNumber = sequence(
  {
    natureOfAddress: NatureOfAddress,
    address: IsupDigits
  },
  {}
)
export type IsupPublicPartyNumber = Infer<typeof IsupPublicPartyNumber>

export const IsupPrivatePartyNumber = sequence(
  {
    privateTypeOfNumber: PrivateTypeOfNumber,
    address: IsupDigits
  },
  {}
)
export type IsupPrivatePartyNumber = Infer<typeof IsupPrivatePartyNumber>

export const IsupNumber = choice(
  {
    e164Number: IsupPublicPartyNumber,
    dataPartyNumber: IsupDigits,
    telexPartyNumber: IsupDigits,
    privateNumber: IsupPrivatePartyNumber,
    nationalStandardPartyNumber: IsupDigits
  },
  {}
)
export type IsupNumber = Infer<typeof IsupNumber>

export const AliasAddress = choice(
  {
    dialedDigits: ia5String({ size: [1, 128], alphabet: '#*,0123456789' }),
    'h323-ID': bmpString({ size: [1, 256] })
  },
  {
    'url-ID': ia5String({ size: [1, 512] }),
    transportID: TransportAddress,
    'email-ID': ia5String({ size: [1, 512] }),
    partyNumber: PartyNumber,
    mobileUIM: MobileUIM,
    isupNumber: IsupNumber
  }
)
export type AliasAddress = Infer<typeof AliasAddress>

export const AddressPattern = choice(
  {
    wildcard: AliasAddress,
    range: sequence({
      startOfRange: PartyNumber,
      endOfRange: PartyNumber
    })
  },
  {}
)
export type AddressPattern = Infer<typeof AddressPattern>

export const DisplayName = sequence({
  language: optional(ia5String()),
  name: bmpString({ size: [1, 80] })
})
export type DisplayName = Infer<typeof DisplayName>

export const ExtendedAliasAddress = sequence(
  {
    address: AliasAddress,
    presentationIndicator: optional(PresentationIndicator),
    screeningIndicator: optional(ScreeningIndicator)
  },
  {}
)
export type ExtendedAliasAddress = Infer<typeof ExtendedAliasAddress>
