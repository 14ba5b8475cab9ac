/**
 * G.722 at 64 kbit/s in TypeScript: two sub-bands of 8 kHz by a quadrature mirror filter, ADPCM of 6 bits in the lower and 2 in
 * the upper.
 *
 *     | upper | lower band      |
 *     | 2 bit | 6 bits          |   one octet for two samples at 16 kHz
 *
 * Integer arithmetic of the recommendation, bit for bit (`Math.imul` where a product fits 32 bits: `*` would go through floating
 * point); names in capitals there (DETL, NBL, AL1…) are lower-case here.
 *
 * @see ITU-T G.722 (09/2012) §3 (encoder), §4 (decoder), §6.2 (blocks of the two bands)
 */

/** Every second tap of the symmetric filter of 24; the others are the same ones backwards. @see table 11 */
const qmfTaps = Int32Array.of(3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11)

/** Where the 30 decision intervals of the lower band begin; two more, so that there are 32. @see table 14 (Q6) */
const decisionLevels = Int32Array.of(
  ...[0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714],
  ...[786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919, 2919, 2919]
)
/** Codes of the intervals, of positive differences from 0, of negative ones from 32 on. @see table 14 (ILP, ILN) */
const codes = new Uint8Array(64)
for (let n = 0; n < 30; n++) {
  codes[n] = 61 - n
  codes[32 + n] = n < 2 ? 63 - n : 33 - n
}

/**
 * Quantised differences, by 6- and 4-bit code of the lower, 2-bit code of the upper band. @see table 15 (QQ6, QQ4), table 22
 * (QQ2)
 */
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

/** `value` for 0, `-value` for −1: signs are as good as random, and a wrong guess of a branch costs more than all the rest. */
const turn = (value: number, sign: number) => (value ^ sign) - sign

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
  #pole1 = 0
  #pole2 = 0
  readonly #zeros = new Int32Array(6)
  /** Last differences (D), newest first; doubled, as they are used. */
  readonly #doubled = new Int32Array(6)
  /** Last reconstructed signal, doubled. */
  #r1 = 0
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
    this.#pole1 = this.#pole2 = 0
    this.#zeros.fill(0)
    this.#doubled.fill(0)
    this.#r1 = this.#p1 = this.#p2 = 0
  }

  /** Follows the quantised difference `d` of code `code` (4 bits, or 2 in the upper band): blocks 3 and 4. */
  adapt(code: number, d: number): void {
    this.#adaptScale(code)
    const pole1 = this.#pole1
    // RECONS, PARREC
    const r = saturate(this.predicted + d)
    const p = saturate(this.#fromZeros + d)
    // UPPOL2
    const turn1 = (p ^ this.#p1) >> 31
    const turn2 = (p ^ this.#p2) >> 31
    const turned = Math.min(32_767, turn(-saturate(pole1 << 2), turn1))
    let second = turn(128, turn2) + (turned >> 7) + (Math.imul(this.#pole2, leak) >> 15)
    second = second > 12_288 ? 12_288 : second < -12_288 ? -12_288 : second
    // UPPOL1
    const bound = saturate(15_360 - second)
    let pole = saturate(turn(192, turn1) + (Math.imul(pole1, 255) >> 8))
    pole = pole > bound ? bound : pole < -bound ? -bound : pole
    // UPZERO, DELAYA and FILTEZ in one pass: each zero is first moved, by the sign of the difference before it, then applied to
    // the one now in its place.
    const zeros = this.#zeros
    const doubled = this.#doubled
    const step = d === 0 ? 0 : 128
    let newer = saturate(d + d)
    let fromZeros = 0
    for (let i = 0; i < 6; i++) {
      const older = doubled[i]!
      const zero = turn(step, (older ^ d) >> 31) + (Math.imul(zeros[i]!, 255) >> 8)
      zeros[i] = zero
      fromZeros += Math.imul(zero, newer) >> 15
      doubled[i] = newer
      newer = older
    }
    this.#p2 = this.#p1
    this.#p1 = p
    this.#pole1 = pole
    this.#pole2 = second
    // FILTEP, PREDIC
    const doubledR = saturate(r + r)
    const fromPoles = saturate((Math.imul(pole, doubledR) >> 15) + (Math.imul(second, this.#r1) >> 15))
    this.#r1 = doubledR
    this.#fromZeros = saturate(fromZeros)
    this.predicted = saturate(fromPoles + this.#fromZeros)
  }

  /** LOGSCL, SCALEL; LOGSCH, SCALEH. */
  #adaptScale(code: number): void {
    const log = (Math.imul(this.#log, leak) >> 15) + this.#growth[code]!
    this.#log = log < 0 ? 0 : log > this.#largestLog ? this.#largestLog : log
    const value = antilog[(this.#log >> 6) & 31]!
    const shift = this.#logShift - (this.#log >> 11)
    this.scale = (shift < 0 ? value << -shift : value >> shift) << 2
  }
}

/**
 * The last 24 samples of the filter bank, the first and second ones of each pair apart; kept twice, so that the last 12 of each
 * always lie in one piece.
 */
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
      odd += Math.imul(firsts[from]!, tap)
      even += Math.imul(seconds[at + 12 - i]!, tap)
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
    low.adapt(lowCode >> 2, Math.imul(low.scale, output4[lowCode >> 2]!) >> 15)
    const highDifference = saturate(((history.even - history.odd) >> 14) - high.predicted)
    const magnitude = highDifference ^ (highDifference >> 31)
    const outer = magnitude >= Math.imul(upperDecision, high.scale) >> 12
    const highCode = highDifference < 0 ? (outer ? 0 : 1) : outer ? 2 : 3
    high.adapt(highCode, Math.imul(high.scale, output2[highCode]!) >> 15)
    return (highCode << 6) | lowCode
  }

  /** QUANTL: the last of the 30 intervals that begins at or below the magnitude, sought without branches. */
  #quantiseLow(difference: number): number {
    const sign = difference >> 31
    const magnitude = difference ^ sign
    const { scale } = this.#low
    let interval = 0
    for (let step = 16; step > 0; step >>= 1) {
      const level = Math.imul(decisionLevels[interval + step]!, scale) >> 12
      interval += step & ((level - 1 - magnitude) >> 31)
    }
    return codes[(sign & 32) | Math.min(29, interval)]!
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
    const rl = limit(low.predicted + (Math.imul(low.scale, output6[lowCode]!) >> 15))
    low.adapt(lowCode >> 2, Math.imul(low.scale, output4[lowCode >> 2]!) >> 15)
    const highDifference = Math.imul(high.scale, output2[highCode]!) >> 15
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
