import { Session } from 'node:inspector'

/** Which code ran, told by V8, block by block. */
export interface Coverage {
  /** Functions of which something ran since the last call that never ran before. */
  readonly fresh: () => readonly Fresh[]
  /** Takes that back, so that it can be fresh again. */
  readonly forget: (found: readonly Fresh[]) => void
  /** Takes the forgetting back: what did not run once more did so the first time. */
  readonly remember: (found: readonly Fresh[]) => void
  readonly close: () => void
}

const tools = /\/testing\/(?!.*\.test\.ts$)/

type Interval = readonly [from: number, to: number]

export interface Fresh {
  readonly name: string
  /** What of the function had never run before; undefined when nothing of it had. */
  readonly idle: readonly Interval[] | undefined
  /** What of it has not run even now. */
  readonly still: readonly Interval[]
}

/**
 * Follows the scripts whose address holds `part`, those that do the testing excepted, in this thread.
 *
 * @remarks V8 tells each function that ran with the blocks of it that did not. What did not run in any of the tellings never ran: something is new when
 * that grows less.
 * @see Chrome DevTools Protocol, Profiler.takePreciseCoverage
 */
export function openCoverage(part: string): Coverage {
  const session = new Session()
  session.connect()
  session.post('Profiler.enable')
  session.post('Profiler.startPreciseCoverage', { callCount: false, detailed: true })
  const never = new Map<string, readonly Interval[]>()

  return {
    fresh: () => {
      const found: Fresh[] = []
      session.post('Profiler.takePreciseCoverage', (error, taken) => {
        if (error !== null) throw error
        for (const { url, functions } of taken.result) {
          if (!url.includes(part) || tools.test(url)) continue
          for (const { ranges } of functions) {
            const [whole] = ranges
            if (whole === undefined || whole.count === 0) continue
            const name = `${url}:${whole.startOffset}`
            const before = never.get(name)
            const idle = ranges
              .filter(({ count }) => count === 0)
              .map(({ startOffset, endOffset }): Interval => [startOffset, endOffset])
            const still = before === undefined ? idle : common(before, idle)
            if (before === undefined || lengthOf(still) < lengthOf(before)) found.push({ name, idle: before, still })
            never.set(name, still)
          }
        }
      })
      return found
    },
    forget: (found) => {
      for (const { name, idle } of found) {
        if (idle === undefined) never.delete(name)
        else never.set(name, idle)
      }
    },
    remember: (found) => {
      for (const { name, still } of found) {
        const now = never.get(name)
        never.set(name, now === undefined ? still : common(now, still))
      }
    },
    close: () => session.disconnect()
  }
}

const lengthOf = (intervals: readonly Interval[]): number => intervals.reduce((sum, [from, to]) => sum + to - from, 0)

/** What lies in both. Intervals of one list do not overlap. */
function common(some: readonly Interval[], others: readonly Interval[]): Interval[] {
  const both: Interval[] = []
  for (const [from, to] of some)
    for (const [otherFrom, otherTo] of others) {
      const [least, most] = [Math.max(from, otherFrom), Math.min(to, otherTo)]
      if (least < most) both.push([least, most])
    }
  return both
}
