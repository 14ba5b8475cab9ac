/** H.245 v17: video capabilities. */
import {
  boolean,
  choice,
  type Extensible,
  type Infer,
  integer,
  lazy,
  nothing,
  optional,
  sequence,
  sequenceOf,
  setOf,
  type Type
} from '../../asn1/asn1.ts'
import { NonStandardParameter } from '../identifiers.ts'
import { GenericCapability } from './generic.ts'

/** Contains itself, so its values are told by hand. */
export interface ExtendedVideoCapability extends Extensible {
  readonly videoCapability: readonly VideoCapability[]
  readonly videoCapabilityExtension?: readonly GenericCapability[]
}
export const ExtendedVideoCapability: Type<ExtendedVideoCapability> = sequence(
  {
    videoCapability: sequenceOf(lazy(() => VideoCapability)),
    videoCapabilityExtension: optional(sequenceOf(GenericCapability))
  },
  {}
)

export const H261VideoCapability = sequence(
  {
    qcifMPI: optional(integer(1, 4)),
    cifMPI: optional(integer(1, 4)),
    temporalSpatialTradeOffCapability: boolean,
    maxBitRate: integer(1, 19_200),
    stillImageTransmission: boolean
  },
  {
    videoBadMBsCap: boolean
  }
)
export type H261VideoCapability = Infer<typeof H261VideoCapability>

export const H262VideoCapability = sequence(
  {
    'profileAndLevel-SPatML': boolean,
    'profileAndLevel-MPatLL': boolean,
    'profileAndLevel-MPatML': boolean,
    'profileAndLevel-MPatH-14': boolean,
    'profileAndLevel-MPatHL': boolean,
    'profileAndLevel-SNRatLL': boolean,
    'profileAndLevel-SNRatML': boolean,
    'profileAndLevel-SpatialatH-14': boolean,
    'profileAndLevel-HPatML': boolean,
    'profileAndLevel-HPatH-14': boolean,
    'profileAndLevel-HPatHL': boolean,
    videoBitRate: optional(integer(0, 1_073_741_823)),
    vbvBufferSize: optional(integer(0, 262_143)),
    samplesPerLine: optional(integer(0, 16_383)),
    linesPerFrame: optional(integer(0, 16_383)),
    framesPerSecond: optional(integer(0, 15)),
    luminanceSampleRate: optional(integer(0, 4_294_967_295))
  },
  {
    videoBadMBsCap: boolean
  }
)
export type H262VideoCapability = Infer<typeof H262VideoCapability>

export const TransparencyParameters = sequence(
  {
    presentationOrder: integer(1, 256),
    'offset-x': integer(-262144, 262_143),
    'offset-y': integer(-262144, 262_143),
    'scale-x': integer(1, 255),
    'scale-y': integer(1, 255)
  },
  {}
)
export type TransparencyParameters = Infer<typeof TransparencyParameters>

export const RefPictureSelection = sequence(
  {
    additionalPictureMemory: optional(
      sequence(
        {
          sqcifAdditionalPictureMemory: optional(integer(1, 256)),
          qcifAdditionalPictureMemory: optional(integer(1, 256)),
          cifAdditionalPictureMemory: optional(integer(1, 256)),
          cif4AdditionalPictureMemory: optional(integer(1, 256)),
          cif16AdditionalPictureMemory: optional(integer(1, 256)),
          bigCpfAdditionalPictureMemory: optional(integer(1, 256))
        },
        {}
      )
    ),
    videoMux: boolean,
    videoBackChannelSend: choice(
      {
        none: nothing,
        ackMessageOnly: nothing,
        nackMessageOnly: nothing,
        ackOrNackMessageOnly: nothing,
        ackAndNackMessage: nothing
      },
      {}
    )
  },
  {
    enhancedReferencePicSelect: sequence(
      {
        subPictureRemovalParameters: optional(
          sequence(
            {
              mpuHorizMBs: integer(1, 128),
              mpuVertMBs: integer(1, 72),
              mpuTotalNumber: integer(1, 65_536)
            },
            {}
          )
        )
      },
      {}
    )
  }
)
export type RefPictureSelection = Infer<typeof RefPictureSelection>

export const CustomPictureClockFrequency = sequence(
  {
    clockConversionCode: integer(1000, 1001),
    clockDivisor: integer(1, 127),
    sqcifMPI: optional(integer(1, 2048)),
    qcifMPI: optional(integer(1, 2048)),
    cifMPI: optional(integer(1, 2048)),
    cif4MPI: optional(integer(1, 2048)),
    cif16MPI: optional(integer(1, 2048))
  },
  {}
)
export type CustomPictureClockFrequency = Infer<typeof CustomPictureClockFrequency>

