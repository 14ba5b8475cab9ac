/** H.225.0 v8 §7.9–7.10: registration and unregistration (RRQ, RCF, RRJ, URQ, UCF, URJ). */
import { boolean, choice, type Infer, ia5String, integer, nothing, optional, sequence, sequenceOf } from '../../asn1/asn1.ts'
import { ClearToken } from '../../h235/tokens.ts'
import { AddressPattern, AliasAddress, TransportAddress } from '../addresses.ts'
import { CallCapacity, CapacityReportingCapability, CapacityReportingSpecification } from '../capacity.ts'
import { Endpoint } from '../endpoint.ts'
import { EndpointType, SupportedPrefix } from '../endpoint-type.ts'
import { AlternateGK, AlternateTransportAddresses, AltGKInfo, RehomingModel, UseSpecifiedTransport } from '../gatekeepers.ts'
import { FeatureSet, GenericData } from '../generic-data.ts'
import {
  BandWidth,
  EndpointIdentifier,
  GatekeeperIdentifier,
  H248PackagesDescriptor,
  NonStandardParameter,
  ProtocolIdentifier,
  RequestSeqNum,
  TimeToLive,
  VendorIdentifier
} from '../identifiers.ts'
import { TransportQOS } from '../quality.ts'
import { CryptoH323Token, ICV } from '../security.ts'
import { SecurityErrors, SecurityErrors2 } from '../security-errors.ts'
import { CallCreditCapability, ServiceControlSession } from '../service-control.ts'
import { RasUsageInfoTypes, RasUsageSpecification } from '../usage.ts'

export const RegistrationRequest = sequence(
  {
    requestSeqNum: RequestSeqNum,
    protocolIdentifier: ProtocolIdentifier,
    nonStandardData: optional(NonStandardParameter),
    discoveryComplete: boolean,
    callSignalAddress: sequenceOf(TransportAddress),
    rasAddress: sequenceOf(TransportAddress),
    terminalType: EndpointType,
    terminalAlias: optional(sequenceOf(AliasAddress)),
    gatekeeperIdentifier: optional(GatekeeperIdentifier),
    endpointVendor: VendorIdentifier
  },
  {
    alternateEndpoints: sequenceOf(Endpoint),
    timeToLive: TimeToLive,
    tokens: sequenceOf(ClearToken),
    cryptoTokens: sequenceOf(CryptoH323Token),
    integrityCheckValue: ICV,
    keepAlive: boolean,
    endpointIdentifier: EndpointIdentifier,
    willSupplyUUIEs: boolean,
    maintainConnection: boolean,
    alternateTransportAddresses: AlternateTransportAddresses,
    additiveRegistration: nothing,
    terminalAliasPattern: sequenceOf(AddressPattern),
    supportsAltGK: nothing,
    usageReportingCapability: RasUsageInfoTypes,
    multipleCalls: boolean,
    supportedH248Packages: sequenceOf(H248PackagesDescriptor),
    callCreditCapability: CallCreditCapability,
    capacityReportingCapability: CapacityReportingCapability,
    capacity: CallCapacity,
    featureSet: FeatureSet,
    genericData: sequenceOf(GenericData),
    restart: nothing,
    supportsACFSequences: nothing,
    supportsAssignedGK: boolean,
    assignedGatekeeper: AlternateGK,
    transportQOS: TransportQOS,
    language: sequenceOf(ia5String({ size: [1, 32] }))
  }
)
export type RegistrationRequest = Infer<typeof RegistrationRequest>

export const RegistrationConfirm = sequence(
  {
    requestSeqNum: RequestSeqNum,
    protocolIdentifier: ProtocolIdentifier,
    nonStandardData: optional(NonStandardParameter),
    callSignalAddress: sequenceOf(TransportAddress),
    terminalAlias: optional(sequenceOf(AliasAddress)),
    gatekeeperIdentifier: optional(GatekeeperIdentifier),
    endpointIdentifier: EndpointIdentifier
  },
  {
    alternateGatekeeper: sequenceOf(AlternateGK),
    timeToLive: TimeToLive,
    tokens: sequenceOf(ClearToken),
    cryptoTokens: sequenceOf(CryptoH323Token),
    integrityCheckValue: ICV,
    willRespondToIRR: boolean,
    preGrantedARQ: sequence(
      {
        makeCall: boolean,
        useGKCallSignalAddressToMakeCall: boolean,
        answerCall: boolean,
        useGKCallSignalAddressToAnswer: boolean
      },
      {
        irrFrequencyInCall: integer(1, 65_535),
        totalBandwidthRestriction: BandWidth,
        alternateTransportAddresses: AlternateTransportAddresses,
        useSpecifiedTransport: UseSpecifiedTransport
      }
    ),
    maintainConnection: boolean,
    serviceControl: sequenceOf(ServiceControlSession),
    supportsAdditiveRegistration: nothing,
    terminalAliasPattern: sequenceOf(AddressPattern),
    supportedPrefixes: sequenceOf(SupportedPrefix),
    usageSpec: sequenceOf(RasUsageSpecification),
    featureServerAlias: AliasAddress,
    capacityReportingSpec: CapacityReportingSpecification,
    featureSet: FeatureSet,
    genericData: sequenceOf(GenericData),
    assignedGatekeeper: AlternateGK,
    rehomingModel: RehomingModel,
    transportQOS: TransportQOS,
    language: sequenceOf(ia5String({ size: [1, 32] }))
  }
)
export type RegistrationConfirm = Infer<typeof RegistrationConfirm>

