/**
 * Makes up lost sound from what was heard last: the last pitch period is repeated, later two and three of them, ever softer, and
 * what comes after the gap is faded in over it.
 *
 * Of the quality of ITU-T G.711 Appendix I, with three differences: it adds no delay (the step at the start of a gap is faded out
 * where Appendix I holds back 3.75 ms), real sound fades in within 2.5 to 6 ms (not 4 to 10: nearer to the lossless sound in
 * media/testing/bench-concealment.ts), and it works at any rate.
 */

import { type LegRecord, of } from '../express/record.ts'

/** Pitch from 66 to 200 Hz, as in Appendix I. */
const shortestLagMs = 5
const longestLagMs = 15
/** Sound that is compared with what lies a lag before it. */
const windowMs = 20
const historyMs = windowMs + 2 * longestLagMs
/** Each period count is used this long; after the first such time sound gets softer. */
const stepMs = 10
const largestPeriods = 3
/** Lost share of full level for each step after the first: silence after six. */
const fadePerStep = 0.2
/** Fade from made-up to real sound: a little, and more for each step that was lost. */
const recoveryBaseMs = 2.5
const recoveryPerStepMs = 1.5
const longestRecoveryMs = 6

export class Concealment {
  readonly #perMs: number
  /** What was heard last, or made up, in a ring: the oldest at `#oldest`. */
  readonly #history: Int16Array
  #oldest = 0
  /** What was heard before the gap, the newest at the end. Empty before the first gap, like what follows. */
  #before = new Int16Array(0)
  /** The periods that are repeated, `#length` of them, the end blended into the start. */
  #cycle = new Float32Array(0)
  #nextCycle = new Float32Array(0)
  #length = 0
  #at = 0
  #lag = 0
  /** Step from the last real sample to the first of the cycle, fading out. */
  #jump = 0
  #jumpLeft = 0
  #lost = 0

  constructor(sampleRateHz: number) {
    this.#perMs = sampleRateHz / 1000
    this.#history = new Int16Array(historyMs * this.#perMs)
  }

