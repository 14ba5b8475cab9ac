/** H.225.0 v8 §7.11: admission (ARQ, ACF, ARJ). */
import { boolean, choice, type Infer, ia5String, integer, nothing, optional, sequence, sequenceOf } from '../../asn1/asn1.ts'
import { ClearToken } from '../../h235/tokens.ts'
import { AliasAddress, PartyNumber, TransportAddress } from '../addresses.ts'
import { CallLinkage, CallModel, CallType, QseriesOptions } from '../call-types.ts'
import { CallCapacity } from '../capacity.ts'
import { CircuitInfo } from '../circuits.ts'
import { Endpoint } from '../endpoint.ts'
import { DataRate, EndpointType, SupportedProtocols } from '../endpoint-type.ts'
import { AlternateGK, AlternateTransportAddresses, AltGKInfo, UseSpecifiedTransport } from '../gatekeepers.ts'
import { FeatureSet, GenericData } from '../generic-data.ts'
import {
  BandWidth,
  CallIdentifier,
  CallReferenceValue,
  ConferenceIdentifier,
  EndpointIdentifier,
  GatekeeperIdentifier,
  NonStandardParameter,
  RequestSeqNum,
  TunnelledProtocol
} from '../identifiers.ts'
import { TransportQOS } from '../quality.ts'
import { CryptoH323Token, ICV } from '../security.ts'
import { SecurityErrors2 } from '../security-errors.ts'
import { ServiceControlSession } from '../service-control.ts'
import { RasUsageSpecification } from '../usage.ts'

export const AdmissionRequest = sequence(
  {
    requestSeqNum: RequestSeqNum,
    callType: CallType,
    callModel: optional(CallModel),
    endpointIdentifier: EndpointIdentifier,
    destinationInfo: optional(sequenceOf(AliasAddress)),
    destCallSignalAddress: optional(TransportAddress),
    destExtraCallInfo: optional(sequenceOf(AliasAddress)),
    srcInfo: sequenceOf(AliasAddress),
    srcCallSignalAddress: optional(TransportAddress),
    bandWidth: BandWidth,
    callReferenceValue: CallReferenceValue,
    nonStandardData: optional(NonStandardParameter),
    callServices: optional(QseriesOptions),
    conferenceID: ConferenceIdentifier,
    activeMC: boolean,
    answerCall: boolean
  },
  {
    canMapAlias: boolean,
    callIdentifier: CallIdentifier,
    srcAlternatives: sequenceOf(Endpoint),
    destAlternatives: sequenceOf(Endpoint),
    gatekeeperIdentifier: GatekeeperIdentifier,
    tokens: sequenceOf(ClearToken),
    cryptoTokens: sequenceOf(CryptoH323Token),
    integrityCheckValue: ICV,
    transportQOS: TransportQOS,
    willSupplyUUIEs: boolean,
    callLinkage: CallLinkage,
    gatewayDataRate: DataRate,
    capacity: CallCapacity,
    circuitInfo: CircuitInfo,
    desiredProtocols: sequenceOf(SupportedProtocols),
    desiredTunnelledProtocol: TunnelledProtocol,
    featureSet: FeatureSet,
    genericData: sequenceOf(GenericData),
    canMapSrcAlias: boolean
  }
)
export type AdmissionRequest = Infer<typeof AdmissionRequest>

export const UUIEsRequested = sequence(
  {
    setup: boolean,
    callProceeding: boolean,
    connect: boolean,
    alerting: boolean,
    information: boolean,
    releaseComplete: boolean,
    facility: boolean,
    progress: boolean,
    empty: boolean
  },
  {
    status: boolean,
    statusInquiry: boolean,
    setupAcknowledge: boolean,
    notify: boolean
  }
)
export type UUIEsRequested = Infer<typeof UUIEsRequested>

export const AdmissionConfirm = sequence(
  {
    requestSeqNum: RequestSeqNum,
    bandWidth: BandWidth,
    callModel: CallModel,
    destCallSignalAddress: TransportAddress,
    irrFrequency: optional(integer(1, 65_535)),
    nonStandardData: optional(NonStandardParameter)
  },
  {
    destinationInfo: sequenceOf(AliasAddress),
    destExtraCallInfo: sequenceOf(AliasAddress),
    destinationType: EndpointType,
    remoteExtensionAddress: sequenceOf(AliasAddress),
    alternateEndpoints: sequenceOf(Endpoint),
    tokens: sequenceOf(ClearToken),
    cryptoTokens: sequenceOf(CryptoH323Token),
    integrityCheckValue: ICV,
    transportQOS: TransportQOS,
    willRespondToIRR: boolean,
    uuiesRequested: UUIEsRequested,
    language: sequenceOf(ia5String({ size: [1, 32] })),
    alternateTransportAddresses: AlternateTransportAddresses,
    useSpecifiedTransport: UseSpecifiedTransport,
    circuitInfo: CircuitInfo,
    usageSpec: sequenceOf(RasUsageSpecification),
    supportedProtocols: sequenceOf(SupportedProtocols),
    serviceControl: sequenceOf(ServiceControlSession),
    multipleCalls: boolean,
    featureSet: FeatureSet,
    genericData: sequenceOf(GenericData),
    modifiedSrcInfo: sequenceOf(AliasAddress),
    assignedGatekeeper: AlternateGK
  }
)
export type AdmissionConfirm = Infer<typeof AdmissionConfirm>

export const AdmissionRejectReason = choice(
  {
    calledPartyNotRegistered: nothing,
    invalidPermission: nothing,
    requestDenied: nothing,
    undefinedReason: nothing,
    callerNotRegistered: nothing,
    routeCallToGatekeeper: nothing,
    invalidEndpointIdentifier: nothing,
    resourceUnavailable: nothing
  },
  {
    securityDenial: nothing,
    qosControlNotSupported: nothing,
    incompleteAddress: nothing,
    aliasesInconsistent: nothing,
    routeCallToSCN: sequenceOf(PartyNumber),
    exceedsCallCapacity: nothing,
    collectDestination: nothing,
    collectPIN: nothing,
    genericDataReason: nothing,
    neededFeatureNotSupported: nothing,
    securityError: SecurityErrors2,
    securityDHmismatch: nothing,
    noRouteToDestination: nothing,
    unallocatedNumber: nothing,
    registerWithAssignedGK: nothing
  }
)
export type AdmissionRejectReason = Infer<typeof AdmissionRejectReason>

export const AdmissionReject = sequence(
  {
    requestSeqNum: RequestSeqNum,
    rejectReason: AdmissionRejectReason,
    nonStandardData: optional(NonStandardParameter)
  },
  {
    altGKInfo: AltGKInfo,
    tokens: sequenceOf(ClearToken),
    cryptoTokens: sequenceOf(CryptoH323Token),
    callSignalAddress: sequenceOf(TransportAddress),
    integrityCheckValue: ICV,
    serviceControl: sequenceOf(ServiceControlSession),
    featureSet: FeatureSet,
    genericData: sequenceOf(GenericData),
    assignedGatekeeper: AlternateGK
  }
)
export type AdmissionReject = Infer<typeof AdmissionReject>
