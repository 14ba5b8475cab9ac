/**
 * How a call sounds, reckoned from loss and delay: transmission rating R and the mean opinion score that goes with it.
 *
 * The E-model of narrowband telephony with the default values of every parameter that is not given here, and no echo path (both ends are digital).
 *
 * @see ITU-T G.107 (06/2015) clause 7, annex B
 */

/** What a codec does to speech by itself, and how it takes loss. */
export interface CodecImpairment {
  /** Equipment impairment factor Ie without loss. */
  readonly ie: number
  /** Packet-loss robustness factor Bpl. */
  readonly bpl: number
  /** Where the values are from. */
  readonly source: string
}

/**
 * Planning values. G.722 and Opus are wideband: on the narrowband scale they are taken as no worse than G.711, and their loss as concealed like its own, until
 * a recommendation says more.
 */
const impairments: Readonly<Record<string, CodecImpairment>> = {
  PCMU: { ie: 0, bpl: 25.1, source: 'ITU-T G.113 appendix I, G.711 with concealment, random loss' },
  PCMA: { ie: 0, bpl: 25.1, source: 'ITU-T G.113 appendix I, G.711 with concealment, random loss' },
  G729: { ie: 11, bpl: 19, source: 'ITU-T G.113 appendix I, G.729A with VAD' },
  G722: { ie: 0, bpl: 25.1, source: 'as G.711' },
  OPUS: { ie: 0, bpl: 25.1, source: 'as G.711' }
}

/** @param codec encoding name of SDP; an unknown one is taken for G.711 */
const impairmentOf = (codec: string): CodecImpairment => impairments[codec.toUpperCase()] ?? impairments.PCMU!

export interface Transmission {
  readonly codec: string
  /** Share of packets that were not played, lost or too late, 0 to 1. */
  readonly lossRatio: number
  /** Mean length of bursts of loss to that of random loss: 1 where loss is random, more where it comes in bursts. */
  readonly burstRatio: number
  /** Mouth to ear, one way, in milliseconds. */
  readonly delayMs: number
}

/** R without delay and loss, every parameter at its default. @see G.107 clause 7.7, table 3 */
const undisturbed = 93.2

/** Impairment by absolute delay, none below 100 ms. @see G.107 clause 7.4, formulae 7-27 to 7-29 */
function delayImpairment(delayMs: number): number {
  if (delayMs <= 100) return 0
  const x = Math.log2(delayMs / 100)
  return 25 * ((1 + x ** 6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2)
}

/**
 * Transmission rating, 0 to 93.2.
 *
 * @throws {RangeError} a ratio outside of 0 to 1, a burst ratio below 1 or a negative delay
 */
export function transmissionRating({ codec, lossRatio, burstRatio, delayMs }: Transmission): number {
  if (!(lossRatio >= 0 && lossRatio <= 1)) throw new RangeError(`lossRatio: expected 0 to 1, got ${lossRatio}`)
  if (!(burstRatio >= 1)) throw new RangeError(`burstRatio: expected 1 or more, got ${burstRatio}`)
  if (!(delayMs >= 0)) throw new RangeError(`delayMs: expected 0 or more, got ${delayMs}`)
  const { ie, bpl } = impairmentOf(codec)
  const lossPercent = 100 * lossRatio
  const effective = lossPercent === 0 ? ie : ie + ((95 - ie) * lossPercent) / (lossPercent / burstRatio + bpl)
  return Math.max(0, undisturbed - delayImpairment(delayMs) - effective)
}

/** Mean opinion score of conversation, 1 to 4.5, from a rating. @see G.107 annex B, formula B-4 */
export function meanOpinionScore(rating: number): number {
  if (rating <= 0) return 1
  if (rating >= 100) return 4.5
  // the cubic falls below 1 for the smallest ratings
  return Math.max(1, 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6)
}
