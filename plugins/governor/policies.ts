import { type JsonObject, newTraceId } from '#kernel'
import type { WitnessedStore, WitnessedTransaction } from '#store'
import type { Patience } from './patience.ts'
import { judge, type PolicyRule, type PolicyVerdict } from './policy.ts'
import type { PolicyFile } from './policy-file.ts'

/** What each claim reads. */
export interface PolicyInForce extends JsonObject {
  readonly version: number
  /** SHA-256 of the file. */
  readonly hash: string
  readonly rules: readonly PolicyRule[]
  /** Null where the file says nothing of it. */
  readonly patience: Patience | null
  /** Milliseconds since 1970. */
  readonly appliedAt: number
}

/** A policy that was applied, with its file. */
export interface PolicyVersion extends PolicyInForce {
  readonly text: string
}

export interface Policies {
  /** The policy in force; null before the first. */
  readonly policy: () => Promise<PolicyInForce | null>
  /** All that were applied, the newest first. */
  readonly policyVersions: () => Promise<PolicyVersion[]>
  /** In force for the next claim of every process on this store. */
  readonly applyPolicy: (file: PolicyFile) => Promise<PolicyInForce>
  /** What the policy would say of a claim now. @param rules others than those in force */
  readonly testPolicy: (task: PolicyTask, swarm: string, rules?: readonly PolicyRule[]) => Promise<PolicyVerdict>
}

type PolicyTask = Parameters<typeof judge>[1]['task']

interface Held extends JsonObject {
  readonly claims: number
}

const current = 'policy/current'
const versionsPrefix = 'policy/version/'
const keyOf = (version: number): string => `${versionsPrefix}${String(version).padStart(9, '0')}`
/** Under it, how many claims each swarm holds that holds any. */
export const heldPrefix = 'claims/'
const heldKey = (swarm: string): string => heldPrefix + swarm

/** Asks the policy in force in the transaction of a claim, so that a claim and a new policy come one after the other. */
export async function askPolicy(transaction: WitnessedTransaction, task: PolicyTask, swarm: string): Promise<PolicyVerdict> {
  const policy = await transaction.get<PolicyInForce>(current)
  const claims = (await transaction.get<Held>(heldKey(swarm)))?.claims ?? 0
  return judge(policy?.rules ?? [], { task, swarm, claims, at: transaction.at })
}

/** How long tasks are kept for those who fit them best, by the policy in force; null when it says nothing of it. */
export async function patienceIn(transaction: Pick<WitnessedTransaction, 'get'>): Promise<Patience | null> {
  return (await transaction.get<PolicyInForce>(current))?.patience ?? null
}

/** Which swarms a task was denied to, and by which rule of which policy: as long as nobody has it. */
interface Denials extends JsonObject {
  readonly version: number
  readonly rules: Readonly<Record<string, string>>
}

const denialsKey = (task: string): string => `denied/${task}`
/** Swarms of a task whose denials are told apart. */
const mostDenials = 1000

/**
 * Who is denied a task asks again and again: the ledger holds it once for each swarm and rule of a policy.
 *
 * @returns writes it, unless it is there already
 */
export async function denialOf(
  { get }: Pick<WitnessedTransaction, 'get'>,
  task: { readonly id: string; readonly traceId: string },
  swarm: string,
  { rule, reason }: { readonly rule: string; readonly reason: string | null }
): Promise<(transaction: WitnessedTransaction) => void> {
  const { version, hash } = (await get<PolicyInForce>(current))!
  const before = await get<Denials>(denialsKey(task.id))
  const rules = before?.version === version ? before.rules : {}
  if (rules[swarm] === rule || Object.keys(rules).length >= mostDenials) return () => undefined
  return ({ put, witness }) => {
    put(denialsKey(task.id), { version, rules: { ...rules, [swarm]: rule } } satisfies Denials)
    witness({
      event: 'policy_denied',
      component: 'IF.governor',
      traceId: task.traceId,
      payload: { task: task.id, swarm, rule, reason, version, hash }
    })
  }
}

/** Of a task that somebody has. */
export async function forgetDenials({ get, remove }: Pick<WitnessedTransaction, 'get' | 'remove'>, task: string): Promise<void> {
  if ((await get(denialsKey(task))) !== null) remove(denialsKey(task))
}

/** Counts the claims that a swarm holds. */
export async function countClaim(transaction: WitnessedTransaction, swarm: string, more: 1 | -1): Promise<void> {
  const before = (await transaction.get<Held>(heldKey(swarm)))?.claims ?? 0
  const claims = Math.max(0, before + more)
  if (claims === 0) transaction.remove(heldKey(swarm))
  else transaction.put(heldKey(swarm), { claims } satisfies Held)
}

export function createPolicies({ store, transact }: WitnessedStore): Policies {
  return {
    policy: async () => ((await store.read([current])).records[0]?.value ?? null) as PolicyInForce | null,
    policyVersions: async () => (await store.list(versionsPrefix)).records.map(({ value }) => value as PolicyVersion).reverse(),
    applyPolicy: ({ rules, patience, hash, text }) =>
      transact(async (transaction) => {
        const before = await transaction.get<PolicyInForce>(current)
        const version = (before?.version ?? 0) + 1
        const after: PolicyInForce = { version, hash, rules, patience, appliedAt: transaction.at }
        transaction.put(current, after)
        transaction.put(keyOf(version), { ...after, text } satisfies PolicyVersion)
        transaction.tell('policy.applied', { version, hash })
        transaction.witness({
          event: 'policy_applied',
          component: 'IF.governor',
          traceId: newTraceId(),
          payload: {
            version,
            hash,
            rules: rules.length,
            previous: before === null ? null : { version: before.version, hash: before.hash }
          }
        })
        return after
      }),
    testPolicy: async (task, swarm, rules) => {
      const { at, records } = await store.read([current, heldKey(swarm)])
      const [policy, held] = records.map((record) => record?.value ?? null) as [PolicyInForce | null, Held | null]
      return judge(rules ?? policy?.rules ?? [], { task, swarm, claims: held?.claims ?? 0, at })
    }
  }
}
