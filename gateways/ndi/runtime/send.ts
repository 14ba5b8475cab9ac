import { InfraFabricError } from '#kernel'
import { fourCC, frameTypes, koffi, noTime, type Pointer, progressive, structs } from './abi.ts'
import { type AudioFrame, limits, type MetadataFrame, octetsOfPixel, readMetadata, type VideoFrame } from './frames.ts'
import { NativeBuffer, NativeMemory, octetsAt, textAt } from './native-memory.ts'
import { withMetadata } from './receive.ts'
import type { NdiRuntime } from './runtime.ts'

export interface SenderConfig {
  /** The source's name on this machine. */
  readonly name: string
  readonly groups?: readonly string[]
  /** `video` waits until its frame is due by the frame rate. Default false: who sends keeps time. */
  readonly clockVideo?: boolean
  /** XML that every receiver gets when it connects. */
  readonly connectionMetadata?: readonly string[]
}

/** A picture to send; without a timecode the runtime makes one. */
export type OutgoingVideo = Pick<VideoFrame, 'width' | 'height' | 'fourCC' | 'frameRate' | 'lineStride' | 'data'> &
  Partial<Pick<VideoFrame, 'timecode' | 'metadata'>>
export type OutgoingAudio = Pick<AudioFrame, 'sampleRateHz' | 'channels' | 'samples' | 'data'> &
  Partial<Pick<AudioFrame, 'timecode' | 'metadata'>>

export interface SenderFigures {
  readonly videoFrames: number
  readonly audioFrames: number
  /** Time taken by copying pictures into the runtime's reach, in milliseconds. */
  readonly copyMs: number
}

export interface Sender {
  /** As receivers see it. */
  readonly sourceName: string
  /** Sends a picture; its data may be used again at once, the promise says when the runtime is done. @throws {InfraFabricError} `ndi.frame.video` */
  readonly video: (frame: OutgoingVideo) => Promise<void>
  /** @throws {InfraFabricError} `ndi.frame.audio` */
  readonly audio: (frame: OutgoingAudio) => Promise<void>
  /** Sends XML to everybody connected. @throws {InfraFabricError} `ndi.frame.metadata` */
  readonly metadata: (text: string, timecode?: bigint) => void
  /** From now on whoever connects gets this XML, and nothing of what it was before; who is connected gets it now. @throws {InfraFabricError} `ndi.frame.metadata` */
  readonly connectionMetadata: (texts: readonly string[]) => void
  /** XML from a receiver; null when none came in time. */
  readonly captureMetadata: (timeoutMs: number) => Promise<MetadataFrame | null>
  /** What receivers say of it: waits for a change, at most so long. */
  readonly tally: (timeoutMs: number) => Promise<{ readonly onProgram: boolean; readonly onPreview: boolean }>
  /** Receivers connected: waits for the first, at most so long. */
  readonly connections: (timeoutMs: number) => Promise<number>
  readonly figures: () => SenderFigures
  /** Waits for what runs, then frees. Idempotent. */
  readonly close: () => Promise<void>
}

