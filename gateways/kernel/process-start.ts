import { existsSync, readFileSync } from 'node:fs'
import { errorCode } from './errors.ts'

/**
 * When a process started, in clock ticks since boot: with the pid it names one process, where a pid alone is given again, soonest after a reboot.
 * Null when there is no such process; `0` where the system does not say.
 *
 * @see proc_pid_stat(5), field 22
 */
export function processStart(pid: number): string | null {
  if (existsSync('/proc/self/stat')) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
      return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '0'
    } catch {
      return null
    }
  }
  try {
    process.kill(pid, 0)
    return '0'
  } catch (error) {
    return errorCode(error) === 'EPERM' ? '0' : null
  }
}
