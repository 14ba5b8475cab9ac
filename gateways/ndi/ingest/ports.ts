/** What an ingest needs of others: the media plane's pictures and sound, as the suite gives them. */
import type { CallContext, InfraFabricError } from '#kernel'
import type { NdiSource } from '../runtime/find.ts'
import type { BufferFor } from '../runtime/frames.ts'
import type { Receiver } from '../runtime/receive.ts'

/** Where sources are found, and received. */
export interface Sources {
  /**
   * The first source that fits.
   *
   * @returns null when there is none in time
   */
  readonly find: (fits: (name: string) => boolean, signal: AbortSignal) => Promise<NdiSource | null>
  readonly receive: (source: NdiSource, bufferFor: BufferFor) => Receiver
}

const ingestHeights = [480, 720, 1080] as const
export const ingestCodecs = ['h264', 'h265'] as const

/** How pictures are encoded. */
export interface IngestFormat {
  readonly codec: (typeof ingestCodecs)[number]
  /** Lines at most: smaller pictures stay as they are. */
  readonly height: (typeof ingestHeights)[number]
  /** Pictures a second at most. */
  readonly mostPerSecond: number
  /** Null for what is usual at this height. */
  readonly bitrateKbps: number | null
}

export interface PictureEncoder {
  /** Takes a picture, which is the encoder's until `release` is called. */
  readonly picture: (data: Uint8Array, capturedMs: number, release: () => void) => void
  readonly figures: () => { readonly skipped: number; readonly dropped: number; readonly encoded: number }
  readonly close: () => Promise<void>
}

export interface EncoderRequest {
  readonly format: IngestFormat
  /** Of the pictures that come in, as in a frame. */
  readonly fourCC: string
  readonly width: number
  readonly height: number
  readonly lineStride: number
  /** NAL units without start codes, one picture, with what was told with it. */
  readonly onUnit: (units: readonly Buffer[], capturedMs: number) => void
  readonly onEnd: (error: InfraFabricError) => void
}

/** Where encoded pictures go. */
export interface PictureSink {
  readonly picture: (units: readonly Buffer[], capturedMs: number) => void
  /** There are none for now. */
  readonly pause: () => void
  readonly close: () => void
}

/** Where sound goes: a place in the conference's mix. */
export interface SoundSink {
  /** One channel, 1.0 is full scale. */
  readonly push: (samples: Float32Array, sampleRateHz: number) => void
  /** From here to the mix, in milliseconds, as last measured. */
  readonly delayMs: () => number
  readonly close: () => Promise<void>
}

/** An address that is no participant's: a recorder, a decoder. */
export interface PictureDestination {
  /** IPv4. */
  readonly address: string
  readonly port: number
}

export interface IngestMedia {
  readonly encode: (request: EncoderRequest) => PictureEncoder
  /** @param to null for those who are in the conference: they take H.264 alone */
  readonly pictures: (
    conference: string,
    name: string,
    codec: IngestFormat['codec'],
    to: PictureDestination | null
  ) => PictureSink
  /** Rejects where the conference does not take it. */
  readonly sound: (context: CallContext, conference: string, name: string) => Promise<SoundSink>
}
