/** H.225.0 v8 §7.14: disengage (DRQ, DCF, DRJ). */
import { boolean, choice, type Infer, nothing, optional, sequence, sequenceOf } from '../../asn1/asn1.ts'
import { ClearToken } from '../../h235/tokens.ts'
import { CallLinkage } from '../call-types.ts'
import { CallCapacity } from '../capacity.ts'
import { CircuitInfo } from '../circuits.ts'
import { AlternateGK, AltGKInfo } from '../gatekeepers.ts'
import { GenericData } from '../generic-data.ts'
import {
  CallIdentifier,
  CallReferenceValue,
  ConferenceIdentifier,
  EndpointIdentifier,
  GatekeeperIdentifier,
  NonStandardParameter,
  RequestSeqNum
} from '../identifiers.ts'
import { CryptoH323Token, ICV } from '../security.ts'
import { SecurityErrors2 } from '../security-errors.ts'
import { ServiceControlSession } from '../service-control.ts'
import { CallTerminationCause } from '../termination.ts'
import { RasUsageInformation } from '../usage.ts'

export const DisengageReason = choice(
  {
    forcedDrop: nothing,
    normalDrop: nothing,
    undefinedReason: nothing
  },
  {}
)
export type DisengageReason = Infer<typeof DisengageReason>

export const DisengageRequest = sequence(
  {
    requestSeqNum: RequestSeqNum,
    endpointIdentifier: EndpointIdentifier,
    conferenceID: ConferenceIdentifier,
    callReferenceValue: CallReferenceValue,
    disengageReason: DisengageReason,
    nonStandardData: optional(NonStandardParameter)
  },
  {
    callIdentifier: CallIdentifier,
    gatekeeperIdentifier: GatekeeperIdentifier,
    tokens: sequenceOf(ClearToken),
    cryptoTokens: sequenceOf(CryptoH323Token),
    integrityCheckValue: ICV,
    answeredCall: boolean,
    callLinkage: CallLinkage,
    capacity: CallCapacity,
    circuitInfo: CircuitInfo,
    usageInformation: RasUsageInformation,
    terminationCause: CallTerminationCause,
    serviceControl: sequenceOf(ServiceControlSession),
    genericData: sequenceOf(GenericData)
  }
)
export type DisengageRequest = Infer<typeof DisengageRequest>

export const DisengageConfirm = sequence(
  {
    requestSeqNum: RequestSeqNum,
    nonStandardData: optional(NonStandardParameter)
  },
  {
    tokens: sequenceOf(ClearToken),
    cryptoTokens: sequenceOf(CryptoH323Token),
    integrityCheckValue: ICV,
    capacity: CallCapacity,
    circuitInfo: CircuitInfo,
    usageInformation: RasUsageInformation,
    genericData: sequenceOf(GenericData),
    assignedGatekeeper: AlternateGK
  }
)
export type DisengageConfirm = Infer<typeof DisengageConfirm>

export const DisengageRejectReason = choice(
  {
    notRegistered: nothing,
    requestToDropOther: nothing
  },
  {
    securityDenial: nothing,
    securityError: SecurityErrors2
  }
)
export type DisengageRejectReason = Infer<typeof DisengageRejectReason>

export const DisengageReject = sequence(
  {
    requestSeqNum: RequestSeqNum,
    rejectReason: DisengageRejectReason,
    nonStandardData: optional(NonStandardParameter)
  },
  {
    altGKInfo: AltGKInfo,
    tokens: sequenceOf(ClearToken),
    cryptoTokens: sequenceOf(CryptoH323Token),
    integrityCheckValue: ICV,
    genericData: sequenceOf(GenericData)
  }
)
export type DisengageReject = Infer<typeof DisengageReject>