export const CustomPictureFormat = sequence(
  {
    maxCustomPictureWidth: integer(1, 2048),
    maxCustomPictureHeight: integer(1, 2048),
    minCustomPictureWidth: integer(1, 2048),
    minCustomPictureHeight: integer(1, 2048),
    mPI: sequence(
      {
        standardMPI: optional(integer(1, 31)),
        customPCF: optional(
          setOf(
            sequence(
              {
                clockConversionCode: integer(1000, 1001),
                clockDivisor: integer(1, 127),
                customMPI: integer(1, 2048)
              },
              {}
            ),
            [1, 16]
          )
        )
      },
      {}
    ),
    pixelAspectInformation: choice(
      {
        anyPixelAspectRatio: boolean,
        pixelAspectCode: setOf(integer(1, 14), [1, 14]),
        extendedPAR: setOf(
          sequence(
            {
              width: integer(1, 255),
              height: integer(1, 255)
            },
            {}
          ),
          [1, 256]
        )
      },
      {}
    )
  },
  {}
)
export type CustomPictureFormat = Infer<typeof CustomPictureFormat>

export const H263Version3Options = sequence(
  {
    dataPartitionedSlices: boolean,
    fixedPointIDCT0: boolean,
    interlacedFields: boolean,
    currentPictureHeaderRepetition: boolean,
    previousPictureHeaderRepetition: boolean,
    nextPictureHeaderRepetition: boolean,
    pictureNumber: boolean,
    spareReferencePictures: boolean
  },
  {}
)
export type H263Version3Options = Infer<typeof H263Version3Options>

export const H263ModeComboFlags = sequence(
  {
    unrestrictedVector: boolean,
    arithmeticCoding: boolean,
    advancedPrediction: boolean,
    pbFrames: boolean,
    advancedIntraCodingMode: boolean,
    deblockingFilterMode: boolean,
    unlimitedMotionVectors: boolean,
    'slicesInOrder-NonRect': boolean,
    'slicesInOrder-Rect': boolean,
    'slicesNoOrder-NonRect': boolean,
    'slicesNoOrder-Rect': boolean,
    improvedPBFramesMode: boolean,
    referencePicSelect: boolean,
    dynamicPictureResizingByFour: boolean,
    dynamicPictureResizingSixteenthPel: boolean,
    dynamicWarpingHalfPel: boolean,
    dynamicWarpingSixteenthPel: boolean,
    reducedResolutionUpdate: boolean,
    independentSegmentDecoding: boolean,
    alternateInterVLCMode: boolean,
    modifiedQuantizationMode: boolean
  },
  {
    enhancedReferencePicSelect: boolean,
    h263Version3Options: H263Version3Options
  }
)
export type H263ModeComboFlags = Infer<typeof H263ModeComboFlags>

export const H263VideoModeCombos = sequence(
  {
    h263VideoUncoupledModes: H263ModeComboFlags,
    h263VideoCoupledModes: setOf(H263ModeComboFlags, [1, 16])
  },
  {}
)
export type H263VideoModeCombos = Infer<typeof H263VideoModeCombos>

export const H263Options = sequence(
  {
    advancedIntraCodingMode: boolean,
    deblockingFilterMode: boolean,
    improvedPBFramesMode: boolean,
    unlimitedMotionVectors: boolean,
    fullPictureFreeze: boolean,
    partialPictureFreezeAndRelease: boolean,
    resizingPartPicFreezeAndRelease: boolean,
    fullPictureSnapshot: boolean,
    partialPictureSnapshot: boolean,
    videoSegmentTagging: boolean,
    progressiveRefinement: boolean,
    dynamicPictureResizingByFour: boolean,
    dynamicPictureResizingSixteenthPel: boolean,
    dynamicWarpingHalfPel: boolean,
    dynamicWarpingSixteenthPel: boolean,
    independentSegmentDecoding: boolean,
    'slicesInOrder-NonRect': boolean,
    'slicesInOrder-Rect': boolean,
    'slicesNoOrder-NonRect': boolean,
    'slicesNoOrder-Rect': boolean,
    alternateInterVLCMode: boolean,
    modifiedQuantizationMode: boolean,
    reducedResolutionUpdate: boolean,
    transparencyParameters: optional(TransparencyParameters),
    separateVideoBackChannel: boolean,
    refPictureSelection: optional(RefPictureSelection),
    customPictureClockFrequency: optional(setOf(CustomPictureClockFrequency, [1, 16])),
    customPictureFormat: optional(setOf(CustomPictureFormat, [1, 16])),
    modeCombos: optional(setOf(H263VideoModeCombos, [1, 16]))
  },
  {
    videoBadMBsCap: boolean,
    h263Version3Options: H263Version3Options
  }
)
export type H263Options = Infer<typeof H263Options>

