/**
 * Pictures to H.264 or H.265, by ffmpeg. Each picture comes out as one access unit, in order and without delay (no B-frames, no look-ahead): so what is told
 * with a picture is told again with its unit.
 *
 * ffmpeg writes AVI, since there each unit comes with its length: none waits for the next to begin.
 */
import { InfraFabricError } from '#kernel'
import { startFfmpeg } from './ffmpeg.ts'
import { splitAnnexB, type VideoCodec } from './nal.ts'

/** Lines of the pictures that come out. */
const encodedHeights = [480, 720, 1080] as const
export type EncodedHeight = (typeof encodedHeights)[number]

export interface EncoderConfig {
  readonly codec: VideoCodec
  /** Octet order of the pictures, as NDI and FOURCC call it. */
  readonly fourCC: 'UYVY' | 'BGRA' | 'BGRX'
  /** Of the pictures that come in, pixels. */
  readonly width: number
  readonly height: number
  /** Octets from one line to the next. */
  readonly lineStride: number
  /** Pictures a second at most: those beyond are left out. */
  readonly mostPerSecond: number
  /** Smaller pictures are not made larger. */
  readonly encodedHeight: EncodedHeight
  /** kbit/s; default by height. */
  readonly bitrateKbps?: number
  /** Told of each unit, with what came with its picture: NAL units without start codes. */
  readonly onUnit: (units: readonly Buffer[], capturedMs: number) => void
  /** Told once, when it ends by itself. */
  readonly onEnd: (error: InfraFabricError) => void
}

export interface EncoderFigures {
  readonly taken: number
  /** Left out because there were more a second than are wanted. */
  readonly skipped: number
  /** Left out because the encoder was behind: the oldest that waited. */
  readonly dropped: number
  readonly encoded: number
}

export interface VideoEncoder {
  /** Takes a picture. It belongs to the encoder until `release` is called. @param capturedMs given back with its unit; rises */
  readonly picture: (data: Uint8Array, capturedMs: number, release: () => void) => void
  readonly figures: () => EncoderFigures
  readonly close: () => Promise<void>
}

/** Waiting beside the one that is being written. */
const mostWaiting = 2
/** A unit larger than this is none that was asked for. */
const largestUnit = 16 << 20
const usualKbps: Readonly<Record<EncodedHeight, number>> = { 480: 1000, 720: 2000, 1080: 4000 }
const pixelFormats = { UYVY: 'uyvy422', BGRA: 'bgra', BGRX: 'bgr0' } as const
/** H.264 table A-1: the least level that holds pictures of this height at 30 a second. */
const levels: Readonly<Record<EncodedHeight, string>> = { 480: '3.1', 720: '3.1', 1080: '4.0' }
const keyFrameEverySeconds = 1

function argumentsOf(config: EncoderConfig): string[] {
  const { codec, fourCC, lineStride, height, mostPerSecond, encodedHeight } = config
  const pixel = fourCC === 'UYVY' ? 2 : 4
  const kbps = config.bitrateKbps ?? usualKbps[encodedHeight]
  const coder =
    codec === 'h264'
      ? [
          '-c:v',
          'libx264',
          '-profile:v',
          'baseline',
          '-level',
          levels[encodedHeight],
          '-x264-params',
          'repeat-headers=1:scenecut=0'
        ]
      : ['-c:v', 'libx265', '-x265-params', 'log-level=error:repeat-headers=1:scenecut=0', '-tag:v', 'HEVC']
  // lines are read as wide as they lie in memory; what is beyond the picture is cut off
  const wide = lineStride / pixel
  const cut = wide === config.width ? [] : [`crop=${config.width}:${height}:0:0`]
  const scale = `scale=-2:${Math.min(encodedHeight, height - (height % 2))}:flags=fast_bilinear`
  return [
    ...['-probesize', '32', '-analyzeduration', '0', '-threads', '1'],
    ...[
      '-f',
      'rawvideo',
      '-pix_fmt',
      pixelFormats[fourCC],
      '-s',
      `${wide}x${height}`,
      '-r',
      String(mostPerSecond),
      '-i',
      'pipe:0'
    ],
    ...['-an', '-fps_mode', 'passthrough', '-vf', [...cut, scale].join(','), '-pix_fmt', 'yuv420p'],
    ...[...coder, '-preset', 'ultrafast', '-tune', 'zerolatency', '-threads', '2', '-bf', '0'],
    ...['-g', String(mostPerSecond * keyFrameEverySeconds)],
    ...['-b:v', `${kbps}k`, '-maxrate', `${kbps}k`, '-bufsize', `${Math.round(kbps / 2)}k`],
    ...['-flush_packets', '1', '-f', 'avi', 'pipe:1']
  ]
}

