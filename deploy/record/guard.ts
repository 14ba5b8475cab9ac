import { readFile } from 'node:fs/promises'
import { createGuard, engineVersion, type GuardConfig, keepRules, type RuleChange, type RunningGuard } from '#guard'
import { type Clock, ConfigError, errorCode, type Guard, type JsonObject, type Log, newTraceId, type Witness } from '#kernel'
import type { DataLayout } from '../data/layout.ts'
import type { SuiteEvent } from '../events.ts'
import type { SuiteConfig } from '../settings/settings.ts'

export interface SuiteGuardOptions {
  readonly config: SuiteConfig
  readonly layout: DataLayout
  readonly witness: Witness
  readonly clock: Clock
  readonly log: Log
  readonly emit: (event: SuiteEvent) => void
  readonly warn: (code: string, message: string) => void
}

/**
 * IF.guard as a part of the suite: every rule file that comes into force is kept by its hash, and every change and refusal of one is recorded.
 *
 * @throws {ConfigError} with every problem of registry, rules and authorities
 */
export async function openGuard({ config, layout, witness, clock, log, emit, warn }: SuiteGuardOptions): Promise<RunningGuard> {
  const traceId = newTraceId()
  const onRules = (change: RuleChange): void => {
    const { hash } = change
    const at = clock.now()
    const [event, facts]: [string, JsonObject] =
      change.state === 'loaded'
        ? ['policy_loaded', { previous: change.previous }]
        : ['policy_refused', { problems: change.problems.slice(0, 20) }]
    if (change.state === 'refused') emit({ type: 'rules', at, ok: false, hash, problems: change.problems })
    else if (change.previous !== null) emit({ type: 'rules', at, ok: true, hash, previous: change.previous })
    const payload = { policy: hash, engine: engineVersion, ...facts }
    witness
      .record({ component: 'IF.guard', event, traceId, payload })
      .catch((error: unknown) => warn('suite.unrecorded', `${event} could not be recorded (${errorCode(error)})`))
  }
  return createGuard({
    registryPath: layout.registry,
    limits: { callsPerMinute: config.limits.callsPerMinute },
    hazards: config.hazards,
    ...(layout.rules === null ? {} : { rulesPath: layout.rules }),
    keepRules: (rules) => keepRules(layout.policies, rules),
    onRules,
    ...(await identityOf(config)),
    clock,
    log
  })
}

async function identityOf({ guard: { identity } }: SuiteConfig): Promise<Pick<GuardConfig, 'identity'>> {
  if (identity === null) return {}
  const { anchors, hosts, windowMs } = identity
  try {
    return { identity: { anchors: await readFile(anchors, 'utf8'), hosts, windowMs } }
  } catch (error) {
    throw new ConfigError('guard.identity.anchors', [`${anchors} cannot be read (${errorCode(error)})`])
  }
}

/**
 * A guard whose decisions stand in the ledger with their receipts, for gateways that record none themselves. Where policy wants the entry first
 * (`failClosed`), a decision that could not be recorded refuses.
 */
export const recordingGuard = (guard: Guard, witness: Witness, failClosed: readonly string[]): Guard => ({
  decide: async (context, request) => {
    const decision = await guard.decide(context, request)
    const { verdict, layer, code, reason, security, expertId, hazard, findings, receipt } = decision
    const payload: JsonObject = {
      callId: request.callId,
      verdict,
      layer,
      code,
      reason,
      security,
      expertId,
      hazard,
      findings: findings.map((finding) => ({ ...finding })),
      edgeLayers: [],
      ...(receipt === undefined ? {} : { receipt: { ...receipt } })
    }
    try {
      const recorded = witness.record({ component: 'IF.guard', event: 'policy_decision', traceId: context.traceId, payload })
      if (failClosed.includes('policy_decision')) await recorded
      else recorded.catch((error: unknown) => context.log.error({ code: errorCode(error) }, 'decision not recorded'))
      return decision
    } catch (error) {
      context.log.error({ code: errorCode(error) }, 'decision not recorded')
      return {
        ...decision,
        verdict: 'reject',
        layer: 'witness',
        code: 'witness.unrecorded',
        reason: 'the decision could not be recorded'
      }
    }
  }
})
