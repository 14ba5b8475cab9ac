/** H.225.0 v8 §7.12: change of bandwidth (BRQ, BCF, BRJ). */
import { boolean, choice, type Infer, nothing, optional, sequence, sequenceOf } from '../../asn1/asn1.ts'
import { ClearToken } from '../../h235/tokens.ts'
import { CallLinkage, CallType } from '../call-types.ts'
import { CallCapacity } from '../capacity.ts'
import { AltGKInfo } from '../gatekeepers.ts'
import { GenericData } from '../generic-data.ts'
import {
  BandWidth,
  CallIdentifier,
  CallReferenceValue,
  ConferenceIdentifier,
  EndpointIdentifier,
  GatekeeperIdentifier,
  NonStandardParameter,
  RequestSeqNum
} from '../identifiers.ts'
import { BandwidthDetails } from '../media-report.ts'
import { TransportQOS } from '../quality.ts'
import { CryptoH323Token, ICV } from '../security.ts'
import { SecurityErrors2 } from '../security-errors.ts'
import { RasUsageInformation } from '../usage.ts'

export const BandwidthRequest = sequence(
  {
    requestSeqNum: RequestSeqNum,
    endpointIdentifier: EndpointIdentifier,
    conferenceID: ConferenceIdentifier,
    callReferenceValue: CallReferenceValue,
    callType: optional(CallType),
    bandWidth: BandWidth,
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
    usageInformation: RasUsageInformation,
    bandwidthDetails: sequenceOf(BandwidthDetails),
    genericData: sequenceOf(GenericData),
    transportQOS: TransportQOS
  }
)
export type BandwidthRequest = Infer<typeof BandwidthRequest>

export const BandwidthConfirm = sequence(
  {
    requestSeqNum: RequestSeqNum,
    bandWidth: BandWidth,
    nonStandardData: optional(NonStandardParameter)
  },
  {
    tokens: sequenceOf(ClearToken),
    cryptoTokens: sequenceOf(CryptoH323Token),
    integrityCheckValue: ICV,
    capacity: CallCapacity,
    genericData: sequenceOf(GenericData),
    transportQOS: TransportQOS
  }
)
export type BandwidthConfirm = Infer<typeof BandwidthConfirm>

export const BandRejectReason = choice(
  {
    notBound: nothing,
    invalidConferenceID: nothing,
    invalidPermission: nothing,
    insufficientResources: nothing,
    invalidRevision: nothing,
    undefinedReason: nothing
  },
  {
    securityDenial: nothing,
    securityError: SecurityErrors2
  }
)
export type BandRejectReason = Infer<typeof BandRejectReason>

export const BandwidthReject = sequence(
  {
    requestSeqNum: RequestSeqNum,
    rejectReason: BandRejectReason,
    allowedBandWidth: BandWidth,
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
export type BandwidthReject = Infer<typeof BandwidthReject>
