/**
 * IF.governor: who may be given what, for how much, and who is given nothing for a while.
 */

import type { ClaimGate, Refusal, Swarm, Task } from '#coordinator'
import { InfraFabricError, type Json, type JsonObject } from '#kernel'
import type { WitnessedStore } from '#store'
import { type Budgets, createBudgets, reserve, settle } from './budgets.ts'
import { calibrate, calibrationReader, classOf } from './calibration.ts'
import { isCool } from './circuit.ts'
import { type Circuits, circuitIn, componentsOf, createCircuits, stepCircuit } from './circuits.ts'
import { type Fleet, fleetReader, type Peer } from './fleet.ts'
import { type History, historyWith, type Match, matchOf, noHistory, rootsOf } from './match.ts'
import {
  analyzeCosts,
  bookOutcome,
  type CostGroup,
  type CostLine,
  readOutcomes,
  reportWaste,
  saysNothing,
  type WasteReport
} from './outcomes.ts'
import {
  askedAt,
  type Demand,
  demandOf,
  enoughAt,
  leastAhead,
  type Patience,
  stakeOf,
  sureOf,
  usualPatience,
  usualStake
} from './patience.ts'
import { askPolicy, countClaim, createPolicies, denialOf, forgetDenials, type Policies, patienceIn } from './policies.ts'
import type { PolicyFile } from './policy-file.ts'
import { type Recommendation, recommend } from './recommend.ts'
import { recordIn, recordKeys, rootKey } from './track-record.ts'

export type { BudgetStatus, Budgets, Spending, SwarmBudget } from './budgets.ts'
export type { Circuit, CircuitState } from './circuit.ts'
export type { Circuits } from './circuits.ts'
export { type History, type Match, type MatchTerm, matchOf } from './match.ts'
export { type CostGroup, type CostLine, costGroups, type WasteLine, type WasteReport } from './outcomes.ts'
export type { Patience } from './patience.ts'
export type { Policies, PolicyInForce, PolicyVersion } from './policies.ts'
export { judge, type PolicyFacts, type PolicyRule, type PolicyVerdict } from './policy.ts'
export type { PolicyFile } from './policy-file.ts'
export type { Recommendation } from './recommend.ts'

/**
 * Reads a policy file. What reads YAML is loaded when it is called.
 *
 * @throws {ConfigError} with every problem found, by line and column
 */
export async function readPolicy(text: string, source: string): Promise<PolicyFile> {
  return (await import('./policy-file.ts')).readPolicyFile(text, source)
}

export interface GovernorConfig {
  /** Least score of a match; 0–1. */
  readonly threshold?: number
  /** Where the policy says nothing of it. */
  readonly patience?: Patience
}

/** With what a claim was made, until it ends. */
interface Expected extends JsonObject {
  readonly ofClass: number
  readonly base: number
}

export interface SwarmMatch {
  readonly swarm: Swarm
  readonly match: Match
  /** Whether the score reaches what is asked in the end. */
  readonly eligible: boolean
  /** How sure it is beside others, and what is asked now: patience.ts. */
  readonly sure: number
  readonly asked: number
  /** The swarm that goes before now, and when this one need not wait any longer. */
  readonly yields: { readonly to: string; readonly until: number } | null
}

export interface Governor extends Budgets, Circuits, Policies {
  /** Its say in each claim of a coordinator. */
  readonly gate: ClaimGate
  readonly threshold: number
  /** All swarms against a task, the best first. @param readyAt since when it can be claimed; null when it cannot */
  readonly match: (
    task: Task,
    swarms: readonly Swarm[],
    asked?: { readonly threshold?: number; readonly readyAt?: number | null }
  ) => Promise<SwarmMatch[]>
  /** What a swarm made of the tasks it was given, by root of the taxonomy. */
  readonly history: (swarm: string) => Promise<Readonly<Record<string, History>>>
  /** What claims have cost, by swarm or by the roots of the capabilities that their tasks require. */
  readonly costs: (by: CostGroup) => Promise<CostLine[]>
  readonly waste: () => Promise<WasteReport>
  /** What the history suggests. @param swarms all there are, for what they declare */
  readonly recommendations: (swarms: readonly Swarm[]) => Promise<Recommendation[]>
}

