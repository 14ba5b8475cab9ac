/**
 * How much time encoders may take, by how much of each frame's time a media thread needs: they get cheaper before frames get late, and dearer again when there is time.
 */
import type { Economy } from './codec/codec.ts'
import { frameMs } from './mixer/lane.ts'

/** By the load of the thread, or always the same. */
export type EconomyPolicy = 'auto' | Economy

/** Share of its time from which on a thread saves more, and from which on as much as it can. */
const tooMuch = 0.7
const farTooMuch = 0.95
/** Share below which it saves less. No step makes a frame cost more than {@link tooMuch} over this, so that it does not come back at once. */
const littleEnough = 0.4
/** Frames until a step shows, and frames of little work in a row before it saves less. */
const settleFrames = 50
const calmFrames = 500
/** What a frame counts for in the mean. */
const weight = 1 / 16

export class LoadEconomy {
  readonly #fixed: Economy | null
  #level: Economy
  #share = 0
  #settling = 0
  #calm = 0

  constructor(policy: EconomyPolicy) {
    this.#fixed = policy === 'auto' ? null : policy
    this.#level = this.#fixed ?? 0
  }

  get level(): Economy {
    return this.#level
  }

  /** Tells how long a frame has taken, from when it began: what kept the processor away counts, too. */
  took(workMs: number): void {
    if (this.#fixed !== null) return
    this.#share += (Math.min(workMs / frameMs, 2) - this.#share) * weight
    this.#calm = this.#share < littleEnough ? this.#calm + 1 : 0
    if (this.#share > farTooMuch) this.#step(2)
    else if (this.#settling > 0) this.#settling--
    else if (this.#share > tooMuch) this.#step(this.#level === 0 ? 1 : 2)
    else if (this.#calm >= calmFrames) this.#step(this.#level === 2 ? 1 : 0)
  }

  #step(level: Economy): void {
    if (level === this.#level) return
    this.#level = level
    this.#settling = settleFrames
    this.#calm = 0
  }
}
