import { readdirSync, readFileSync } from 'node:fs'

/** What processes take of the machine. */
export interface Usage {
  /** Processor time so far, user and system, milliseconds. */
  readonly cpuMs: number
  /** Memory, kB; what several share is counted once (proportional set size). */
  readonly kb: number
  /** Open file descriptors. */
  readonly fds: number
}

/** Clock ticks a second: 100 wherever Linux runs (getconf CLK_TCK). */
const ticksPerSecond = 100

/**
 * Processor time that the whole machine has used so far, milliseconds: everybody's, interrupts and what its host gave to other machines (steal) with it.
 *
 * @param stat content of /proc/stat
 * @see proc_stat(5)
 */
export function machineCpuMs(stat = readFileSync('/proc/stat', 'latin1')): number {
  const [, user, nice, system, , , irq, softirq, steal] = stat.split('\n', 1)[0]!.split(/ +/).map(Number)
  return ((user! + nice! + system! + irq! + softirq! + steal!) * 1000) / ticksPerSecond
}

/** Fields of /proc/PID/stat from the third on: the second, the name, may hold anything. @see proc_pid_stat(5) */
const statOf = (pid: number | 'self'): string[] =>
  readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /s, '')
    .split(' ')

/** A process and all that come of it. */
export function processTree(root: number): readonly number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const parent = Number(statOf(Number(name))[1])
      children.set(parent, [...(children.get(parent) ?? []), Number(name)])
    } catch {
      // gone meanwhile
    }
  }
  const tree = [root]
  for (const pid of tree) tree.push(...(children.get(pid) ?? []))
  return tree
}

const cpuMsOf = (pid: number): number => {
  const fields = statOf(pid)
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond
}

/** Processes that end meanwhile count as nothing. */
export function usageOf(pids: readonly number[]): Usage {
  let [cpuMs, kb, fds] = [0, 0, 0]
  for (const pid of pids) {
    try {
      cpuMs += cpuMsOf(pid)
      kb += Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))?.[1] ?? 0)
      fds += readdirSync(`/proc/${pid}/fd`).length
    } catch {
      // gone meanwhile
    }
  }
  return { cpuMs, kb, fds }
}

/** Processor time alone: cheap enough to ask for often. */
export function cpuMsOfAll(pids: readonly number[]): number {
  let sum = 0
  for (const pid of pids) {
    try {
      sum += cpuMsOf(pid)
    } catch {
      // gone meanwhile
    }
  }
  return sum
}