const defaultThreshold = 0.7
/** A swarm that is trusted too little for what it declares is given one task of a kind to try, so long after the last. */
const trialEachMs = 24 * 3_600_000
const expectedKey = (task: string): string => `expected/${task}`
const refusal = (code: string, reason: string): Refusal => ({ ok: false, code: `governor.${code}`, reason })

/** Who goes before a swarm at a time. */
function betterThan(fleet: Fleet, task: Task, swarm: string, sure: number, demand: Demand, at: number): Peer | undefined {
  if (at >= enoughAt(demand, sure)) return undefined
  const surest = fleet.idle(task, demand.threshold).find(({ swarm: id }) => id !== swarm)
  return surest !== undefined && surest.sure >= sure + leastAhead ? surest : undefined
}

export function createGovernor(witnessed: WitnessedStore, config: GovernorConfig = {}): Governor {
  const { threshold = defaultThreshold, patience: usual = usualPatience } = config
  if (!(threshold >= 0 && threshold <= 1))
    throw new InfraFabricError('governor.threshold', `a threshold of ${threshold}: expected 0 to 1`)
  const { store } = witnessed

  const history = async (swarm: string): Promise<Record<string, History>> => {
    const prefix = rootKey(swarm, '')
    const { records } = await store.list(prefix)
    return Object.fromEntries(records.map(({ key, value }) => [key.slice(prefix.length), value as History]))
  }

  const [budgets, circuits, policies] = [createBudgets(witnessed), createCircuits(witnessed), createPolicies(witnessed)]
  const calibration = calibrationReader(store)
  const fleet = fleetReader({ store, calibration, budgets: budgets.budgets, policy: policies.policy })
  const gate: ClaimGate = {
    admit: async (transaction, task, swarm, readyAt) => {
      const { at } = transaction
      const roots = rootsOf(task.requires)
      const known = await recordIn(transaction, swarm.id, task.requires)
      const match = matchOf(task.requires, swarm.capabilities, known, (await calibration(at))(swarm.id), at)
      const short = match.score < threshold
      const newest = Math.max(...roots.map((root) => known.roots[root]!.at))
      const trial = short && match.fit >= threshold && at - newest >= trialEachMs
      if (short && !trial)
        return refusal('capability', `${swarm.id} fits ${task.id} by ${match.score.toFixed(3)}, and ${threshold} is asked for`)
      const demand = demandOf((await patienceIn(transaction)) ?? usual, threshold, readyAt, task.deadlineAt)
      const peers = match.terms.length > 0 && (trial || at < demand.until) ? await fleet(at) : null
      const stake = stakeOf(task.estimate, peers?.usualCost ?? null)
      if (trial && stake > usualStake)
        return refusal(
          'capability',
          `${swarm.id} failed too often for a task of ${task.estimate} USD: it is tried with one of ${peers?.usualCost?.toFixed(2)} or less`
        )

      const { verdict, rule, reason } = await askPolicy(transaction, task, swarm.id)
      if (verdict === 'deny') {
        const why = `rule ${rule} gives ${task.id} not to ${swarm.id}${reason === null ? '' : `: ${reason}`}`
        return { ...refusal('policy', why), record: await denialOf(transaction, task, swarm.id, { rule: rule!, reason }) }
      }

      const opened: string[] = []
      let failures = 0
      for (const component of componentsOf(swarm.id, roots)) {
        const circuit = await circuitIn(transaction, component)
        if (component === `swarm.${swarm.id}`) failures = circuit.failures
        if (circuit.state === 'closed') continue
        if (circuit.trying)
          return refusal('circuit', `${component} failed ${circuit.failures} times, and is being tried with another task`)
        if (!isCool(circuit, at))
          return refusal('circuit', `${component} failed ${circuit.failures} times in a row: nothing for a while`)
        opened.push(component)
      }

      const sure = sureOf(match, failures, stake)
      const asked = askedAt(demand, at)
      const better = peers === null ? undefined : betterThan(peers, task, swarm.id, sure, demand, at)
      if (better !== undefined) {
        const retryAt = enoughAt(demand, sure)
        const who = `${swarm.id} is sure of ${task.id} by ${sure.toFixed(3)}; ${better.swarm}, which is idle, by ${better.sure.toFixed(3)}`
        const reason = `${who}. ${asked.toFixed(3)} is asked for now: again at ${new Date(retryAt).toISOString()}`
        return { ...refusal('patience', reason), retryAt }
      }

      const unpaid = await reserve(transaction, swarm.id, task)
      if (unpaid !== null) return refusal('budget', unpaid)
      // nothing is written before the last refusal: the transaction of a refused claim takes effect too
      for (const component of opened) await stepCircuit(transaction, component, { type: 'cooled' }, task.traceId)
      transaction.put(expectedKey(task.id), { ofClass: classOf(match.fit, match.margin), base: match.base } satisfies Expected)
      await countClaim(transaction, swarm.id, 1)
      await forgetDenials(transaction, task.id)
      if (match.terms.length > 0)
        transaction.witness({
          event: 'task_matched',
          component: 'IF.governor',
          traceId: task.traceId,
          payload: { task: task.id, swarm: swarm.id, threshold, asked, sure, trial, ...match }
        })
      return { ok: true, facts: { score: Number(match.score.toFixed(6)), estimate: task.estimate } }
    },
    settle: async (transaction, task, swarm, end, cost) => {
      await settle(transaction, task, cost)
      await countClaim(transaction, swarm, -1)
      await bookOutcome(transaction, task, swarm, end, cost)
      const { at } = transaction
      const expected = await transaction.get<Expected>(expectedKey(task.id))
      transaction.remove(expectedKey(task.id))
      const roots = rootsOf(task.requires)
      const components = componentsOf(swarm, roots)
      if (saysNothing(end)) {
        for (const component of components) await stepCircuit(transaction, component, { type: 'untried' }, task.traceId)
        return
      }
      const succeeded = end === 'complete'
      if (expected !== null && roots.length > 0) {
        for (const key of recordKeys(swarm, task.requires)) {
          const before = (await transaction.get<History>(key)) ?? noHistory
          transaction.put(key, historyWith(before, succeeded, expected.base, at))
        }
        await calibrate(transaction, swarm, expected.ofClass, succeeded)
      }
      for (const component of components) {
        const { failures, threshold: most } = await circuitIn(transaction, component)
        const failed = failures + 1 >= most ? ({ type: 'failedTooOften', at } as const) : ({ type: 'failed', at } as const)
        await stepCircuit(transaction, component, succeeded ? { type: 'succeeded' } : failed, task.traceId)
      }
    }
  }

  return {
    ...budgets,
    ...circuits,
    ...policies,
    gate,
    threshold,
    history,
    costs: async (by) => analyzeCosts(await readOutcomes(witnessed), by),
    waste: async () => reportWaste(await readOutcomes(witnessed)),
    recommendations: async (swarms) =>
      recommend({
        outcomes: await readOutcomes(witnessed),
        swarms,
        circuits: await circuits.circuits(),
        budgets: await budgets.budgets()
      }),
    match: async (task, swarms, { threshold: least = threshold, readyAt = null } = {}) => {
      const { at } = await store.read([])
      const readOne = async <T extends Json>(key: string) => ((await store.read([key])).records[0]?.value ?? null) as T | null
      const of = await calibration(at)
      const peers = await fleet(at)
      const patience = (await policies.policy())?.patience ?? usual
      const demand = demandOf(patience, least, readyAt ?? at, task.deadlineAt)
      const stake = stakeOf(task.estimate, peers.usualCost)
      const found = await Promise.all(
        swarms.map(async (swarm): Promise<SwarmMatch> => {
          const known = await recordIn({ get: readOne }, swarm.id, task.requires)
          const match = matchOf(task.requires, swarm.capabilities, known, of(swarm.id), at)
          const { failures } = await circuits.circuit(`swarm.${swarm.id}`)
          const sure = sureOf(match, failures, stake)
          const to = betterThan(peers, task, swarm.id, sure, demand, at)?.swarm
          return {
            swarm,
            match,
            eligible: match.score >= least,
            sure,
            asked: askedAt(demand, at),
            yields: to === undefined ? null : { to, until: enoughAt(demand, sure) }
          }
        })
      )
      return found.sort((a, b) => b.match.score - a.match.score || b.sure - a.sure || (a.swarm.id < b.swarm.id ? -1 : 1))
    }
  }
}
