import type { LegRecord } from '../express/record.ts'

/**
 * A codec as the mixer sees it: frames of signed 16-bit PCM, one channel, one call for each packet.
 *
 * Encoder and decoder hold the state of one direction of one leg. They write into what the caller owns and allocate nothing after
 * they were made. Whatever octets and lengths they are given, they neither throw nor end the process.
 */
export interface CodecDefinition {
  /** Encoding name, as in SDP: `PCMU`. */
  readonly name: string
  /** RTP clock. @see RFC 3551 §4.5.2 for where it is not the sample rate */
  readonly clockRateHz: number
  /** Channels of the rtpmap, 2 for Opus whatever it carries (RFC 7587 §7). PCM on our side has one. */
  readonly channels: number
  /** Rate of the PCM when nothing else is asked for. */
  readonly sampleRateHz: number
  /** Rates at which the coders work without a resampler, `sampleRateHz` among them. */
  readonly sampleRatesHz: readonly number[]
  /** Static payload type, null for a dynamic one. @see RFC 3551 §6 */
  readonly staticPayloadType: number | null
  readonly packing: Packing
  /** Format parameters of our session descriptions, null for none: what we like to receive. */
  readonly parameters: string | null
  /** Silence is sent as comfort noise, where both sides agree on it; false where silence is part of the codec. @see RFC 3389 */
  readonly comfortNoise: boolean
  /** Its encoders can be told to save time: {@link Encoder.tune}. Absent where they cannot. */
  readonly tunable?: true
  /** Part of our offers; else only answered to. */
  readonly offered: boolean
  /**
   * Program that codes, `libopus 1.3.1`; null where none is installed, and then the codec is not offered. Loads it on the first
   * call.
   */
  readonly servedBy: () => string | null
  /** @throws {InfraFabricError} `media.codec.unavailable`, `media.codec.option` */
  readonly createDecoder: (options?: CoderOptions) => Decoder
  /** @throws {InfraFabricError} `media.codec.unavailable`, `media.codec.option` */
  readonly createEncoder: (options?: CoderOptions) => Encoder
}

/** How payloads can be cut and joined to packets of another length than the mixer's frames. */
export interface Packing {
  /** Packets hold whole multiples of so many ms. */
  readonly stepMs: number
  /** Where a payload is a row of samples or frames: octets of a millisecond. Null for Opus, whose packets say of which frames they are. */
  readonly octetsPerMs: number | null
}

/** Format parameters of the peer's description (a=fmtp), names in lower case: `{ useinbandfec: '1' }`. */
export type FormatParameters = Readonly<Record<string, string>>

export interface CoderOptions {
  /** One of the definition's `sampleRatesHz`; its `sampleRateHz` when absent. */
  readonly sampleRateHz?: number
  /** What the peer's description says of the codec: how it wants to be sent to. */
  readonly parameters?: FormatParameters
  /** Encoder: send comfort noise payloads in silence, because both sides have agreed on them. @see RFC 3389 */
  readonly comfortNoise?: boolean
  /** Encoder: loss to prepare for with redundancy, in per cent, until {@link Encoder.tune} tells another. Default 0. */
  readonly expectedLossPercent?: number
}

/**
 * Time that encoders may take: 0 as much as is usual; 1 less, at the price of more octets where the peer takes them; 2 as little as can be, at the price of sound.
 */
export type Economy = 0 | 1 | 2

export interface Decoder {
  /**
   * Decodes `packet` from `start` to `end`, a whole RTP payload.
   *
   * @returns samples written to `out`, never more than it holds; 0 for a payload that is none of this codec
   */
  readonly decode: (packet: Uint8Array, start: number, end: number, out: Int16Array) => number
  /**
   * Samples a payload would decode to, without decoding it; 0 for one that is none of this codec. A packet lost before it was
   * most likely as long.
   */
  readonly samplesIn: (packet: Uint8Array, start: number, end: number) => number
  /**
   * Restores the end of a lost packet from redundancy in the one after it (in-band forward error correction), filling `out`. To
   * be called in order: for the lost packet first, then `decode` for the one that is here. Absent where the codec carries none.
   *
   * @returns samples written, 0 when the packet carries no redundancy: then `conceal`
   */
  readonly recover?: (nextPacket: Uint8Array, start: number, end: number, out: Int16Array) => number
  /**
   * Fills `out` with what may have stood there: to be called for all lost time, of any length, in order. It gets softer by
   * itself.
   */
  readonly conceal: (out: Int16Array) => void
  /** Takes a comfort noise payload. Absent where silence is part of the codec itself. @see RFC 3389 */
  readonly comfortNoise?: (packet: Uint8Array, start: number, end: number) => void
  /**
   * Fills `out` with the sender's background while it sends nothing on purpose: comfort noise as last described, else silence.
   *
   * @returns false for silence
   */
  readonly pause: (out: Int16Array) => boolean
  /** Whether the payload decoded last, or a comfort noise payload after it, said that the sender goes silent. */
  readonly pausing: boolean
  /** Writes what was decoded last to the end of `out`. @returns false where some of it was made up just now. Absent where there is more to a stream than its samples */
  readonly recall?: (out: Int16Array) => boolean
  /** The end of `sound` was decoded last, by somebody else. */
  readonly restore?: (sound: Int16Array) => void
  /** Lets the express lane make up what is lost. Absent where that is not made from the samples heard last. */
  readonly lend?: (record: LegRecord) => void
  /** The inverse of `lend`. */
  readonly follow?: (record: LegRecord) => void
  /** Whether pauses are filled with noise that the sender has described. */
  readonly noisy?: boolean
  /** Forgets the stream: the next packet begins another. */
  readonly reset: () => void
  /** Gives back native memory. Idempotent; what is called afterwards does no harm. */
  readonly close: () => void
}

export interface Encoder {
  /**
   * Encodes `samples`, whole frames of 10 ms, as one payload.
   *
   * @returns octets written to `out` from `at` on; 0 when there is nothing to send (silence, or no room in `out`)
   */
  readonly encode: (samples: Int16Array, out: Uint8Array, at: number) => number
  /** Whether the payload written last is comfort noise, to be sent under its own payload type. */
  readonly wroteComfortNoise: boolean
  /** From the next frame on. Costs next to nothing where both are as before. Absent where there is nothing to choose. @param lossPercent of the packets sent */
  readonly tune?: (economy: Economy, lossPercent: number) => void
  readonly reset: () => void
  /** Gives back native memory. Idempotent; what is called afterwards does no harm. */
  readonly close: () => void
}

/** Octets of the largest payload: what an Ethernet frame carries less IP, UDP and RTP headers. */
export const largestPayload = 1460

/** Longest time a payload may hold that is decoded, 120 ms: the longest packet of Opus. */
export const longestPacketMs = 120
