import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { quantile } from './report.ts'

/** What the disk under `folder` takes to keep a small write, median, milliseconds: a file system in memory shows here. */
export async function syncMs(folder: string): Promise<number> {
  const file = await open(join(folder, 'sync'), 'a')
  const times: number[] = []
  for (let n = 0; n < 50; n++) {
    await file.write(Buffer.alloc(4096))
    const startedMs = performance.now()
    await file.datasync()
    times.push(performance.now() - startedMs)
  }
  await file.close()
  return quantile(times, 0.5)
}
