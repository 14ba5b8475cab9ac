import type { CallContext, Clock, Guard, GuardDecision, GuardRequest, JsonObject, PolicyFinding } from '#kernel'
import { factsOf } from './policies/facts.ts'
import { deny, type Evaluate, type PolicyState, type PolicyVerdict } from './policies/policy.ts'
import type { Registry } from './registry/registry.ts'
import { codeForm, engineVersion, hashOfFacts, judge, longestCode, type RuleSet, surroundings } from './rules/rules.ts'
import { type FactType, fits } from './rules/types.ts'
import { identityStatus } from './stir/status.ts'

/** A policy at work. */
export interface OpenPolicy {
  readonly name: string
  readonly evaluate: Evaluate
  readonly facts: Readonly<Record<string, FactType>>
  readonly noFacts: JsonObject
}

/** What the decision rests on. */
export interface Bench {
  /** Rules and registry as they are now: one decision uses one of each from beginning to end. */
  readonly rules: () => RuleSet
  readonly registry: () => Registry
  /** They establish the facts that rules read, each when the first rule asks for it. */
  readonly policies: readonly OpenPolicy[]
  readonly hazards: readonly string[]
  readonly policyTimeoutMs: number
  readonly clock: Clock
}

const longestReason = 300

/** Asks the rules, and the policies for the facts that rules read. */
export function decideWith(bench: Bench): Guard['decide'] {
  const policies = new Map(bench.policies.map((policy) => [policy.name, policy]))
  return async (context, request) => {
    const registry = bench.registry()
    const rules = bench.rules()
    const from = registry.byUri(request.fromUri) ?? null
    const party = request.direction === 'inbound' ? from : (registry.byUri(request.toUri) ?? null)
    const hazard = request.hazard !== null && bench.hazards.includes(request.hazard) ? request.hazard : null
    const facts = factsOf(request, party, hazard)
    const findings = new Map<string, PolicyFinding>()
    const claims = new Map<string, NonNullable<PolicyVerdict['claim']>>()
    const note = (policy: OpenPolicy, found: PolicyVerdict): void => {
      const { verdict, code, reason, claim } = found
      findings.set(policy.name, { policy: policy.name, verdict, code, reason })
      facts[policy.name] = { ...policy.noFacts, ...found.facts, verdict, code, reason, attack: found.security ?? false }
      if (claim === undefined) claims.delete(policy.name)
      else claims.set(policy.name, claim)
    }
    const establish = (group: string): Promise<void> | void => {
      const policy = policies.get(group)!
      const state: PolicyState = { registry, party, signer: from, hazards: bench.hazards, monotonicMs: bench.clock.monotonicMs() }
      const found = ask(bench, policy, context, request, state)
      if (!(found instanceof Promise)) return note(policy, found)
      return found.then((verdict) => note(policy, verdict))
    }
    const around = surroundings(facts)
    let judgement = await judge(rules, around, establish)
    for (const [name, claim] of claims) {
      if (judgement.verdict === 'reject') break
      const taken = claim()
      if (taken === null) continue
      note(policies.get(name)!, taken)
      judgement = await judge(rules, around, establish)
    }
    const { verdict, code, reason, attack, rule } = judgement
    const answer = identityStatus(code)
    return {
      verdict,
      layer: 'policy',
      code,
      reason,
      security: attack,
      expertId: party?.id ?? null,
      hazard,
      findings: [...findings.values()],
      receipt: { engine: engineVersion, policy: rules.hash, rule, input: hashOfFacts(facts), facts },
      ...(answer === null ? {} : { answer })
    } satisfies GuardDecision
  }
}

function ask(
  bench: Bench,
  policy: OpenPolicy,
  context: CallContext,
  request: GuardRequest,
  state: PolicyState
): PolicyVerdict | Promise<PolicyVerdict> {
  const failed = (what: string, error?: unknown): PolicyVerdict => {
    context.log.error({ policy: policy.name, err: error }, 'guard policy failed')
    return deny('guard.policy.failed', `policy ${policy.name} ${what}`)
  }
  const taken = (verdict: PolicyVerdict | 'late' | 'aborted'): PolicyVerdict => {
    if (verdict === 'late') return failed(`gave no verdict within ${bench.policyTimeoutMs} ms`)
    if (verdict === 'aborted') return deny('guard.policy.cancelled', 'the call was given up before a verdict')
    return wellFormed(verdict, policy)
      ? { ...verdict, reason: verdict.reason.slice(0, longestReason).toWellFormed() }
      : failed('gave an ill-formed verdict')
  }
  try {
    const answer = policy.evaluate(request, state)
    if (!(answer instanceof Promise)) return taken(answer)
    return inTime(answer, context.signal, bench)
      .then(taken)
      .catch((error: unknown) => failed('threw', error))
  } catch (error) {
    return failed('threw', error)
  }
}

function inTime<T>(answer: Promise<T>, signal: AbortSignal, { clock, policyTimeoutMs }: Bench): Promise<T | 'late' | 'aborted'> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(policyTimeoutMs, () => settle(() => resolve('late')))
    const aborted = (): void => settle(() => resolve('aborted'))
    const settle = (finish: () => void): void => {
      cancel()
      signal.removeEventListener('abort', aborted)
      finish()
    }
    if (signal.aborted) aborted()
    else signal.addEventListener('abort', aborted)
    answer.then(
      (value) => settle(() => resolve(value)),
      (error) => settle(() => reject(error))
    )
  })
}

function wellFormed(found: PolicyVerdict, policy: OpenPolicy): boolean {
  const { verdict, code, reason, facts = {} } = found
  return (
    (verdict === 'pass' || verdict === 'deny' || verdict === 'abstain') &&
    typeof code === 'string' &&
    code.length <= longestCode &&
    codeForm.test(code) &&
    code.startsWith(`guard.${policy.name}.`) &&
    typeof reason === 'string' &&
    Object.entries(facts).every(
      ([name, value]) => Object.hasOwn(policy.facts, name) && fits(value, policy.facts[name]!, () => true)
    )
  )
}