export const RegistrationRejectReason = choice(
  {
    discoveryRequired: nothing,
    invalidRevision: nothing,
    invalidCallSignalAddress: nothing,
    invalidRASAddress: nothing,
    duplicateAlias: sequenceOf(AliasAddress),
    invalidTerminalType: nothing,
    undefinedReason: nothing,
    transportNotSupported: nothing
  },
  {
    transportQOSNotSupported: nothing,
    resourceUnavailable: nothing,
    invalidAlias: nothing,
    securityDenial: nothing,
    fullRegistrationRequired: nothing,
    additiveRegistrationNotSupported: nothing,
    invalidTerminalAliases: sequence(
      {
        terminalAlias: optional(sequenceOf(AliasAddress)),
        terminalAliasPattern: optional(sequenceOf(AddressPattern)),
        supportedPrefixes: optional(sequenceOf(SupportedPrefix))
      },
      {}
    ),
    genericDataReason: nothing,
    neededFeatureNotSupported: nothing,
    securityError: SecurityErrors,
    registerWithAssignedGK: nothing
  }
)
export type RegistrationRejectReason = Infer<typeof RegistrationRejectReason>

export const RegistrationReject = sequence(
  {
    requestSeqNum: RequestSeqNum,
    protocolIdentifier: ProtocolIdentifier,
    nonStandardData: optional(NonStandardParameter),
    rejectReason: RegistrationRejectReason,
    gatekeeperIdentifier: optional(GatekeeperIdentifier)
  },
  {
    altGKInfo: AltGKInfo,
    tokens: sequenceOf(ClearToken),
    cryptoTokens: sequenceOf(CryptoH323Token),
    integrityCheckValue: ICV,
    featureSet: FeatureSet,
    genericData: sequenceOf(GenericData),
    assignedGatekeeper: AlternateGK
  }
)
export type RegistrationReject = Infer<typeof RegistrationReject>

export const UnregRequestReason = choice(
  {
    reregistrationRequired: nothing,
    ttlExpired: nothing,
    securityDenial: nothing,
    undefinedReason: nothing
  },
  {
    maintenance: nothing,
    securityError: SecurityErrors2,
    registerWithAssignedGK: nothing
  }
)
export type UnregRequestReason = Infer<typeof UnregRequestReason>

export const UnregistrationRequest = sequence(
  {
    requestSeqNum: RequestSeqNum,
    callSignalAddress: sequenceOf(TransportAddress),
    endpointAlias: optional(sequenceOf(AliasAddress)),
    nonStandardData: optional(NonStandardParameter),
    endpointIdentifier: optional(EndpointIdentifier)
  },
  {
    alternateEndpoints: sequenceOf(Endpoint),
    gatekeeperIdentifier: GatekeeperIdentifier,
    tokens: sequenceOf(ClearToken),
    cryptoTokens: sequenceOf(CryptoH323Token),
    integrityCheckValue: ICV,
    reason: UnregRequestReason,
    endpointAliasPattern: sequenceOf(AddressPattern),
    supportedPrefixes: sequenceOf(SupportedPrefix),
    alternateGatekeeper: sequenceOf(AlternateGK),
    genericData: sequenceOf(GenericData),
    assignedGatekeeper: AlternateGK
  }
)
export type UnregistrationRequest = Infer<typeof UnregistrationRequest>

export const UnregistrationConfirm = sequence(
  {
    requestSeqNum: RequestSeqNum,
    nonStandardData: optional(NonStandardParameter)
  },
  {
    tokens: sequenceOf(ClearToken),
    cryptoTokens: sequenceOf(CryptoH323Token),
    integrityCheckValue: ICV,
    genericData: sequenceOf(GenericData),
    assignedGatekeeper: AlternateGK
  }
)
export type UnregistrationConfirm = Infer<typeof UnregistrationConfirm>

export const UnregRejectReason = choice(
  {
    notCurrentlyRegistered: nothing,
    callInProgress: nothing,
    undefinedReason: nothing
  },
  {
    permissionDenied: nothing,
    securityDenial: nothing,
    securityError: SecurityErrors2
  }
)
export type UnregRejectReason = Infer<typeof UnregRejectReason>

export const UnregistrationReject = sequence(
  {
    requestSeqNum: RequestSeqNum,
    rejectReason: UnregRejectReason,
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
export type UnregistrationReject = Infer<typeof UnregistrationReject>
