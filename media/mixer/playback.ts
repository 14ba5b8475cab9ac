import type { MixKernel } from './kernel.ts'
import { frameSamples } from './lane.ts'
import type { Sound } from './sounds.ts'

/** A sound while it is played, frame by frame. */
export class Playback {
  readonly rateHz: number
  /** This tick's part of it. */
  readonly frame: Int16Array
  readonly #samples: Int16Array
  readonly #ended: (whole: boolean) => void
  #at = 0
  #over = false

  /** @param ended told once: whether all of it was played */
  constructor(kernel: MixKernel, sound: Sound, ended: (whole: boolean) => void) {
    this.rateHz = sound.sampleRateHz
    this.frame = kernel.frame(frameSamples(sound.sampleRateHz))
    this.#samples = sound.samples
    this.#ended = ended
  }

  /** Fills `frame`. @returns false when there was nothing left */
  pull(): boolean {
    const { frame } = this
    const left = this.#samples.length - this.#at
    if (left <= 0) return false
    for (let i = 0; i < frame.length; i++) frame[i] = i < left ? this.#samples[this.#at + i]! : 0
    this.#at += frame.length
    return true
  }

  end(): void {
    if (this.#over) return
    this.#over = true
    this.#ended(this.#at >= this.#samples.length)
  }
}
