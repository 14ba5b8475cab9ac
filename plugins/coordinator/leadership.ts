import { InfraFabricError, type JsonObject } from '#kernel'
import { type StateStore, transact } from '#store'

/** Who leads in something that one process is to do for all. */
export interface Leader extends JsonObject {
  readonly owner: string
  /** Store time at which others may take over. */
  readonly until: number
  /** Grows with each change of leaders. */
  readonly term: number
}

export interface Leadership {
  /** Becomes, or stays, the leader when nobody else is. @returns whether this one leads now, for the length of the lease */
  readonly lead: () => Promise<boolean>
  /** Who leads; null when nobody does. */
  readonly leader: () => Promise<Leader | null>
  /** Gives it up, so that another need not wait. */
  readonly resign: () => Promise<void>
}

/**
 * Leadership by lease, in the time of the store: whoever is gone loses it when its lease ends.
 *
 * @param what 1–64 characters of `a-z -`
 * @param owner a name that no other process has
 * @throws {InfraFabricError} `coordinator.leadership`; as StateStore
 */
export function createLeadership(store: StateStore, what: string, owner: string, leaseMs: number): Leadership {
  if (!/^[a-z-]{1,64}$/.test(what) || !(Number.isInteger(leaseMs) && leaseMs >= 500 && leaseMs <= 3_600_000))
    throw new InfraFabricError('coordinator.leadership', `${what} for ${leaseMs} ms: expected a name, and 500 to 3600000 ms`)
  const key = `leader/${what}`
  return {
    lead: () =>
      transact(
        store,
        async ({ at, get, put, tell }) => {
          const before = await get<Leader>(key)
          if (before !== null && before.owner !== owner && before.until > at) return false
          const term = before === null ? 1 : before.owner === owner ? before.term : before.term + 1
          put(key, { owner, until: at + leaseMs, term } satisfies Leader)
          if (before?.owner !== owner) tell(`leader.changed.${what}`, { owner, term })
          return true
        },
        [key]
      ),
    leader: async () => {
      const { at, records } = await store.read([key])
      const leader = (records[0]?.value ?? null) as Leader | null
      return leader === null || leader.until <= at ? null : leader
    },
    resign: () =>
      transact(store, async ({ at, get, put }) => {
        const before = await get<Leader>(key)
        // its term is kept for whoever comes next
        if (before?.owner === owner) put(key, { ...before, until: at })
      })
  }
}
