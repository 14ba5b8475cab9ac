/** H.264 as H.245 tells it. @see H.241 §8.3, tables 8-1 and 8-4 */
import { h264Levels, type PictureLimits } from '#kernel'
import { extendedVideo, roles, rolesOf } from '../h239/h239.ts'
import type { Capability, VideoCapability } from '../h245/h245.ts'

const h264 = '0.0.8.241.0.0.1'
const parameters = { profile: 41, level: 42 } as const
/** Bits of the profile: every terminal has baseline. */
const baseline = 64
/** Level 3.1, which is 1280 × 720 at 30 pictures a second. */
export const usualLevel = 71
/** Of H.245, bit/s. */
export const bitRateUnit = 100
/** In units of 100 bit/s. */
const maxBitRate = 19_200

export const h264Video = (level: number): VideoCapability => ({
  type: 'genericVideoCapability',
  value: {
    capabilityIdentifier: { type: 'standard', value: h264 },
    maxBitRate,
    collapsing: [
      {
        parameterIdentifier: { type: 'standard', value: parameters.profile },
        parameterValue: { type: 'booleanArray', value: baseline }
      },
      {
        parameterIdentifier: { type: 'standard', value: parameters.level },
        parameterValue: { type: 'unsignedMin', value: level }
      }
    ]
  }
})

export const contentVideo = (level: number): VideoCapability => extendedVideo([h264Video(level)], roles.presentation)

/** Highest level of H.264 baseline in a capability; 0 for any other video. */
function levelOf(video: VideoCapability): number {
  if (video.type !== 'genericVideoCapability') return 0
  const { capabilityIdentifier, collapsing = [] } = video.value
  if (capabilityIdentifier.type !== 'standard' || capabilityIdentifier.value !== h264) return 0
  const read = (wanted: number): number => {
    const found = collapsing.find(({ parameterIdentifier: id }) => id.type === 'standard' && id.value === wanted)?.parameterValue
    return found !== undefined && 'value' in found && typeof found.value === 'number' ? found.value : 0
  }
  return (read(parameters.profile) & baseline) === 0 ? 0 : read(parameters.level)
}

/** What a channel or capability is of; null for what is not switched here. */
export function kindOf(video: VideoCapability): 'people' | 'content' | null {
  if (levelOf(video) > 0) return 'people'
  const role = rolesOf(video)
  if (role === undefined || (role & roles.presentation) === 0 || video.type !== 'extendedVideoCapability') return null
  return video.value.videoCapability.some((each) => levelOf(each) > 0) ? 'content' : null
}

/** level_idc of H.264 by the number that H.241 has for it. @see H.241 table 8-4 */
const levelIdcs: ReadonlyMap<number, number> = new Map([
  [15, 10],
  [19, 9],
  [22, 11],
  [29, 12],
  [36, 13],
  [43, 20],
  [50, 21],
  [57, 22],
  [64, 30],
  [71, 31],
  [78, 32],
  [85, 40],
  [92, 41],
  [99, 42],
  [106, 50],
  [113, 51]
] as const)

/** @param level H.241 table 8-4; null for one that is not there */
export const limitsOfLevel = (level: number): PictureLimits | null => h264Levels.get(levelIdcs.get(level) ?? 0) ?? null

/** What a terminal can be shown beside people (H.239), at most; null for nothing. */
export interface ContentCapability {
  /** H.241 table 8-4. */
  readonly level: number
  readonly limits: PictureLimits
}

/** The best of a terminal's capabilities for content. */
export function contentCapabilityOf(capabilities: readonly Capability[]): ContentCapability | null {
  let best: ContentCapability | null = null
  for (const capability of capabilities) {
    if (capability.type !== 'receiveVideoCapability' && capability.type !== 'receiveAndTransmitVideoCapability') continue
    const video = capability.value
    if (kindOf(video) !== 'content' || video.type !== 'extendedVideoCapability') continue
    for (const each of video.value.videoCapability) {
      const level = levelOf(each)
      const known = limitsOfLevel(level)
      if (known === null || each.type !== 'genericVideoCapability' || level <= (best?.level ?? 0)) continue
      const said = (each.value.maxBitRate ?? Number.POSITIVE_INFINITY) * bitRateUnit
      best = { level, limits: { ...known, bitsPerSecond: Math.min(known.bitsPerSecond, said) } }
    }
  }
  return best
}

/** Whether a terminal takes what others may send: pictures of this level, of this kind. */
export const takes = (capabilities: readonly Capability[], kind: 'people' | 'content', level: number): boolean =>
  capabilities.some((capability) => {
    if (capability.type !== 'receiveVideoCapability' && capability.type !== 'receiveAndTransmitVideoCapability') return false
    const video = capability.value
    if (kindOf(video) !== kind) return false
    if (kind === 'people') return levelOf(video) >= level
    return video.type === 'extendedVideoCapability' && video.value.videoCapability.some((each) => levelOf(each) >= level)
  })
