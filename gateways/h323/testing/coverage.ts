import { Session } from 'node:inspector'

/** Which code ran, told by V8, block by block. */
export interface Coverage {
  /** Blocks that ran since the last call, and never before. Nothing is fresh twice. */
  readonly fresh: () => readonly string[]
  /** Makes these blocks count as never run again. */
  readonly forget: (blocks: readonly string[]) => void
  readonly close: () => void
}

interface Range {
  readonly startOffset: number
  readonly endOffset: number
  readonly count: number
}

/**
 * Counts blocks of the scripts whose address holds `part`, in this thread.
 *
 * @remarks V8 tells a function that ran with the blocks of it that did not: a block is named by where it begins, and has run when its function did and
 * it is not among those.
 * @see Chrome DevTools Protocol, Profiler.takePreciseCoverage
 */
export function openCoverage(part: string): Coverage {
  const session = new Session()
  session.connect()
  session.post('Profiler.enable')
  session.post('Profiler.startPreciseCoverage', { callCount: false, detailed: true })
  /** Blocks that were seen not to run, by function. Those that are seen to run leave it. */
  const blocks = new Map<string, Set<number>>()
  const ran = new Set<string>()
  return {
    fresh: () => {
      const found: string[] = []
      session.post('Profiler.takePreciseCoverage', (error, taken) => {
        if (error !== null) throw error
        for (const { url, functions } of taken.result) {
          if (!url.includes(part)) continue
          for (const { ranges } of functions) visit(url, ranges)
        }
      })
      return found

      function visit(url: string, ranges: readonly Range[]): void {
        const [whole, ...inner] = ranges
        if (whole === undefined || whole.count === 0) return
        const name = `${url}:${whole.startOffset}`
        const known = blocks.get(name) ?? new Set<number>()
        blocks.set(name, known)
        for (const { startOffset } of inner) known.add(startOffset)
        const idle = inner.filter(({ count }) => count === 0)
        for (const at of [whole.startOffset, ...known]) {
          const block = `${name}:${at}`
          if (ran.has(block) || idle.some(({ startOffset, endOffset }) => at >= startOffset && at < endOffset)) continue
          ran.add(block)
          found.push(block)
        }
      }
    },
    forget: (names) => {
      for (const name of names) ran.delete(name)
    },
    close: () => session.disconnect()
  }
}
