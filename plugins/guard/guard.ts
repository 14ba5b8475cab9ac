/**
 * IF.guard: decides whether a call may bring an expert and the council together. Layer 6 of 7.
 */
import { type Clock, ConfigError, defaultHazards, type Guard, isHazardName, type Log } from '#kernel'
import { decideWith } from './decide.ts'
import { loadPolicies } from './load-policies.ts'
import { shippedPolicies } from './policies/shipped.ts'
import type { Evaluate, GuardLimits } from './policy.ts'
import type { Registry } from './registry.ts'
import { followRegistryFile, type ReloadOutcome } from './registry-file.ts'

export { type CallEntry, type Explanation, explain, groupByCall, type LayerOutcome } from './explain.ts'
export {
  generateKeyPair,
  type KeyPairText,
  keyId,
  type PublicKey,
  readPublicKey,
  readSigningKey,
  type SigningKey
} from './keys.ts'
export {
  abstain,
  deny,
  denyAttack,
  type Evaluate,
  type GuardLimits,
  type Policy,
  type PolicySetup,
  type PolicyState,
  type PolicyVerdict,
  pass
} from './policy.ts'
export { type Party, parseRegistry, type Registry } from './registry.ts'
export type { ReloadOutcome } from './registry-file.ts'
export {
  canonicalText,
  formatSignature,
  parseSignature,
  type SignatureHeader,
  type SignedFields,
  signRequest
} from './signature.ts'
export { addressKey } from './sip-uri.ts'

export const defaultLimits: GuardLimits = {
  callsPerMinute: 10,
  signatureWindowMs: 60_000,
  noncesPerKey: 1_000,
  policyTimeoutMs: 1_000
}

/** Policies asked when the configuration names none, in this order. */
export const defaultPolicies: readonly string[] = shippedPolicies.map((policy) => policy.name)

export interface GuardConfig {
  /** Registry file, YAML; see `experts.example.yaml`. */
  readonly registryPath: string
  readonly limits?: Partial<GuardLimits>
  /** Names of policies in the order in which they are asked. Must hold `registered`. Default: `defaultPolicies`. */
  readonly policies?: readonly string[]
  /** Folder with further policies, each `<name>/policy.ts`. Code in it runs with the rights of the suite. */
  readonly policyFolder?: string
  /** Settings by policy name. */
  readonly policySettings?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** All hazards there are. Default: the six of the kernel. */
  readonly hazards?: readonly string[]
  /** How often the registry file is looked at for changes, in milliseconds. Default 1000. */
  readonly registryPollMs?: number
  readonly clock: Clock
  readonly log: Log
}

/** A guard at work. */
export interface RunningGuard extends Guard {
  /** The registry in force. */
  readonly registry: () => Registry
  /** Problems of the registry file as it is now; empty while the registry in force is the file's. */
  readonly registryProblems: () => readonly string[]
  /** Reads the registry file now. A file with problems changes nothing. */
  readonly reload: () => Promise<ReloadOutcome>
  readonly policies: readonly string[]
  readonly hazards: readonly string[]
  readonly close: () => Promise<void>
}

/**
 * Reads registry and policies and begins to follow the registry file.
 *
 * @throws {ConfigError} with every problem of the configuration, or of the registry file
 */
export async function createGuard(config: GuardConfig): Promise<RunningGuard> {
  const { clock, log } = config
  const limits: GuardLimits = Object.freeze({ ...defaultLimits, ...config.limits })
  const hazards: readonly string[] = Object.freeze([...(config.hazards ?? defaultHazards)])
  const names = config.policies ?? defaultPolicies
  const registryPollMs = config.registryPollMs ?? 1_000
  const { policies, problems: loadProblems } = await loadPolicies(names, shippedPolicies, config.policyFolder ?? null)
  const problems = [
    ...configProblems({ ...limits, registryPollMs }, hazards, names, config.policySettings ?? {}),
    ...loadProblems
  ]
  const opened: { name: string; evaluate: Evaluate }[] = []
  for (const { name, open } of policies) {
    try {
      const settings = config.policySettings?.[name] ?? {}
      opened.push({ name, evaluate: open({ limits, settings, startedAt: clock.now(), log: log.child({ policy: name }) }) })
    } catch (error) {
      problems.push(`policySettings.${name}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  if (problems.length > 0) throw new ConfigError('guard configuration', problems)
  const file = await followRegistryFile({ path: config.registryPath, hazards, pollMs: registryPollMs, clock, log })
  return {
    decide: decideWith({ policies: opened, registry: file.current, hazards, policyTimeoutMs: limits.policyTimeoutMs, clock }),
    registry: file.current,
    registryProblems: file.problems,
    reload: file.reload,
    policies: opened.map(({ name }) => name),
    hazards,
    close: file.close
  }
}

function configProblems(
  numbers: Readonly<Record<string, number>>,
  hazards: readonly string[],
  policies: readonly string[],
  settings: Readonly<Record<string, unknown>>
): string[] {
  const problems: string[] = []
  for (const [name, value] of Object.entries(numbers)) {
    if (!Number.isSafeInteger(value) || value < 1) problems.push(`${name}: expected a whole number of at least 1, got ${value}`)
  }
  for (const hazard of hazards) {
    if (!isHazardName(hazard)) problems.push(`hazards: ${JSON.stringify(hazard)} is not a hazard name`)
  }
  if (!policies.includes('registered')) problems.push('policies: registered must be among them')
  for (const name of Object.keys(settings)) {
    if (!policies.includes(name)) problems.push(`policySettings.${name}: no such policy is asked`)
  }
  return problems
}
