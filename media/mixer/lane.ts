import type { Economy } from '../codec/codec.ts'
import type { MixKernel } from './kernel.ts'

/** Milliseconds of one frame. */
export const frameMs = 20

export const frameSamples = (rateHz: number) => (rateHz * frameMs) / 1000

/** Changes the sample rate of a stream, frame by frame. */
export interface FrameResampler {
  /** `input` and `out` hold the same time at their rates. */
  readonly resample: (input: Int16Array, out: Int16Array) => void
}

/** @throws {RangeError} for rates that cannot be changed into each other */
export type CreateResampler = (fromHz: number, toHz: number) => FrameResampler

/** What every conference of a thread works with. */
export interface MixTools {
  readonly kernel: MixKernel
  readonly createResampler: CreateResampler
  /** How much time encoders may take now. */
  readonly economy: { readonly level: Economy }
}

/** One stream on its way from one sample rate to another; no work at all where they are the same. */
export class Lane {
  readonly #kernel: MixKernel
  readonly #resampler: FrameResampler | null
  readonly #out: Int16Array | null

  constructor({ kernel, createResampler }: MixTools, fromHz: number, toHz: number) {
    this.#kernel = kernel
    this.#resampler = fromHz === toHz ? null : createResampler(fromHz, toHz)
    this.#out = fromHz === toHz ? null : kernel.frame(frameSamples(toHz))
  }

  /** @returns the frame at the other rate, good until the next call; the input itself where nothing is to be changed */
  run(input: Int16Array): Int16Array {
    if (this.#resampler === null) return input
    this.#resampler.resample(input, this.#out!)
    return this.#out!
  }

  close(): void {
    if (this.#out !== null) this.#kernel.free(this.#out)
  }
}
