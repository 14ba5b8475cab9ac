import type { Json } from '#kernel'
import type { StateStore, WitnessedTransaction } from '#store'

/** Records in memory, for a gate that is asked without a store. */
export interface MemoryState {
  readonly records: Map<string, Json>
  /** What a gate reads of a store beside its transactions. */
  readonly store: Pick<StateStore, 'list' | 'read'>
  /** Runs `work` at a time; what it put takes effect when `keep` says so of its result. */
  readonly run: <T>(
    at: number,
    work: (transaction: WitnessedTransaction) => Promise<T>,
    keep: (result: T) => boolean
  ) => Promise<T>
}

export function memoryState(): MemoryState {
  const records = new Map<string, Json>()
  return {
    records,
    store: {
      list: async (prefix, { after = '', limit = 10_000 } = {}) => ({
        at: 0,
        records: [...records.keys()]
          .filter((key) => key.startsWith(prefix) && key > after)
          .sort()
          .slice(0, limit)
          .map((key) => ({ key, value: records.get(key)!, version: 1 }))
      }),
      read: async (keys) => ({
        at: 0,
        records: keys.map((key) => (records.has(key) ? { key, value: records.get(key)!, version: 1 } : null))
      })
    },
    run: async (at, work, keep) => {
      const written = new Map<string, Json | undefined>()
      const result = await work({
        at,
        get: async <T extends Json>(key: string) =>
          ((written.has(key) ? written.get(key) : records.get(key)) ?? null) as T | null,
        put: (key, value) => void written.set(key, value),
        remove: (key) => void written.set(key, undefined),
        tell: () => undefined,
        witness: () => undefined,
        mark: () => () => {
          throw new Error('nothing is undone in a simulation')
        }
      })
      if (keep(result))
        for (const [key, value] of written) {
          if (value === undefined) records.delete(key)
          else records.set(key, value)
        }
      return result
    }
  }
}
