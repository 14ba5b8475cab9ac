/**
 * G.729 Annex A with the silence of Annex B, by libbcg729; not offered where that is missing.
 *
 * A payload is a row of frames of 10 octets, 10 ms each. A frame of 2 octets, which describes the background, may end the row;
 * after it nothing is sent until the background changes or speech begins.
 *
 * @see RFC 3551 §4.5.6, RFC 4856 §2.1.9 (annexb), ITU-T G.729 Annexes A and B
 */

import { checkRate, loadLibrary, Owned, once, unavailable } from '../native.ts'
import type { CodecDefinition, CoderOptions, Decoder, Encoder } from './codec.ts'

const rates = [8000]
const frameSamples = 80
const frameOctets = 10
const silenceOctets = 2

const load = () =>
  loadLibrary(['libbcg729.so.0'], {
    initBcg729EncoderChannel: 'void *initBcg729EncoderChannel(uint8_t)',
    closeBcg729EncoderChannel: 'void closeBcg729EncoderChannel(void *)',
    bcg729Encoder: 'void bcg729Encoder(void *, int16_t *, uint8_t *, uint8_t *)',
    initBcg729DecoderChannel: 'void *initBcg729DecoderChannel()',
    closeBcg729DecoderChannel: 'void closeBcg729DecoderChannel(void *)',
    bcg729Decoder: 'void bcg729Decoder(void *, uint8_t *, uint8_t, uint8_t, uint8_t, uint8_t, int16_t *)'
  })
type Library = NonNullable<ReturnType<typeof load>>

/** One frame on its way through the library. */
const octets = new Uint8Array(16)
const octetCount = new Uint8Array(1)
const samples = new Int16Array(frameSamples)

/** Frames of a payload; 0 for one that cannot be G.729. */
function framesIn(length: number): number {
  const rest = length % frameOctets
  return length > 0 && (rest === 0 || rest === silenceOctets) ? Math.ceil(length / frameOctets) : 0
}

class G729Decoder implements Decoder {
  readonly #library: Library
  #state: Owned
  pausing = false

  constructor(library: Library) {
    this.#library = library
    this.#state = this.#open()
  }

  #open(): Owned {
    const handle = this.#library.initBcg729DecoderChannel()
    if (handle === null) throw unavailable('G729', 'memory for a decoder')
    return new Owned(handle, this.#library.closeBcg729DecoderChannel)
  }

  samplesIn(_packet: Uint8Array, start: number, end: number): number {
    return framesIn(end - start) * frameSamples
  }

  decode(packet: Uint8Array, start: number, end: number, out: Int16Array): number {
    const { handle } = this.#state
    if (handle === null || start < 0 || end > packet.length) return 0
    const frames = Math.min(framesIn(end - start), Math.floor(out.length / frameSamples))
    for (let n = 0; n < frames; n++) {
      const from = start + n * frameOctets
      const length = Math.min(frameOctets, end - from)
      for (let i = 0; i < length; i++) octets[i] = packet[from + i]!
      const silence = length === silenceOctets
      this.#library.bcg729Decoder(handle, octets, length, 0, silence ? 1 : 0, 0, samples)
      for (let i = 0, to = n * frameSamples; i < frameSamples; i++) out[to + i] = samples[i]!
      this.pausing = silence
    }
    return frames * frameSamples
  }

  /** An erased frame: after speech it is made up from it, after a description of silence it is more of the same. */
  conceal(out: Int16Array): void {
    const { handle } = this.#state
    if (handle === null) {
      out.fill(0)
      return
    }
    for (let at = 0; at < out.length; at += frameSamples) {
      this.#library.bcg729Decoder(handle, null, 0, 1, 0, 0, samples)
      const count = Math.min(frameSamples, out.length - at)
      for (let i = 0; i < count; i++) out[at + i] = samples[i]!
    }
  }

  pause(out: Int16Array): boolean {
    if (this.pausing) this.conceal(out)
    else out.fill(0)
    return this.pausing
  }

  reset(): void {
    if (this.#state.handle === null) return
    this.#state.close()
    this.#state = this.#open()
    this.pausing = false
  }

  close(): void {
    this.#state.close()
  }
}

class G729Encoder implements Encoder {
  readonly #library: Library
  readonly #silence: boolean
  #state: Owned
  readonly wroteComfortNoise = false

  constructor(library: Library, silence: boolean) {
    this.#library = library
    this.#silence = silence
    this.#state = this.#open()
  }

  #open(): Owned {
    const handle = this.#library.initBcg729EncoderChannel(this.#silence ? 1 : 0)
    if (handle === null) throw unavailable('G729', 'memory for an encoder')
    return new Owned(handle, this.#library.closeBcg729EncoderChannel)
  }

  encode(sound: Int16Array, out: Uint8Array, at: number): number {
    const { handle } = this.#state
    const frames = sound.length / frameSamples
    if (handle === null || !Number.isInteger(frames) || out.length - at < frames * frameOctets) return 0
    let length = 0
    let ended = false
    for (let n = 0; n < frames; n++) {
      for (let i = 0, from = n * frameSamples; i < frameSamples; i++) samples[i] = sound[from + i]!
      this.#library.bcg729Encoder(handle, samples, octets, octetCount)
      const count = octetCount[0]!
      // Nothing can stand after silence in a payload: where speech begins in its middle, 10 ms of background before it are given
      // up, and the speech is that much early.
      if (count === frameOctets && (ended || length === 0)) {
        length = 0
        ended = false
      } else if (count < frameOctets) {
        if (ended) continue
        ended = true
      }
      for (let i = 0; i < count; i++) out[at + length + i] = octets[i]!
      length += count
    }
    return length
  }

  reset(): void {
    if (this.#state.handle === null) return
    this.#state.close()
    this.#state = this.#open()
  }

  close(): void {
    this.#state.close()
  }
}

function definition(library: () => Library | null): CodecDefinition {
  /** @throws {InfraFabricError} `media.codec.unavailable`, `media.codec.option` */
  const loaded = (options: CoderOptions | undefined): Library => {
    checkRate('G729', rates, options?.sampleRateHz ?? 8000)
    const found = library()
    if (found === null) throw unavailable('G729', 'libbcg729')
    return found
  }
  return {
    name: 'G729',
    clockRateHz: 8000,
    channels: 1,
    sampleRateHz: 8000,
    sampleRatesHz: rates,
    staticPayloadType: 18,
    packing: { stepMs: 10, octetsPerMs: 1 },
    parameters: 'annexb=yes',
    comfortNoise: false,
    offered: true,
    servedBy: () => (library() === null ? null : 'libbcg729'),
    createDecoder: (options) => new G729Decoder(loaded(options)),
    createEncoder: (options) => new G729Encoder(loaded(options), options?.parameters?.annexb !== 'no')
  }
}

export const g729 = definition(once(load))

/** As it is where libbcg729 is missing; for its test. */
export const g729Missing = definition(() => null)
