import type { Capabilities } from '#coordinator'
import type { JsonObject } from '#kernel'
import { compareDecimals, parseDecimal } from '#ledger/money'

/** What must all be so for a rule to apply; what is absent (null) says nothing. */
export interface PolicyConditions extends JsonObject {
  /** The task requires one of these, or something more special. */
  readonly capability: readonly string[] | null
  readonly swarm: readonly string[] | null
  /** The swarm is none of these. */
  readonly notSwarm: readonly string[] | null
  readonly hazard: readonly string[] | null
  /** The estimate is more: US dollars as an exact decimal. A task without estimate is not above anything. */
  readonly costAbove: string | null
  readonly costUnknown: boolean | null
  /** The highest level that is required, of `capability` where that is given, is more. */
  readonly levelAbove: number | null
  /** Minutes of the day (UTC), the second one excluded; over midnight when it is not the greater. */
  readonly hours: readonly [from: number, until: number] | null
}

export interface PolicyRule extends JsonObject {
  readonly name: string
  readonly when: PolicyConditions
  /** Most claims that a swarm may hold at a time, this one included; null: none is given at all. */
  readonly mostClaims: number | null
  readonly reason: string | null
}

/** What a claim is judged by. */
export interface PolicyFacts {
  readonly task: { readonly requires: Capabilities; readonly estimate: string | null; readonly hazard: string | null }
  readonly swarm: string
  /** Claims that the swarm holds, this one not included. */
  readonly claims: number
  /** Milliseconds since 1970. */
  readonly at: number
}

export interface RuleOutcome extends JsonObject {
  readonly rule: string
  /** Each condition there is, and whether it holds. */
  readonly conditions: Readonly<Record<string, boolean>>
  readonly applies: boolean
  readonly denies: boolean
}

export interface PolicyVerdict extends JsonObject {
  readonly verdict: 'permit' | 'deny'
  /** The first rule that denies. */
  readonly rule: string | null
  readonly reason: string | null
  readonly rules: readonly RuleOutcome[]
}

const isWithin = (capability: string, of: string): boolean => capability === of || capability.startsWith(`${of}.`)

function inHours([from, until]: readonly [number, number], at: number): boolean {
  const minute = Math.floor((at % 86_400_000) / 60_000)
  return from < until ? minute >= from && minute < until : minute >= from || minute < until
}

function conditionsOf(when: PolicyConditions, { task, swarm, at }: PolicyFacts): Record<string, boolean> {
  const { capability, costAbove, levelAbove } = when
  const concerned = Object.entries(task.requires).filter(
    ([name]) => capability === null || capability.some((of) => isWithin(name, of))
  )
  const holds: Record<string, boolean> = {}
  if (capability !== null) holds.capability = concerned.length > 0
  if (when.swarm !== null) holds.swarm = when.swarm.includes(swarm)
  if (when.notSwarm !== null) holds.notSwarm = !when.notSwarm.includes(swarm)
  if (when.hazard !== null) holds.hazard = task.hazard !== null && when.hazard.includes(task.hazard)
  if (costAbove !== null)
    holds.costAbove = task.estimate !== null && compareDecimals(parseDecimal(task.estimate), parseDecimal(costAbove)) > 0
  if (when.costUnknown !== null) holds.costUnknown = (task.estimate === null) === when.costUnknown
  if (levelAbove !== null) holds.levelAbove = concerned.some(([, level]) => level > levelAbove)
  if (when.hours !== null) holds.hours = inHours(when.hours, at)
  return holds
}

/** Every rule is looked at; one that denies is enough, whatever the others say. */
export function judge(rules: readonly PolicyRule[], facts: PolicyFacts): PolicyVerdict {
  const outcomes = rules.map(({ name, when, mostClaims }): RuleOutcome => {
    const conditions = conditionsOf(when, facts)
    const applies = Object.values(conditions).every((holds) => holds)
    return { rule: name, conditions, applies, denies: applies && (mostClaims === null || facts.claims >= mostClaims) }
  })
  const first = outcomes.findIndex(({ denies }) => denies)
  const rule = rules[first]
  if (rule === undefined) return { verdict: 'permit', rule: null, reason: null, rules: outcomes }
  const limit = rule.mostClaims === null ? null : `${facts.swarm} holds ${facts.claims} claims of ${rule.mostClaims}`
  return { verdict: 'deny', rule: rule.name, reason: rule.reason ?? limit, rules: outcomes }
}
