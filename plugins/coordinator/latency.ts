import { randomUUID } from 'node:crypto'
import { type StateStore, transact, type WitnessedStore, witnessedStore } from '#store'
import { removeTask } from './records.ts'
import { createSwarms } from './swarms.ts'
import { createTasks } from './tasks.ts'

export interface LatencyReport {
  readonly iterations: number
  /** Milliseconds of a claim, from the call to its durable answer. */
  readonly claim: Quantiles
  /** Of one transaction of the store that reads one record and writes it, taken in turn with the claims. */
  readonly store: Quantiles
  /** Median of the claims to median of the store. */
  readonly ratio: number
}

export interface Quantiles {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/** Values at or below which so much of them lies, nearest rank. */
function quantiles(values: readonly number[]): Quantiles {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
  return { p50: at(0.5), p99: at(0.99), max: sorted.at(-1) ?? 0 }
}

/**
 * Claims `iterations` tasks of a swarm of its own, one after the other, in turn with bare transactions of the same store, and cleans up.
 * Nothing of it is witnessed; its tasks are told on the feed like any.
 */
export async function measureLatency(store: StateStore, iterations: number, leaseMs = 60_000): Promise<LatencyReport> {
  const witnessed: WitnessedStore = witnessedStore(store, null)
  const run = `bench-${randomUUID().slice(0, 8)}`
  const tasks = createTasks(witnessed, leaseMs, [])
  const ids = Array.from({ length: iterations }, (_, at) => `${run}-${at}`)
  const claim: number[] = []
  const bare: number[] = []
  const timed = async (into: number[], work: () => Promise<unknown>): Promise<void> => {
    const began = performance.now()
    await work()
    into.push(performance.now() - began)
  }
  try {
    await createSwarms(witnessed).registerSwarm(run, {}, 3_600_000)
    for (let from = 0; from < ids.length; from += 100)
      await Promise.all(ids.slice(from, from + 100).map((id) => tasks.add({ id, priority: 0 })))
    for (const id of ids) {
      await timed(claim, () => tasks.claim(id, run))
      await timed(bare, () =>
        transact(store, async ({ get, put }) => {
          put(`bench/${run}`, ((await get<number>(`bench/${run}`)) ?? 0) + 1)
        })
      )
    }
  } finally {
    await removeAll(store, ids, run)
  }
  const report = { iterations, claim: quantiles(claim), store: quantiles(bare) }
  return { ...report, ratio: report.claim.p50 / report.store.p50 }
}

async function removeAll(store: StateStore, ids: readonly string[], run: string): Promise<void> {
  for (const id of ids) await transact(store, (transaction) => removeTask(transaction, id))
  await store.commit({ expect: [], put: [], remove: [`swarm/${run}`, `bench/${run}`], tell: [] })
}
