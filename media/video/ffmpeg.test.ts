import { spawnSync } from 'node:child_process'
import test from 'ava'
import { InfraFabricError } from '#kernel'
import { startFfmpeg } from './ffmpeg.ts'

const hasFfmpeg = spawnSync('ffmpeg', ['-version'], { stdio: 'ignore' }).status === 0
const real = hasFfmpeg ? test : test.skip
const withoutEnd = ['-f', 'lavfi', '-i', 'color=s=64x64:r=10', '-f', 'rawvideo', 'pipe:1']

real('output that is refused ends it, and is told once', async (t) => {
  const told: string[] = []
  const came = Promise.withResolvers<void>()
  const ffmpeg = startFfmpeg(
    withoutEnd,
    () => {
      throw new InfraFabricError('media.ffmpeg.output', 'not like that')
    },
    (error) => {
      told.push(error.code)
      came.resolve()
    }
  )
  await came.promise
  await ffmpeg.kill()
  await ffmpeg.close()
  t.deepEqual(told, ['media.ffmpeg.output'])
})
