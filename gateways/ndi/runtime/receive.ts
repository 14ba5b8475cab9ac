import { InfraFabricError } from '#kernel'
import { bandwidths, colorFormats, frameTypes, koffi, type Pointer, progressive, structs } from './abi.ts'
import type { NdiSource } from './find.ts'
import {
  type AudioFrame,
  type BufferFor,
  type Frame,
  limits,
  readAudio,
  readMetadata,
  readVideo,
  type VideoFrame
} from './frames.ts'
import { NativeMemory } from './native-memory.ts'
import type { NdiRuntime } from './runtime.ts'

export interface ReceiverConfig {
  readonly source: NdiSource
  /** Octet order of pictures: `uyvy` gives UYVY, and BGRA where there is transparency; `bgra` gives BGRX or BGRA. Default `uyvy`. */
  readonly color?: keyof typeof colorFormats
  readonly bandwidth?: keyof typeof bandwidths
  /** How the sender sees this receiver. */
  readonly name?: string
  /** Where pictures go. Default: a new buffer for each. */
  readonly bufferFor?: BufferFor
}

export interface ReceiverFigures {
  /** Frames that the runtime handed out, and those given back to it: never apart for longer than one capture. */
  readonly captured: number
  readonly freed: number
  /** Pictures that came, and those lost on the way because nobody took them. */
  readonly videoTotal: number
  readonly videoDropped: number
}

export interface FrameSync {
  /** The picture to show now; null before the first. */
  readonly video: () => Promise<VideoFrame | null>
  /** So many samples for now, silence where there are none, resampled to this clock. */
  readonly audio: (sampleRateHz: number, channels: number, samples: number) => Promise<AudioFrame>
}

export interface Receiver {
  /**
   * The next frame; null when none came in time. Calls wait for each other.
   *
   * @throws {InfraFabricError} `ndi.receive.lost` when the connection broke, `ndi.frame.*` for a frame that cannot be
   */
  readonly capture: (timeoutMs: number) => Promise<Frame | null>
  /** Tells the sender whether it is on air. @returns whether it could be told */
  readonly setTally: (onProgram: boolean, onPreview: boolean) => boolean
  /** Sends XML to the source. @throws {InfraFabricError} `ndi.frame.metadata` when it is too long */
  readonly sendMetadata: (text: string) => boolean
  readonly connections: () => number
  readonly figures: () => ReceiverFigures
  /** From now on frames come by the clock of who asks: `capture` may no longer be called. */
  readonly frameSync: () => FrameSync
  /** Waits for what runs, then frees. Idempotent. */
  readonly close: () => Promise<void>
}

