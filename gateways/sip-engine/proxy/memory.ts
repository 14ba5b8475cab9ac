/** What is remembered for a while: so many entries at most, the oldest go first. Time is an input. */
export interface Memory<V> {
  /** Remembers a value, or goes on remembering it from now. */
  readonly keep: (key: string, value: V, nowMs: number) => void
  readonly recall: (key: string, nowMs: number) => V | undefined
  readonly size: () => number
  readonly clear: () => void
}

export function createMemory<V>(lifeMs: number, maxEntries: number): Memory<V> {
  // A key that is kept again moves to the end, so that the entries stand in the order of their age.
  const entries = new Map<string, { readonly value: V; readonly untilMs: number }>()
  return {
    keep: (key, value, nowMs) => {
      entries.delete(key)
      for (const [oldest, { untilMs }] of entries) {
        if (untilMs > nowMs && entries.size < maxEntries) break
        entries.delete(oldest)
      }
      entries.set(key, { value, untilMs: nowMs + lifeMs })
    },
    recall: (key, nowMs) => {
      const entry = entries.get(key)
      return entry !== undefined && entry.untilMs > nowMs ? entry.value : undefined
    },
    size: () => entries.size,
    clear: () => entries.clear()
  }
}
