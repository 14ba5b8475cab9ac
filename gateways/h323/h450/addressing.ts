/** H.450.1: addresses as supplementary services carry them. */
import { boolean, choice, enumerated, type Infer, nothing, octetString, optional, sequence, sequenceOf } from '../asn1/asn1.ts'
import { AliasAddress, PartyNumber } from '../h225/addresses.ts'

export const SubaddressInformation = octetString([1, 20])
export type SubaddressInformation = Infer<typeof SubaddressInformation>

export const UserSpecifiedSubaddress = sequence(
  {
    subaddressInformation: SubaddressInformation,
    oddCountIndicator: optional(boolean)
  },
  {}
)
export type UserSpecifiedSubaddress = Infer<typeof UserSpecifiedSubaddress>

export const NSAPSubaddress = octetString([1, 20])
export type NSAPSubaddress = Infer<typeof NSAPSubaddress>

export const PartySubaddress = choice(
  {
    userSpecifiedSubaddress: UserSpecifiedSubaddress,
    nsapSubaddress: NSAPSubaddress
  },
  {}
)
export type PartySubaddress = Infer<typeof PartySubaddress>

export const ScreeningIndicator = enumerated(
  ['userProvidedNotScreened', 'userProvidedVerifiedAndPassed', 'userProvidedVerifiedAndFailed', 'networkProvided'],
  []
)
export type ScreeningIndicator = Infer<typeof ScreeningIndicator>

export const AddressScreened = sequence(
  {
    partyNumber: PartyNumber,
    screeningIndicator: ScreeningIndicator,
    partySubaddress: optional(PartySubaddress)
  },
  {}
)
export type AddressScreened = Infer<typeof AddressScreened>

export const PresentedAddressScreened = choice(
  {
    presentationAllowedAddress: AddressScreened,
    presentationRestricted: nothing,
    numberNotAvailableDueToInterworking: nothing,
    presentationRestrictedAddress: AddressScreened
  },
  {}
)
export type PresentedAddressScreened = Infer<typeof PresentedAddressScreened>

export const Address = sequence(
  {
    partyNumber: PartyNumber,
    partySubaddress: optional(PartySubaddress)
  },
  {}
)
export type Address = Infer<typeof Address>

export const PresentedAddressUnscreened = choice(
  {
    presentationAllowedAddress: Address,
    presentationRestricted: nothing,
    numberNotAvailableDueToInterworking: nothing,
    presentationRestrictedAddress: Address
  },
  {}
)
export type PresentedAddressUnscreened = Infer<typeof PresentedAddressUnscreened>

export const NumberScreened = sequence(
  {
    partyNumber: PartyNumber,
    screeningIndicator: ScreeningIndicator
  },
  {}
)
export type NumberScreened = Infer<typeof NumberScreened>

export const PresentedNumberScreened = choice(
  {
    presentationAllowedAddress: NumberScreened,
    presentationRestricted: nothing,
    numberNotAvailableDueToInterworking: nothing,
    presentationRestrictedAddress: NumberScreened
  },
  {}
)
export type PresentedNumberScreened = Infer<typeof PresentedNumberScreened>

export const PresentedNumberUnscreened = choice(
  {
    presentationAllowedAddress: PartyNumber,
    presentationRestricted: nothing,
    numberNotAvailableDueToInterworking: nothing,
    presentationRestrictedAddress: PartyNumber
  },
  {}
)
export type PresentedNumberUnscreened = Infer<typeof PresentedNumberUnscreened>

export const EndpointAddress = sequence(
  {
    destinationAddress: sequenceOf(AliasAddress),
    remoteExtensionAddress: optional(AliasAddress)
  },
  {}
)
export type EndpointAddress = Infer<typeof EndpointAddress>

export const PresentationAllowedIndicator = boolean
export type PresentationAllowedIndicator = Infer<typeof PresentationAllowedIndicator>

export const H225InformationElement = octetString()
export type H225InformationElement = Infer<typeof H225InformationElement>
