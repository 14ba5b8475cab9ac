import type { SippStatistics } from './statistics.ts'

/** A report as one line of at most 100 columns. */
export function progressLine({ elapsedMs, rate, calls, retransmissions }: SippStatistics): string {
  return [
    `${(elapsedMs / 1000).toFixed(1).padStart(6)} s`,
    `${rate.recent.toFixed(1)}/s`,
    `${calls.current} open`,
    `${calls.successful} ok`,
    `${calls.failed} failed`,
    `${retransmissions} retransmitted`
  ].join('  ')
}
