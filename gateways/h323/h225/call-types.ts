/** H.225.0 v8 §7.6: what kind of call it is, and the small elements that describe it. */
import { boolean, choice, enumerated, type Infer, nothing, optional, sequence } from '../asn1/asn1.ts'
import { GloballyUniqueID } from './identifiers.ts'

export const ScnConnectionType = choice(
  {
    unknown: nothing,
    bChannel: nothing,
    hybrid2x64: nothing,
    hybrid384: nothing,
    hybrid1536: nothing,
    hybrid1920: nothing,
    multirate: nothing
  },
  {}
)
export type ScnConnectionType = Infer<typeof ScnConnectionType>

export const ScnConnectionAggregation = choice(
  {
    auto: nothing,
    none: nothing,
    h221: nothing,
    'bonded-mode1': nothing,
    'bonded-mode2': nothing,
    'bonded-mode3': nothing
  },
  {}
)
export type ScnConnectionAggregation = Infer<typeof ScnConnectionAggregation>

export const PresentationIndicator = choice(
  {
    presentationAllowed: nothing,
    presentationRestricted: nothing,
    addressNotAvailable: nothing
  },
  {}
)
export type PresentationIndicator = Infer<typeof PresentationIndicator>

export const ScreeningIndicator = enumerated(
  ['userProvidedNotScreened', 'userProvidedVerifiedAndPassed', 'userProvidedVerifiedAndFailed', 'networkProvided'],
  []
)
export type ScreeningIndicator = Infer<typeof ScreeningIndicator>

export const Q954Details = sequence(
  {
    conferenceCalling: boolean,
    threePartyService: boolean
  },
  {}
)
export type Q954Details = Infer<typeof Q954Details>

export const QseriesOptions = sequence(
  {
    q932Full: boolean,
    q951Full: boolean,
    q952Full: boolean,
    q953Full: boolean,
    q955Full: boolean,
    q956Full: boolean,
    q957Full: boolean,
    q954Info: Q954Details
  },
  {}
)
export type QseriesOptions = Infer<typeof QseriesOptions>

export const CallLinkage = sequence(
  {
    globalCallId: optional(GloballyUniqueID),
    threadId: optional(GloballyUniqueID)
  },
  {}
)
export type CallLinkage = Infer<typeof CallLinkage>

export const CallType = choice(
  {
    pointToPoint: nothing,
    oneToN: nothing,
    nToOne: nothing,
    nToN: nothing
  },
  {}
)
export type CallType = Infer<typeof CallType>

export const CallModel = choice(
  {
    direct: nothing,
    gatekeeperRouted: nothing
  },
  {}
)
export type CallModel = Infer<typeof CallModel>
