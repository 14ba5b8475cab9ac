import { InfraFabricError } from '#kernel'
import { startFfmpeg } from './ffmpeg.ts'
import { createCutter } from './view.ts'

/** A still picture for when there is no other: two dark fields and a light line. UYVY without gaps. @throws {InfraFabricError} as `startFfmpeg` tells */
export async function stillPicture({ width, height }: { readonly width: number; readonly height: number }): Promise<Uint8Array> {
  const made = Promise.withResolvers<Uint8Array>()
  const cut = createCutter(width * height * 2, (data) => made.resolve(new Uint8Array(data)))
  const graph = [
    `color=c=0x18222e:s=${width}x${height}:r=1`,
    `drawbox=x=0:y=ih*2/3:w=iw:h=ih/3:color=0x101820:t=fill`,
    `drawbox=x=iw/12:y=ih*2/3-ih/180:w=iw*5/6:h=ih/90:color=0xb8c4d0:t=fill`
  ].join(',')
  const ffmpeg = startFfmpeg(
    ['-f', 'lavfi', '-i', graph, '-frames:v', '1', '-pix_fmt', 'uyvy422', '-f', 'rawvideo', 'pipe:1'],
    cut,
    (error) => made.reject(new InfraFabricError(error.code, error.message))
  )
  try {
    return await made.promise
  } finally {
    await ffmpeg.close()
  }
}
