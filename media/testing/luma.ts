/** How light pictures are. */
import { spawnSync } from 'node:child_process'
import { byteStreamOf } from '../video/nal.ts'

/** Mean luma, 0 to 255, of each picture in packets of H.264, the first one to begin with. @throws {Error} where ffmpeg does not decode them */
export async function lumaOf(packets: readonly Buffer[]): Promise<number[]> {
  const input = Buffer.concat(packets.map((packet) => byteStreamOf(packet.subarray(12)) ?? Buffer.alloc(0)))
  const words =
    '-hide_banner -loglevel error -f h264 -i pipe:0 -fps_mode passthrough -vf scale=1:1:flags=area -pix_fmt gray -f rawvideo pipe:1'
  const { status, stdout, stderr } = spawnSync('ffmpeg', words.split(' '), { input, maxBuffer: 1 << 28 })
  if (status !== 0) throw new Error(stderr.toString())
  return [...stdout]
}