  /** Takes `count` samples that were decoded; after a gap they are faded in, in place. */
  heard(samples: Int16Array, count: number): void {
    if (this.#lost > 0) {
      const steps = this.#lost / (stepMs * this.#perMs)
      const fade = Math.min(
        count,
        Math.round(Math.min(recoveryBaseMs + recoveryPerStepMs * steps, longestRecoveryMs) * this.#perMs)
      )
      for (let i = 0; i < fade; i++) {
        const share = (i + 1) / (fade + 1)
        samples[i] = Math.round(this.#make() * (1 - share) + samples[i]! * share)
      }
      this.#lost = 0
    }
    this.#remember(samples, count)
  }

  /** Fills `out` with what may have stood there. @returns false when nothing is left of it: `out` is silence */
  conceal(out: Int16Array): boolean {
    const audible = this.#gain() > 0
    if (this.#lost === 0) this.#begin()
    for (let i = 0; i < out.length; i++) out[i] = Math.round(this.#make())
    this.#remember(out, out.length)
    return audible
  }

  /** Takes what was played in place of sound, in a pause: what comes after it follows on without a fade. */
  replace(samples: Int16Array): void {
    this.#lost = 0
    this.#remember(samples, samples.length)
  }

  reset(): void {
    this.#history.fill(0)
    this.#lost = 0
  }

  /** Writes what was heard last to the end of `out`. @returns false where some of it was made up just now */
  recall(out: Int16Array): boolean {
    if (this.#lost > 0) return false
    this.#unroll(out)
    return true
  }

  /** The end of `sound` was heard last. */
  restore(sound: Int16Array): void {
    this.#history.set(sound.subarray(sound.length - this.#history.length))
    this.#oldest = 0
    this.#lost = 0
  }

  /** Lets the express lane go on, at 8 kHz. */
  lend({ fields, sound }: LegRecord): void {
    this.#unroll(sound.heard)
    fields[of.lost] = this.#lost
    if (this.#lost === 0) return
    sound.before.set(this.#before)
    sound.cycle.set(this.#cycle)
    fields[of.lag] = this.#lag
    fields[of.cycleLength] = this.#length
    fields[of.cycleAt] = this.#at
    fields[of.jump] = this.#jump
    fields[of.jumpLeft] = this.#jumpLeft
  }

  /** The inverse of {@link lend}. */
  follow({ fields, sound }: LegRecord): void {
    this.restore(sound.heard)
    this.#lost = fields[of.lost]!
    if (this.#lost === 0) return
    this.#makeRoom()
    this.#before.set(sound.before)
    this.#cycle.set(sound.cycle)
    this.#lag = fields[of.lag]!
    this.#length = fields[of.cycleLength]!
    this.#at = fields[of.cycleAt]!
    this.#jump = fields[of.jump]!
    this.#jumpLeft = fields[of.jumpLeft]!
  }

  /** Writes the history in its order to the end of `out`. */
  #unroll(out: Int16Array): void {
    const start = out.length - this.#history.length
    out.set(this.#history.subarray(this.#oldest), start)
    out.set(this.#history.subarray(0, this.#oldest), out.length - this.#oldest)
  }

  #makeRoom(): void {
    if (this.#before.length > 0) return
    this.#before = new Int16Array(this.#history.length)
    this.#cycle = new Float32Array(largestPeriods * longestLagMs * this.#perMs)
    this.#nextCycle = new Float32Array(this.#cycle.length)
  }

  #remember(samples: Int16Array, count: number): void {
    const history = this.#history
    let to = this.#oldest
    for (let from = Math.max(0, count - history.length); from < count; ) {
      const end = Math.min(count, from + history.length - to)
      while (from < end) history[to++] = samples[from++]!
      if (to === history.length) to = 0
    }
    this.#oldest = to
  }

  #begin(): void {
    this.#makeRoom()
    const history = this.#before
    this.#unroll(history)
    this.#lag = this.#findLag()
    this.#fill(this.#cycle, 1)
    this.#length = this.#lag
    this.#at = 0
    const last = history.length - 1
    this.#jump = history[last]! - history[last - this.#lag]!
    this.#jumpLeft = this.#lag >> 2
  }

  #gain(): number {
    const steps = this.#lost / (stepMs * this.#perMs) - 1
    return steps <= 0 ? 1 : Math.max(0, 1 - fadePerStep * steps)
  }

  /** The next made-up sample. */
  #make(): number {
    const stepSamples = stepMs * this.#perMs
    if (this.#lost > 0 && this.#lost % stepSamples === 0) this.#lengthen()
    let value = this.#cycle[this.#at]!
    if (++this.#at === this.#length) this.#at = 0
    if (this.#jumpLeft > 0) value += (this.#jump * this.#jumpLeft--) / ((this.#lag >> 2) + 1)
    const gain = this.#gain()
    this.#lost++
    const scaled = value * gain
    return scaled > 32_767 ? 32_767 : scaled < -32_768 ? -32_768 : scaled
  }

  /** One period more in the cycle, from the same place within a period: a sound that repeats itself less rings less. */
  #lengthen(): void {
    const periods = this.#length / this.#lag
    if (periods >= largestPeriods) return
    this.#fill(this.#nextCycle, periods + 1)
    const before = this.#cycle[this.#at]!
    this.#cycle.set(this.#nextCycle)
    this.#length += this.#lag
    this.#jump = before - this.#cycle[this.#at]!
    this.#jumpLeft = this.#lag >> 2
  }

  /**
   * The last `periods` periods; the last quarter of one is blended with what came before the first, so that the end leads into
   * the start.
   */
  #fill(cycle: Float32Array, periods: number): void {
    const history = this.#before
    const length = periods * this.#lag
    const from = history.length - length
    const blend = Math.min(this.#lag >> 2, from)
    for (let i = 0; i < length; i++) {
      const tail = i - (length - blend)
      const share = tail < 0 ? 0 : (tail + 1) / (blend + 1)
      cycle[i] = history[from + i]! * (1 - share) + (tail < 0 ? 0 : history[from - blend + tail]! * share)
    }
  }

  /** Lag at which the last sound is most like what came before: searched at 8 kHz, refined at the full rate. */
  #findLag(): number {
    const step = Math.max(1, this.#perMs >> 3)
    const shortest = shortestLagMs * this.#perMs
    const longest = longestLagMs * this.#perMs
    let lag = this.#bestLag(shortest, longest, step)
    if (step > 1) lag = this.#bestLag(Math.max(shortest, lag - step), Math.min(longest, lag + step), 1)
    return lag
  }

  #bestLag(from: number, to: number, step: number): number {
    const history = this.#before
    const end = history.length
    const start = end - windowMs * this.#perMs
    let best = from
    let bestScore = Number.NEGATIVE_INFINITY
    for (let lag = from; lag <= to; lag += step) {
      let product = 0
      let power = 1
      for (let i = start; i < end; i += step) {
        const earlier = history[i - lag]!
        product += history[i]! * earlier
        power += earlier * earlier
      }
      const score = product / Math.sqrt(power)
      if (score > bestScore) {
        bestScore = score
        best = lag
      }
    }
    return best
  }
}
