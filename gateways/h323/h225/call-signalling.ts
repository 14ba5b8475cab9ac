/** H.225.0 v8 §7.3: user-user information of the call signalling messages. */
import {
  boolean,
  choice,
  type Infer,
  ia5String,
  integer,
  nothing,
  octetString,
  optional,
  sequence,
  sequenceOf
} from '../asn1/asn1.ts'
import { ClearToken } from '../h235/tokens.ts'
import { AliasAddress, DisplayName, ExtendedAliasAddress, TransportAddress } from './addresses.ts'
import {
  CallLinkage,
  CallType,
  PresentationIndicator,
  QseriesOptions,
  ScnConnectionAggregation,
  ScnConnectionType,
  ScreeningIndicator
} from './call-types.ts'
import { CallCapacity } from './capacity.ts'
import { CircuitInfo } from './circuits.ts'
import { EndpointType, SupportedProtocols } from './endpoint-type.ts'
import { FeatureDescriptor, FeatureSet, GenericData } from './generic-data.ts'
import {
  CallIdentifier,
  CallReferenceValue,
  ConferenceIdentifier,
  EndpointIdentifier,
  NonStandardParameter,
  ProtocolIdentifier,
  TunnelledProtocol
} from './identifiers.ts'
import { CryptoH323Token, H245Security } from './security.ts'
import { ServiceControlSession } from './service-control.ts'
import { ReleaseCompleteReason } from './termination.ts'

export const StimulusControl = sequence(
  {
    nonStandard: optional(NonStandardParameter),
    isText: optional(nothing),
    h248Message: optional(octetString())
  },
  {}
)
export type StimulusControl = Infer<typeof StimulusControl>

export const AlertingUUIE = sequence(
  {
    protocolIdentifier: ProtocolIdentifier,
    destinationInfo: EndpointType,
    h245Address: optional(TransportAddress)
  },
  {
    callIdentifier: CallIdentifier,
    h245SecurityMode: H245Security,
    tokens: sequenceOf(ClearToken),
    cryptoTokens: sequenceOf(CryptoH323Token),
    fastStart: sequenceOf(octetString()),
    multipleCalls: boolean,
    maintainConnection: boolean,
    alertingAddress: sequenceOf(AliasAddress),
    presentationIndicator: PresentationIndicator,
    screeningIndicator: ScreeningIndicator,
    fastConnectRefused: nothing,
    serviceControl: sequenceOf(ServiceControlSession),
    capacity: CallCapacity,
    featureSet: FeatureSet,
    displayName: sequenceOf(DisplayName)
  }
)
export type AlertingUUIE = Infer<typeof AlertingUUIE>

export const CallProceedingUUIE = sequence(
  {
    protocolIdentifier: ProtocolIdentifier,
    destinationInfo: EndpointType,
    h245Address: optional(TransportAddress)
  },
  {
    callIdentifier: CallIdentifier,
    h245SecurityMode: H245Security,
    tokens: sequenceOf(ClearToken),
    cryptoTokens: sequenceOf(CryptoH323Token),
    fastStart: sequenceOf(octetString()),
    multipleCalls: boolean,
    maintainConnection: boolean,
    fastConnectRefused: nothing,
    featureSet: FeatureSet
  }
)
export type CallProceedingUUIE = Infer<typeof CallProceedingUUIE>

export const ConnectUUIE = sequence(
  {
    protocolIdentifier: ProtocolIdentifier,
    h245Address: optional(TransportAddress),
    destinationInfo: EndpointType,
    conferenceID: ConferenceIdentifier
  },
  {
    callIdentifier: CallIdentifier,
    h245SecurityMode: H245Security,
    tokens: sequenceOf(ClearToken),
    cryptoTokens: sequenceOf(CryptoH323Token),
    fastStart: sequenceOf(octetString()),
    multipleCalls: boolean,
    maintainConnection: boolean,
    language: sequenceOf(ia5String({ size: [1, 32] })),
    connectedAddress: sequenceOf(AliasAddress),
    presentationIndicator: PresentationIndicator,
    screeningIndicator: ScreeningIndicator,
    fastConnectRefused: nothing,
    serviceControl: sequenceOf(ServiceControlSession),
    capacity: CallCapacity,
    featureSet: FeatureSet,
    displayName: sequenceOf(DisplayName)
  }
)
export type ConnectUUIE = Infer<typeof ConnectUUIE>

export const InformationUUIE = sequence(
  {
    protocolIdentifier: ProtocolIdentifier
  },
  {
    callIdentifier: CallIdentifier,
    tokens: sequenceOf(ClearToken),
    cryptoTokens: sequenceOf(CryptoH323Token),
    fastStart: sequenceOf(octetString()),
    fastConnectRefused: nothing,
    circuitInfo: CircuitInfo
  }
)
export type InformationUUIE = Infer<typeof InformationUUIE>

