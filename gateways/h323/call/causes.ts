/** Why calls end: Q.850 causes and the reasons of H.225.0, one made of the other by tables. */
import type { ReleaseCompleteReason } from '../h225/h225.ts'
import { cause as causeElement, elementOctets, ie, type Q931Message } from '../q931/q931.ts'

export type ReasonName = Exclude<ReleaseCompleteReason['type'], 'unknownExtension'>

/** Causes that are used here. @see Q.850 §2.2.7 */
export const causes = {
  unallocated: 1,
  noRoute: 3,
  normal: 16,
  busy: 17,
  noAnswer: 19,
  subscriberAbsent: 20,
  rejected: 21,
  numberChanged: 22,
  invalidNumber: 28,
  unspecified: 31,
  noCircuit: 34,
  outOfOrder: 38,
  temporaryFailure: 41,
  congestion: 42,
  resourceUnavailable: 47,
  notAuthorized: 57,
  incompatible: 88,
  messageTypeUnknown: 97,
  wrongState: 101,
  timerExpired: 102,
  protocolError: 111,
  interworking: 127
} as const

/** H.225.0 table 5, and for reasons of later versions what comes nearest. */
const causeOfReason: Readonly<Record<ReasonName, number>> = {
  noBandwidth: causes.noCircuit,
  gatekeeperResources: causes.resourceUnavailable,
  unreachableDestination: causes.noRoute,
  destinationRejection: causes.normal,
  invalidRevision: causes.incompatible,
  noPermission: causes.interworking,
  unreachableGatekeeper: causes.outOfOrder,
  gatewayResources: causes.congestion,
  badFormatAddress: causes.invalidNumber,
  adaptiveBusy: causes.temporaryFailure,
  inConf: causes.busy,
  undefinedReason: causes.unspecified,
  facilityCallDeflection: causes.normal,
  securityDenied: causes.unspecified,
  calledPartyNotRegistered: causes.subscriberAbsent,
  callerNotRegistered: causes.unspecified,
  newConnectionNeeded: causes.resourceUnavailable,
  nonStandardReason: causes.interworking,
  replaceWithConferenceInvite: causes.unspecified,
  genericDataReason: causes.unspecified,
  neededFeatureNotSupported: causes.unspecified,
  tunnelledSignallingRejected: causes.interworking,
  invalidCID: causes.noRoute,
  securityError: causes.unspecified,
  hopCountExceeded: causes.noRoute
}

const reasonOfCause: ReadonlyMap<number, ReasonName> = new Map<number, ReasonName>([
  [causes.unallocated, 'unreachableDestination'],
  [causes.noRoute, 'unreachableDestination'],
  [causes.busy, 'inConf'],
  [causes.subscriberAbsent, 'calledPartyNotRegistered'],
  [causes.rejected, 'destinationRejection'],
  [causes.invalidNumber, 'badFormatAddress'],
  [causes.noCircuit, 'noBandwidth'],
  [causes.outOfOrder, 'unreachableGatekeeper'],
  [causes.temporaryFailure, 'adaptiveBusy'],
  [causes.congestion, 'gatewayResources'],
  [causes.resourceUnavailable, 'gatekeeperResources'],
  [causes.notAuthorized, 'noPermission'],
  [causes.incompatible, 'invalidRevision']
])

/** The reason sent beside a cause; null for normal clearing, which says all by itself. */
export const reasonFor = (cause: number): ReasonName | null =>
  cause === causes.normal ? null : (reasonOfCause.get(cause) ?? 'undefinedReason')

/** Why a call ended: Q.850 cause, and the H.225.0 reason where one was given. */
export interface ReleaseCause {
  /** Q.850, 1–127. */
  readonly cause: number
  readonly reason: ReleaseCompleteReason['type'] | null
}

/**
 * What a RELEASE COMPLETE says. The Cause element counts, the reason where there is none: peers give the reason `undefinedReason` with any cause.
 *
 * @param reason of the user-user information
 */
export function causeOf(message: Q931Message, reason: ReleaseCompleteReason | undefined): ReleaseCause {
  const octets = elementOctets(message, ie.cause)
  const named = reason?.type ?? null
  if (octets !== undefined && octets.length >= 2) return { cause: causeElement.decode(octets).value, reason: named }
  if (reason === undefined) return { cause: causes.normal, reason: null }
  return { cause: reason.type === 'unknownExtension' ? causes.unspecified : causeOfReason[reason.type], reason: named }
}

/** The cause of an admission that was refused, by the reason of the ARJ. @see H.225.0 table 5, H.323 §8.1 */
const causeOfReject: Readonly<Record<string, number>> = {
  calledPartyNotRegistered: causes.subscriberAbsent,
  invalidPermission: causes.notAuthorized,
  requestDenied: causes.noCircuit,
  callerNotRegistered: causes.interworking,
  resourceUnavailable: causes.resourceUnavailable,
  securityDenial: causes.notAuthorized,
  incompleteAddress: causes.invalidNumber,
  aliasesInconsistent: causes.invalidNumber,
  exceedsCallCapacity: causes.congestion,
  noRouteToDestination: causes.noRoute,
  unallocatedNumber: causes.unallocated
}

export const causeOfAdmissionReject = (reason: string): number => causeOfReject[reason] ?? causes.unspecified
