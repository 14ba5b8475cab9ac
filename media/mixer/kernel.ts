/**
 * Arithmetic of the mixer on frames of 16-bit samples: all of it whole numbers or exact doubles, so that every kernel gives the same bits.
 *
 * Gains are whole numbers in 1/2048 (`unityGain`). Frames given to a kernel are its own: they come from `frame` and `sum`.
 */
export interface MixKernel {
  readonly name: 'plain' | 'simd'
  /** A frame of silence. @throws {InfraFabricError} `media.mixer.full` */
  readonly frame: (samples: number) => Int16Array
  /** An empty sum. @throws {InfraFabricError} `media.mixer.full` */
  readonly sum: (samples: number) => Int32Array
  /** Gives a frame or sum back; it must not be used again. */
  readonly free: (memory: Int16Array | Int32Array) => void
  /** Mean square of the samples. */
  readonly power: (frame: Int16Array) => number
  /** Changes the gain in place, from the first sample to the last in equal steps; what does not fit is cut off at full scale. */
  readonly scale: (frame: Int16Array, fromGain: number, toGain: number) => void
  /** Largest magnitude in a sum. */
  readonly peak: (sum: Int32Array) => number
  readonly add: (sum: Int32Array, frame: Int16Array) => void
  /** Writes the sum, less `own` where there is one, bent into 16 bits by {@link limit}. */
  readonly without: (sum: Int32Array, own: Int16Array | null, out: Int16Array) => void
  /** Adds `frame` to `into`; what does not fit is cut off at full scale. */
  readonly blend: (into: Int16Array, frame: Int16Array) => void
  /** Goes over from `before` to what stands in `out`, in equal steps. */
  readonly crossfade: (before: Int16Array, out: Int16Array) => void
}

/** Gain that changes nothing. */
export const unityGain = 2048
/** Largest gain: 24 dB. */
export const largestGain = 16 * unityGain - 1

/** Two gains, one behind the other. */
export const gainOfBoth = (one: number, other: number): number => (one * other) >> 11

/** Loudest sum that is passed on as it is; above it the mix is bent toward full scale, so that several loud voices do not crackle. */
export const knee = 24_576
export const fullScale = 32_767

/** Bends a sum into 16 bits: linear up to the knee, then ever flatter, never beyond full scale. */
export function limit(sum: number): number {
  const magnitude = sum < 0 ? -sum : sum
  if (magnitude <= knee) return sum
  const over = magnitude - knee
  const room = fullScale - knee
  const bent = knee + (room * over) / (over + room)
  return sum < 0 ? -bent : bent
}

/** Fraction bits of a gain while it moves. */
const rampBits = 8

const saturate = (sample: number) => (sample > 32_767 ? 32_767 : sample < -32_768 ? -32_768 : sample)

/** The kernel in TypeScript. */
export function plainKernel(): MixKernel {
  return {
    name: 'plain',
    frame: (samples) => new Int16Array(samples),
    sum: (samples) => new Int32Array(samples),
    free: () => undefined,
    power: (frame) => {
      let sum = 0
      for (let i = 0; i < frame.length; i++) sum += frame[i]! * frame[i]!
      return frame.length === 0 ? 0 : sum / frame.length
    },
    scale: (frame, fromGain, toGain) => {
      const step = gainStep(frame.length, fromGain, toGain)
      let gain = fromGain << rampBits
      for (let i = 0; i < frame.length; i++) {
        gain += step
        frame[i] = saturate((frame[i]! * (gain >> rampBits) + unityGain / 2) >> 11)
      }
    },
    peak: (sum) => {
      let most = 0
      for (let i = 0; i < sum.length; i++) most = Math.max(most, Math.abs(sum[i]!))
      return most
    },
    add: (sum, frame) => {
      for (let i = 0; i < sum.length; i++) sum[i]! += frame[i]!
    },
    without: (sum, own, out) => {
      if (own === null) for (let i = 0; i < out.length; i++) out[i] = limit(sum[i]!)
      else for (let i = 0; i < out.length; i++) out[i] = limit(sum[i]! - own[i]!)
    },
    blend: (into, frame) => {
      for (let i = 0; i < into.length; i++) into[i] = saturate(into[i]! + frame[i]!)
    },
    crossfade: (before, out) => {
      const step = gainStep(out.length, 0, unityGain)
      let gain = 0
      for (let i = 0; i < out.length; i++) {
        gain += step
        const share = gain >> rampBits
        out[i] = (out[i]! * share + before[i]! * (unityGain - share) + unityGain / 2) >> 11
      }
    }
  }
}

/** What a gain changes by from sample to sample, in 2^−`rampBits`. */
export function gainStep(samples: number, fromGain: number, toGain: number): number {
  return Math.trunc(((toGain - fromGain) << rampBits) / samples)
}

/** Level of a mean square. @returns dBFS: 0 is a sine at full scale, −∞ silence */
export const levelOfPower = (power: number): number => 10 * Math.log10((2 * power) / (fullScale * fullScale))

/** Mean square at a level, the inverse of {@link levelOfPower}. */
export const powerOfLevel = (levelDbfs: number): number => (10 ** (levelDbfs / 10) * fullScale * fullScale) / 2

/** Gain of so many decibels, at most {@link largestGain}. */
export const gainOfDecibels = (decibels: number): number => Math.min(largestGain, Math.round(unityGain * 10 ** (decibels / 20)))