export const ReleaseCompleteUUIE = sequence(
  {
    protocolIdentifier: ProtocolIdentifier,
    reason: optional(ReleaseCompleteReason)
  },
  {
    callIdentifier: CallIdentifier,
    tokens: sequenceOf(ClearToken),
    cryptoTokens: sequenceOf(CryptoH323Token),
    busyAddress: sequenceOf(AliasAddress),
    presentationIndicator: PresentationIndicator,
    screeningIndicator: ScreeningIndicator,
    capacity: CallCapacity,
    serviceControl: sequenceOf(ServiceControlSession),
    featureSet: FeatureSet,
    destinationInfo: EndpointType,
    displayName: sequenceOf(DisplayName)
  }
)
export type ReleaseCompleteUUIE = Infer<typeof ReleaseCompleteUUIE>

export const SetupUUIE = sequence(
  {
    protocolIdentifier: ProtocolIdentifier,
    h245Address: optional(TransportAddress),
    sourceAddress: optional(sequenceOf(AliasAddress)),
    sourceInfo: EndpointType,
    destinationAddress: optional(sequenceOf(AliasAddress)),
    destCallSignalAddress: optional(TransportAddress),
    destExtraCallInfo: optional(sequenceOf(AliasAddress)),
    destExtraCRV: optional(sequenceOf(CallReferenceValue)),
    activeMC: boolean,
    conferenceID: ConferenceIdentifier,
    conferenceGoal: choice(
      {
        create: nothing,
        join: nothing,
        invite: nothing
      },
      {
        'capability-negotiation': nothing,
        callIndependentSupplementaryService: nothing
      }
    ),
    callServices: optional(QseriesOptions),
    callType: CallType
  },
  {
    sourceCallSignalAddress: TransportAddress,
    remoteExtensionAddress: AliasAddress,
    callIdentifier: CallIdentifier,
    h245SecurityCapability: sequenceOf(H245Security),
    tokens: sequenceOf(ClearToken),
    cryptoTokens: sequenceOf(CryptoH323Token),
    fastStart: sequenceOf(octetString()),
    mediaWaitForConnect: boolean,
    canOverlapSend: boolean,
    endpointIdentifier: EndpointIdentifier,
    multipleCalls: boolean,
    maintainConnection: boolean,
    connectionParameters: sequence(
      {
        connectionType: ScnConnectionType,
        numberOfScnConnections: integer(0, 65_535),
        connectionAggregation: ScnConnectionAggregation
      },
      {}
    ),
    language: sequenceOf(ia5String({ size: [1, 32] })),
    presentationIndicator: PresentationIndicator,
    screeningIndicator: ScreeningIndicator,
    serviceControl: sequenceOf(ServiceControlSession),
    symmetricOperationRequired: nothing,
    capacity: CallCapacity,
    circuitInfo: CircuitInfo,
    desiredProtocols: sequenceOf(SupportedProtocols),
    neededFeatures: sequenceOf(FeatureDescriptor),
    desiredFeatures: sequenceOf(FeatureDescriptor),
    supportedFeatures: sequenceOf(FeatureDescriptor),
    parallelH245Control: sequenceOf(octetString()),
    additionalSourceAddresses: sequenceOf(ExtendedAliasAddress),
    hopCount: integer(1, 31),
    displayName: sequenceOf(DisplayName)
  }
)
export type SetupUUIE = Infer<typeof SetupUUIE>

export const ConferenceList = sequence(
  {
    conferenceID: optional(ConferenceIdentifier),
    conferenceAlias: optional(AliasAddress),
    nonStandardData: optional(NonStandardParameter)
  },
  {}
)
export type ConferenceList = Infer<typeof ConferenceList>

export const FacilityReason = choice(
  {
    routeCallToGatekeeper: nothing,
    callForwarded: nothing,
    routeCallToMC: nothing,
    undefinedReason: nothing
  },
  {
    conferenceListChoice: nothing,
    startH245: nothing,
    noH245: nothing,
    newTokens: nothing,
    featureSetUpdate: nothing,
    forwardedElements: nothing,
    transportedInformation: nothing
  }
)
export type FacilityReason = Infer<typeof FacilityReason>

export const FacilityUUIE = sequence(
  {
    protocolIdentifier: ProtocolIdentifier,
    alternativeAddress: optional(TransportAddress),
    alternativeAliasAddress: optional(sequenceOf(AliasAddress)),
    conferenceID: optional(ConferenceIdentifier),
    reason: FacilityReason
  },
  {
    callIdentifier: CallIdentifier,
    destExtraCallInfo: sequenceOf(AliasAddress),
    remoteExtensionAddress: AliasAddress,
    tokens: sequenceOf(ClearToken),
    cryptoTokens: sequenceOf(CryptoH323Token),
    conferences: sequenceOf(ConferenceList),
    h245Address: TransportAddress,
    fastStart: sequenceOf(octetString()),
    multipleCalls: boolean,
    maintainConnection: boolean,
    fastConnectRefused: nothing,
    serviceControl: sequenceOf(ServiceControlSession),
    circuitInfo: CircuitInfo,
    featureSet: FeatureSet,
    destinationInfo: EndpointType,
    h245SecurityMode: H245Security
  }
)
export type FacilityUUIE = Infer<typeof FacilityUUIE>

