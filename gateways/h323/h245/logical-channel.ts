/** H.245 v17 §C.4–C.6: opening and closing logical channels, and what flows in them. */
import {
  bitString,
  boolean,
  choice,
  type Infer,
  ia5String,
  integer,
  lazy,
  nothing,
  objectIdentifier,
  octetString,
  optional,
  sequence,
  sequenceOf,
  type Type,
  type UnknownExtension
} from '../asn1/asn1.ts'
import { Q2931Address, TransportAddress } from './addresses.ts'
import { AudioCapability } from './capability/audio.ts'
import { DataApplicationCapability } from './capability/data.ts'
import { QOSCapability, RedundancyEncodingMethod, TransportCapability } from './capability/multiplex.ts'
import { VideoCapability } from './capability/video.ts'
import { GenericInformation, GenericParameter } from './generic.ts'
import { LogicalChannelNumber, NonStandardParameter, RTPPayloadType, TerminalLabel } from './identifiers.ts'
import { EncryptionMode } from './mode-request.ts'
import { H223AL1MParameters, H223AL2MParameters, H223AL3MParameters, MultiplexedStreamParameter } from './multiplex-parameters.ts'
import { DTLSSecurityCapability, EncryptionAuthenticationAndIntegrity } from './security.ts'

export const NetworkAccessParameters = sequence(
  {
    distribution: optional(
      choice(
        {
          unicast: nothing,
          multicast: nothing
        },
        {}
      )
    ),
    networkAddress: choice(
      {
        q2931Address: Q2931Address,
        e164Address: ia5String({ size: [1, 128], alphabet: '#*,0123456789' }),
        localAreaAddress: TransportAddress
      },
      {}
    ),
    associateConference: boolean,
    externalReference: optional(octetString([1, 255]))
  },
  {
    t120SetupProcedure: choice(
      {
        originateCall: nothing,
        waitForCall: nothing,
        issueQuery: nothing
      },
      {}
    )
  }
)
export type NetworkAccessParameters = Infer<typeof NetworkAccessParameters>

export const DepFECData = choice({
  rfc2733: sequence(
    {
      mode: choice(
        {
          redundancyEncoding: nothing,
          separateStream: choice(
            {
              differentPort: sequence(
                {
                  protectedSessionID: integer(1, 255),
                  protectedPayloadType: optional(integer(0, 127))
                },
                {}
              ),
              samePort: sequence(
                {
                  protectedPayloadType: integer(0, 127)
                },
                {}
              )
            },
            {}
          )
        },
        {}
      )
    },
    {}
  )
})
export type DepFECData = Infer<typeof DepFECData>

export const FECData = choice(
  {
    rfc2733: sequence(
      {
        protectedPayloadType: integer(0, 127),
        fecScheme: optional(objectIdentifier),
        pktMode: choice(
          {
            rfc2198coding: nothing,
            rfc2733sameport: sequence({}, {}),
            rfc2733diffport: sequence(
              {
                protectedChannel: LogicalChannelNumber
              },
              {}
            )
          },
          {}
        )
      },
      {}
    )
  },
  {}
)
export type FECData = Infer<typeof FECData>

/** Contains itself, so its values are told by hand. */
export type DataType =
  | { readonly type: 'nonStandard'; readonly value: NonStandardParameter }
  | { readonly type: 'nullData' }
  | { readonly type: 'videoData'; readonly value: VideoCapability }
  | { readonly type: 'audioData'; readonly value: AudioCapability }
  | { readonly type: 'data'; readonly value: DataApplicationCapability }
  | { readonly type: 'encryptionData'; readonly value: EncryptionMode }
  | { readonly type: 'h235Control'; readonly value: NonStandardParameter }
  | { readonly type: 'h235Media'; readonly value: H235Media }
  | { readonly type: 'multiplexedStream'; readonly value: MultiplexedStreamParameter }
  | { readonly type: 'redundancyEncoding'; readonly value: RedundancyEncoding }
  | { readonly type: 'multiplePayloadStream'; readonly value: MultiplePayloadStream }
  | { readonly type: 'depFec'; readonly value: DepFECData }
  | { readonly type: 'fec'; readonly value: FECData }
  | UnknownExtension
