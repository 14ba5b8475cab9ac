/**
 * A codec as the mixer sees it: frames of signed 16-bit PCM at its own sample rate, one call for each packet.
 *
 * Encoder and decoder hold the state of one direction of one leg. They write into what the caller owns and allocate nothing.
 */
export interface CodecDefinition {
  /** Encoding name, as in SDP: `PCMU`. */
  readonly name: string
  /** RTP clock. @see RFC 3551 §4.5.2 for where it is not the sample rate */
  readonly clockRateHz: number
  readonly sampleRateHz: number
  /** Static payload type, null for a dynamic one. @see RFC 3551 §6 */
  readonly staticPayloadType: number | null
  readonly createDecoder: () => Decoder
  readonly createEncoder: () => Encoder
}

export interface Decoder {
  /** @returns samples written to `out`; never more than it holds */
  readonly decode: (packet: Uint8Array, start: number, end: number, out: Int16Array) => number
  /** Fills `out` with what may have stood in a packet that is lost. `lostInRow` counts from 1. */
  readonly conceal: (out: Int16Array, lostInRow: number) => void
}

export interface Encoder {
  /** @returns octets written to `out` from `at` on */
  readonly encode: (samples: Int16Array, out: Uint8Array, at: number) => number
}