export const EnhancementOptions = sequence(
  {
    sqcifMPI: optional(integer(1, 32)),
    qcifMPI: optional(integer(1, 32)),
    cifMPI: optional(integer(1, 32)),
    cif4MPI: optional(integer(1, 32)),
    cif16MPI: optional(integer(1, 32)),
    maxBitRate: integer(1, 192_400),
    unrestrictedVector: boolean,
    arithmeticCoding: boolean,
    temporalSpatialTradeOffCapability: boolean,
    slowSqcifMPI: optional(integer(1, 3600)),
    slowQcifMPI: optional(integer(1, 3600)),
    slowCifMPI: optional(integer(1, 3600)),
    slowCif4MPI: optional(integer(1, 3600)),
    slowCif16MPI: optional(integer(1, 3600)),
    errorCompensation: boolean,
    h263Options: optional(H263Options)
  },
  {}
)
export type EnhancementOptions = Infer<typeof EnhancementOptions>

export const BEnhancementParameters = sequence(
  {
    enhancementOptions: EnhancementOptions,
    numberOfBPictures: integer(1, 64)
  },
  {}
)
export type BEnhancementParameters = Infer<typeof BEnhancementParameters>

export const EnhancementLayerInfo = sequence(
  {
    baseBitRateConstrained: boolean,
    snrEnhancement: optional(setOf(EnhancementOptions, [1, 14])),
    spatialEnhancement: optional(setOf(EnhancementOptions, [1, 14])),
    bPictureEnhancement: optional(setOf(BEnhancementParameters, [1, 14]))
  },
  {}
)
export type EnhancementLayerInfo = Infer<typeof EnhancementLayerInfo>

export const H263VideoCapability = sequence(
  {
    sqcifMPI: optional(integer(1, 32)),
    qcifMPI: optional(integer(1, 32)),
    cifMPI: optional(integer(1, 32)),
    cif4MPI: optional(integer(1, 32)),
    cif16MPI: optional(integer(1, 32)),
    maxBitRate: integer(1, 192_400),
    unrestrictedVector: boolean,
    arithmeticCoding: boolean,
    advancedPrediction: boolean,
    pbFrames: boolean,
    temporalSpatialTradeOffCapability: boolean,
    'hrd-B': optional(integer(0, 524_287)),
    bppMaxKb: optional(integer(0, 65_535))
  },
  {
    slowSqcifMPI: integer(1, 3600),
    slowQcifMPI: integer(1, 3600),
    slowCifMPI: integer(1, 3600),
    slowCif4MPI: integer(1, 3600),
    slowCif16MPI: integer(1, 3600),
    errorCompensation: boolean,
    enhancementLayerInfo: EnhancementLayerInfo,
    h263Options: H263Options
  }
)
export type H263VideoCapability = Infer<typeof H263VideoCapability>

export const IS11172VideoCapability = sequence(
  {
    constrainedBitstream: boolean,
    videoBitRate: optional(integer(0, 1_073_741_823)),
    vbvBufferSize: optional(integer(0, 262_143)),
    samplesPerLine: optional(integer(0, 16_383)),
    linesPerFrame: optional(integer(0, 16_383)),
    pictureRate: optional(integer(0, 15)),
    luminanceSampleRate: optional(integer(0, 4_294_967_295))
  },
  {
    videoBadMBsCap: boolean
  }
)
export type IS11172VideoCapability = Infer<typeof IS11172VideoCapability>

export const VideoCapability = choice(
  {
    nonStandard: NonStandardParameter,
    h261VideoCapability: H261VideoCapability,
    h262VideoCapability: H262VideoCapability,
    h263VideoCapability: H263VideoCapability,
    is11172VideoCapability: IS11172VideoCapability
  },
  {
    genericVideoCapability: GenericCapability,
    extendedVideoCapability: ExtendedVideoCapability
  }
)
export type VideoCapability = Infer<typeof VideoCapability>
