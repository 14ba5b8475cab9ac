import type { CodecDefinition, CoderOptions, Encoder } from '../codec/codec.ts'
import { largestPayload } from '../codec/codec.ts'
import { rtpHeaderLength } from '../rtp/rtp.ts'
import { frameSamples, Lane, type MixTools } from './lane.ts'

/** How a participant wants to be sent to. */
export interface SendFormat {
  readonly codec: CodecDefinition
  readonly options: CoderOptions
  /** Sample rate of the encoder. */
  readonly rateHz: number
  /** The same for formats that can share a payload. */
  readonly key: string
}

/** From the mix to a payload: resampler and encoder, for one participant or for all who hear the same. */
export class Downlink {
  /** The payload stands behind room for a header. */
  readonly packet = Buffer.alloc(rtpHeaderLength + largestPayload)
  /** Octets of the payload of this tick; 0 for none. */
  octets = 0
  /** Tick for which `octets` holds. */
  tick = -1
  /** Participants that use it. */
  users = 0
  readonly format: SendFormat
  readonly #tools: MixTools
  readonly #encoder: Encoder
  /** Largest loss that its participants have told since the frame before. */
  #lossPercent = 0
  #lane: Lane
  #before: Lane | null = null

  /** @throws {InfraFabricError} of the codec */
  constructor(tools: MixTools, format: SendFormat, mixRateHz: number) {
    this.#tools = tools
    this.format = format
    this.#encoder = format.codec.createEncoder(format.options)
    this.#lane = new Lane(tools, mixRateHz, format.rateHz)
  }

  get comfortNoise(): boolean {
    return this.#encoder.wroteComfortNoise
  }

  /** The next frame comes at another rate, and once more also at the one before: see {@link cross}. */
  retune(mixRateHz: number): void {
    this.#before?.close()
    this.#before = this.#lane
    this.#lane = new Lane(this.#tools, mixRateHz, this.format.rateHz)
  }

  render(mix: Int16Array): void {
    this.#encode(this.#lane.run(mix))
  }

  /** Encodes a frame that goes over from the mix at the old rate to the one at the new, so that the change is not heard. */
  cross(before: Int16Array, mix: Int16Array): void {
    const { kernel } = this.#tools
    if (this.#before === null) {
      this.render(mix)
      return
    }
    const faded = kernel.frame(frameSamples(this.format.rateHz))
    faded.set(this.#lane.run(mix))
    kernel.crossfade(this.#before.run(before), faded)
    this.#before.close()
    this.#before = null
    this.#encode(faded)
    kernel.free(faded)
  }

  /** A participant that hears it has reported so much loss: to be called in each tick. */
  expect(lossPercent: number): void {
    if (lossPercent > this.#lossPercent) this.#lossPercent = lossPercent
  }

  #encode(samples: Int16Array): void {
    this.#encoder.tune?.(this.#tools.economy.level, this.#lossPercent)
    this.#lossPercent = 0
    this.octets = this.#encoder.encode(samples, this.packet, rtpHeaderLength)
  }

  /** Idempotent. */
  close(): void {
    this.#encoder.close()
    this.#lane.close()
    this.#before?.close()
  }
}
