/** H.245 v17: what a terminal can multiplex. */
import { boolean, choice, type Infer, integer, nothing, optional, sequence, sequenceOf, setOf } from '../../asn1/asn1.ts'
import { Q2931Address } from '../addresses.ts'
import { SctpParam } from '../data-protocol.ts'
import { CapabilityTableEntryNumber, NonStandardParameter, RTPPayloadType } from '../identifiers.ts'
import { DataApplicationCapability } from './data.ts'
import { GenericCapability } from './generic.ts'

export const VCCapability = sequence(
  {
    aal1: optional(
      sequence(
        {
          nullClockRecovery: boolean,
          srtsClockRecovery: boolean,
          adaptiveClockRecovery: boolean,
          nullErrorCorrection: boolean,
          longInterleaver: boolean,
          shortInterleaver: boolean,
          errorCorrectionOnly: boolean,
          structuredDataTransfer: boolean,
          partiallyFilledCells: boolean
        },
        {}
      )
    ),
    aal5: optional(
      sequence(
        {
          forwardMaximumSDUSize: integer(0, 65_535),
          backwardMaximumSDUSize: integer(0, 65_535)
        },
        {}
      )
    ),
    transportStream: boolean,
    programStream: boolean,
    availableBitRates: sequence(
      {
        type: choice({
          singleBitRate: integer(1, 65_535),
          rangeOfBitRates: sequence({
            lowerBitRate: integer(1, 65_535),
            higherBitRate: integer(1, 65_535)
          })
        })
      },
      {}
    )
  },
  {
    aal1ViaGateway: sequence(
      {
        gatewayAddress: setOf(Q2931Address, [1, 256]),
        nullClockRecovery: boolean,
        srtsClockRecovery: boolean,
        adaptiveClockRecovery: boolean,
        nullErrorCorrection: boolean,
        longInterleaver: boolean,
        shortInterleaver: boolean,
        errorCorrectionOnly: boolean,
        structuredDataTransfer: boolean,
        partiallyFilledCells: boolean
      },
      {}
    )
  }
)
export type VCCapability = Infer<typeof VCCapability>

export const H222Capability = sequence(
  {
    numberOfVCs: integer(1, 256),
    vcCapability: setOf(VCCapability)
  },
  {}
)
export type H222Capability = Infer<typeof H222Capability>

export const H223AnnexCCapability = sequence(
  {
    videoWithAL1M: boolean,
    videoWithAL2M: boolean,
    videoWithAL3M: boolean,
    audioWithAL1M: boolean,
    audioWithAL2M: boolean,
    audioWithAL3M: boolean,
    dataWithAL1M: boolean,
    dataWithAL2M: boolean,
    dataWithAL3M: boolean,
    alpduInterleaving: boolean,
    maximumAL1MPDUSize: integer(0, 65_535),
    maximumAL2MSDUSize: integer(0, 65_535),
    maximumAL3MSDUSize: integer(0, 65_535)
  },
  {
    rsCodeCapability: boolean
  }
)
export type H223AnnexCCapability = Infer<typeof H223AnnexCCapability>

export const H223Capability = sequence(
  {
    'transportWithI-frames': boolean,
    videoWithAL1: boolean,
    videoWithAL2: boolean,
    videoWithAL3: boolean,
    audioWithAL1: boolean,
    audioWithAL2: boolean,
    audioWithAL3: boolean,
    dataWithAL1: boolean,
    dataWithAL2: boolean,
    dataWithAL3: boolean,
    maximumAl2SDUSize: integer(0, 65_535),
    maximumAl3SDUSize: integer(0, 65_535),
    maximumDelayJitter: integer(0, 1023),
    h223MultiplexTableCapability: choice({
      basic: nothing,
      enhanced: sequence(
        {
          maximumNestingDepth: integer(1, 15),
          maximumElementListSize: integer(2, 255),
          maximumSubElementListSize: integer(2, 255)
        },
        {}
      )
    })
  },
  {
    maxMUXPDUSizeCapability: boolean,
    nsrpSupport: boolean,
    mobileOperationTransmitCapability: sequence(
      {
        modeChangeCapability: boolean,
        h223AnnexA: boolean,
        h223AnnexADoubleFlag: boolean,
        h223AnnexB: boolean,
        h223AnnexBwithHeader: boolean
      },
      {}
    ),
    h223AnnexCCapability: H223AnnexCCapability,
    bitRate: integer(1, 19_200),
    mobileMultilinkFrameCapability: sequence(
      {
        maximumSampleSize: integer(1, 255),
        maximumPayloadLength: integer(1, 65_025)
      },
      {}
    )
  }
)
export type H223Capability = Infer<typeof H223Capability>

