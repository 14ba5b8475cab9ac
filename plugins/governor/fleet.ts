/** Who else could take a task: read outside of the transactions of claims, which would otherwise all wait for each other, and a second old at most. */
import { readSwarms, type Swarm, type Task } from '#coordinator'
import type { Json } from '#kernel'
import { compareDecimals, parseDecimal } from '#ledger/money'
import type { StateStore } from '#store'
import type { Budgets } from './budgets.ts'
import type { CalibrationFor } from './calibration.ts'
import { type Circuit, isCool } from './circuit.ts'
import { circuitAmong, circuitKey, componentsOf } from './circuits.ts'
import { type History, type Match, matchOf, noHistory, rootsOf, type SwarmRecord } from './match.ts'
import { readOutcomes, usualCostOf } from './outcomes.ts'
import { stakeOf, sureOf } from './patience.ts'
import { heldPrefix, type Policies } from './policies.ts'
import { judge } from './policy.ts'
import { recordPrefixes } from './track-record.ts'

export interface Peer {
  readonly swarm: string
  readonly match: Match
  readonly sure: number
}

/** The swarms as they were a moment ago. */
export interface Fleet {
  /** What a claim usually costs, US dollars; null before the first. */
  readonly usualCost: number | null
  /** Active swarms without a claim that would be given the task, the surest first. */
  readonly idle: (task: Task, threshold: number) => readonly Peer[]
}

export interface FleetPorts {
  readonly store: Pick<StateStore, 'list'>
  readonly calibration: (at: number) => Promise<CalibrationFor>
  readonly budgets: Budgets['budgets']
  readonly policy: Policies['policy']
}

const keptMs = 1000
const page = 1000

async function recordsUnder<T extends Json>(store: FleetPorts['store'], prefix: string): Promise<Map<string, T>> {
  const found = new Map<string, T>()
  for (let after: string | undefined; ; ) {
    const { records } = await store.list(prefix, { limit: page, ...(after === undefined ? {} : { after }) })
    for (const { key, value } of records) found.set(key.slice(prefix.length), value as T)
    if (records.length < page) return found
    after = records.at(-1)!.key
  }
}

/** Reads all of it at once, at most every second. */
export function fleetReader(ports: FleetPorts): (at: number) => Promise<Fleet> {
  let read: { readonly at: number; readonly fleet: Promise<Fleet> } | null = null
  return (at) => {
    if (read === null || at < read.at || at - read.at >= keptMs) {
      const fleet = readFleet(ports, at)
      read = { at, fleet }
      fleet.catch(() => {
        read = null
      })
    }
    return read.fleet
  }
}

/** @param histories by `<swarm>/<name>` */
function bySwarm(histories: ReadonlyMap<string, History>): Map<string, Record<string, History>> {
  const swarms = new Map<string, Record<string, History>>()
  for (const [key, history] of histories) {
    const [swarm, name] = key.split('/') as [string, string]
    const own = swarms.get(swarm) ?? {}
    own[name] = history
    swarms.set(swarm, own)
  }
  return swarms
}

interface Member {
  readonly swarm: Swarm
  readonly known: SwarmRecord
}

async function readFleet({ store, calibration, budgets, policy }: FleetPorts, at: number): Promise<Fleet> {
  const [swarms, records, roots, capabilities, held, circuits, limits, inForce, outcomes, of] = await Promise.all([
    readSwarms(store),
    recordsUnder<History>(store, recordPrefixes.all),
    recordsUnder<History>(store, recordPrefixes.roots).then(bySwarm),
    recordsUnder<History>(store, recordPrefixes.capabilities).then(bySwarm),
    recordsUnder(store, heldPrefix),
    recordsUnder<Circuit>(store, circuitKey('')),
    budgets(),
    policy(),
    readOutcomes({ store }),
    calibration(at)
  ])
  const members: Member[] = swarms
    .filter(({ id, active }) => active && !held.has(id))
    .map((swarm) => {
      const { id } = swarm
      const known = { all: records.get(id) ?? noHistory, roots: roots.get(id) ?? {}, capabilities: capabilities.get(id) ?? {} }
      return { swarm, known }
    })
  const left = new Map(limits.map((status) => [status.budget.swarm, parseDecimal(status.left)]))
  const usualCost = usualCostOf(outcomes)

  const mayTake = (swarm: string, task: Task): boolean => {
    const budget = left.get(swarm)
    if (budget !== undefined && compareDecimals(parseDecimal(task.estimate ?? '0'), budget) > 0) return false
    if (judge(inForce?.rules ?? [], { task, swarm, claims: 0, at }).verdict === 'deny') return false
    return componentsOf(swarm, rootsOf(task.requires)).every((component) => {
      const circuit = circuitAmong(circuits, component)
      return circuit.state === 'closed' || (!circuit.trying && isCool(circuit, at))
    })
  }

  const ranked = new Map<string, readonly Peer[]>()
  return {
    usualCost,
    idle: (task, threshold) => {
      const key = `${task.id} ${threshold}`
      const before = ranked.get(key)
      if (before !== undefined) return before
      const stake = stakeOf(task.estimate, usualCost)
      const peers = members
        .map(({ swarm, known }) => {
          const match = matchOf(task.requires, swarm.capabilities, known, of(swarm.id), at)
          const { failures } = circuitAmong(circuits, `swarm.${swarm.id}`)
          return { swarm: swarm.id, match, sure: sureOf(match, failures, stake) }
        })
        .filter(({ swarm, match }) => match.score >= threshold && mayTake(swarm, task))
        .sort((a, b) => b.sure - a.sure)
      ranked.set(key, peers)
      return peers
    }
  }
}
