/** A still picture to H.264: a short group of pictures, all the same, that is sent again and again. By ffmpeg, for those who take video alone. */
import { type Clock, h264Levels, InfraFabricError, type PictureLimits } from '#kernel'
import { createChunkReader } from './encoder.ts'
import { startFfmpeg } from './ffmpeg.ts'
import { splitAnnexB } from './nal.ts'
import { readStillSize, type StillType } from './still-size.ts'

/** What is made of a still picture. */
export interface StillFormat {
  /** Pixels; the picture is fitted in, and what is beside it is black. */
  readonly width: number
  readonly height: number
  readonly kbps: number
}

/** Pictures a second. */
export const stillRate = 2
/** Pictures from one that needs no other to the next. */
export const stillGroup = 10 * stillRate

/** Octets of a picture that is taken. */
export const largestStill = 32 << 20
/** Pixels of a picture that is taken: what a file of some kilobytes may grow to is bounded by this. */
const mostPixels = 50_000_000
/** Of ffmpeg, for one allocation: four octets for each pixel, and some more. */
const mostAllocated = 256 << 20
const patienceMs = 30_000

/** Sizes that every decoder of the level takes, and how many pictures of them a second. @see ITU-T H.264 table A-1 */
const sizes = [
  { level: 40, name: '4.0', width: 1920, height: 1080, mostPerSecond: 30 },
  { level: 31, name: '3.1', width: 1280, height: 720, mostPerSecond: 30 },
  { level: 22, name: '2.2', width: 640, height: 480, mostPerSecond: 16 },
  { level: 11, name: '1.1', width: 352, height: 288, mostPerSecond: 7 },
  { level: 10, name: '1', width: 176, height: 144, mostPerSecond: 15 }
] as const
/** Rates that are made, kbit/s: one picture is coded once for all who take the same. */
const rates = [1024, 512, 256, 128, 64] as const

/** The least level of a size that is made, and the pictures a second that it allows. */
export const sizeOf = ({ width }: Pick<StillFormat, 'width'>): (typeof sizes)[number] =>
  sizes.find((size) => size.width === width)!

/** The best that a viewer can be sent; null for one that cannot be sent the least. */
export function stillFormatFor({ macroblocks, bitsPerSecond }: PictureLimits): StillFormat | null {
  const size = sizes.find(({ width, height }) => Math.ceil(width / 16) * Math.ceil(height / 16) <= macroblocks)
  if (size === undefined) return null
  const most = Math.min(bitsPerSecond, h264Levels.get(size.level)!.bitsPerSecond)
  const kbps = rates.find((rate) => rate * 1000 <= most)
  return kbps === undefined ? null : { width: size.width, height: size.height, kbps }
}

const demuxers: Readonly<Record<StillType, string>> = { 'image/png': 'png_pipe', 'image/jpeg': 'jpeg_pipe' }

function argumentsOf(type: StillType, format: StillFormat): string[] {
  const { width, height, kbps } = format
  const level = sizeOf(format).name
  const filters = [
    `scale=${width}:${height}:force_original_aspect_ratio=decrease`,
    'format=yuv420p',
    `pad=${width}:${height}:-1:-1`,
    'setsar=1',
    `loop=${stillGroup - 1}:1:0`,
    `setpts=N/${stillRate}/TB`
  ]
  return [
    ...[
      '-max_alloc',
      String(mostAllocated),
      '-protocol_whitelist',
      'pipe',
      '-threads',
      '1',
      '-f',
      demuxers[type],
      '-i',
      'pipe:0'
    ],
    ...['-an', '-vf', filters.join(','), '-r', String(stillRate), '-fps_mode', 'cfr'],
    ...['-c:v', 'libx264', '-profile:v', 'baseline', '-level', level, '-preset', 'veryfast', '-tune', 'stillimage'],
    ...[
      '-threads',
      '1',
      '-refs',
      '1',
      '-bf',
      '0',
      '-g',
      String(stillGroup),
      '-x264-params',
      'repeat-headers=1:scenecut=0:rc-lookahead=0'
    ],
    // the first picture may take as long as four seconds have room for
    ...['-crf', '20', '-maxrate', `${kbps}k`, '-bufsize', `${4 * kbps}k`],
    ...['-flush_packets', '1', '-f', 'avi', 'pipe:1']
  ]
}

/** Pictures of one group: NAL units without start codes. */
export type StillGroup = readonly (readonly Buffer[])[]

/**
 * Encodes a PNG or JPEG.
 *
 * @throws {DecodeError} as readStillSize
 * @throws {InfraFabricError} `media.still.large`, `media.still.slow`, `media.still.given-up` when the signal aborts, `media.ffmpeg.absent`, `media.ffmpeg.ended` for what ffmpeg does not decode
 */
export async function encodeStill(octets: Buffer, format: StillFormat, clock: Clock, signal: AbortSignal): Promise<StillGroup> {
  if (octets.length > largestStill) throw new InfraFabricError('media.still.large', `${octets.length} octets of a picture`)
  const { type, width, height } = readStillSize(octets)
  if (width * height > mostPixels) throw new InfraFabricError('media.still.large', `a picture of ${width} by ${height} pixels`)
  const givenUp = new InfraFabricError('media.still.given-up', 'nobody waits for it any more')
  if (signal.aborted) throw givenUp
  const whole = Promise.withResolvers<void>()
  const group: Buffer[][] = []
  const read = createChunkReader((unit) => {
    group.push(splitAnnexB(Buffer.from(unit)))
    if (group.length === stillGroup) whole.resolve()
  })
  const ffmpeg = startFfmpeg(argumentsOf(type, format), read, whole.reject)
  const slow = new InfraFabricError('media.still.slow', `a picture was not encoded in ${patienceMs} ms`)
  const cancel = clock.after(patienceMs, () => whole.reject(slow))
  const giveUp = (): void => whole.reject(givenUp)
  signal.addEventListener('abort', giveUp, { once: true })
  try {
    ffmpeg.write(octets, ffmpeg.end)
    await whole.promise
  } finally {
    cancel()
    signal.removeEventListener('abort', giveUp)
    await ffmpeg.close()
  }
  return group
}
