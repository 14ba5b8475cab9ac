/** H.225.0 v8 §7.6: why a call ended. */
import { choice, type Infer, nothing, octetString } from '../asn1/asn1.ts'
import { ConferenceIdentifier, NonStandardParameter } from './identifiers.ts'
import { SecurityErrors } from './security-errors.ts'

export const ReleaseCompleteReason = choice(
  {
    noBandwidth: nothing,
    gatekeeperResources: nothing,
    unreachableDestination: nothing,
    destinationRejection: nothing,
    invalidRevision: nothing,
    noPermission: nothing,
    unreachableGatekeeper: nothing,
    gatewayResources: nothing,
    badFormatAddress: nothing,
    adaptiveBusy: nothing,
    inConf: nothing,
    undefinedReason: nothing
  },
  {
    facilityCallDeflection: nothing,
    securityDenied: nothing,
    calledPartyNotRegistered: nothing,
    callerNotRegistered: nothing,
    newConnectionNeeded: nothing,
    nonStandardReason: NonStandardParameter,
    replaceWithConferenceInvite: ConferenceIdentifier,
    genericDataReason: nothing,
    neededFeatureNotSupported: nothing,
    tunnelledSignallingRejected: nothing,
    invalidCID: nothing,
    securityError: SecurityErrors,
    hopCountExceeded: nothing
  }
)
export type ReleaseCompleteReason = Infer<typeof ReleaseCompleteReason>

export const CallTerminationCause = choice(
  {
    releaseCompleteReason: ReleaseCompleteReason,
    releaseCompleteCauseIE: octetString([2, 32])
  },
  {}
)
export type CallTerminationCause = Infer<typeof CallTerminationCause>
