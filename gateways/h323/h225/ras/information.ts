/** H.225.0 v8 §7.15: status requests (IRQ, IRR, IACK, INAK). */
import { boolean, choice, type Infer, integer, nothing, optional, sequence, sequenceOf } from '../../asn1/asn1.ts'
import { ClearToken } from '../../h235/tokens.ts'
import { AliasAddress, TransportAddress } from '../addresses.ts'
import { H323UUPDU } from '../call-signalling.ts'
import { CallLinkage, CallModel, CallType } from '../call-types.ts'
import { CallCapacity } from '../capacity.ts'
import { CircuitInfo } from '../circuits.ts'
import { EndpointType } from '../endpoint-type.ts'
import { AlternateGK, AltGKInfo } from '../gatekeepers.ts'
import { GenericData } from '../generic-data.ts'
import {
  BandWidth,
  CallIdentifier,
  CallReferenceValue,
  ConferenceIdentifier,
  EndpointIdentifier,
  NonStandardParameter,
  RequestSeqNum
} from '../identifiers.ts'
import { RTPSession, TransportChannelInfo } from '../media-report.ts'
import { CryptoH323Token, ICV } from '../security.ts'
import { SecurityErrors2 } from '../security-errors.ts'
import { RasUsageInformation, RasUsageInfoTypes } from '../usage.ts'
import { UUIEsRequested } from './admission.ts'

export const InfoRequest = sequence(
  {
    requestSeqNum: RequestSeqNum,
    callReferenceValue: CallReferenceValue,
    nonStandardData: optional(NonStandardParameter),
    replyAddress: optional(TransportAddress)
  },
  {
    callIdentifier: CallIdentifier,
    tokens: sequenceOf(ClearToken),
    cryptoTokens: sequenceOf(CryptoH323Token),
    integrityCheckValue: ICV,
    uuiesRequested: UUIEsRequested,
    callLinkage: CallLinkage,
    usageInfoRequested: RasUsageInfoTypes,
    segmentedResponseSupported: nothing,
    nextSegmentRequested: integer(0, 65_535),
    capacityInfoRequested: nothing,
    genericData: sequenceOf(GenericData),
    assignedGatekeeper: AlternateGK
  }
)
export type InfoRequest = Infer<typeof InfoRequest>

export const InfoRequestResponseStatus = choice(
  {
    complete: nothing,
    incomplete: nothing,
    segment: integer(0, 65_535),
    invalidCall: nothing
  },
  {}
)
export type InfoRequestResponseStatus = Infer<typeof InfoRequestResponseStatus>

export const InfoRequestResponse = sequence(
  {
    nonStandardData: optional(NonStandardParameter),
    requestSeqNum: RequestSeqNum,
    endpointType: EndpointType,
    endpointIdentifier: EndpointIdentifier,
    rasAddress: TransportAddress,
    callSignalAddress: sequenceOf(TransportAddress),
    endpointAlias: optional(sequenceOf(AliasAddress)),
    perCallInfo: optional(
      sequenceOf(
        sequence(
          {
            nonStandardData: optional(NonStandardParameter),
            callReferenceValue: CallReferenceValue,
            conferenceID: ConferenceIdentifier,
            originator: optional(boolean),
            audio: optional(sequenceOf(RTPSession)),
            video: optional(sequenceOf(RTPSession)),
            data: optional(sequenceOf(TransportChannelInfo)),
            h245: TransportChannelInfo,
            callSignaling: TransportChannelInfo,
            callType: CallType,
            bandWidth: BandWidth,
            callModel: CallModel
          },
          {
            callIdentifier: CallIdentifier,
            tokens: sequenceOf(ClearToken),
            cryptoTokens: sequenceOf(CryptoH323Token),
            substituteConfIDs: sequenceOf(ConferenceIdentifier),
            pdu: sequenceOf(
              sequence({
                h323pdu: H323UUPDU,
                sent: boolean
              })
            ),
            callLinkage: CallLinkage,
            usageInformation: RasUsageInformation,
            circuitInfo: CircuitInfo
          }
        )
      )
    )
  },
  {
    tokens: sequenceOf(ClearToken),
    cryptoTokens: sequenceOf(CryptoH323Token),
    integrityCheckValue: ICV,
    needResponse: boolean,
    capacity: CallCapacity,
    irrStatus: InfoRequestResponseStatus,
    unsolicited: boolean,
    genericData: sequenceOf(GenericData)
  }
)
export type InfoRequestResponse = Infer<typeof InfoRequestResponse>

export const InfoRequestAck = sequence(
  {
    requestSeqNum: RequestSeqNum,
    nonStandardData: optional(NonStandardParameter),
    tokens: optional(sequenceOf(ClearToken)),
    cryptoTokens: optional(sequenceOf(CryptoH323Token)),
    integrityCheckValue: optional(ICV)
  },
  {}
)
export type InfoRequestAck = Infer<typeof InfoRequestAck>

export const InfoRequestNakReason = choice(
  {
    notRegistered: nothing,
    securityDenial: nothing,
    undefinedReason: nothing
  },
  {
    securityError: SecurityErrors2
  }
)
export type InfoRequestNakReason = Infer<typeof InfoRequestNakReason>

export const InfoRequestNak = sequence(
  {
    requestSeqNum: RequestSeqNum,
    nonStandardData: optional(NonStandardParameter),
    nakReason: InfoRequestNakReason,
    altGKInfo: optional(AltGKInfo),
    tokens: optional(sequenceOf(ClearToken)),
    cryptoTokens: optional(sequenceOf(CryptoH323Token)),
    integrityCheckValue: optional(ICV)
  },
  {}
)
export type InfoRequestNak = Infer<typeof InfoRequestNak>
