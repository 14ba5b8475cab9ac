import { readFileSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { errorCode, InfraFabricError } from '#kernel'

/**
 * Takes a data folder for this process. A lock whose process is gone counts as free.
 *
 * @returns how to give it back.
 * @throws {InfraFabricError} `suite.data.in-use`
 */
export async function lockData(file: string): Promise<() => Promise<void>> {
  const own = `${process.pid} ${startOf(process.pid)}\n`
  for (let attempt = 0; ; attempt++) {
    try {
      await writeFile(file, own, { flag: 'wx', mode: 0o600 })
      return async () => {
        if ((await readFile(file, 'utf8').catch(() => '')) === own) await rm(file, { force: true })
      }
    } catch (error) {
      if (errorCode(error) !== 'EEXIST' || attempt > 0) throw error
      const [pid, start] = (await readFile(file, 'utf8')).trim().split(' ')
      if (pid !== undefined && start !== undefined && startOf(Number(pid)) === start)
        throw new InfraFabricError('suite.data.in-use', `process ${pid} works on this data folder`, { cause: error })
      await rm(file, { force: true })
    }
  }
}

/** When a process began, in clock ticks since boot (proc(5), field 22); empty when there is no such process. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}