export const DataType: Type<DataType> = choice(
  {
    nonStandard: NonStandardParameter,
    nullData: nothing,
    videoData: VideoCapability,
    audioData: AudioCapability,
    data: DataApplicationCapability,
    encryptionData: EncryptionMode
  },
  {
    h235Control: NonStandardParameter,
    h235Media: lazy(() => H235Media),
    multiplexedStream: MultiplexedStreamParameter,
    redundancyEncoding: lazy(() => RedundancyEncoding),
    multiplePayloadStream: lazy(() => MultiplePayloadStream),
    depFec: DepFECData,
    fec: FECData
  }
)

export const H222LogicalChannelParameters = sequence(
  {
    resourceID: integer(0, 65_535),
    subChannelID: integer(0, 8191),
    'pcr-pid': optional(integer(0, 8191)),
    programDescriptors: optional(octetString()),
    streamDescriptors: optional(octetString())
  },
  {}
)
export type H222LogicalChannelParameters = Infer<typeof H222LogicalChannelParameters>

export const H223LogicalChannelParameters = sequence(
  {
    adaptationLayerType: choice(
      {
        nonStandard: NonStandardParameter,
        al1Framed: nothing,
        al1NotFramed: nothing,
        al2WithoutSequenceNumbers: nothing,
        al2WithSequenceNumbers: nothing,
        al3: sequence({
          controlFieldOctets: integer(0, 2),
          sendBufferSize: integer(0, 16_777_215)
        })
      },
      {
        al1M: H223AL1MParameters,
        al2M: H223AL2MParameters,
        al3M: H223AL3MParameters
      }
    ),
    segmentableFlag: boolean
  },
  {}
)
export type H223LogicalChannelParameters = Infer<typeof H223LogicalChannelParameters>

export const V75Parameters = sequence(
  {
    audioHeaderPresent: boolean
  },
  {}
)
export type V75Parameters = Infer<typeof V75Parameters>

export const CRCLength = choice(
  {
    crc8bit: nothing,
    crc16bit: nothing,
    crc32bit: nothing
  },
  {}
)
export type CRCLength = Infer<typeof CRCLength>

export const V76HDLCParameters = sequence(
  {
    crcLength: CRCLength,
    n401: integer(1, 4095),
    loopbackTestProcedure: boolean
  },
  {}
)
export type V76HDLCParameters = Infer<typeof V76HDLCParameters>

export const V76LogicalChannelParameters = sequence(
  {
    hdlcParameters: V76HDLCParameters,
    suspendResume: choice(
      {
        noSuspendResume: nothing,
        suspendResumewAddress: nothing,
        suspendResumewoAddress: nothing
      },
      {}
    ),
    uIH: boolean,
    mode: choice(
      {
        eRM: sequence(
          {
            windowSize: integer(1, 127),
            recovery: choice(
              {
                rej: nothing,
                sREJ: nothing,
                mSREJ: nothing
              },
              {}
            )
          },
          {}
        ),
        uNERM: nothing
      },
      {}
    ),
    v75Parameters: V75Parameters
  },
  {}
)
export type V76LogicalChannelParameters = Infer<typeof V76LogicalChannelParameters>

export const RedundancyEncodingElement = sequence(
  {
    dataType: DataType,
    payloadType: optional(integer(0, 127))
  },
  {}
)
export type RedundancyEncodingElement = Infer<typeof RedundancyEncodingElement>

export const RedundancyEncoding = sequence(
  {
    redundancyEncodingMethod: RedundancyEncodingMethod,
    secondaryEncoding: optional(DataType)
  },
  {
    rtpRedundancyEncoding: sequence(
      {
        primary: optional(RedundancyEncodingElement),
        secondary: optional(sequenceOf(RedundancyEncodingElement))
      },
      {}
    )
  }
)
export type RedundancyEncoding = Infer<typeof RedundancyEncoding>

export const H2250LogicalChannelParameters = sequence(
  {
    nonStandard: optional(sequenceOf(NonStandardParameter)),
    sessionID: integer(0, 255),
    associatedSessionID: optional(integer(1, 255)),
    mediaChannel: optional(TransportAddress),
    mediaGuaranteedDelivery: optional(boolean),
    mediaControlChannel: optional(TransportAddress),
    mediaControlGuaranteedDelivery: optional(boolean),
    silenceSuppression: optional(boolean),
    destination: optional(TerminalLabel),
    dynamicRTPPayloadType: optional(integer(96, 127)),
    mediaPacketization: optional(
      choice(
        {
          h261aVideoPacketization: nothing
        },
        {
          rtpPayloadType: RTPPayloadType
        }
      )
    )
  },
  {
    transportCapability: TransportCapability,
    redundancyEncoding: RedundancyEncoding,
    source: TerminalLabel,
    nominalAudioLevel: integer(0, 63)
  }
)
export type H2250LogicalChannelParameters = Infer<typeof H2250LogicalChannelParameters>

