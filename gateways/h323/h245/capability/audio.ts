/** H.245 v17: audio capabilities. */
import {
  boolean,
  choice,
  type Extensible,
  type Infer,
  integer,
  lazy,
  optional,
  sequence,
  sequenceOf,
  type Type
} from '../../asn1/asn1.ts'
import { NonStandardParameter } from '../identifiers.ts'
import { GenericCapability } from './generic.ts'
import { NoPTAudioTelephonyEventCapability, NoPTAudioToneCapability } from './telephone-event.ts'

/** Contains itself, so its values are told by hand. */
export interface ExtendedAudioCapability extends Extensible {
  readonly audioCapability: readonly AudioCapability[]
  readonly audioCapabilityExtension?: readonly GenericCapability[]
}
export const ExtendedAudioCapability: Type<ExtendedAudioCapability> = sequence(
  {
    audioCapability: sequenceOf(lazy(() => AudioCapability)),
    audioCapabilityExtension: optional(sequenceOf(GenericCapability))
  },
  {}
)

export const G729Extensions = sequence(
  {
    audioUnit: optional(integer(1, 256)),
    annexA: boolean,
    annexB: boolean,
    annexD: boolean,
    annexE: boolean,
    annexF: boolean,
    annexG: boolean,
    annexH: boolean
  },
  {}
)
export type G729Extensions = Infer<typeof G729Extensions>

export const G7231AnnexCCapability = sequence(
  {
    'maxAl-sduAudioFrames': integer(1, 256),
    silenceSuppression: boolean,
    g723AnnexCAudioMode: optional(
      sequence(
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
    )
  },
  {}
)
export type G7231AnnexCCapability = Infer<typeof G7231AnnexCCapability>

export const IS11172AudioCapability = sequence(
  {
    audioLayer1: boolean,
    audioLayer2: boolean,
    audioLayer3: boolean,
    audioSampling32k: boolean,
    audioSampling44k1: boolean,
    audioSampling48k: boolean,
    singleChannel: boolean,
    twoChannels: boolean,
    bitRate: integer(1, 448)
  },
  {}
)
export type IS11172AudioCapability = Infer<typeof IS11172AudioCapability>

export const IS13818AudioCapability = sequence(
  {
    audioLayer1: boolean,
    audioLayer2: boolean,
    audioLayer3: boolean,
    audioSampling16k: boolean,
    audioSampling22k05: boolean,
    audioSampling24k: boolean,
    audioSampling32k: boolean,
    audioSampling44k1: boolean,
    audioSampling48k: boolean,
    singleChannel: boolean,
    twoChannels: boolean,
    'threeChannels2-1': boolean,
    'threeChannels3-0': boolean,
    'fourChannels2-0-2-0': boolean,
    'fourChannels2-2': boolean,
    'fourChannels3-1': boolean,
    'fiveChannels3-0-2-0': boolean,
    'fiveChannels3-2': boolean,
    lowFrequencyEnhancement: boolean,
    multilingual: boolean,
    bitRate: integer(1, 1130)
  },
  {}
)
export type IS13818AudioCapability = Infer<typeof IS13818AudioCapability>

export const GSMAudioCapability = sequence(
  {
    audioUnitSize: integer(1, 256),
    comfortNoise: boolean,
    scrambled: boolean
  },
  {}
)
export type GSMAudioCapability = Infer<typeof GSMAudioCapability>

/** Contains itself, so its values are told by hand. */
export interface VBDCapability extends Extensible {
  readonly type: AudioCapability
}
export const VBDCapability: Type<VBDCapability> = sequence(
  {
    type: lazy(() => AudioCapability)
  },
  {}
)

export const AudioCapability = choice(
  {
    nonStandard: NonStandardParameter,
    g711Alaw64k: integer(1, 256),
    g711Alaw56k: integer(1, 256),
    g711Ulaw64k: integer(1, 256),
    g711Ulaw56k: integer(1, 256),
    'g722-64k': integer(1, 256),
    'g722-56k': integer(1, 256),
    'g722-48k': integer(1, 256),
    g7231: sequence({
      'maxAl-sduAudioFrames': integer(1, 256),
      silenceSuppression: boolean
    }),
    g728: integer(1, 256),
    g729: integer(1, 256),
    g729AnnexA: integer(1, 256),
    is11172AudioCapability: IS11172AudioCapability,
    is13818AudioCapability: IS13818AudioCapability
  },
  {
    g729wAnnexB: integer(1, 256),
    g729AnnexAwAnnexB: integer(1, 256),
    g7231AnnexCCapability: G7231AnnexCCapability,
    gsmFullRate: GSMAudioCapability,
    gsmHalfRate: GSMAudioCapability,
    gsmEnhancedFullRate: GSMAudioCapability,
    genericAudioCapability: GenericCapability,
    g729Extensions: G729Extensions,
    vbd: VBDCapability,
    audioTelephonyEvent: NoPTAudioTelephonyEventCapability,
    audioTone: NoPTAudioToneCapability,
    extendedAudioCapability: ExtendedAudioCapability
  }
)
export type AudioCapability = Infer<typeof AudioCapability>
