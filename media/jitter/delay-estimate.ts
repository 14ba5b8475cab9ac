/**
 * How long packets should wait: the delay, over the fastest of late, that all but a few stay below.
 *
 * Quick up: two late packets within about a second count at once; one, or one pause of the sender or the path, does not. Slow
 * down: the target falls some milliseconds a second.
 */

import { type LegRecord, of } from '../express/record.ts'

const binMs = 5
const bins = 100
/** Share of the past that a new packet replaces. */
const forget = 1 / 64
/** Share of packets that may come later than the target. */
const lateShare = 0.02
const fallMsPerS = 10
/** Weight at which all are made lighter again, and share of it below which a bin is empty. */
const heaviest = 1e100
const negligible = 1e-6
/** Packets that come this soon after one another, each less late than the one before, were held up together: that counts once. */
const togetherMs = 5
/**
 * The fastest transit is sought over the last one to two such times: long for jitter, short for drifting clocks (2 ms at 200
 * ppm).
 */
const fastestWindowMs = 5000
/** A transit further off than this belongs to another time line. */
const anotherTimeMs = 3000

export class DelayEstimate {
  #minMs: number
  readonly #maxMs: number
  /** Shares of packets by their delay, times `#weight`: what is past loses by what is new weighing more. */
  readonly #shares = new Float64Array(bins)
  #weight = 1
  /** Above it no bin holds anything that counts. */
  #highest = 0
  #fastestMs = Number.POSITIVE_INFINITY
  #fastestBeforeMs = Number.POSITIVE_INFINITY
  #windowEndsMs = Number.NEGATIVE_INFINITY
  #atMs = 0
  #lastArrivalMs = Number.NEGATIVE_INFINITY
  #lastTransitMs = 0
  #targetMs: number

  constructor(minMs: number, maxMs: number) {
    this.#minMs = minMs
    this.#maxMs = maxMs
    this.#targetMs = minMs
    this.#shares[0] = 1
  }

  /** @param transitMs arrival time less media time: only differences between them mean something */
  packet(transitMs: number, arrivalMs: number): void {
    if (Math.abs(transitMs - this.baseMs) > anotherTimeMs) this.newTime()
    if (arrivalMs >= this.#windowEndsMs) {
      const before = this.baseMs
      this.#fastestBeforeMs = this.#fastestMs
      this.#fastestMs = transitMs
      this.#windowEndsMs = arrivalMs + fastestWindowMs
      this.#rebase(this.baseMs - before)
    } else if (transitMs < this.#fastestMs) this.#fastestMs = transitMs
    const together = arrivalMs - this.#lastArrivalMs < togetherMs && transitMs < this.#lastTransitMs
    this.#lastArrivalMs = arrivalMs
    this.#lastTransitMs = transitMs
    if (together) return
    this.#weight /= 1 - forget
    if (this.#weight > heaviest) this.#lighten()
    const bin = Math.min(bins - 1, Math.floor((transitMs - this.baseMs) / binMs))
    this.#shares[bin]! += forget * this.#weight
    if (bin > this.#highest) this.#highest = bin
    this.#aim(arrivalMs)
  }

  #lighten(): void {
    for (let i = 0; i < bins; i++) this.#shares[i]! /= this.#weight
    this.#weight = 1
  }

  /** The fastest packets have become slower: what was learned relative to them moves along. */
  #rebase(slowerMs: number): void {
    if (!(slowerMs > 0) || slowerMs === Number.POSITIVE_INFINITY) return
    this.#targetMs = Math.max(this.#minMs, this.#targetMs - slowerMs)
    const shares = this.#shares
    const moved = Math.min(bins - 1, Math.round(slowerMs / binMs))
    for (let i = 1; i <= moved; i++) shares[0]! += shares[i]!
    for (let i = 1; i < bins; i++) shares[i] = i + moved < bins ? shares[i + moved]! : 0
  }

  #aim(nowMs: number): void {
    const shares = this.#shares
    while (this.#highest > 0 && shares[this.#highest]! < negligible * this.#weight) shares[this.#highest--] = 0
    const mostLate = lateShare * this.#weight
    let late = 0
    let bin = this.#highest + 1
    while (bin > 1 && late + shares[bin - 1]! <= mostLate) late += shares[--bin]!
    const wanted = bin <= 1 ? 0 : bin * binMs
    const bounded = Math.max(this.#minMs, Math.min(this.#maxMs, wanted))
    const fallen = this.#targetMs - (Math.max(0, nowMs - this.#atMs) * fallMsPerS) / 1000
    this.#atMs = nowMs
    this.#targetMs = Math.max(bounded, fallen)
  }

  /** Transit of the fastest packets. */
  get baseMs(): number {
    return Math.min(this.#fastestMs, this.#fastestBeforeMs)
  }

  get targetMs(): number {
    return this.#targetMs
  }

  /** Lets the express lane go on measuring. */
  lend({ fields, shares }: LegRecord): void {
    shares.set(this.#shares)
    fields[of.minTarget] = this.#minMs
    fields[of.maxTarget] = this.#maxMs
    fields[of.weight] = this.#weight
    fields[of.highestBin] = this.#highest
    fields[of.fastest] = this.#fastestMs
    fields[of.fastestBefore] = this.#fastestBeforeMs
    fields[of.windowEnds] = this.#windowEndsMs
    fields[of.targetAt] = this.#atMs
    fields[of.lastArrival] = this.#lastArrivalMs
    fields[of.lastTransit] = this.#lastTransitMs
    fields[of.target] = this.#targetMs
  }

  /** The inverse of {@link lend}. */
  follow({ fields, shares }: LegRecord): void {
    this.#shares.set(shares)
    this.#weight = fields[of.weight]!
    this.#highest = fields[of.highestBin]!
    this.#fastestMs = fields[of.fastest]!
    this.#fastestBeforeMs = fields[of.fastestBefore]!
    this.#windowEndsMs = fields[of.windowEnds]!
    this.#atMs = fields[of.targetAt]!
    this.#lastArrivalMs = fields[of.lastArrival]!
    this.#lastTransitMs = fields[of.lastTransit]!
    this.#targetMs = fields[of.target]!
  }

  /** Packets are worth waiting for this long, whatever their jitter. */
  waitFor(minMs: number): void {
    this.#minMs = Math.min(this.#maxMs, Math.max(this.#minMs, minMs))
    this.#targetMs = Math.max(this.#targetMs, this.#minMs)
  }

  /** The sender's time line is another: transits before it mean nothing, their spread still does. */
  newTime(): void {
    this.#fastestMs = this.#fastestBeforeMs = Number.POSITIVE_INFINITY
    this.#windowEndsMs = Number.NEGATIVE_INFINITY
  }
}
