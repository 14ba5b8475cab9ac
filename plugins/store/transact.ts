import { randomInt } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { InfraFabricError, type Json, type JsonObject } from '#kernel'
import type { StateStore } from './state-store.ts'

/** What one transaction reads and means to write. Nothing is written before its end. */
export interface Transaction {
  /** Store time when the transaction began, milliseconds since 1970. */
  readonly at: number
  /** The record as it was when it was first read here, or as it was put here. */
  readonly get: <T extends Json>(key: string) => Promise<T | null>
  readonly put: (key: string, value: Json) => void
  readonly remove: (key: string) => void
  readonly tell: (topic: string, data: JsonObject) => void
  /** Marks this moment. @returns undoes what was put, removed and told since */
  readonly mark: () => () => void
}

/** How often a transaction is begun again when others changed what it had read. */
const mostAttempts = 200
const longestPauseMs = 20

/**
 * Runs `work` as one transaction: what it read is still so when what it put takes effect, or it is run again. `work` must do nothing that cannot be done
 * twice. What it throws ends the transaction with nothing written.
 *
 * @param first keys that `work` is known to read: fetched together, before it begins
 * @throws {InfraFabricError} `store.contended` after 200 attempts; as StateStore
 */
export async function transact<T>(
  store: StateStore,
  work: (transaction: Transaction) => Promise<T>,
  first: readonly string[] = []
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const outcome = await attemptOnce(store, work, first)
    if (outcome.ok) return outcome.result
    if (attempt === mostAttempts)
      throw new InfraFabricError('store.contended', `${outcome.conflict} was changed by others ${mostAttempts} times in a row`)
    // who lost comes back at a moment of its own
    await pause(randomInt(0, Math.min(longestPauseMs, 1 + attempt)))
  }
}

async function attemptOnce<T>(
  store: StateStore,
  work: (transaction: Transaction) => Promise<T>,
  first: readonly string[]
): Promise<{ ok: true; result: T } | { ok: false; conflict: string }> {
  const { at, records } = await store.read(first)
  const seen = new Map<string, { version: number; value: Json }>(
    first.map((key, index) => [key, { version: records[index]?.version ?? 0, value: records[index]?.value ?? null }])
  )
  const written = new Map<string, Json | undefined>()
  const told: { topic: string; data: JsonObject }[] = []

  const get = async <V extends Json>(key: string): Promise<V | null> => {
    if (written.has(key)) return (written.get(key) ?? null) as V | null
    let found = seen.get(key)
    if (found === undefined) {
      const [record] = (await store.read([key])).records
      found = { version: record?.version ?? 0, value: record?.value ?? null }
      seen.set(key, found)
    }
    return found.value as V | null
  }

  const result = await work({
    at,
    get,
    put: (key, value) => void written.set(key, value),
    remove: (key) => void written.set(key, undefined),
    tell: (topic, data) => void told.push({ topic, data }),
    mark: () => {
      const [before, length] = [new Map(written), told.length]
      return () => {
        written.clear()
        for (const [key, value] of before) written.set(key, value)
        told.length = length
      }
    }
  })
  if (written.size === 0 && told.length === 0) return { ok: true, result }
  const put = [...written].flatMap(([key, value]) => (value === undefined ? [] : [{ key, value }]))
  const remove = [...written].flatMap(([key, value]) => (value === undefined ? [key] : []))
  const committed = await store.commit({
    expect: [...seen].map(([key, { version }]) => ({ key, version })),
    put,
    remove,
    tell: told
  })
  return committed.ok ? { ok: true, result } : committed
}
