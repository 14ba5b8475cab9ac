/**
 * What codecs have in common that code the waveform sample by sample and know neither loss nor silence: G.711, G.722, L16. Losses
 * are made up from the sound, silence is comfort noise where both sides have agreed on it.
 */
import type { LegRecord } from '../express/record.ts'
import type { CoderOptions, Decoder, Encoder } from './codec.ts'
import { ComfortNoiseDecoder, ComfortNoiseEncoder } from './comfort-noise.ts'
import { Concealment } from './concealment.ts'

/** How one codec turns octets into samples. */
export interface Expander {
  readonly octetsPerSample: number
  /** Writes `count` samples, a whole number of octets. */
  readonly expand: (packet: Uint8Array, start: number, count: number, out: Int16Array) => void
  readonly reset: () => void
}

export interface Compressor {
  /** @returns octets written from `at` on; there is room for all */
  readonly compress: (samples: Int16Array, out: Uint8Array, at: number) => number
  /** Octets that so many samples take; 0 for a number that cannot be coded. */
  readonly octetsFor: (samples: number) => number
  readonly reset: () => void
}

export class WaveformDecoder implements Decoder {
  readonly #expander: Expander
  readonly #concealment: Concealment
  readonly #noise = new ComfortNoiseDecoder()
  pausing = false

  constructor(expander: Expander, sampleRateHz: number) {
    this.#expander = expander
    this.#concealment = new Concealment(sampleRateHz)
  }

  samplesIn(_packet: Uint8Array, start: number, end: number): number {
    const { octetsPerSample } = this.#expander
    return Math.max(0, octetsPerSample < 1 ? (end - start) / octetsPerSample : Math.floor((end - start) / octetsPerSample))
  }

  decode(packet: Uint8Array, start: number, end: number, out: Int16Array): number {
    if (start < 0 || end > packet.length) return 0
    const { octetsPerSample } = this.#expander
    const room = octetsPerSample < 1 ? out.length - (out.length % (1 / octetsPerSample)) : out.length
    const count = Math.min(this.samplesIn(packet, start, end), room)
    if (count === 0) return 0
    this.#expander.expand(packet, start, count, out)
    this.#concealment.heard(out, count)
    this.pausing = false
    return count
  }

  conceal(out: Int16Array): void {
    if (!this.#concealment.conceal(out) && this.#noise.known) this.#noise.fill(out)
  }

  comfortNoise(packet: Uint8Array, start: number, end: number): void {
    if (start < 0 || end > packet.length) return
    this.#noise.describe(packet, start, end)
    this.pausing = true
  }

  pause(out: Int16Array): boolean {
    const audible = this.#noise.fill(out)
    this.#concealment.replace(out)
    return audible
  }

  recall(out: Int16Array): boolean {
    return this.#concealment.recall(out)
  }

  restore(sound: Int16Array): void {
    this.#concealment.restore(sound)
  }

  lend(record: LegRecord): void {
    this.#concealment.lend(record)
  }

  follow(record: LegRecord): void {
    this.#concealment.follow(record)
  }

  get noisy(): boolean {
    return this.#noise.known
  }

  reset(): void {
    this.#expander.reset()
    this.#concealment.reset()
    this.#noise.reset()
    this.pausing = false
  }

  close(): void {}
}

export class WaveformEncoder implements Encoder {
  readonly #compressor: Compressor
  readonly #silence: ComfortNoiseEncoder | null
  wroteComfortNoise = false

  constructor(compressor: Compressor, sampleRateHz: number, options: CoderOptions | undefined) {
    this.#compressor = compressor
    this.#silence = options?.comfortNoise ? new ComfortNoiseEncoder(sampleRateHz) : null
  }

  encode(samples: Int16Array, out: Uint8Array, at: number): number {
    const needed = this.#compressor.octetsFor(samples.length)
    if (needed === 0 || needed > out.length - at) return 0
    const described = this.#silence === null ? -1 : this.#silence.encode(samples, out, at)
    this.wroteComfortNoise = described > 0
    if (described >= 0) return described
    return this.#compressor.compress(samples, out, at)
  }

  reset(): void {
    this.#compressor.reset()
    this.#silence?.reset()
  }

  close(): void {}
}
