import { InfraFabricError, newTraceId } from '#kernel'
import type { StateStore, WitnessedStore } from '#store'
import { checkId, keys, readSwarm } from './records.ts'
import { type Capabilities, isActive, type Swarm, type Task } from './task.ts'
import { checkCapabilities } from './tasks.ts'

export interface SwarmStatus {
  readonly swarm: Swarm
  readonly active: boolean
  readonly silentMs: number
  /** Tasks that it holds. */
  readonly tasks: readonly Task[]
}

export interface Swarms {
  /**
   * Makes a swarm known, or changes it; counts as a heartbeat.
   *
   * @param heartbeatMs how often it promises to be heard of, 1,000–3,600,000; who misses three is not active and claims nothing
   * @throws {InfraFabricError} `coordinator.id`, `coordinator.swarm`, `coordinator.capability`
   */
  readonly registerSwarm: (id: string, capabilities: Capabilities, heartbeatMs?: number) => Promise<Swarm>
  /** @returns null when the swarm is unknown */
  readonly heartbeat: (id: string) => Promise<Swarm | null>
  readonly swarms: () => Promise<(Swarm & { readonly active: boolean })[]>
  readonly swarm: (id: string) => Promise<SwarmStatus | null>
}

const defaultHeartbeatMs = 60_000
const component = 'IF.coordinator'

/** All swarms there are, with whether each is active now. */
export async function readSwarms(store: Pick<StateStore, 'list'>): Promise<(Swarm & { readonly active: boolean })[]> {
  const { at, records } = await store.list(keys.swarm(''))
  return records.map(({ value }) => ({ ...(value as Swarm), active: isActive(value as Swarm, at) }))
}

export function createSwarms({ store, transact }: WitnessedStore): Swarms {
  return {
    registerSwarm: async (id, capabilities, heartbeatMs = defaultHeartbeatMs) => {
      checkId(id, 'swarm')
      checkCapabilities(capabilities, id)
      if (!(Number.isInteger(heartbeatMs) && heartbeatMs >= 1000 && heartbeatMs <= 3_600_000))
        throw new InfraFabricError('coordinator.swarm', `${id}: a heartbeat each ${heartbeatMs} ms: expected 1000 to 3600000`)
      return transact(async (transaction) => {
        const before = await readSwarm(transaction, id)
        const { at } = transaction
        const swarm: Swarm = { id, capabilities, heartbeatMs, heardAt: at, registeredAt: before?.registeredAt ?? at }
        transaction.put(keys.swarm(id), swarm)
        const what = before === null ? 'registered' : 'changed'
        transaction.tell(`swarm.${what}.${id}`, { swarm: id })
        transaction.witness({
          event: `swarm_${what}`,
          component,
          traceId: newTraceId(),
          payload: { swarm: id, capabilities, heartbeatMs }
        })
        return swarm
      })
    },
    heartbeat: (id) =>
      transact(async (transaction) => {
        const before = await readSwarm(transaction, id)
        if (before === null) return null
        const swarm: Swarm = { ...before, heardAt: transaction.at }
        transaction.put(keys.swarm(id), swarm)
        // each heartbeat is no news; that a silent swarm is back is
        if (!isActive(before, transaction.at)) transaction.tell(`swarm.returned.${id}`, { swarm: id })
        return swarm
      }),
    swarms: () => readSwarms(store),
    swarm: async (id) => {
      checkId(id, 'swarm')
      const { at, records } = await store.read([keys.swarm(id)])
      const swarm = (records[0]?.value ?? null) as Swarm | null
      if (swarm === null) return null
      const held = (await store.list(keys.held(id, ''), { limit: 500 })).records.map(({ value }) => keys.task(String(value)))
      const tasks = held.length === 0 ? [] : (await store.read(held)).records.flatMap((record) => record?.value ?? [])
      return { swarm, active: isActive(swarm, at), silentMs: at - swarm.heardAt, tasks: tasks as Task[] }
    }
  }
}
