/** Sounds to test codecs with, and how much of them came through. Everything is reproducible. */

/** Numbers in [−1, 1), the same for the same seed (xorshift, 32 bits). */
export function noise(seed: number): () => number {
  let state = seed | 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state / 2 ** 31
  }
}

/**
 * Something like a voice: a pulse train whose pitch glides around 120 Hz, through three formants that change with each syllable,
 * with noisy consonants and short pauses.
 *
 * @param levelDbfs of the whole, relative to a sine at full scale
 */
export function voice(sampleRateHz: number, seconds: number, levelDbfs = -20, seed = 1): Int16Array {
  const random = noise(seed * 7919)
  const length = Math.round(seconds * sampleRateHz)
  const sound = new Float64Array(length)
  const vowels = [
    [730, 1090, 2440],
    [270, 2290, 3010],
    [300, 870, 2240],
    [530, 1840, 2480],
    [570, 840, 2410]
  ]
  const state = new Float64Array(6)
  const syllable = 0.22 * sampleRateHz
  let phase = 0
  let vowel = vowels[0]!
  for (let i = 0; i < length; i++) {
    const within = (i % syllable) / syllable
    if (i % Math.round(syllable) === 0) vowel = vowels[Math.abs(Math.floor(random() * 1000)) % vowels.length]!
    const pitch = 120 + 25 * Math.sin((2 * Math.PI * i) / (1.3 * sampleRateHz)) + 4 * random() * 0.2
    phase += pitch / sampleRateHz
    const pulse = phase >= 1 ? 1 : 0
    phase -= pulse
    const voiced = within > 0.25 && within < 0.9
    const excitation = voiced ? pulse * 20 + random() * 0.05 : within < 0.2 ? random() * 0.8 : 0
    let value = 0
    for (let f = 0; f < 3; f++) {
      const radius = Math.exp((-Math.PI * (60 + 40 * f)) / sampleRateHz)
      const b = 2 * radius * Math.cos((2 * Math.PI * vowel[f]!) / sampleRateHz)
      const next = excitation * (1 - radius) + b * state[2 * f]! - radius * radius * state[2 * f + 1]!
      state[2 * f + 1] = state[2 * f]!
      state[2 * f] = next
      value += next / (1 + f)
    }
    sound[i] = value
  }
  let power = 0
  for (const value of sound) power += value * value
  const scale = (32_767 * 10 ** (levelDbfs / 20)) / Math.sqrt((2 * power) / length || 1)
  return Int16Array.from(sound, (value) => Math.max(-32_768, Math.min(32_767, Math.round(value * scale))))
}

/**
 * How alike two signals are, at the delay (0 to `longestDelay` samples) at which they are most alike.
 *
 * @returns correlation from −1 to 1, that delay, and the signal-to-noise ratio in dB of `heard`, with its level matched to `said`
 */
export function likeness(
  said: Int16Array,
  heard: Int16Array,
  longestDelay: number
): { readonly correlation: number; readonly delay: number; readonly snrDb: number } {
  const length = Math.min(said.length, heard.length) - longestDelay
  let best = { correlation: -2, delay: 0, snrDb: Number.NEGATIVE_INFINITY }
  for (let delay = 0; delay <= longestDelay; delay++) {
    let product = 0
    let saidPower = 1e-9
    let heardPower = 1e-9
    for (let i = 0; i < length; i++) {
      const a = said[i]!
      const b = heard[i + delay]!
      product += a * b
      saidPower += a * a
      heardPower += b * b
    }
    const correlation = product / Math.sqrt(saidPower * heardPower)
    if (correlation <= best.correlation) continue
    best = { correlation, delay, snrDb: -10 * Math.log10(Math.max(1e-12, 1 - correlation * correlation)) }
  }
  return best
}
