import type { CallContext, Clock, Guard, GuardDecision, GuardRequest, PolicyFinding } from '#kernel'
import { deny, type Evaluate, type PolicyState, type PolicyVerdict } from './policy.ts'
import type { Registry } from './registry.ts'

/** What the decision rests on. */
export interface Bench {
  /** Asked in this order. */
  readonly policies: readonly { readonly name: string; readonly evaluate: Evaluate }[]
  /** The registry as it is now: one decision uses one registry from beginning to end. */
  readonly registry: () => Registry
  readonly hazards: readonly string[]
  readonly policyTimeoutMs: number
  readonly clock: Clock
}

const codeForm = /^guard(?:\.[a-z0-9-]+){2,3}$/
const longestCode = 64
const longestReason = 300

/** Asks every policy until one denies. Approval takes at least one that passes: abstentions alone approve nothing. */
export function decideWith(bench: Bench): Guard['decide'] {
  return async (context, request) => {
    const registry = bench.registry()
    const from = registry.byUri(request.fromUri) ?? null
    const party = request.direction === 'inbound' ? from : (registry.byUri(request.toUri) ?? null)
    const hazard = request.hazard !== null && bench.hazards.includes(request.hazard) ? request.hazard : null
    const findings: PolicyFinding[] = []
    const decided = (verdict: GuardDecision['verdict'], code: string, reason: string, security = false): GuardDecision => ({
      verdict,
      layer: 'policy',
      code,
      reason,
      security,
      expertId: party?.id ?? null,
      hazard,
      findings
    })
    for (const policy of bench.policies) {
      const state: PolicyState = {
        registry,
        party,
        signer: from,
        hazards: bench.hazards,
        monotonicMs: bench.clock.monotonicMs()
      }
      const finding = await ask(bench, policy, context, request, state)
      findings.push({ policy: policy.name, verdict: finding.verdict, code: finding.code, reason: finding.reason })
      if (finding.verdict === 'deny') return decided('reject', finding.code, finding.reason, finding.security ?? false)
    }
    if (!findings.some(({ verdict }) => verdict === 'pass')) {
      return decided('reject', 'guard.policy.none-passed', 'every policy abstained')
    }
    return decided('approve', 'guard.approved', `${party?.id ?? 'the call'} passed every policy`)
  }
}

async function ask(
  bench: Bench,
  policy: Bench['policies'][number],
  context: CallContext,
  request: GuardRequest,
  state: PolicyState
): Promise<PolicyVerdict> {
  const failed = (what: string, error?: unknown): PolicyVerdict => {
    context.log.error({ policy: policy.name, err: error }, 'guard policy failed')
    return deny('guard.policy.failed', `policy ${policy.name} ${what}`)
  }
  try {
    const answer = policy.evaluate(request, state)
    const verdict = answer instanceof Promise ? await inTime(answer, context.signal, bench) : answer
    if (verdict === 'late') return failed(`gave no verdict within ${bench.policyTimeoutMs} ms`)
    if (verdict === 'aborted') return deny('guard.policy.cancelled', 'the call was given up before a verdict')
    return wellFormed(verdict, policy.name)
      ? { ...verdict, reason: verdict.reason.slice(0, longestReason) }
      : failed('gave an ill-formed verdict')
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

function wellFormed(verdict: PolicyVerdict, name: string): boolean {
  const { verdict: kind, code, reason } = verdict
  return (
    (kind === 'pass' || kind === 'deny' || kind === 'abstain') &&
    typeof code === 'string' &&
    code.length <= longestCode &&
    codeForm.test(code) &&
    code.startsWith(`guard.${name}.`) &&
    typeof reason === 'string'
  )
}
