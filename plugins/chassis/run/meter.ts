import { readFileSync } from 'node:fs'

/** What a process has used so far, of which all threads count. */
export interface Reading {
  readonly cpuMs: number
  readonly residentOctets: number
}

/** Linux counts the time of processes in hundredths of a second in /proc, whatever the kernel's own tick. */
const msOfTick = 10
const pageOctets = 4096

/** Null once the process has ended. @see proc_pid_stat(5): fields 14, 15 and 24 */
export function readProcess(pid: number): Reading | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // the name, in brackets, may itself hold spaces and brackets
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { cpuMs: (Number(fields[11]) + Number(fields[12])) * msOfTick, residentOctets: Number(fields[21]) * pageOctets }
  } catch {
    return null
  }
}

/** CPU time that a process may use at once before its share counts. */
const burstMs = 50

/**
 * Whether a process that may have `percent` of one processor is to wait.
 *
 * @param cpuMs used since it began
 * @param wallMs passed since it began
 */
export function mustWait(percent: number, cpuMs: number, wallMs: number): boolean {
  return percent < 100 && cpuMs > burstMs + (wallMs * percent) / 100
}
