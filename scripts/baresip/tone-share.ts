import type { Wave } from '#media'

/** Share of the signal's power that is at `frequencyHz`, 0 to 1 (Goertzel). 0 for silence. */
export function toneShare({ sampleRateHz, samples }: Wave, frequencyHz: number): number {
  const coefficient = 2 * Math.cos((2 * Math.PI * frequencyHz) / sampleRateHz)
  // Half a second at a time: the clocks of two machines drift too far for one long sum.
  const block = sampleRateHz >> 1
  let tone = 0
  let total = 0
  for (let start = 0; start + block <= samples.length; start += block) {
    let s1 = 0
    let s2 = 0
    for (let index = start; index < start + block; index++) {
      const sample = samples[index]!
      total += sample * sample
      const s0 = sample + coefficient * s1 - s2
      s2 = s1
      s1 = s0
    }
    tone += (2 * (s1 * s1 + s2 * s2 - coefficient * s1 * s2)) / block
  }
  return total === 0 ? 0 : tone / total
}
