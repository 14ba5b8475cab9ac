/**
 * A video file to H.264, once, for those who take video alone: pictures as they are sent, read and coded no further ahead than a second or two. By ffmpeg.
 * Its sound is left out. At its end the last picture is repeated, as a still picture is.
 */
import { type Clock, InfraFabricError } from '#kernel'
import { type ClipFile, clipInput } from './clip-probe.ts'
import { createChunkReader } from './encoder.ts'
import { startFfmpeg } from './ffmpeg.ts'
import { splitAnnexB } from './nal.ts'
import { type StillFormat, sizeOf, stillGroup, stillRate } from './still-encoder.ts'
import { type PictureSource, repeated } from './still-player.ts'

/** Pictures a second at most: less where the level of a size allows less. */
const mostPerSecond = 15
const clipRate = (format: StillFormat): number => Math.min(mostPerSecond, sizeOf(format).mostPerSecond)
/** Copies of the last picture that are made at the end: one whole group of them, wherever it begins. */
const lastPictures = 2 * stillGroup - 1
/** How long the pictures are played beyond the file's own. */
export const clipTailMs = (format: StillFormat): number => (lastPictures * 1000) / clipRate(format)
/** How far they may be behind: the largest that the rate allows takes a second. */
const mostLateMs = 2000
/** How far before the place that is asked for the whole picture may be that it begins with. */
const mostBackMs = 30_000
const patienceMs = 30_000

export interface ClipConfig {
  readonly file: ClipFile
  readonly format: StillFormat
  /** Where in the file it begins: with the picture before that needs no other. */
  readonly fromMs: number
  /** Of what there is from there on, no more is played. */
  readonly mostMs: number
  readonly clock: Clock
  /** Told once, when the last picture is out: it is repeated from then on. */
  readonly onEnd: () => void
  /** Told once, when there are no pictures, or no more: `media.clip.empty`, `media.clip.slow`, and as `startFfmpeg` and `createChunkReader` say. */
  readonly onFailed: (error: InfraFabricError) => void
}

export interface Clip extends PictureSource {
  /** Where in the file the picture is that was given last, ms. */
  readonly placeMs: () => number
  /** Ends it at once. Idempotent. */
  readonly close: () => Promise<void>
}

function argumentsOf({ file, format, fromMs, mostMs }: ClipConfig): string[] {
  const { width, height, kbps } = format
  const rate = clipRate(format)
  const filters = [
    'setpts=PTS-STARTPTS',
    `fps=${rate}`,
    `scale=${width}:${height}:force_original_aspect_ratio=decrease:flags=bilinear`,
    'format=yuv420p',
    `pad=${width}:${height}:-1:-1`,
    'setsar=1',
    `tpad=stop_mode=clone:stop=${lastPictures}`
  ]
  const seconds = (ms: number): string => (ms / 1000).toFixed(3)
  const most = Math.ceil(((mostMs + mostBackMs) * rate) / 1000) + lastPictures
  return [
    ...['-filter_threads', '1', '-noaccurate_seek', '-ss', seconds(fromMs), '-t', seconds(mostMs)],
    ...clipInput(file),
    ...['-map', '0:v:0', '-an', '-sn', '-dn', '-map_metadata', '-1', '-map_chapters', '-1'],
    ...['-vf', filters.join(','), '-r', String(rate), '-fps_mode', 'cfr', '-frames:v', String(most)],
    ...['-c:v', 'libx264', '-profile:v', 'baseline', '-level', sizeOf(format).name, '-preset', 'veryfast', '-threads', '1'],
    ...['-refs', '1', '-bf', '0', '-g', String(stillGroup), '-keyint_min', String(stillGroup)],
    ...['-x264-params', 'repeat-headers=1:scenecut=0:rc-lookahead=0:mbtree=0'],
    // headers of packets take their part of what may be sent
    ...['-crf', '23', '-maxrate', `${Math.floor(kbps * 0.95)}k`, '-bufsize', `${kbps}k`],
    ...['-flush_packets', '1', '-f', 'avi', 'pipe:1']
  ]
}

/** Begins to read a file that was probed. Pictures are there as they are asked for. */
export function openClip(config: ClipConfig): Clip {
  const { format, clock, onEnd, onFailed } = config
  const rate = clipRate(format)
  const mostWaiting = 2 * rate
  const waiting: (readonly Buffer[])[] = []
  let count = 0
  /** The last whole group, and the one that is being sent. */
  let group: (readonly Buffer[])[] = []
  let begun: (readonly Buffer[])[] = []
  let last: PictureSource | null = null
  let isHeld = false
  let isDone = false
  let isClosed = false
  let lastMs = clock.monotonicMs()

  const fail = (error: InfraFabricError): void => {
    if (isClosed) return
    isClosed = true
    void ffmpeg.kill()
    onFailed(error)
  }
  const read = createChunkReader((unit) => {
    waiting.push(splitAnnexB(Buffer.from(unit)))
    lastMs = clock.monotonicMs()
  })
  const ffmpeg = startFfmpeg(
    argumentsOf(config),
    (octets) => {
      if (isClosed) return
      read(octets)
      hold(waiting.length >= mostWaiting)
    },
    fail,
    () => {
      isDone = true
    }
  )
  ffmpeg.end()

  function hold(isNow: boolean): void {
    if (isHeld === isNow) return
    isHeld = isNow
    lastMs = clock.monotonicMs()
    ffmpeg.hold(isNow)
  }

  /** The last picture, again and again, once all are out. */
  function finish(): void {
    if (count < stillGroup) {
      fail(new InfraFabricError('media.clip.empty', 'no picture can be decoded'))
      return
    }
    last = repeated(group)
    onEnd()
  }

  return {
    next: () => {
      if (isClosed) return null
      if (last !== null) return last.next()
      const units = waiting.shift()
      if (waiting.length < mostWaiting / 2) hold(false)
      if (units === undefined) {
        if (isDone) finish()
        else if (clock.monotonicMs() - lastMs > patienceMs)
          fail(new InfraFabricError('media.clip.slow', `no picture came in ${patienceMs} ms`))
        return null
      }
      const isWhole = count++ % stillGroup === 0
      if (isWhole) begun = []
      begun.push(units)
      if (begun.length === stillGroup) group = begun
      return { units, isWhole }
    },
    rate: () => (last === null ? rate : stillRate),
    mostLateMs,
    placeMs: () => config.fromMs + (Math.max(0, count - 1) * 1000) / rate,
    restart: () => last?.restart() ?? false,
    close: async () => {
      isClosed = true
      await ffmpeg.kill()
    }
  }
}
