/** What a video file says of itself, by ffprobe, before any of it is shown. The file is anybody's: what is read of it, for how long, and how large it may be is bounded. */
import { execFile } from 'node:child_process'
import { type Clock, InfraFabricError } from '#kernel'

export const clipTypes = ['video/mp4', 'video/webm'] as const
export type ClipType = (typeof clipTypes)[number]

/** A video file on disk. */
export interface ClipFile {
  readonly path: string
  readonly type: ClipType
}

/** Octets of a file that is played. */
export const largestClip = 512 << 20
/** Pixels of its pictures: 4096 by 2304. */
const mostPixels = 9_437_184
/** How long it may be. */
export const longestClipMs = 30 * 60_000
/** For one allocation, octets: of ffmpeg; of ffprobe, which has to say how large pictures are that are too large, and not to decode them. */
const mostAllocated = { playing: 256 << 20, probing: 32 << 20 }
const patienceMs = 10_000
const mostWords = 64 << 10

/** Decoders that a file may make use of. */
const decoders = 'h264,hevc,mpeg4,vp8,vp9,libdav1d,libaom-av1,av1'
/** ffprobe opens those of the sound, too, and fails where it may not. */
const soundDecoders = 'aac,mp3,mp3float,opus,libopus,vorbis,libvorbis,flac,alac,ac3,eac3,pcm_s16le,pcm_s16be'
const demuxers: Readonly<Record<ClipType, readonly string[]>> = {
  // an MP4 may name other files that its pictures lie in
  'video/mp4': ['-f', 'mov', '-enable_drefs', '0', '-use_absolute_path', '0'],
  'video/webm': ['-f', 'matroska']
}

/** How ffmpeg and ffprobe open a file of somebody else: no other file, no network, no other format than the one it is said to be. */
export const clipInput = (file: ClipFile): string[] => [
  ...['-max_pixels', String(mostPixels)],
  ...inputOf(file, decoders, mostAllocated.playing)
]

const inputOf = ({ path, type }: ClipFile, allowed: string, allocated: number): string[] => [
  ...['-max_alloc', String(allocated), '-protocol_whitelist', 'file'],
  ...['-codec_whitelist', allowed, '-max_streams', '16', '-threads', '1'],
  ...[...demuxers[type], '-i', `file:${path}`]
]

/**
 * Reads how long a file is.
 *
 * @returns ms; null where it does not say, as those that browsers record
 * @throws {InfraFabricError} `media.clip.type` for what is no video of its type, `media.clip.large`, `media.clip.long`, `media.clip.slow`, `media.clip.given-up` when the signal aborts, `media.ffmpeg.absent`
 */
export async function probeClip(file: ClipFile, clock: Clock, signal: AbortSignal): Promise<number | null> {
  const over = new AbortController()
  const cancel = clock.after(patienceMs, () => over.abort())
  try {
    return readAnswer(await ffprobe(file, AbortSignal.any([signal, over.signal])))
  } catch (error) {
    if (signal.aborted) throw new InfraFabricError('media.clip.given-up', 'nobody waits for it any more')
    if (over.signal.aborted) throw new InfraFabricError('media.clip.slow', `a file was not read in ${patienceMs} ms`)
    if (error instanceof InfraFabricError) throw error
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new InfraFabricError('media.ffmpeg.absent', 'there is no ffprobe: install it (Debian: ffmpeg)')
    throw new InfraFabricError('media.clip.type', `no video of type ${file.type}`, { cause: error })
  } finally {
    cancel()
  }
}

function ffprobe(file: ClipFile, signal: AbortSignal): Promise<string> {
  const words = ['-hide_banner', '-loglevel', 'error', '-select_streams', 'v:0']
  const asked = ['-show_entries', 'stream=width,height:format=duration', '-of', 'json']
  const limits = { signal, killSignal: 'SIGKILL', maxBuffer: mostWords, env: { PATH: process.env.PATH } } as const
  return new Promise((resolve, reject) => {
    execFile(
      'ffprobe',
      [...words, ...asked, ...inputOf(file, `${decoders},${soundDecoders}`, mostAllocated.probing)],
      limits,
      (error, stdout) => (error === null ? resolve(stdout) : reject(error))
    ).stdin?.end()
  })
}

interface Answer {
  readonly streams?: readonly { readonly width?: number; readonly height?: number }[]
  readonly format?: { readonly duration?: string }
}

function readAnswer(text: string): number | null {
  const { streams = [], format } = JSON.parse(text) as Answer
  const { width = 0, height = 0 } = streams[0] ?? {}
  if (width === 0 || height === 0) throw new InfraFabricError('media.clip.type', 'a file without pictures')
  if (width * height > mostPixels) throw new InfraFabricError('media.clip.large', `pictures of ${width} by ${height} pixels`)
  const ms = Number(format?.duration ?? Number.NaN) * 1000
  if (!(ms > 0)) return null
  if (ms > longestClipMs) throw new InfraFabricError('media.clip.long', `a video of ${Math.round(ms / 1000)} s`)
  return ms
}
