/** H.245 v17 §C.9: request mode. */
import {
  boolean,
  choice,
  type Extensible,
  type Infer,
  integer,
  lazy,
  nothing,
  objectIdentifier,
  octetString,
  optional,
  sequence,
  sequenceOf,
  setOf,
  type Type,
  type UnknownExtension
} from '../asn1/asn1.ts'
import { G729Extensions, GSMAudioCapability } from './capability/audio.ts'
import { DataChannel, T38FaxProfile } from './capability/data.ts'
import { GenericCapability } from './capability/generic.ts'
import { RedundancyEncodingMethod } from './capability/multiplex.ts'
import { MaxRedundancy } from './capability/stream.ts'
import { EnhancementLayerInfo, H263Options } from './capability/video.ts'
import { DataProtocolCapability } from './data-protocol.ts'
import { LogicalChannelNumber, NonStandardParameter, SequenceNumber } from './identifiers.ts'
import { H223AL1MParameters, H223AL2MParameters, H223AL3MParameters, MultiplexedStreamParameter } from './multiplex-parameters.ts'
import { EncryptionAuthenticationAndIntegrity } from './security.ts'

export const H261VideoMode = sequence(
  {
    resolution: choice({
      qcif: nothing,
      cif: nothing
    }),
    bitRate: integer(1, 19_200),
    stillImageTransmission: boolean
  },
  {}
)
export type H261VideoMode = Infer<typeof H261VideoMode>

export const H262VideoMode = sequence(
  {
    profileAndLevel: choice(
      {
        'profileAndLevel-SPatML': nothing,
        'profileAndLevel-MPatLL': nothing,
        'profileAndLevel-MPatML': nothing,
        'profileAndLevel-MPatH-14': nothing,
        'profileAndLevel-MPatHL': nothing,
        'profileAndLevel-SNRatLL': nothing,
        'profileAndLevel-SNRatML': nothing,
        'profileAndLevel-SpatialatH-14': nothing,
        'profileAndLevel-HPatML': nothing,
        'profileAndLevel-HPatH-14': nothing,
        'profileAndLevel-HPatHL': nothing
      },
      {}
    ),
    videoBitRate: optional(integer(0, 1_073_741_823)),
    vbvBufferSize: optional(integer(0, 262_143)),
    samplesPerLine: optional(integer(0, 16_383)),
    linesPerFrame: optional(integer(0, 16_383)),
    framesPerSecond: optional(integer(0, 15)),
    luminanceSampleRate: optional(integer(0, 4_294_967_295))
  },
  {}
)
export type H262VideoMode = Infer<typeof H262VideoMode>

export const H263VideoMode = sequence(
  {
    resolution: choice(
      {
        sqcif: nothing,
        qcif: nothing,
        cif: nothing,
        cif4: nothing,
        cif16: nothing
      },
      {
        custom: nothing
      }
    ),
    bitRate: integer(1, 19_200),
    unrestrictedVector: boolean,
    arithmeticCoding: boolean,
    advancedPrediction: boolean,
    pbFrames: boolean
  },
  {
    errorCompensation: boolean,
    enhancementLayerInfo: EnhancementLayerInfo,
    h263Options: H263Options
  }
)
export type H263VideoMode = Infer<typeof H263VideoMode>

export const IS11172VideoMode = sequence(
  {
    constrainedBitstream: boolean,
    videoBitRate: optional(integer(0, 1_073_741_823)),
    vbvBufferSize: optional(integer(0, 262_143)),
    samplesPerLine: optional(integer(0, 16_383)),
    linesPerFrame: optional(integer(0, 16_383)),
    pictureRate: optional(integer(0, 15)),
    luminanceSampleRate: optional(integer(0, 4_294_967_295))
  },
  {}
)
export type IS11172VideoMode = Infer<typeof IS11172VideoMode>

export const VideoMode = choice(
  {
    nonStandard: NonStandardParameter,
    h261VideoMode: H261VideoMode,
    h262VideoMode: H262VideoMode,
    h263VideoMode: H263VideoMode,
    is11172VideoMode: IS11172VideoMode
  },
  {
    genericVideoMode: GenericCapability
  }
)
export type VideoMode = Infer<typeof VideoMode>

