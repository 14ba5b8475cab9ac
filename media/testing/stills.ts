/** Pictures to show, and what came of them on the way. By ffmpeg. */
import { spawnSync } from 'node:child_process'
import { byteStreamOf } from '../video/nal.ts'

function ffmpeg(args: string, input: Buffer): Buffer {
  const words = `-hide_banner -loglevel error ${args}`.split(' ')
  const { status, stdout, stderr } = spawnSync('ffmpeg', words, { input, maxBuffer: 1 << 28 })
  if (status !== 0) throw new Error(stderr.toString())
  return stdout
}

/** A picture with colours, lines and a number. @param second another one for each */
export const testStill = (type: 'png' | 'jpeg', width: number, height: number, second = 0): Buffer =>
  ffmpeg(
    `-f lavfi -i testsrc=s=${width}x${height}:r=1 -ss ${second} -frames:v 1 -c:v ${type === 'png' ? 'png' : 'mjpeg'} -f image2pipe pipe:1`,
    Buffer.alloc(0)
  )

export interface GrayPicture {
  readonly width: number
  readonly height: number
  /** Luma, line by line. */
  readonly pixels: Buffer
}

/** What a viewer has seen last of packets of H.264, decoded by ffmpeg: its size, and 160 by 90 points of it. @throws {Error} where it cannot be decoded */
export function lastPictureOf(packets: readonly Buffer[]): GrayPicture {
  const input = Buffer.concat(packets.map((packet) => byteStreamOf(packet.subarray(12)) ?? Buffer.alloc(0)))
  const bitmap = ffmpeg('-f h264 -i pipe:0 -update 1 -c:v bmp -f image2pipe pipe:1', input)
  const pixels = ffmpeg(
    '-f h264 -i pipe:0 -fps_mode passthrough -vf scale=160:90:flags=area -pix_fmt gray -f rawvideo pipe:1',
    input
  )
  return {
    width: bitmap.readInt32LE(18),
    height: Math.abs(bitmap.readInt32LE(22)),
    pixels: pixels.subarray(-160 * 90)
  }
}

/** The same 160 by 90 points of a picture, fitted into a size. */
export const pointsOf = (still: Buffer, width: number, height: number): Buffer =>
  ffmpeg(
    `-f image2pipe -i pipe:0 -vf scale=${width}:${height}:force_original_aspect_ratio=decrease,format=yuv420p,pad=${width}:${height}:-1:-1,scale=160:90:flags=area -pix_fmt gray -f rawvideo pipe:1`,
    still
  )

/** Mean difference of luma, 0 to 255. */
export function difference(a: Buffer, b: Buffer): number {
  if (a.length !== b.length || a.length === 0) throw new Error(`${a.length} and ${b.length} points`)
  let sum = 0
  for (let at = 0; at < a.length; at++) sum += Math.abs(a[at]! - b[at]!)
  return sum / a.length
}