/** @throws {InfraFabricError} `ndi.send` */
export function openSender(runtime: NdiRuntime, config: SenderConfig): Sender {
  const memory = new NativeMemory()
  const settings = memory.block(koffi.sizeof(structs.sendCreate))
  koffi.encode(settings, structs.sendCreate, {
    name: memory.text(config.name),
    groups: memory.text(config.groups === undefined ? null : config.groups.join(',')),
    clockVideo: config.clockVideo ?? false,
    clockAudio: false
  })
  const sender = runtime.call('NDIlib_send_create', settings) as Pointer
  if (sender === null) {
    memory.free()
    throw new InfraFabricError(
      'ndi.send',
      `the NDI runtime cannot send ${JSON.stringify(config.name)}: is there a source of this name?`
    )
  }
  const addConnectionMetadata = (texts: readonly string[]) => {
    for (const text of texts) withMetadata(text, (frame) => runtime.call('NDIlib_send_add_connection_metadata', sender, frame))
  }
  addConnectionMetadata(config.connectionMetadata ?? [])
  const source = runtime.call('NDIlib_send_get_source_name', sender) as Pointer
  const sourceName =
    source === null ? config.name : (textAt((koffi.decode(source, structs.source) as { name: Pointer }).name) ?? config.name)
  const video = memory.block(koffi.sizeof(structs.video))
  const audio = memory.block(koffi.sizeof(structs.audio))
  const received = memory.block(koffi.sizeof(structs.metadata))
  const tally = memory.block(koffi.sizeof(structs.tally))
  const pixels = new NativeBuffer()
  const samplesOf = new NativeBuffer()
  let videoFrames = 0
  let audioFrames = 0
  let copyMs = 0
  let closed: Promise<void> | null = null
  /** What waits in the runtime: calls of one kind in turn, since they share a structure. */
  const turns = new Map<string, Promise<unknown>>()

  const inTurn = <T>(kind: string, act: () => Promise<T>): Promise<T> => {
    if (closed !== null) return Promise.reject(new InfraFabricError('ndi.closed', 'the sender is closed'))
    const done = (turns.get(kind) ?? Promise.resolve()).then(act)
    turns.set(
      kind,
      done.catch(() => undefined)
    )
    return done
  }

  return {
    sourceName,
    video: ({ width, height, fourCC: code, frameRate, lineStride, data, timecode, metadata }) => {
      const octets = lineStride * height
      const pixel = octetsOfPixel[code]
      const isPossible =
        Number.isInteger(width) &&
        Number.isInteger(height) &&
        width >= 1 &&
        height >= 1 &&
        width <= limits.side &&
        height <= limits.side
      if (!isPossible || pixel === undefined || lineStride < width * pixel || data.length < octets) {
        return Promise.reject(
          new InfraFabricError(
            'ndi.frame.video',
            `a picture of ${width}×${height}, ${JSON.stringify(code)}, stride ${lineStride}, ${data.length} octets`
          )
        )
      }
      return inTurn('video', async () => {
        const before = performance.now()
        const address = pixels.atLeast(octets)
        octetsAt(address, octets).set(data.subarray(0, octets))
        copyMs += performance.now() - before
        const xml = new NativeMemory()
        koffi.encode(video, structs.video, {
          width,
          height,
          fourCC: fourCC(code),
          frameRateN: frameRate[0],
          frameRateD: frameRate[1],
          pictureAspectRatio: 0,
          frameFormat: progressive,
          timecode: timecode ?? noTime,
          data: address,
          lineStride,
          metadata: xml.text(metadata ?? null),
          timestamp: 0
        })
        await runtime.wait('NDIlib_send_send_video_v2', sender, video)
        xml.free()
        videoFrames++
      })
    },
    audio: ({ sampleRateHz, channels, samples, data, timecode, metadata }) => {
      if (
        channels < 1 ||
        samples < 1 ||
        channels > limits.channels ||
        samples > limits.samples ||
        data.length < channels * samples
      ) {
        return Promise.reject(
          new InfraFabricError('ndi.frame.audio', `sound of ${channels} channels, ${samples} samples, ${data.length} in all`)
        )
      }
      return inTurn('audio', async () => {
        const octets = channels * samples * 4
        const address = samplesOf.atLeast(octets)
        octetsAt(address, octets).set(new Uint8Array(data.buffer, data.byteOffset, octets))
        const xml = new NativeMemory()
        koffi.encode(audio, structs.audio, {
          sampleRateHz,
          channels,
          samples,
          timecode: timecode ?? noTime,
          fourCC: fourCC('FLTp'),
          data: address,
          channelStride: samples * 4,
          metadata: xml.text(metadata ?? null),
          timestamp: 0
        })
        await runtime.wait('NDIlib_send_send_audio_v3', sender, audio)
        xml.free()
        audioFrames++
      })
    },
    metadata: (text, timecode) => {
      if (closed !== null) throw new InfraFabricError('ndi.closed', 'the sender is closed')
      withMetadata(text, (frame) => runtime.call('NDIlib_send_send_metadata', sender, frame), timecode ?? noTime)
    },
    connectionMetadata: (texts) => {
      if (closed !== null) throw new InfraFabricError('ndi.closed', 'the sender is closed')
      runtime.call('NDIlib_send_clear_connection_metadata', sender)
      addConnectionMetadata(texts)
    },
    captureMetadata: (timeoutMs) =>
      inTurn('metadata', async () => {
        const type = await runtime.wait('NDIlib_send_capture', sender, received, timeoutMs)
        if (type !== frameTypes.metadata) return null
        try {
          return readMetadata(received)
        } finally {
          runtime.call('NDIlib_send_free_metadata', sender, received)
        }
      }),
    tally: (timeoutMs) =>
      inTurn('tally', async () => {
        koffi.encode(tally, structs.tally, { onProgram: false, onPreview: false })
        await runtime.wait('NDIlib_send_get_tally', sender, tally, timeoutMs)
        return koffi.decode(tally, structs.tally) as { onProgram: boolean; onPreview: boolean }
      }),
    connections: (timeoutMs) => inTurn('connections', () => runtime.wait('NDIlib_send_get_no_connections', sender, timeoutMs)),
    figures: () => ({ videoFrames, audioFrames, copyMs }),
    close: () => {
      closed ??= Promise.all(turns.values()).then(async () => {
        await runtime.wait('NDIlib_send_destroy', sender)
        pixels.free()
        samplesOf.free()
        memory.free()
      })
      return closed
    }
  }
}
