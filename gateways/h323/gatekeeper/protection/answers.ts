/** Answers already given, so that a repeated request gets the same one. @see H.225.0 §7.19 */
import { createHash } from 'node:crypto'

export interface Answers {
  /** What became of this very request before: nothing, still being worked on, or the answer. */
  readonly of: (key: string, nowMs: number) => Uint8Array | 'waiting' | null
  readonly begin: (key: string, nowMs: number) => void
  readonly give: (key: string, octets: Uint8Array) => void
  readonly forget: (key: string) => void
  readonly size: () => number
}

/** Two requests are one when source and octets are the same. */
export const answerKey = (source: string, octets: Uint8Array): string =>
  `${source} ${createHash('sha1').update(octets).digest('base64')}`

export function createAnswers(keepMs: number, most: number): Answers {
  const known = new Map<string, { answer: Uint8Array | 'waiting'; readonly until: number }>()
  return {
    size: () => known.size,
    of(key, nowMs) {
      const found = known.get(key)
      return found === undefined || found.until < nowMs ? null : found.answer
    },
    begin(key, nowMs) {
      for (const [other, { until }] of known) {
        if (until >= nowMs && known.size < most) break
        known.delete(other)
      }
      known.delete(key)
      known.set(key, { answer: 'waiting', until: nowMs + keepMs })
    },
    give(key, octets) {
      const found = known.get(key)
      if (found !== undefined) found.answer = octets
    },
    forget: (key) => known.delete(key)
  }
}
