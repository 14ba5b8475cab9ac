import { type LegRecord, of } from '../express/record.ts'
import { levelOfPower, powerOfLevel } from './kernel.ts'

/** Levels between these are left as they are, in dBFS. */
const quietest = -26
const loudest = -6
/** Frames below this level are no speech: they move nothing. */
const gate = powerOfLevel(-50)
const largestBoost = 12
const largestCut = 6
/** 0.1 dB a frame: 5 dB in a second. */
const slew = 0.1
/** Frames over which the level of speech is averaged: a second of it. */
const memory = 50

/**
 * Automatic gain of one voice: brings what is spoken too softly or too loudly toward the level of the others, slowly and within bounds. Background noise is not
 * drawn up: frames below the gate change nothing.
 */
export class AutoGain {
  #frames = 0
  #power = 0
  #decibels = 0

  get decibels(): number {
    return this.#decibels
  }

  /** Takes the mean square of one frame. @returns whether the gain has changed */
  update(power: number): boolean {
    if (power < gate) return false
    if (this.#frames < memory) this.#frames++
    this.#power += (power - this.#power) / this.#frames
    const level = levelOfPower(this.#power)
    const wanted =
      level < quietest ? Math.min(largestBoost, quietest - level) : level > loudest ? Math.max(-largestCut, loudest - level) : 0
    const change = Math.max(-slew, Math.min(slew, wanted - this.#decibels))
    this.#decibels += change
    return change !== 0
  }

  /** Lets the express lane go on with it. */
  lend({ fields }: LegRecord): void {
    fields[of.gainFrames] = this.#frames
    fields[of.gainPower] = this.#power
    fields[of.gainDecibels] = this.#decibels
  }

  /** The inverse of {@link lend}. */
  follow({ fields }: LegRecord): void {
    this.#frames = fields[of.gainFrames]!
    this.#power = fields[of.gainPower]!
    this.#decibels = fields[of.gainDecibels]!
  }

  reset(): void {
    this.#frames = 0
    this.#power = 0
    this.#decibels = 0
  }
}
