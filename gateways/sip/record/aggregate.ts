/** Counts repeated occurrences by key, so that a flood makes one entry per interval and not one per packet. */
export interface Aggregate {
  /** Notes one occurrence; the number to report now (this one and those held back), or null when it is held back. */
  readonly note: (key: string, nowMs: number, occurrences?: number) => number | null
}

/**
 * @param intervalMs shortest time between two reports of one key.
 * @param limit keys remembered; the oldest is forgotten first.
 */
export function createAggregate(intervalMs: number, limit: number): Aggregate {
  const keys = new Map<string, { reportedAt: number; held: number }>()
  return {
    note: (key, nowMs, occurrences = 1) => {
      const entry = keys.get(key)
      if (entry !== undefined && nowMs - entry.reportedAt < intervalMs) {
        entry.held += occurrences
        return null
      }
      const count = (entry?.held ?? 0) + occurrences
      keys.delete(key)
      keys.set(key, { reportedAt: nowMs, held: 0 })
      if (keys.size > limit) keys.delete(keys.keys().next().value!)
      return count
    }
  }
}
