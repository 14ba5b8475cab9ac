/**
 * G.722 at 64 kbit/s in TypeScript: two sub-bands of 8 kHz by a quadrature mirror filter, ADPCM of 6 bits in the lower and 2 in the upper.
 *
 *     | upper | lower band      |
 *     | 2 bit | 6 bits          |   one octet for two samples at 16 kHz
 *
 * Integer arithmetic of the recommendation, bit for bit; names in capitals there (DETL, NBL, AL1…) are lower-case here.
 *
 * @see ITU-T G.722 (09/2012) §3 (encoder), §4 (decoder), §6.2 (blocks of the two bands)
 */

/** Every second tap of the symmetric filter of 24; the others are the same ones backwards. @see table 11 */
const qmfTaps = Int32Array.of(3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11)

/** Decision levels of the lower band's quantiser. @see table 14 (Q6) */
const decisionLevels = Int32Array.of(
  ...[0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714],
  ...[786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919]
)
/** Codes of the decision intervals, 1 first, of negative and positive differences. @see table 14 (ILN, ILP) */
const negativeCodes = [63, 62, ...Array.from({ length: 28 }, (_, n) => 31 - n)]
const positiveCodes = Array.from({ length: 30 }, (_, n) => 61 - n)

/** Quantised differences, by 6- and 4-bit code of the lower, 2-bit code of the upper band. @see table 15 (QQ6, QQ4), table 22 (QQ2) */
const output6 = Int16Array.of(
  ...[-136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856],
  ...[-7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040, -728],
  ...[24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456],
  ...[4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136]
)
const output4 = Int16Array.of(
  ...[0, -20456, -12896, -8968, -6288, -4240, -2584, -1200],
  ...[20456, 12896, 8968, 6288, 4240, 2584, 1200, 0]
)
const output2 = Int16Array.of(-7408, -1616, 7408, 1616)

/** Growth of the logarithmic scale factor by magnitude, lower (WL) and upper band (WH). @see tables 16, 23 */
const growthLow = [-60, -30, 58, 172, 334, 538, 1198, 3042]
const magnitudeOf4 = [0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0]
const growth4 = Int16Array.from(magnitudeOf4, (magnitude) => growthLow[magnitude]!)
const growth2 = Int16Array.of(798, -214, 798, -214)
/** 32 steps of an octave, 2048 to 4008. @see table 17 (ILB) */
const antilog = Int32Array.of(
  ...[2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834],
  ...[2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008]
)
const leak = 32_512
const largestLogLow = 18_432
const largestLogHigh = 22_528
const upperDecision = 564

const saturate = (value: number) => (value > 32_767 ? 32_767 : value < -32_768 ? -32_768 : value)

/** One sub-band: scale factor and the predictor of two poles and six zeros, common to encoder and decoder. */
class Band {
  /** Scale factor of the quantiser (DET), and its logarithm (NB). */
  scale: number
  /** Signal that is predicted (S). */
  predicted = 0
  readonly #firstScale: number
  readonly #growth: Int16Array
  readonly #largestLog: number
  readonly #logShift: number
  #log = 0
  /** Predicted from the zeros (SZ). */
  #fromZeros = 0
  readonly #poles = Int32Array.of(0, 0)
  readonly #zeros = new Int32Array(6)
  /** Last differences (D), reconstructed signals (R), partial signals (P), newest first. */
  readonly #differences = new Int32Array(6)
  #r1 = 0
  #r2 = 0
  #p1 = 0
  #p2 = 0

  constructor(lower: boolean) {
    this.#firstScale = lower ? 32 : 8
    this.#growth = lower ? growth4 : growth2
    this.#largestLog = lower ? largestLogLow : largestLogHigh
    this.#logShift = lower ? 8 : 10
    this.scale = this.#firstScale
  }

  reset(): void {
    this.scale = this.#firstScale
    this.predicted = this.#log = this.#fromZeros = 0
    this.#poles.fill(0)
    this.#zeros.fill(0)
    this.#differences.fill(0)
    this.#r1 = this.#r2 = this.#p1 = this.#p2 = 0
  }

