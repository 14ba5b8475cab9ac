/**
 * The C structures and constants of the NDI 6 runtime, as the SDK documents them (Processing.NDI.structs, .Find, .Recv, .Send). Field order is the layout;
 * a test compiles the same structures in C and compares sizes and offsets.
 *
 * Pointers are declared untyped: whoever fills one owns what it points to, and nothing is converted behind its back.
 */
import { createRequire } from 'node:module'
import type { TypeObject } from 'koffi'

/** An address in native memory; null is NULL. */
export type Pointer = bigint | null

export const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')

const pointer = 'void *'

const source = koffi.struct({ name: pointer, urlAddress: pointer })

export const structs = {
  source,
  findCreate: koffi.struct({ showLocalSources: 'bool', groups: pointer, extraAddresses: pointer }),
  receiveCreate: koffi.struct({
    source,
    colorFormat: 'int',
    bandwidth: 'int',
    allowFields: 'bool',
    receiverName: pointer
  }),
  sendCreate: koffi.struct({ name: pointer, groups: pointer, clockVideo: 'bool', clockAudio: 'bool' }),
  video: koffi.struct({
    width: 'int',
    height: 'int',
    fourCC: 'uint32_t',
    frameRateN: 'int',
    frameRateD: 'int',
    pictureAspectRatio: 'float',
    frameFormat: 'int',
    timecode: 'int64_t',
    data: pointer,
    lineStride: 'int',
    metadata: pointer,
    timestamp: 'int64_t'
  }),
  audio: koffi.struct({
    sampleRateHz: 'int',
    channels: 'int',
    samples: 'int',
    timecode: 'int64_t',
    fourCC: 'uint32_t',
    data: pointer,
    channelStride: 'int',
    metadata: pointer,
    timestamp: 'int64_t'
  }),
  metadata: koffi.struct({ length: 'int', timecode: 'int64_t', data: pointer }),
  tally: koffi.struct({ onProgram: 'bool', onPreview: 'bool' }),
  performance: koffi.struct({ videoFrames: 'int64_t', audioFrames: 'int64_t', metadataFrames: 'int64_t' })
} satisfies Record<string, TypeObject>

/** NDIlib_frame_type_e. */
export const frameTypes = { none: 0, video: 1, audio: 2, metadata: 3, error: 4 } as const

/** NDIlib_recv_color_format_e: what is given where a picture has no transparency, and where it has. */
export const colorFormats = { bgra: 0, uyvy: 1 } as const

/** NDIlib_recv_bandwidth_e. */
export const bandwidths = { metadata: -10, lowest: 0, audio: 10, highest: 100 } as const

/** NDIlib_frame_format_type_e: whole pictures, no fields. */
export const progressive = 1

/** INT64_MAX: to send, a timecode that the runtime makes; received, a time of sending that is not known. */
export const noTime = 0x7fff_ffff_ffff_ffffn

export const fourCC = (text: string): number => Buffer.from(text, 'latin1').readUInt32LE()

export const fourCCText = (code: number): string => {
  const octets = Buffer.alloc(4)
  octets.writeUInt32LE(code)
  return octets.toString('latin1')
}
