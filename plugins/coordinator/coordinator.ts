/**
 * IF.coordinator: tasks, who may do them, and that nobody else does.
 */
import { InfraFabricError, type JsonObject } from '#kernel'
import type { StoreHealth, ToldEvent, WitnessedStore } from '#store'
import type { ClaimGate } from './claim-gate.ts'
import { moment } from './records.ts'
import { createSwarms, type Swarms } from './swarms.ts'
import { isActive, type Swarm, type Task, type TaskState, taskStates } from './task.ts'
import { createTasks, type Tasks } from './tasks.ts'

export type { ClaimEnd, ClaimGate, GateRefusal, Refusal } from './claim-gate.ts'
export { type LatencyReport, measureLatency } from './latency.ts'
export type { Leader, Leadership } from './leadership.ts'
export { readSwarms } from './swarms.ts'
export { type Sweeper, type SweeperConfig, type SweeperFigures, startSweeper } from './sweeper.ts'
export { type Capabilities, type Claim, type NewTask, type Swarm, type Task, type TaskState, taskStates } from './task.ts'

export interface CoordinatorConfig {
  /** How long a claim holds when its owner is not heard of; renewed by it. 1,000–3,600,000 ms. */
  readonly leaseMs?: number
  /** Asked in this order at each claim. */
  readonly gates?: readonly ClaimGate[]
}

export interface Stats extends JsonObject {
  readonly at: number
  readonly tasks: Readonly<Record<TaskState, number>>
  /** Pending tasks that may be claimed now, and those that wait for others; of the first 10,000. */
  readonly ready: number
  readonly waiting: number
  readonly swarms: { readonly active: number; readonly silent: number }
  /** Leases that have ended and were not yet taken back. */
  readonly expiredLeases: number
  readonly oldestPendingMs: number | null
}

export interface Health {
  readonly ok: boolean
  readonly problems: readonly string[]
  readonly store: StoreHealth
  /** Events that the ledger does not have yet. */
  readonly unwitnessed: number
}

export interface Coordinator extends Tasks, Swarms {
  /** Pushed as it happens; topics are `task.<what>.<id>` and `swarm.<what>.<id>`. @see StateStore.watch */
  readonly watch: (options: {
    readonly after: `${number}-${number}` | 'newest'
    readonly pattern?: string
    readonly signal: AbortSignal
  }) => AsyncIterable<ToldEvent>
  readonly stats: () => Promise<Stats>
  readonly health: () => Promise<Health>
  /** Takes back what owners that are gone left claimed, fails what is past its deadline, delivers what the ledger does not have. */
  readonly sweep: () => Promise<{ readonly expired: number; readonly delivered: number }>
}

const defaultLeaseMs = 60_000
/** An event that the ledger lacks for so long is a problem. */
const unwitnessedTooMany = 100

export function createCoordinator(witnessed: WitnessedStore, config: CoordinatorConfig = {}): Coordinator {
  const { leaseMs = defaultLeaseMs, gates = [] } = config
  if (!(Number.isInteger(leaseMs) && leaseMs >= 1000 && leaseMs <= 3_600_000))
    throw new InfraFabricError('coordinator.lease', `a lease of ${leaseMs} ms: expected 1000 to 3600000`)
  const { store } = witnessed
  const tasks = createTasks(witnessed, leaseMs, gates)
  const swarms = createSwarms(witnessed)

  const due = async (prefix: 'lease/' | 'deadline/') => {
    const { at, records } = await store.list(prefix, { limit: 1000 })
    return records.filter(({ key }) => key < `${prefix}${moment(at)}`).map(({ value }) => String(value))
  }

  const stats = async (): Promise<Stats> => {
    const counts = await Promise.all(taskStates.map((state) => store.count(`tasks/${state}/`)))
    const { at, records } = await store.list('swarm/')
    const active = records.filter(({ value }) => isActive(value as Swarm, at)).length
    const pending = await tasks.list({ state: 'pending' })
    const states = new Map<string, TaskState>(pending.map(({ id, state }) => [id, state]))
    const asked = [...new Set(pending.flatMap(({ dependsOn }) => dependsOn))].filter((id) => !states.has(id))
    for (let from = 0; from < asked.length; from += 500)
      for (const record of (await store.read(asked.slice(from, from + 500).map((id) => `task/${id}`))).records)
        if (record !== null) states.set((record.value as Task).id, (record.value as Task).state)
    const ready = pending.filter(({ dependsOn }) => dependsOn.every((id) => states.get(id) === 'complete')).length
    const oldest = Math.min(...pending.map(({ createdAt }) => createdAt))
    return {
      at,
      tasks: Object.fromEntries(taskStates.map((state, index) => [state, counts[index]!])) as Record<TaskState, number>,
      ready,
      waiting: pending.length - ready,
      swarms: { active, silent: records.length - active },
      expiredLeases: (await due('lease/')).length,
      oldestPendingMs: pending.length === 0 ? null : at - oldest
    }
  }

  return {
    ...tasks,
    ...swarms,
    watch: ({ after, pattern = '**', signal }) => store.watch({ after, pattern, signal }),
    stats,
    health: async () => {
      const [health, unwitnessed, expired] = await Promise.all([store.health(), witnessed.waiting(), due('lease/')])
      const problems = [
        ...health.faults,
        ...(unwitnessed > unwitnessedTooMany ? [`${unwitnessed} events have not reached the ledger`] : []),
        ...(expired.length > 0 ? [`${expired.length} leases ended and nobody took their tasks back: nothing sweeps`] : [])
      ]
      return { ok: problems.length === 0, problems, store: health, unwitnessed }
    },
    sweep: async () => {
      let expired = 0
      for (const id of new Set([...(await due('lease/')), ...(await due('deadline/'))])) if (await tasks.touch(id)) expired++
      return { expired, delivered: await witnessed.deliverLeft() }
    }
  }
}
