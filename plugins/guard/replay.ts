import type { GuardReceipt, JsonObject } from '#kernel'
import { callFacts } from './policies/facts.ts'
import type { KeptRules } from './rules/rule-file.ts'
import {
  engineVersion,
  FactsMissing,
  hashOfFacts,
  type Judgement,
  judge,
  misfit,
  parseRules,
  surroundings
} from './rules/rules.ts'
import type { Facts } from './rules/types.ts'

/** What came of making a past decision again. */
export interface Replay {
  readonly state: 'same' | 'differs' | 'impossible'
  readonly recorded: { readonly verdict: string; readonly code: string; readonly rule: string | null }
  /** Null when it could not be made again. */
  readonly replayed: {
    readonly verdict: string
    readonly code: string
    readonly rule: string | null
    readonly reason: string
  } | null
  /** Why it differs or cannot be made again; empty when it is the same. */
  readonly causes: readonly string[]
  readonly policy: string
  readonly input: string
  readonly engine: string
}

/**
 * Makes a recorded decision again, from nothing but the facts and the rules of its receipt.
 *
 * @param decision payload of the entry `policy_decision`.
 * @param rulesOf kept rules by their hash, null when they are not kept.
 * @returns null when the entry holds no receipt
 */
export async function replay(decision: JsonObject, rulesOf: (hash: string) => KeptRules | null): Promise<Replay | null> {
  const receipt = readReceipt(decision.receipt)
  if (receipt === null) return null
  const { engine, policy, input, rule } = receipt
  const recorded = { verdict: String(decision.verdict), code: String(decision.code), rule }
  const result = (state: Replay['state'], causes: readonly string[], replayed: Replay['replayed'] = null): Replay => ({
    state,
    recorded,
    replayed,
    causes,
    policy,
    input,
    engine
  })
  const facts = receipt.facts as Facts
  const hash = hashOfFacts(facts)
  if (hash !== input) return result('impossible', [`the recorded facts have the hash ${hash}, the receipt names ${input}`])
  const kept = rulesOf(policy)
  if (kept === null) return result('impossible', [`the rules ${policy} are not kept here`])
  const wrongGroup = misfit(facts, kept.schema)
  if (wrongGroup !== null) return result('impossible', [`the recorded facts of ${wrongGroup} are not those the rules are for`])
  const causes = engine === engineVersion ? [] : [`made by ${engine}, made again by ${engineVersion}`]
  let judgement: Judgement
  try {
    const policies = Object.keys(kept.schema).filter((name) => !Object.hasOwn(callFacts, name))
    const rules = parseRules(kept.text, `rules ${policy.slice(0, 16)}`, kept.schema, policies)
    judgement = await judge(rules, surroundings(facts), (group) => {
      throw new FactsMissing(group)
    })
  } catch (error) {
    if (!(error instanceof Error)) throw error
    return result('impossible', [...causes, error.message])
  }
  const same = judgement.verdict === recorded.verdict && judgement.code === recorded.code && judgement.rule === rule
  const differences = same ? [] : differencesOf(recorded, judgement)
  const { verdict, code, reason, rule: decidedBy } = judgement
  return result(same ? 'same' : 'differs', same ? [] : [...causes, ...differences], { verdict, code, reason, rule: decidedBy })
}

const differencesOf = (recorded: Replay['recorded'], judgement: Judgement): string[] =>
  (['verdict', 'code', 'rule'] as const)
    .filter((name) => recorded[name] !== judgement[name])
    .map((name) => `${name}: recorded ${recorded[name] ?? 'none'}, made again ${judgement[name] ?? 'none'}`)

const hashForm = /^[0-9a-f]{64}$/

function readReceipt(value: unknown): GuardReceipt | null {
  if (!isObject(value)) return null
  const { engine, policy, rule, input, facts } = value
  if (typeof engine !== 'string' || typeof policy !== 'string' || !hashForm.test(policy) || typeof input !== 'string') return null
  if ((rule !== null && typeof rule !== 'string') || !isObject(facts) || !Object.values(facts).every(isObject)) return null
  return { engine, policy, rule, input, facts }
}

const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value)