  /** Follows the quantised difference `d` of code `code` (4 bits, or 2 in the upper band): blocks 3 and 4. */
  adapt(code: number, d: number): void {
    this.#adaptScale(code)
    const poles = this.#poles
    // RECONS, PARREC
    const r = saturate(this.predicted + d)
    const p = saturate(this.#fromZeros + d)
    // UPPOL2
    const sameAsFirst = p >> 31 === this.#p1 >> 31
    const sameAsSecond = p >> 31 === this.#p2 >> 31
    const first = saturate(poles[0]! << 2)
    const turned = Math.min(32_767, sameAsFirst ? -first : first)
    let second = (sameAsSecond ? 128 : -128) + (turned >> 7) + ((poles[1]! * leak) >> 15)
    second = second > 12_288 ? 12_288 : second < -12_288 ? -12_288 : second
    // UPPOL1
    const bound = saturate(15_360 - second)
    let pole = saturate((sameAsFirst ? 192 : -192) + ((poles[0]! * 32_640) >> 15))
    pole = pole > bound ? bound : pole < -bound ? -bound : pole
    // UPZERO, DELAYA and FILTEZ in one pass: each zero is first moved, by the sign of the difference before it, then applied to the one now in its place.
    const zeros = this.#zeros
    const differences = this.#differences
    const step = d === 0 ? 0 : 128
    let newer = d
    let fromZeros = 0
    for (let i = 0; i < 6; i++) {
      const older = differences[i]!
      const zero = ((older ^ d) < 0 ? -step : step) + ((zeros[i]! * 32_640) >> 15)
      zeros[i] = zero
      fromZeros += (zero * saturate(newer + newer)) >> 15
      differences[i] = newer
      newer = older
    }
    this.#r2 = this.#r1
    this.#r1 = r
    this.#p2 = this.#p1
    this.#p1 = p
    poles[0] = pole
    poles[1] = second
    // FILTEP, PREDIC
    const fromPoles = saturate(((pole * saturate(r + r)) >> 15) + ((second * saturate(this.#r2 + this.#r2)) >> 15))
    this.#fromZeros = saturate(fromZeros)
    this.predicted = saturate(fromPoles + this.#fromZeros)
  }

  /** LOGSCL, SCALEL; LOGSCH, SCALEH. */
  #adaptScale(code: number): void {
    const log = ((this.#log * leak) >> 15) + this.#growth[code]!
    this.#log = log < 0 ? 0 : log > this.#largestLog ? this.#largestLog : log
    const value = antilog[(this.#log >> 6) & 31]!
    const shift = this.#logShift - (this.#log >> 11)
    this.scale = (shift < 0 ? value << -shift : value >> shift) << 2
  }
}

/** The last 24 samples of the filter bank, the first and second ones of each pair apart; kept twice, so that the last 12 of each always lie in one piece. */
class History {
  readonly #firsts = new Int32Array(24)
  readonly #seconds = new Int32Array(24)
  #at = 0
  /** Sums of the two polyphase branches. */
  even = 0
  odd = 0

  push(first: number, second: number): void {
    const firsts = this.#firsts
    const seconds = this.#seconds
    const at = this.#at
    firsts[at] = firsts[at + 12] = first
    seconds[at] = seconds[at + 12] = second
    this.#at = at === 11 ? 0 : at + 1
    let even = 0
    let odd = 0
    for (let i = 0, from = at + 1; i < 12; i++, from++) {
      const tap = qmfTaps[i]!
      odd += firsts[from]! * tap
      even += seconds[at + 12 - i]! * tap
    }
    this.even = even
    this.odd = odd
  }

  reset(): void {
    this.#firsts.fill(0)
    this.#seconds.fill(0)
  }
}

export class G722Encoder {
  readonly #low = new Band(true)
  readonly #high = new Band(false)
  readonly #history = new History()

  /** Encodes two samples. @returns the octet */
  encode(first: number, second: number): number {
    const history = this.#history
    history.push(first, second)
    const low = this.#low
    const high = this.#high
    const lowCode = this.#quantiseLow(saturate(((history.even + history.odd) >> 14) - low.predicted))
    low.adapt(lowCode >> 2, (low.scale * output4[lowCode >> 2]!) >> 15)
    const highDifference = saturate(((history.even - history.odd) >> 14) - high.predicted)
    const magnitude = highDifference >= 0 ? highDifference : -(highDifference + 1)
    const outer = magnitude >= (upperDecision * high.scale) >> 12
    const highCode = highDifference < 0 ? (outer ? 0 : 1) : outer ? 2 : 3
    high.adapt(highCode, (high.scale * output2[highCode]!) >> 15)
    return (highCode << 6) | lowCode
  }

  /** QUANTL */
  #quantiseLow(difference: number): number {
    const magnitude = difference >= 0 ? difference : -(difference + 1)
    let interval = 1
    let above = 30
    while (interval < above) {
      const middle = (interval + above) >> 1
      if (magnitude >= (decisionLevels[middle]! * this.#low.scale) >> 12) interval = middle + 1
      else above = middle
    }
    return difference < 0 ? negativeCodes[interval - 1]! : positiveCodes[interval - 1]!
  }

  reset(): void {
    this.#low.reset()
    this.#high.reset()
    this.#history.reset()
  }
}

export class G722Decoder {
  readonly #low = new Band(true)
  readonly #high = new Band(false)
  readonly #history = new History()

  /** Decodes an octet into two samples from `at` on. */
  decode(octet: number, out: Int16Array, at: number): void {
    const low = this.#low
    const high = this.#high
    const lowCode = octet & 0x3f
    const highCode = octet >> 6
    const rl = limit(low.predicted + ((low.scale * output6[lowCode]!) >> 15))
    low.adapt(lowCode >> 2, (low.scale * output4[lowCode >> 2]!) >> 15)
    const highDifference = (high.scale * output2[highCode]!) >> 15
    const rh = limit(high.predicted + highDifference)
    high.adapt(highCode, highDifference)
    const history = this.#history
    history.push(rl + rh, rl - rh)
    out[at] = saturate(history.even >> 11)
    out[at + 1] = saturate(history.odd >> 11)
  }

  reset(): void {
    this.#low.reset()
    this.#high.reset()
    this.#history.reset()
  }
}

/** LIMIT: 15 bits. */
const limit = (value: number) => (value > 16_383 ? 16_383 : value < -16_384 ? -16_384 : value)