export const EscrowData = sequence(
  {
    escrowID: objectIdentifier,
    escrowValue: bitString([1, 65_535])
  },
  {}
)
export type EscrowData = Infer<typeof EscrowData>

export const EncryptionSync = sequence(
  {
    nonStandard: optional(NonStandardParameter),
    synchFlag: integer(0, 255),
    h235Key: octetString([1, 65_535]),
    escrowentry: optional(sequenceOf(EscrowData, [1, 256]))
  },
  {
    genericParameter: GenericParameter
  }
)
export type EncryptionSync = Infer<typeof EncryptionSync>

export const OpenLogicalChannel = sequence(
  {
    forwardLogicalChannelNumber: LogicalChannelNumber,
    forwardLogicalChannelParameters: sequence(
      {
        portNumber: optional(integer(0, 65_535)),
        dataType: DataType,
        multiplexParameters: choice(
          {
            h222LogicalChannelParameters: H222LogicalChannelParameters,
            h223LogicalChannelParameters: H223LogicalChannelParameters,
            v76LogicalChannelParameters: V76LogicalChannelParameters
          },
          {
            h2250LogicalChannelParameters: H2250LogicalChannelParameters,
            none: nothing
          }
        )
      },
      {
        forwardLogicalChannelDependency: LogicalChannelNumber,
        replacementFor: LogicalChannelNumber
      }
    ),
    reverseLogicalChannelParameters: optional(
      sequence(
        {
          dataType: DataType,
          multiplexParameters: optional(
            choice(
              {
                h223LogicalChannelParameters: H223LogicalChannelParameters,
                v76LogicalChannelParameters: V76LogicalChannelParameters
              },
              {
                h2250LogicalChannelParameters: H2250LogicalChannelParameters
              }
            )
          )
        },
        {
          reverseLogicalChannelDependency: LogicalChannelNumber,
          replacementFor: LogicalChannelNumber
        }
      )
    )
  },
  {
    separateStack: NetworkAccessParameters,
    encryptionSync: EncryptionSync,
    genericInformation: sequenceOf(GenericInformation)
  }
)
export type OpenLogicalChannel = Infer<typeof OpenLogicalChannel>

export const MultiplePayloadStreamElement = sequence(
  {
    dataType: DataType,
    payloadType: optional(integer(0, 127))
  },
  {}
)
export type MultiplePayloadStreamElement = Infer<typeof MultiplePayloadStreamElement>

export const MultiplePayloadStream = sequence(
  {
    elements: sequenceOf(MultiplePayloadStreamElement)
  },
  {}
)
export type MultiplePayloadStream = Infer<typeof MultiplePayloadStream>

export const H235Media = sequence(
  {
    encryptionAuthenticationAndIntegrity: EncryptionAuthenticationAndIntegrity,
    mediaType: choice(
      {
        nonStandard: NonStandardParameter,
        videoData: VideoCapability,
        audioData: AudioCapability,
        data: DataApplicationCapability
      },
      {
        redundancyEncoding: RedundancyEncoding,
        multiplePayloadStream: MultiplePayloadStream,
        depFec: DepFECData,
        fec: FECData
      }
    )
  },
  {}
)
export type H235Media = Infer<typeof H235Media>

export const H2250LogicalChannelAckParameters = sequence(
  {
    nonStandard: optional(sequenceOf(NonStandardParameter)),
    sessionID: optional(integer(1, 255)),
    mediaChannel: optional(TransportAddress),
    mediaControlChannel: optional(TransportAddress),
    dynamicRTPPayloadType: optional(integer(96, 127))
  },
  {
    flowControlToZero: boolean,
    portNumber: integer(0, 65_535),
    multiplePayloadStream: MultiplePayloadStream
  }
)
export type H2250LogicalChannelAckParameters = Infer<typeof H2250LogicalChannelAckParameters>