export const V75Capability = sequence(
  {
    audioHeader: boolean
  },
  {}
)
export type V75Capability = Infer<typeof V75Capability>

export const V76Capability = sequence(
  {
    suspendResumeCapabilitywAddress: boolean,
    suspendResumeCapabilitywoAddress: boolean,
    rejCapability: boolean,
    sREJCapability: boolean,
    mREJCapability: boolean,
    crc8bitCapability: boolean,
    crc16bitCapability: boolean,
    crc32bitCapability: boolean,
    uihCapability: boolean,
    numOfDLCS: integer(2, 8191),
    twoOctetAddressFieldCapability: boolean,
    loopBackTestCapability: boolean,
    n401Capability: integer(1, 4095),
    maxWindowSizeCapability: integer(1, 127),
    v75Capability: V75Capability
  },
  {}
)
export type V76Capability = Infer<typeof V76Capability>

export const MediaPacketizationCapability = sequence(
  {
    h261aVideoPacketization: boolean
  },
  {
    rtpPayloadType: sequenceOf(RTPPayloadType, [1, 256])
  }
)
export type MediaPacketizationCapability = Infer<typeof MediaPacketizationCapability>

export const QOSMode = choice(
  {
    guaranteedQOS: nothing,
    controlledLoad: nothing
  },
  {}
)
export type QOSMode = Infer<typeof QOSMode>

export const RSVPParameters = sequence(
  {
    qosMode: optional(QOSMode),
    tokenRate: optional(integer(1, 4_294_967_295)),
    bucketSize: optional(integer(1, 4_294_967_295)),
    peakRate: optional(integer(1, 4_294_967_295)),
    minPoliced: optional(integer(1, 4_294_967_295)),
    maxPktSize: optional(integer(1, 4_294_967_295))
  },
  {}
)
export type RSVPParameters = Infer<typeof RSVPParameters>

export const ATMParameters = sequence(
  {
    maxNTUSize: integer(0, 65_535),
    atmUBR: boolean,
    atmrtVBR: boolean,
    atmnrtVBR: boolean,
    atmABR: boolean,
    atmCBR: boolean
  },
  {}
)
export type ATMParameters = Infer<typeof ATMParameters>

export const ServicePriorityValue = sequence(
  {
    nonStandardParameter: optional(NonStandardParameter)
  },
  {
    value: integer(0, 255)
  }
)
export type ServicePriorityValue = Infer<typeof ServicePriorityValue>

export const ServicePriority = sequence(
  {
    nonStandardData: optional(NonStandardParameter),
    servicePrioritySignalled: boolean,
    servicePriorityValue: optional(ServicePriorityValue)
  },
  {
    serviceClass: integer(0, 4095),
    serviceSubclass: integer(0, 255)
  }
)
export type ServicePriority = Infer<typeof ServicePriority>

export const AuthorizationParameters = sequence(
  {
    nonStandardData: optional(NonStandardParameter)
  },
  {}
)
export type AuthorizationParameters = Infer<typeof AuthorizationParameters>

export const QOSType = choice(
  {
    desired: nothing,
    required: nothing
  },
  {}
)
export type QOSType = Infer<typeof QOSType>

export const QOSClass = choice(
  {
    class0: nothing,
    class1: nothing,
    class2: nothing,
    class3: nothing,
    class4: nothing,
    class5: nothing
  },
  {}
)
export type QOSClass = Infer<typeof QOSClass>

export const QOSDescriptor = sequence(
  {
    nonStandardData: optional(NonStandardParameter),
    qosType: QOSType,
    qosClass: QOSClass
  },
  {}
)
export type QOSDescriptor = Infer<typeof QOSDescriptor>

export const GenericTransportParameters = sequence(
  {
    nonStandardData: optional(NonStandardParameter),
    averageRate: optional(integer(1, 4_294_967_295)),
    burst: optional(integer(1, 4_294_967_295)),
    peakRate: optional(integer(1, 4_294_967_295)),
    maxPktSize: optional(integer(1, 4_294_967_295))
  },
  {}
)
export type GenericTransportParameters = Infer<typeof GenericTransportParameters>

export const QOSCapability = sequence(
  {
    nonStandardData: optional(NonStandardParameter),
    rsvpParameters: optional(RSVPParameters),
    atmParameters: optional(ATMParameters)
  },
  {
    localQoS: boolean,
    genericTransportParameters: GenericTransportParameters,
    servicePriority: ServicePriority,
    authorizationParameter: AuthorizationParameters,
    qosDescriptor: QOSDescriptor,
    dscpValue: integer(0, 63)
  }
)
export type QOSCapability = Infer<typeof QOSCapability>