export const ProgressUUIE = sequence(
  {
    protocolIdentifier: ProtocolIdentifier,
    destinationInfo: EndpointType,
    h245Address: optional(TransportAddress),
    callIdentifier: CallIdentifier,
    h245SecurityMode: optional(H245Security),
    tokens: optional(sequenceOf(ClearToken)),
    cryptoTokens: optional(sequenceOf(CryptoH323Token)),
    fastStart: optional(sequenceOf(octetString()))
  },
  {
    multipleCalls: boolean,
    maintainConnection: boolean,
    fastConnectRefused: nothing
  }
)
export type ProgressUUIE = Infer<typeof ProgressUUIE>

export const StatusUUIE = sequence(
  {
    protocolIdentifier: ProtocolIdentifier,
    callIdentifier: CallIdentifier,
    tokens: optional(sequenceOf(ClearToken)),
    cryptoTokens: optional(sequenceOf(CryptoH323Token))
  },
  {}
)
export type StatusUUIE = Infer<typeof StatusUUIE>

export const StatusInquiryUUIE = sequence(
  {
    protocolIdentifier: ProtocolIdentifier,
    callIdentifier: CallIdentifier,
    tokens: optional(sequenceOf(ClearToken)),
    cryptoTokens: optional(sequenceOf(CryptoH323Token))
  },
  {}
)
export type StatusInquiryUUIE = Infer<typeof StatusInquiryUUIE>

export const SetupAcknowledgeUUIE = sequence(
  {
    protocolIdentifier: ProtocolIdentifier,
    callIdentifier: CallIdentifier,
    tokens: optional(sequenceOf(ClearToken)),
    cryptoTokens: optional(sequenceOf(CryptoH323Token))
  },
  {}
)
export type SetupAcknowledgeUUIE = Infer<typeof SetupAcknowledgeUUIE>

export const NotifyUUIE = sequence(
  {
    protocolIdentifier: ProtocolIdentifier,
    callIdentifier: CallIdentifier,
    tokens: optional(sequenceOf(ClearToken)),
    cryptoTokens: optional(sequenceOf(CryptoH323Token))
  },
  {
    connectedAddress: sequenceOf(AliasAddress),
    presentationIndicator: PresentationIndicator,
    screeningIndicator: ScreeningIndicator,
    destinationInfo: EndpointType,
    displayName: sequenceOf(DisplayName)
  }
)
export type NotifyUUIE = Infer<typeof NotifyUUIE>

export const H323UUPDU = sequence(
  {
    'h323-message-body': choice(
      {
        setup: SetupUUIE,
        callProceeding: CallProceedingUUIE,
        connect: ConnectUUIE,
        alerting: AlertingUUIE,
        information: InformationUUIE,
        releaseComplete: ReleaseCompleteUUIE,
        facility: FacilityUUIE
      },
      {
        progress: ProgressUUIE,
        empty: nothing,
        status: StatusUUIE,
        statusInquiry: StatusInquiryUUIE,
        setupAcknowledge: SetupAcknowledgeUUIE,
        notify: NotifyUUIE
      }
    ),
    nonStandardData: optional(NonStandardParameter)
  },
  {
    h4501SupplementaryService: sequenceOf(octetString()),
    h245Tunneling: boolean,
    h245Control: sequenceOf(octetString()),
    nonStandardControl: sequenceOf(NonStandardParameter),
    callLinkage: CallLinkage,
    tunnelledSignallingMessage: sequence(
      {
        tunnelledProtocolID: TunnelledProtocol,
        messageContent: sequenceOf(octetString()),
        tunnellingRequired: optional(nothing),
        nonStandardData: optional(NonStandardParameter)
      },
      {}
    ),
    provisionalRespToH245Tunneling: nothing,
    stimulusControl: StimulusControl,
    genericData: sequenceOf(GenericData)
  }
)
export type H323UUPDU = Infer<typeof H323UUPDU>

export const H323UserInformation = sequence(
  {
    'h323-uu-pdu': H323UUPDU,
    'user-data': optional(
      sequence(
        {
          'protocol-discriminator': integer(0, 255),
          'user-information': octetString([1, 131])
        },
        {}
      )
    )
  },
  {}
)
export type H323UserInformation = Infer<typeof H323UserInformation>