/** The chunks of an AVI stream behind its header, as they come. @throws {InfraFabricError} `media.ffmpeg.output` */
export function createChunkReader(onUnit: (unit: Buffer) => void): (octets: Buffer) => void {
  let waiting: Buffer = Buffer.alloc(0)
  let isOpen = false
  return (octets) => {
    waiting = waiting.length === 0 ? octets : Buffer.concat([waiting, octets])
    if (!isOpen) {
      const at = waiting.indexOf('movi', 0, 'latin1')
      if (at < 0) return
      waiting = waiting.subarray(at + 4)
      isOpen = true
    }
    while (waiting.length >= 8) {
      const size = waiting.readUInt32LE(4)
      if (size > largestUnit) throw new InfraFabricError('media.ffmpeg.output', `a chunk of ${size} octets`)
      // chunks begin at even places
      const whole = 8 + size + (size % 2)
      if (waiting.length < whole) return
      if (size > 0 && waiting.toString('latin1', 0, 4) === '00dc') onUnit(waiting.subarray(8, 8 + size))
      waiting = waiting.subarray(whole)
    }
  }
}

/** Starts an encoder. Where there is no ffmpeg, `onEnd` is told so. */
export function openEncoder(config: EncoderConfig): VideoEncoder {
  const { onUnit, lineStride, height } = config
  const leastMs = 1000 / config.mostPerSecond
  const counts = { taken: 0, skipped: 0, dropped: 0, encoded: 0 }
  interface Picture {
    readonly data: Uint8Array
    readonly capturedMs: number
    readonly release: () => void
  }
  const waiting: Picture[] = []
  const inside: number[] = []
  let isWriting = false
  let isClosed = false
  let dueMs = Number.NEGATIVE_INFINITY

  const read = createChunkReader((unit) => {
    const capturedMs = inside.shift()
    if (capturedMs === undefined || isClosed) return
    counts.encoded++
    onUnit(splitAnnexB(Buffer.from(unit)), capturedMs)
  })
  const fail = (error: InfraFabricError): void => {
    if (isClosed) return
    isClosed = true
    for (const { release } of waiting.splice(0)) release()
    config.onEnd(error)
  }
  const ffmpeg = startFfmpeg(
    argumentsOf(config),
    (octets) => {
      if (!isClosed) read(octets)
    },
    fail
  )

  const next = (): void => {
    const picture = waiting.shift()
    if (picture === undefined) return
    isWriting = true
    inside.push(picture.capturedMs)
    ffmpeg.write(picture.data.subarray(0, lineStride * height), () => {
      picture.release()
      isWriting = false
      if (!isClosed) next()
    })
  }

  return {
    picture: (data, capturedMs, release) => {
      counts.taken++
      if (isClosed) return release()
      // pictures of 59.94 a second come now earlier, now later than every other one is due
      if (capturedMs < dueMs - leastMs / 4) {
        counts.skipped++
        return release()
      }
      dueMs = Math.max(dueMs + leastMs, capturedMs + leastMs / 2)
      if (waiting.length >= mostWaiting) {
        waiting.shift()!.release()
        counts.dropped++
      }
      waiting.push({ data, capturedMs, release })
      if (!isWriting) next()
    },
    figures: () => ({ ...counts }),
    close: async () => {
      isClosed = true
      for (const { release } of waiting.splice(0)) release()
      await ffmpeg.close()
    }
  }
}