export const IS11172AudioMode = sequence(
  {
    audioLayer: choice({
      audioLayer1: nothing,
      audioLayer2: nothing,
      audioLayer3: nothing
    }),
    audioSampling: choice({
      audioSampling32k: nothing,
      audioSampling44k1: nothing,
      audioSampling48k: nothing
    }),
    multichannelType: choice({
      singleChannel: nothing,
      twoChannelStereo: nothing,
      twoChannelDual: nothing
    }),
    bitRate: integer(1, 448)
  },
  {}
)
export type IS11172AudioMode = Infer<typeof IS11172AudioMode>

export const IS13818AudioMode = sequence(
  {
    audioLayer: choice({
      audioLayer1: nothing,
      audioLayer2: nothing,
      audioLayer3: nothing
    }),
    audioSampling: choice({
      audioSampling16k: nothing,
      audioSampling22k05: nothing,
      audioSampling24k: nothing,
      audioSampling32k: nothing,
      audioSampling44k1: nothing,
      audioSampling48k: nothing
    }),
    multichannelType: choice({
      singleChannel: nothing,
      twoChannelStereo: nothing,
      twoChannelDual: nothing,
      'threeChannels2-1': nothing,
      'threeChannels3-0': nothing,
      'fourChannels2-0-2-0': nothing,
      'fourChannels2-2': nothing,
      'fourChannels3-1': nothing,
      'fiveChannels3-0-2-0': nothing,
      'fiveChannels3-2': nothing
    }),
    lowFrequencyEnhancement: boolean,
    multilingual: boolean,
    bitRate: integer(1, 1130)
  },
  {}
)
export type IS13818AudioMode = Infer<typeof IS13818AudioMode>

export const G7231AnnexCMode = sequence(
  {
    'maxAl-sduAudioFrames': integer(1, 256),
    silenceSuppression: boolean,
    g723AnnexCAudioMode: sequence(
      {
        highRateMode0: integer(27, 78),
        highRateMode1: integer(27, 78),
        lowRateMode0: integer(23, 66),
        lowRateMode1: integer(23, 66),
        sidMode0: integer(6, 17),
        sidMode1: integer(6, 17)
      },
      {}
    )
  },
  {}
)
export type G7231AnnexCMode = Infer<typeof G7231AnnexCMode>

/** Contains itself, so its values are told by hand. */
export interface VBDMode extends Extensible {
  readonly type: AudioMode
}
export const VBDMode: Type<VBDMode> = sequence(
  {
    type: lazy(() => AudioMode)
  },
  {}
)

export const AudioMode = choice(
  {
    nonStandard: NonStandardParameter,
    g711Alaw64k: nothing,
    g711Alaw56k: nothing,
    g711Ulaw64k: nothing,
    g711Ulaw56k: nothing,
    'g722-64k': nothing,
    'g722-56k': nothing,
    'g722-48k': nothing,
    g728: nothing,
    g729: nothing,
    g729AnnexA: nothing,
    g7231: choice({
      noSilenceSuppressionLowRate: nothing,
      noSilenceSuppressionHighRate: nothing,
      silenceSuppressionLowRate: nothing,
      silenceSuppressionHighRate: nothing
    }),
    is11172AudioMode: IS11172AudioMode,
    is13818AudioMode: IS13818AudioMode
  },
  {
    g729wAnnexB: integer(1, 256),
    g729AnnexAwAnnexB: integer(1, 256),
    g7231AnnexCMode: G7231AnnexCMode,
    gsmFullRate: GSMAudioCapability,
    gsmHalfRate: GSMAudioCapability,
    gsmEnhancedFullRate: GSMAudioCapability,
    genericAudioMode: GenericCapability,
    g729Extensions: G729Extensions,
    vbd: VBDMode
  }
)
export type AudioMode = Infer<typeof AudioMode>