/** @throws {InfraFabricError} `ndi.receive` */
export function openReceiver(runtime: NdiRuntime, config: ReceiverConfig): Receiver {
  const memory = new NativeMemory()
  const bufferFor = config.bufferFor ?? ((octets: number) => new Uint8Array(octets))
  const settings = memory.block(koffi.sizeof(structs.receiveCreate))
  koffi.encode(settings, structs.receiveCreate, {
    source: { name: memory.text(config.source.name), urlAddress: memory.text(config.source.address) },
    colorFormat: colorFormats[config.color ?? 'uyvy'],
    bandwidth: bandwidths[config.bandwidth ?? 'highest'],
    allowFields: false,
    receiverName: memory.text(config.name ?? null)
  })
  const receiver = runtime.call('NDIlib_recv_create_v3', settings) as Pointer
  if (receiver === null) {
    memory.free()
    throw new InfraFabricError('ndi.receive', `the NDI runtime cannot receive ${config.source.name}`)
  }
  const video = memory.block(koffi.sizeof(structs.video))
  const audio = memory.block(koffi.sizeof(structs.audio))
  const metadata = memory.block(koffi.sizeof(structs.metadata))
  const tally = memory.block(koffi.sizeof(structs.tally))
  const total = memory.block(koffi.sizeof(structs.performance))
  const dropped = memory.block(koffi.sizeof(structs.performance))
  let captured = 0
  let freed = 0
  let running: Promise<unknown> = Promise.resolve()
  let closed: Promise<void> | null = null
  let sync: bigint | null = null

  /** Reads what the runtime handed out and gives it back, whatever becomes of the reading. */
  const taken = <T>(read: () => T, free: () => void): T => {
    captured++
    try {
      return read()
    } finally {
      free()
      freed++
    }
  }

  const inTurn = <T>(act: () => Promise<T>): Promise<T> => {
    if (closed !== null) return Promise.reject(new InfraFabricError('ndi.closed', 'the receiver is closed'))
    const done = running.then(act)
    running = done.catch(() => undefined)
    return done
  }

  const captureOne = async (timeoutMs: number): Promise<Frame | null> => {
    const type = await runtime.wait('NDIlib_recv_capture_v3', receiver, video, audio, metadata, timeoutMs)
    if (type === frameTypes.video) {
      return taken(
        () => readVideo(video, bufferFor),
        () => runtime.call('NDIlib_recv_free_video_v2', receiver, video)
      )
    }
    if (type === frameTypes.audio) {
      return taken(
        () => readAudio(audio),
        () => runtime.call('NDIlib_recv_free_audio_v3', receiver, audio)
      )
    }
    if (type === frameTypes.metadata) {
      return taken(
        () => readMetadata(metadata),
        () => runtime.call('NDIlib_recv_free_metadata', receiver, metadata)
      )
    }
    if (type === frameTypes.error)
      throw new InfraFabricError('ndi.receive.lost', `the connection to ${config.source.name} is lost`)
    // nothing, or a change of the source's settings, which the next frame shows
    return null
  }

  const openSync = (): FrameSync => {
    sync ??= runtime.call('NDIlib_framesync_create', receiver) as bigint
    const synced = sync
    return {
      video: () =>
        inTurn(async () => {
          await runtime.wait('NDIlib_framesync_capture_video', synced, video, progressive)
          if ((koffi.decode(video, structs.video) as { data: Pointer }).data === null) return null
          return taken(
            () => readVideo(video, bufferFor),
            () => runtime.call('NDIlib_framesync_free_video', synced, video)
          )
        }),
      audio: (sampleRateHz, channels, samples) =>
        inTurn(async () => {
          await runtime.wait('NDIlib_framesync_capture_audio_v2', synced, audio, sampleRateHz, channels, samples)
          return taken(
            () => readAudio(audio),
            () => runtime.call('NDIlib_framesync_free_audio_v2', synced, audio)
          )
        })
    }
  }

  return {
    capture: (timeoutMs) => {
      if (sync !== null)
        return Promise.reject(new InfraFabricError('ndi.receive.synced', 'a receiver with frame sync gives frames through it'))
      return inTurn(() => captureOne(timeoutMs))
    },
    setTally: (onProgram, onPreview) => {
      if (closed !== null) return false
      koffi.encode(tally, structs.tally, { onProgram, onPreview })
      return runtime.call('NDIlib_recv_set_tally', receiver, tally)
    },
    sendMetadata: (text) => {
      if (closed !== null) return false
      return withMetadata(text, (frame) => runtime.call('NDIlib_recv_send_metadata', receiver, frame))
    },
    connections: () => (closed === null ? runtime.call('NDIlib_recv_get_no_connections', receiver) : 0),
    figures: () => {
      if (closed !== null) return { captured, freed, videoTotal: 0, videoDropped: 0 }
      runtime.call('NDIlib_recv_get_performance', receiver, total, dropped)
      const videoFrames = (at: bigint) => Number((koffi.decode(at, structs.performance) as { videoFrames: bigint }).videoFrames)
      return { captured, freed, videoTotal: videoFrames(total), videoDropped: videoFrames(dropped) }
    },
    frameSync: openSync,
    close: () => {
      closed ??= running.then(async () => {
        if (sync !== null) await runtime.wait('NDIlib_framesync_destroy', sync)
        await runtime.wait('NDIlib_recv_destroy', receiver)
        memory.free()
      })
      return closed
    }
  }
}

/** Calls `use` with a metadata frame that holds `text`. @throws {InfraFabricError} `ndi.frame.metadata` */
export function withMetadata<T>(text: string, use: (frame: bigint) => T, timecode?: bigint): T {
  // the length counts the zero octet
  const length = Buffer.byteLength(text) + 1
  if (length > limits.metadataOctets) throw new InfraFabricError('ndi.frame.metadata', `metadata of ${length} octets`)
  const memory = new NativeMemory()
  try {
    const frame = memory.block(koffi.sizeof(structs.metadata))
    koffi.encode(frame, structs.metadata, { length, timecode: timecode ?? 0n, data: memory.text(text) })
    return use(frame)
  } finally {
    memory.free()
  }
}
