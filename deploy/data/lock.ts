import { readFile, rm, writeFile } from 'node:fs/promises'
import { errorCode, InfraFabricError, processStart } from '#kernel'

/**
 * Takes a data folder for this process. A lock whose process is gone counts as free.
 *
 * @returns how to give it back.
 * @throws {InfraFabricError} `suite.data.in-use`
 */
export async function lockData(file: string): Promise<() => Promise<void>> {
  const own = `${process.pid} ${processStart(process.pid)}\n`
  for (let attempt = 0; ; attempt++) {
    try {
      await writeFile(file, own, { flag: 'wx', mode: 0o600 })
      return async () => {
        if ((await readFile(file, 'utf8').catch(() => '')) === own) await rm(file, { force: true })
      }
    } catch (error) {
      if (errorCode(error) !== 'EEXIST' || attempt > 0) throw error
      const [pid, start] = (await readFile(file, 'utf8')).trim().split(' ')
      if (pid !== undefined && start !== undefined && processStart(Number(pid)) === start)
        throw new InfraFabricError('suite.data.in-use', `process ${pid} works on this data folder`, { cause: error })
      await rm(file, { force: true })
    }
  }
}
