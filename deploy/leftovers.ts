import { readdirSync, readFileSync } from 'node:fs'

/** Processes of a Kamailio that runs in `runtimeDir`. */
function edgeProcesses(runtimeDir: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
        return words[0]?.split('/').at(-1) === 'kamailio' && words[words.indexOf('-Y') + 1] === runtimeDir
      } catch {
        return false
      }
    })
}

/**
 * Ends an edge that outlived its suite: a suite that is killed cannot take its child with it, and the child holds the ports. Call it only for a data
 * folder that is locked.
 *
 * @returns how many processes were ended.
 */
export async function endLeftoverEdge(runtimeDir: string): Promise<number> {
  const found = edgeProcesses(runtimeDir)
  for (const pid of found) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It ended by itself in the meantime.
    }
  }
  for (let waits = 0; found.length > 0 && edgeProcesses(runtimeDir).length > 0 && waits < 100; waits++)
    await new Promise((resolve) => setTimeout(resolve, 20))
  return found.length
}