export const MediaTransportType = choice(
  {
    'ip-UDP': nothing,
    'ip-TCP': nothing,
    'atm-AAL5-UNIDIR': nothing,
    'atm-AAL5-BIDIR': nothing
  },
  {
    'atm-AAL5-compressed': sequence(
      {
        'variable-delta': boolean
      },
      {}
    ),
    sctp: SctpParam,
    'udp-dtls-sctp': sequenceOf(SctpParam),
    'tcp-dtls-sctp': sequenceOf(SctpParam),
    'sctp-dtls': SctpParam
  }
)
export type MediaTransportType = Infer<typeof MediaTransportType>

export const MediaChannelCapability = sequence(
  {
    mediaTransport: optional(MediaTransportType)
  },
  {}
)
export type MediaChannelCapability = Infer<typeof MediaChannelCapability>

export const TransportCapability = sequence(
  {
    nonStandard: optional(NonStandardParameter),
    qOSCapabilities: optional(sequenceOf(QOSCapability, [1, 256])),
    mediaChannelCapabilities: optional(sequenceOf(MediaChannelCapability, [1, 256]))
  },
  {}
)
export type TransportCapability = Infer<typeof TransportCapability>

export const RTPH263VideoRedundancyFrameMapping = sequence(
  {
    threadNumber: integer(0, 15),
    frameSequence: sequenceOf(integer(0, 255), [1, 256])
  },
  {}
)
export type RTPH263VideoRedundancyFrameMapping = Infer<typeof RTPH263VideoRedundancyFrameMapping>

export const RTPH263VideoRedundancyEncoding = sequence(
  {
    numberOfThreads: integer(1, 16),
    framesBetweenSyncPoints: integer(1, 256),
    frameToThreadMapping: choice(
      {
        roundrobin: nothing,
        custom: sequenceOf(RTPH263VideoRedundancyFrameMapping, [1, 256])
      },
      {}
    ),
    containedThreads: optional(sequenceOf(integer(0, 15), [1, 256]))
  },
  {}
)
export type RTPH263VideoRedundancyEncoding = Infer<typeof RTPH263VideoRedundancyEncoding>

export const RedundancyEncodingMethod = choice(
  {
    nonStandard: NonStandardParameter,
    rtpAudioRedundancyEncoding: nothing
  },
  {
    rtpH263VideoRedundancyEncoding: RTPH263VideoRedundancyEncoding
  }
)
export type RedundancyEncodingMethod = Infer<typeof RedundancyEncodingMethod>

export const RedundancyEncodingCapability = sequence(
  {
    redundancyEncodingMethod: RedundancyEncodingMethod,
    primaryEncoding: CapabilityTableEntryNumber,
    secondaryEncoding: optional(sequenceOf(CapabilityTableEntryNumber, [1, 256]))
  },
  {}
)
export type RedundancyEncodingCapability = Infer<typeof RedundancyEncodingCapability>

export const MediaDistributionCapability = sequence(
  {
    centralizedControl: boolean,
    distributedControl: boolean,
    centralizedAudio: boolean,
    distributedAudio: boolean,
    centralizedVideo: boolean,
    distributedVideo: boolean,
    centralizedData: optional(sequenceOf(DataApplicationCapability)),
    distributedData: optional(sequenceOf(DataApplicationCapability))
  },
  {}
)
export type MediaDistributionCapability = Infer<typeof MediaDistributionCapability>

export const MultipointCapability = sequence(
  {
    multicastCapability: boolean,
    multiUniCastConference: boolean,
    mediaDistributionCapability: sequenceOf(MediaDistributionCapability)
  },
  {}
)
export type MultipointCapability = Infer<typeof MultipointCapability>

export const H2250Capability = sequence(
  {
    maximumAudioDelayJitter: integer(0, 1023),
    receiveMultipointCapability: MultipointCapability,
    transmitMultipointCapability: MultipointCapability,
    receiveAndTransmitMultipointCapability: MultipointCapability,
    mcCapability: sequence(
      {
        centralizedConferenceMC: boolean,
        decentralizedConferenceMC: boolean
      },
      {}
    ),
    rtcpVideoControlCapability: boolean,
    mediaPacketizationCapability: MediaPacketizationCapability
  },
  {
    transportCapability: TransportCapability,
    redundancyEncodingCapability: sequenceOf(RedundancyEncodingCapability, [1, 256]),
    logicalChannelSwitchingCapability: boolean,
    t120DynamicPortCapability: boolean
  }
)
export type H2250Capability = Infer<typeof H2250Capability>

export const MultiplexCapability = choice(
  {
    nonStandard: NonStandardParameter,
    h222Capability: H222Capability,
    h223Capability: H223Capability,
    v76Capability: V76Capability
  },
  {
    h2250Capability: H2250Capability,
    genericMultiplexCapability: GenericCapability
  }
)
export type MultiplexCapability = Infer<typeof MultiplexCapability>
