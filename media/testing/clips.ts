/** Video files to play. By ffmpeg. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

/**
 * A film of black, then white, half of the time each, with a tone for some seconds. WebM does not say how long it is, as what browsers record.
 *
 * @returns its path, in the folder
 */
export function testClip(
  folder: string,
  type: 'mp4' | 'webm',
  width: number,
  height: number,
  seconds: number,
  rate = 10
): string {
  const path = join(folder, `clip-${width}x${height}.${type}`)
  const coder =
    type === 'mp4' ? 'libx264 -preset ultrafast -c:a aac' : 'libvpx -deadline realtime -cpu-used 8 -c:a libopus -live 1 -f webm'
  const half = seconds / 2
  const picture = (colour: string): string => `-f lavfi -i color=c=${colour}:s=${width}x${height}:r=${rate}:d=${half}`
  const words = `-hide_banner -loglevel error ${picture('black')} ${picture('white')} -f lavfi -i sine=d=${Math.min(seconds, 10)} -filter_complex [0][1]concat -g 10 -pix_fmt yuv420p -c:v ${coder} -y`
  const { status, stderr } = spawnSync('ffmpeg', [...words.split(' '), path])
  if (status !== 0) throw new Error(stderr.toString())
  return path
}
