/** Tones: made and measured, for tests, the demo and announcements. Levels are in dBFS: 0 is a sine at full scale. */

const fullScale = 32_767

/** A sine. @param samples how many; @param levelDbfs at most 0; @param phase where to begin, in samples */
export function sine(sampleRateHz: number, frequencyHz: number, levelDbfs: number, samples: number, phase = 0): Int16Array {
  const amplitude = fullScale * 10 ** (levelDbfs / 20)
  const step = (2 * Math.PI * frequencyHz) / sampleRateHz
  return Int16Array.from({ length: samples }, (_, i) => Math.round(amplitude * Math.sin(step * (i + phase))))
}

/** Level of one frequency in `samples`, by the Goertzel algorithm over a Hann window. @returns dBFS; −∞ for silence */
export function toneLevel(samples: Int16Array, sampleRateHz: number, frequencyHz: number): number {
  const coefficient = 2 * Math.cos((2 * Math.PI * frequencyHz) / sampleRateHz)
  let before = 0
  let last = 0
  for (let i = 0; i < samples.length; i++) {
    const window = 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / samples.length)
    const now = samples[i]! * window + coefficient * last - before
    before = last
    last = now
  }
  const power = last * last + before * before - coefficient * last * before
  const amplitude = (4 * Math.sqrt(Math.max(0, power))) / samples.length
  return 20 * Math.log10(amplitude / fullScale)
}

/** Level of the whole signal. @returns dBFS of a sine of the same power; −∞ for silence */
export function signalLevel(samples: Int16Array): number {
  let power = 0
  for (const sample of samples) power += sample * sample
  return 10 * Math.log10((2 * power) / Math.max(1, samples.length) / (fullScale * fullScale))
}
