/** H.225.0 v8 §7.13: location (LRQ, LCF, LRJ). */
import { boolean, choice, type Infer, ia5String, integer, nothing, optional, sequence, sequenceOf } from '../../asn1/asn1.ts'
import { ClearToken } from '../../h235/tokens.ts'
import { AliasAddress, PartyNumber, TransportAddress } from '../addresses.ts'
import { CircuitInfo } from '../circuits.ts'
import { Endpoint } from '../endpoint.ts'
import { EndpointType, SupportedProtocols } from '../endpoint-type.ts'
import { AlternateTransportAddresses, AltGKInfo } from '../gatekeepers.ts'
import { FeatureSet, GenericData } from '../generic-data.ts'
import {
  BandWidth,
  CallIdentifier,
  EndpointIdentifier,
  GatekeeperIdentifier,
  NonStandardParameter,
  RequestSeqNum,
  TunnelledProtocol
} from '../identifiers.ts'
import { CryptoH323Token, ICV } from '../security.ts'
import { SecurityErrors2 } from '../security-errors.ts'
import { ServiceControlSession } from '../service-control.ts'

export const LocationRequest = sequence(
  {
    requestSeqNum: RequestSeqNum,
    endpointIdentifier: optional(EndpointIdentifier),
    destinationInfo: sequenceOf(AliasAddress),
    nonStandardData: optional(NonStandardParameter),
    replyAddress: TransportAddress
  },
  {
    sourceInfo: sequenceOf(AliasAddress),
    canMapAlias: boolean,
    gatekeeperIdentifier: GatekeeperIdentifier,
    tokens: sequenceOf(ClearToken),
    cryptoTokens: sequenceOf(CryptoH323Token),
    integrityCheckValue: ICV,
    desiredProtocols: sequenceOf(SupportedProtocols),
    desiredTunnelledProtocol: TunnelledProtocol,
    featureSet: FeatureSet,
    genericData: sequenceOf(GenericData),
    hopCount: integer(1, 255),
    circuitInfo: CircuitInfo,
    callIdentifier: CallIdentifier,
    bandWidth: BandWidth,
    sourceEndpointInfo: sequenceOf(AliasAddress),
    canMapSrcAlias: boolean,
    language: sequenceOf(ia5String({ size: [1, 32] }))
  }
)
export type LocationRequest = Infer<typeof LocationRequest>

export const LocationConfirm = sequence(
  {
    requestSeqNum: RequestSeqNum,
    callSignalAddress: TransportAddress,
    rasAddress: TransportAddress,
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
    alternateTransportAddresses: AlternateTransportAddresses,
    supportedProtocols: sequenceOf(SupportedProtocols),
    multipleCalls: boolean,
    featureSet: FeatureSet,
    genericData: sequenceOf(GenericData),
    circuitInfo: CircuitInfo,
    serviceControl: sequenceOf(ServiceControlSession),
    modifiedSrcInfo: sequenceOf(AliasAddress),
    bandWidth: BandWidth,
    language: sequenceOf(ia5String({ size: [1, 32] }))
  }
)
export type LocationConfirm = Infer<typeof LocationConfirm>

export const LocationRejectReason = choice(
  {
    notRegistered: nothing,
    invalidPermission: nothing,
    requestDenied: nothing,
    undefinedReason: nothing
  },
  {
    securityDenial: nothing,
    aliasesInconsistent: nothing,
    routeCalltoSCN: sequenceOf(PartyNumber),
    resourceUnavailable: nothing,
    genericDataReason: nothing,
    neededFeatureNotSupported: nothing,
    hopCountExceeded: nothing,
    incompleteAddress: nothing,
    securityError: SecurityErrors2,
    securityDHmismatch: nothing,
    noRouteToDestination: nothing,
    unallocatedNumber: nothing
  }
)
export type LocationRejectReason = Infer<typeof LocationRejectReason>

export const LocationReject = sequence(
  {
    requestSeqNum: RequestSeqNum,
    rejectReason: LocationRejectReason,
    nonStandardData: optional(NonStandardParameter)
  },
  {
    altGKInfo: AltGKInfo,
    tokens: sequenceOf(ClearToken),
    cryptoTokens: sequenceOf(CryptoH323Token),
    integrityCheckValue: ICV,
    featureSet: FeatureSet,
    genericData: sequenceOf(GenericData),
    serviceControl: sequenceOf(ServiceControlSession)
  }
)
export type LocationReject = Infer<typeof LocationReject>