export const DataMode = sequence(
  {
    application: choice(
      {
        nonStandard: NonStandardParameter,
        t120: DataProtocolCapability,
        'dsm-cc': DataProtocolCapability,
        userData: DataProtocolCapability,
        t84: DataProtocolCapability,
        t434: DataProtocolCapability,
        h224: DataProtocolCapability,
        nlpid: sequence({
          nlpidProtocol: DataProtocolCapability,
          nlpidData: octetString()
        }),
        dsvdControl: nothing,
        h222DataPartitioning: DataProtocolCapability
      },
      {
        t30fax: DataProtocolCapability,
        t140: DataProtocolCapability,
        t38fax: sequence({
          t38FaxProtocol: DataProtocolCapability,
          t38FaxProfile: T38FaxProfile
        }),
        genericDataMode: GenericCapability,
        dataChannel: DataChannel
      }
    ),
    bitRate: integer(0, 4_294_967_295)
  },
  {}
)
export type DataMode = Infer<typeof DataMode>

export const H235Mode = sequence(
  {
    encryptionAuthenticationAndIntegrity: EncryptionAuthenticationAndIntegrity,
    mediaMode: choice(
      {
        nonStandard: NonStandardParameter,
        videoMode: VideoMode,
        audioMode: AudioMode,
        dataMode: DataMode
      },
      {}
    )
  },
  {}
)
export type H235Mode = Infer<typeof H235Mode>

export const EncryptionMode = choice(
  {
    nonStandard: NonStandardParameter,
    h233Encryption: nothing
  },
  {}
)
export type EncryptionMode = Infer<typeof EncryptionMode>

/** Contains itself, so its values are told by hand. */
export type ModeElementType =
  | { readonly type: 'nonStandard'; readonly value: NonStandardParameter }
  | { readonly type: 'videoMode'; readonly value: VideoMode }
  | { readonly type: 'audioMode'; readonly value: AudioMode }
  | { readonly type: 'dataMode'; readonly value: DataMode }
  | { readonly type: 'encryptionMode'; readonly value: EncryptionMode }
  | { readonly type: 'h235Mode'; readonly value: H235Mode }
  | { readonly type: 'multiplexedStreamMode'; readonly value: MultiplexedStreamParameter }
  | { readonly type: 'redundancyEncodingDTMode'; readonly value: RedundancyEncodingDTMode }
  | { readonly type: 'multiplePayloadStreamMode'; readonly value: MultiplePayloadStreamMode }
  | { readonly type: 'depFecMode'; readonly value: DepFECMode }
  | { readonly type: 'fecMode'; readonly value: FECMode }
  | UnknownExtension
export const ModeElementType: Type<ModeElementType> = choice(
  {
    nonStandard: NonStandardParameter,
    videoMode: VideoMode,
    audioMode: AudioMode,
    dataMode: DataMode,
    encryptionMode: EncryptionMode
  },
  {
    h235Mode: H235Mode,
    multiplexedStreamMode: MultiplexedStreamParameter,
    redundancyEncodingDTMode: lazy(() => RedundancyEncodingDTMode),
    multiplePayloadStreamMode: lazy(() => MultiplePayloadStreamMode),
    depFecMode: lazy(() => DepFECMode),
    fecMode: lazy(() => FECMode)
  }
)

export const MultiplexedStreamModeParameters = sequence(
  {
    logicalChannelNumber: LogicalChannelNumber
  },
  {}
)
export type MultiplexedStreamModeParameters = Infer<typeof MultiplexedStreamModeParameters>

