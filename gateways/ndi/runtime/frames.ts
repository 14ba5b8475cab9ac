/**
 * Frames as the suite sees them, and how they are read out of the runtime's structures.
 */
import { InfraFabricError } from '#kernel'
import { fourCCText, koffi, noTime, type Pointer, structs } from './abi.ts'
import { octetsAt, textAt } from './native-memory.ts'

export interface VideoFrame {
  readonly type: 'video'
  /** Pixels. */
  readonly width: number
  readonly height: number
  /** Octet order of the pixels: `UYVY`, `BGRA` or `BGRX`. */
  readonly fourCC: string
  readonly frameRate: readonly [numerator: number, denominator: number]
  /** Octets from one line to the next. */
  readonly lineStride: number
  /** The sender's, in units of 100 ns. */
  readonly timecode: bigint
  /** When it was sent, in units of 100 ns since 1970; null where that is not known. */
  readonly sentAt: bigint | null
  /** XML that came with the frame. */
  readonly metadata: string | null
  /** `height` lines of `lineStride` octets. */
  readonly data: Uint8Array
}

export interface AudioFrame {
  readonly type: 'audio'
  readonly sampleRateHz: number
  readonly channels: number
  /** Of one channel. */
  readonly samples: number
  readonly timecode: bigint
  readonly sentAt: bigint | null
  readonly metadata: string | null
  /** Planar: all samples of the first channel, then those of the second, … 1.0 is +4 dBu in SMPTE terms. */
  readonly data: Float32Array
}

export interface MetadataFrame {
  readonly type: 'metadata'
  readonly timecode: bigint
  /** XML. */
  readonly text: string
}

export type Frame = VideoFrame | AudioFrame | MetadataFrame

/** Where the octets of a received frame go: a buffer of at least that size. */
export type BufferFor = (octets: number) => Uint8Array

/** Longest side of a picture, octets of metadata, and the like that are still believed. */
export const limits = { side: 16_384, channels: 256, samples: 192_000, metadataOctets: 1 << 20 } as const

/** Octets of a pixel of the packed formats that are received and sent. */
export const octetsOfPixel: Readonly<Record<string, number>> = { UYVY: 2, BGRA: 4, BGRX: 4, RGBA: 4, RGBX: 4 }

interface NativeVideo {
  readonly width: number
  readonly height: number
  readonly fourCC: number
  readonly frameRateN: number
  readonly frameRateD: number
  readonly timecode: bigint | number
  readonly data: Pointer
  readonly lineStride: number
  readonly metadata: Pointer
  readonly timestamp: bigint | number
}

interface NativeAudio {
  readonly sampleRateHz: number
  readonly channels: number
  readonly samples: number
  readonly timecode: bigint | number
  readonly fourCC: number
  readonly data: Pointer
  readonly channelStride: number
  readonly metadata: Pointer
  readonly timestamp: bigint | number
}

interface NativeMetadata {
  readonly length: number
  readonly timecode: bigint | number
  readonly data: Pointer
}

const timeOf = (timestamp: bigint | number): bigint | null => (BigInt(timestamp) === noTime ? null : BigInt(timestamp))

/** Copies a picture out of the runtime's memory. @throws {InfraFabricError} `ndi.frame.video` for one that cannot be */
export function readVideo(at: bigint, bufferFor: BufferFor): VideoFrame {
  const { width, height, lineStride, data, ...native } = koffi.decode(at, structs.video) as NativeVideo
  const fourCC = fourCCText(native.fourCC)
  const pixel = octetsOfPixel[fourCC]
  const isPossible = width >= 1 && height >= 1 && width <= limits.side && height <= limits.side
  if (data === null || pixel === undefined || !isPossible || lineStride < width * pixel || lineStride > limits.side * 8) {
    throw new InfraFabricError(
      'ndi.frame.video',
      `a picture of ${width}×${height}, ${JSON.stringify(fourCC)}, stride ${lineStride}`
    )
  }
  const octets = lineStride * height
  const copy = bufferFor(octets).subarray(0, octets)
  copy.set(octetsAt(data, octets))
  return {
    type: 'video',
    width,
    height,
    fourCC,
    frameRate: [native.frameRateN, native.frameRateD],
    lineStride,
    timecode: BigInt(native.timecode),
    sentAt: timeOf(native.timestamp),
    metadata: textAt(native.metadata),
    data: copy
  }
}

/** Copies sound out of the runtime's memory. @throws {InfraFabricError} `ndi.frame.audio` for what is no planar float */
export function readAudio(at: bigint): AudioFrame {
  const { sampleRateHz, channels, samples, channelStride, data, ...native } = koffi.decode(at, structs.audio) as NativeAudio
  const isPossible = channels >= 0 && channels <= limits.channels && samples >= 0 && samples <= limits.samples
  const isEmpty = channels === 0 || samples === 0
  const isPlanar = isEmpty || (fourCCText(native.fourCC) === 'FLTp' && data !== null && channelStride >= samples * 4)
  if (!isPossible || !isPlanar) {
    throw new InfraFabricError('ndi.frame.audio', `sound of ${channels} channels, ${samples} samples, stride ${channelStride}`)
  }
  const copy = new Float32Array(channels * samples)
  const octets = new Uint8Array(copy.buffer)
  for (let channel = 0; !isEmpty && channel < channels; channel++) {
    octets.set(octetsAt((data as bigint) + BigInt(channel * channelStride), samples * 4), channel * samples * 4)
  }
  return {
    type: 'audio',
    sampleRateHz,
    channels,
    samples,
    timecode: BigInt(native.timecode),
    sentAt: timeOf(native.timestamp),
    metadata: textAt(native.metadata),
    data: copy
  }
}

/** @throws {InfraFabricError} `ndi.frame.metadata` for more than {@link limits} allows */
export function readMetadata(at: bigint): MetadataFrame {
  const { length, timecode, data } = koffi.decode(at, structs.metadata) as NativeMetadata
  if (length < 0 || length > limits.metadataOctets) {
    throw new InfraFabricError('ndi.frame.metadata', `metadata of ${length} octets`)
  }
  // a length of 0 means that the text ends at its zero octet
  return { type: 'metadata', timecode: BigInt(timecode), text: textAt(data, length === 0 ? undefined : length) ?? '' }
}