export const OpenLogicalChannelAck = sequence(
  {
    forwardLogicalChannelNumber: LogicalChannelNumber,
    reverseLogicalChannelParameters: optional(
      sequence(
        {
          reverseLogicalChannelNumber: LogicalChannelNumber,
          portNumber: optional(integer(0, 65_535)),
          multiplexParameters: optional(
            choice(
              {
                h222LogicalChannelParameters: H222LogicalChannelParameters
              },
              {
                h2250LogicalChannelParameters: H2250LogicalChannelParameters
              }
            )
          )
        },
        {
          replacementFor: LogicalChannelNumber
        }
      )
    )
  },
  {
    separateStack: NetworkAccessParameters,
    forwardMultiplexAckParameters: choice(
      {
        h2250LogicalChannelAckParameters: H2250LogicalChannelAckParameters
      },
      {}
    ),
    encryptionSync: EncryptionSync,
    genericInformation: sequenceOf(GenericInformation),
    dtlsSecurityCapability: DTLSSecurityCapability
  }
)
export type OpenLogicalChannelAck = Infer<typeof OpenLogicalChannelAck>

export const OpenLogicalChannelReject = sequence(
  {
    forwardLogicalChannelNumber: LogicalChannelNumber,
    cause: choice(
      {
        unspecified: nothing,
        unsuitableReverseParameters: nothing,
        dataTypeNotSupported: nothing,
        dataTypeNotAvailable: nothing,
        unknownDataType: nothing,
        dataTypeALCombinationNotSupported: nothing
      },
      {
        multicastChannelNotAllowed: nothing,
        insufficientBandwidth: nothing,
        separateStackEstablishmentFailed: nothing,
        invalidSessionID: nothing,
        masterSlaveConflict: nothing,
        waitForCommunicationMode: nothing,
        invalidDependentChannel: nothing,
        replacementForRejected: nothing,
        securityDenied: nothing,
        qoSControlNotSupported: nothing
      }
    )
  },
  {
    genericInformation: sequenceOf(GenericInformation)
  }
)
export type OpenLogicalChannelReject = Infer<typeof OpenLogicalChannelReject>

export const OpenLogicalChannelConfirm = sequence(
  {
    forwardLogicalChannelNumber: LogicalChannelNumber
  },
  {
    genericInformation: sequenceOf(GenericInformation)
  }
)
export type OpenLogicalChannelConfirm = Infer<typeof OpenLogicalChannelConfirm>

export const CloseLogicalChannel = sequence(
  {
    forwardLogicalChannelNumber: LogicalChannelNumber,
    source: choice({
      user: nothing,
      lcse: nothing
    })
  },
  {
    reason: choice(
      {
        unknown: nothing,
        reopen: nothing,
        reservationFailure: nothing
      },
      {
        networkErrorCode: integer(0, 255)
      }
    )
  }
)
export type CloseLogicalChannel = Infer<typeof CloseLogicalChannel>

export const CloseLogicalChannelAck = sequence(
  {
    forwardLogicalChannelNumber: LogicalChannelNumber
  },
  {}
)
export type CloseLogicalChannelAck = Infer<typeof CloseLogicalChannelAck>

export const RequestChannelClose = sequence(
  {
    forwardLogicalChannelNumber: LogicalChannelNumber
  },
  {
    qosCapability: QOSCapability,
    reason: choice(
      {
        unknown: nothing,
        normal: nothing,
        reopen: nothing,
        reservationFailure: nothing
      },
      {
        networkErrorCode: integer(0, 255)
      }
    )
  }
)
export type RequestChannelClose = Infer<typeof RequestChannelClose>

export const RequestChannelCloseAck = sequence(
  {
    forwardLogicalChannelNumber: LogicalChannelNumber
  },
  {}
)
export type RequestChannelCloseAck = Infer<typeof RequestChannelCloseAck>

export const RequestChannelCloseReject = sequence(
  {
    forwardLogicalChannelNumber: LogicalChannelNumber,
    cause: choice(
      {
        unspecified: nothing
      },
      {}
    )
  },
  {}
)
export type RequestChannelCloseReject = Infer<typeof RequestChannelCloseReject>

export const RequestChannelCloseRelease = sequence(
  {
    forwardLogicalChannelNumber: LogicalChannelNumber
  },
  {}
)
export type RequestChannelCloseRelease = Infer<typeof RequestChannelCloseRelease>
