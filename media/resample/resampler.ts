/**
 * Changes the sample rate of a stream frame by frame: a polyphase low-pass filter, whose state goes on from one frame to the
 * next.
 *
 * The filter is a sinc under a Kaiser window. With f the lower of the two Nyquist frequencies, it passes up to 0.85 f (3.4 kHz at
 * 8 kHz) and stops from 1.05 f on, by 70 dB. It delays by 23.5 to 24 samples of the lower rate: 3 ms at 8 kHz, 1.5 ms at 16 kHz.
 *
 * @see Crochiere and Rabiner, Multirate Digital Signal Processing (1983), §2.3; Kaiser and Schafer, On the use of the I0-sinh
 * window (1980)
 */

export interface Resampler {
  /**
   * Changes one frame, allocating nothing.
   *
   * @param input any length that makes a whole number of samples at the other rate, up to 60 ms
   * @param out as many samples as that makes
   * @throws {RangeError} for lengths that do not belong together
   */
  readonly resample: (input: Int16Array, out: Int16Array) => void
  /** Time from a sample to its place in the output. */
  readonly delayMs: number
  readonly reset: () => void
}

const passEdge = 0.85
const stopEdge = 1.05
const attenuationDb = 72
/** Taps at the lower of the two rates; more for each sample of the higher one. */
const lowRateTaps = 48
const longestFrameMs = 60
const resamplerRates: readonly number[] = [8000, 12_000, 16_000, 24_000, 32_000, 48_000]

/** Modified Bessel function of the first kind, order 0, by its series. */
function bessel0(x: number): number {
  let sum = 1
  let term = 1
  for (let k = 1; term > 1e-12 * sum; k++) {
    term *= (x / (2 * k)) ** 2
    sum += term
  }
  return sum
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}

/**
 * The low-pass filter at `up` times the input rate, its taps sorted by phase: those of phase p from `p · taps` on, in the order
 * of the input they are applied to.
 */
function polyphase(up: number, down: number): { readonly taps: number; readonly table: Float32Array } {
  const factor = Math.max(up, down)
  const taps = 4 * Math.ceil((lowRateTaps * factor) / up / 4)
  const length = taps * up
  const cutoff = (passEdge + stopEdge) / 2 / factor
  const beta = 0.1102 * (attenuationDb - 8.7)
  const center = (length - 1) / 2
  const prototype = Float64Array.from({ length }, (_, n) => {
    const x = (n - center) * cutoff
    const sinc = x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x)
    return sinc * bessel0(beta * Math.sqrt(Math.max(0, 1 - ((n - center) / center) ** 2)))
  })
  const table = new Float32Array(length)
  for (let phase = 0; phase < up; phase++) {
    let sum = 0
    for (let k = 0; k < taps; k++) sum += prototype[phase + k * up]!
    // Each phase alone passes a constant as it is: otherwise there would be a tone at the input rate.
    for (let k = 0; k < taps; k++) table[phase * taps + (taps - 1 - k)] = prototype[phase + k * up]! / sum
  }
  return { taps, table }
}

const filters = new Map<string, ReturnType<typeof polyphase>>()

function filterFor(up: number, down: number): ReturnType<typeof polyphase> {
  const key = `${up}/${down}`
  let filter = filters.get(key)
  if (filter === undefined) {
    filter = polyphase(up, down)
    filters.set(key, filter)
  }
  return filter
}

/** @throws {RangeError} for rates other than 8, 12, 16, 24, 32 and 48 kHz */
export function createResampler(fromHz: number, toHz: number): Resampler {
  for (const rate of [fromHz, toHz]) {
    if (!resamplerRates.includes(rate))
      throw new RangeError(`expected a sample rate of ${resamplerRates.join(', ')} Hz, got ${rate}`)
  }
  const common = greatestCommonDivisor(fromHz, toHz)
  const up = toHz / common
  const down = fromHz / common
  if (up === down) return { resample: (input, out) => out.set(input), delayMs: 0, reset: () => {} }
  const { taps, table } = filterFor(up, down)
  const kept = taps - 1
  const longest = (longestFrameMs * fromHz) / 1000
  const line = new Float32Array(kept + longest)
  return {
    resample: (input, out) => {
      if (input.length > longest || input.length * up !== out.length * down) {
        throw new RangeError(`${input.length} samples at ${fromHz} Hz do not make ${out.length} at ${toHz} Hz`)
      }
      for (let i = 0; i < input.length; i++) line[kept + i] = input[i]!
      filter(line, table, taps, up, down, out)
      line.copyWithin(0, input.length, input.length + kept)
    },
    delayMs: (taps * up - 1) / 2 / (up * (fromHz / 1000)),
    reset: () => line.fill(0)
  }
}

/** The hot loop, apart so that it is compiled once for all. `taps` is a multiple of 4. */
function filter(line: Float32Array, table: Float32Array, taps: number, up: number, down: number, out: Int16Array): void {
  let from = 0
  let phase = 0
  for (let n = 0; n < out.length; n++) {
    const coefficients = phase * taps
    let a = 0
    let b = 0
    for (let k = 0; k < taps; k += 4) {
      a += line[from + k]! * table[coefficients + k]! + line[from + k + 1]! * table[coefficients + k + 1]!
      b += line[from + k + 2]! * table[coefficients + k + 2]! + line[from + k + 3]! * table[coefficients + k + 3]!
    }
    const value = a + b
    out[n] = value >= 32_767 ? 32_767 : value <= -32_768 ? -32_768 : Math.round(value)
    phase += down
    while (phase >= up) {
      phase -= up
      from++
    }
  }
}