export const H223ModeParameters = sequence(
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
export type H223ModeParameters = Infer<typeof H223ModeParameters>

export const V76ModeParameters = choice(
  {
    suspendResumewAddress: nothing,
    suspendResumewoAddress: nothing
  },
  {}
)
export type V76ModeParameters = Infer<typeof V76ModeParameters>

export const RedundancyEncodingMode = sequence(
  {
    redundancyEncodingMethod: RedundancyEncodingMethod,
    secondaryEncoding: optional(
      choice(
        {
          nonStandard: NonStandardParameter,
          audioData: AudioMode
        },
        {}
      )
    )
  },
  {}
)
export type RedundancyEncodingMode = Infer<typeof RedundancyEncodingMode>

export const H2250ModeParameters = sequence(
  {
    redundancyEncodingMode: optional(RedundancyEncodingMode)
  },
  {}
)
export type H2250ModeParameters = Infer<typeof H2250ModeParameters>

export const ModeElement = sequence(
  {
    type: ModeElementType,
    h223ModeParameters: optional(H223ModeParameters)
  },
  {
    v76ModeParameters: V76ModeParameters,
    h2250ModeParameters: H2250ModeParameters,
    genericModeParameters: GenericCapability,
    multiplexedStreamModeParameters: MultiplexedStreamModeParameters,
    logicalChannelNumber: LogicalChannelNumber
  }
)
export type ModeElement = Infer<typeof ModeElement>

export const ModeDescription = setOf(ModeElement, [1, 256])
export type ModeDescription = Infer<typeof ModeDescription>

export const RequestMode = sequence(
  {
    sequenceNumber: SequenceNumber,
    requestedModes: sequenceOf(ModeDescription, [1, 256])
  },
  {}
)
export type RequestMode = Infer<typeof RequestMode>

export const RequestModeAck = sequence(
  {
    sequenceNumber: SequenceNumber,
    response: choice(
      {
        willTransmitMostPreferredMode: nothing,
        willTransmitLessPreferredMode: nothing
      },
      {}
    )
  },
  {}
)
export type RequestModeAck = Infer<typeof RequestModeAck>

export const RequestModeReject = sequence(
  {
    sequenceNumber: SequenceNumber,
    cause: choice(
      {
        modeUnavailable: nothing,
        multipointConstraint: nothing,
        requestDenied: nothing
      },
      {}
    )
  },
  {}
)
export type RequestModeReject = Infer<typeof RequestModeReject>

export const RequestModeRelease = sequence({}, {})
export type RequestModeRelease = Infer<typeof RequestModeRelease>

export const FECMode = sequence(
  {
    protectedElement: ModeElementType,
    fecScheme: optional(objectIdentifier),
    rfc2733Format: optional(
      choice({
        rfc2733rfc2198: MaxRedundancy,
        rfc2733sameport: MaxRedundancy,
        rfc2733diffport: MaxRedundancy
      })
    )
  },
  {}
)
export type FECMode = Infer<typeof FECMode>

export const RedundancyEncodingDTModeElement = sequence(
  {
    type: choice(
      {
        nonStandard: NonStandardParameter,
        videoMode: VideoMode,
        audioMode: AudioMode,
        dataMode: DataMode,
        encryptionMode: EncryptionMode,
        h235Mode: H235Mode
      },
      {
        fecMode: FECMode
      }
    )
  },
  {}
)
export type RedundancyEncodingDTModeElement = Infer<typeof RedundancyEncodingDTModeElement>

export const RedundancyEncodingDTMode = sequence(
  {
    redundancyEncodingMethod: RedundancyEncodingMethod,
    primary: RedundancyEncodingDTModeElement,
    secondary: sequenceOf(RedundancyEncodingDTModeElement)
  },
  {}
)
export type RedundancyEncodingDTMode = Infer<typeof RedundancyEncodingDTMode>

export const MultiplePayloadStreamElementMode = sequence(
  {
    type: ModeElementType
  },
  {}
)
export type MultiplePayloadStreamElementMode = Infer<typeof MultiplePayloadStreamElementMode>

export const MultiplePayloadStreamMode = sequence(
  {
    elements: sequenceOf(MultiplePayloadStreamElementMode)
  },
  {}
)
export type MultiplePayloadStreamMode = Infer<typeof MultiplePayloadStreamMode>

export const DepFECMode = choice(
  {
    rfc2733Mode: sequence(
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
                    protectedType: ModeElementType
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
  },
  {}
)
export type DepFECMode = Infer<typeof DepFECMode>
