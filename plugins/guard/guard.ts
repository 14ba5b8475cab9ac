/**
 * IF.guard: decides whether a call may bring an expert and the council together. Layer 6 of 7.
 */
import { type Clock, ConfigError, defaultHazards, type Guard, isHazardName, type Log, messageOf } from '#kernel'
import { decideWith, type OpenPolicy } from './decide.ts'
import { followFile } from './follow-file.ts'
import { loadPolicies } from './policies/load-policies.ts'
import { abstain, type GuardLimits } from './policies/policy.ts'
import { shippedPolicies } from './policies/shipped.ts'
import { parseRegistry, type Registry } from './registry/registry.ts'
import { defaultRules, readRules } from './rules/rule-file.ts'
import type { RuleSet } from './rules/rules.ts'
import { createIdentityVerifier, type IdentityConfig } from './stir/verifier.ts'

export { type CallEntry, type Explanation, explain, groupByCall, type LayerOutcome } from './explain.ts'
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
} from './policies/policy.ts'
export { type Party, parseRegistry, type Registry } from './registry/registry.ts'
export { type Replay, replay } from './replay.ts'
export { canonicalJson } from './rules/canonical.ts'
export { defaultRules, type KeptRules, keepRules, keptRules, readRules, shippedFactSchema } from './rules/rule-file.ts'
export { askRow, parseRuleTable, type RowOutcome, type RuleRow } from './rules/rule-table.ts'
export { engineVersion, type RuleSet } from './rules/rules.ts'
export {
  generateKeyPair,
  type KeyPairText,
  keyId,
  type PublicKey,
  readPublicKey,
  readSigningKey,
  type SigningKey
} from './signature/keys.ts'
export { canonicalText, parseSignature, type SignatureHeader, type SignedFields, signRequest } from './signature/signature.ts'
export { type IdentitySigner, readIdentityKey, signIdentity, type VouchedCall } from './stir/sign.ts'
export type { IdentityConfig } from './stir/verifier.ts'

const defaultLimits: GuardLimits = {
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
  /** Rule file, see `guard.cedar`. Default: that one, and a forbid for every further policy. */
  readonly rulesPath?: string
  /** Told which rules are in force, at the start and after every change; and of a file that was refused. */
  readonly onRules?: (change: RuleChange) => void
  /** Called with rules before they come into force; what it throws keeps them out. For keeping their text, which receipts name by its hash. */
  readonly keepRules?: (rules: RuleSet) => void
  /** How Identity headers (RFC 8224) are verified; without it the policy `identity` abstains. */
  readonly identity?: IdentityConfig
  /** Names of policies that establish facts; a rule must read each of them. Must hold `registered`. Default: `defaultPolicies`. */
  readonly policies?: readonly string[]
  /** Folder with further policies, each `<name>/policy.ts`. Code in it runs with the rights of the suite. */
  readonly policyFolder?: string
  /** Settings by policy name. */
  readonly policySettings?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** All hazards there are. Default: the six of the kernel. */
  readonly hazards?: readonly string[]
  /** How often the registry and the rule file are looked at for changes, in milliseconds. Default 1000. */
  readonly registryPollMs?: number
  readonly clock: Clock
  readonly log: Log
}

/** What became of the rules. */
export type RuleChange =
  | { readonly state: 'loaded'; readonly hash: string; readonly previous: string | null }
  /** The file has problems: the rules before it stay in force. */
  | { readonly state: 'refused'; readonly hash: string; readonly problems: readonly string[] }

/** What a reload did. A file with problems leaves the registry as it was. */
export type ReloadOutcome =
  | { readonly ok: true; readonly parties: number }
  | { readonly ok: false; readonly problems: readonly string[] }

/** A guard at work. */
export interface RunningGuard extends Guard {
  /** The registry in force. */
  readonly registry: () => Registry
  /** Problems of the registry file as it is now; empty while the registry in force is the file's. */
  readonly registryProblems: () => readonly string[]
  /** Reads the registry file now. A file with problems changes nothing. */
  readonly reload: () => Promise<ReloadOutcome>
  /** The rules in force. */
  readonly rules: () => RuleSet
  /** Problems of the rule file as it is now; empty while the rules in force are the file's. */
  readonly ruleProblems: () => readonly string[]
  /** Reads the rule file now. @returns the problems that left the rules as they were */
  readonly reloadRules: () => Promise<readonly string[]>
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
  const identities = config.identity === undefined ? null : createIdentityVerifier(config.identity, clock)
  const opened: OpenPolicy[] = []
  for (const { name, open, facts = {}, noFacts = {} } of policies) {
    try {
      const settings = config.policySettings?.[name] ?? {}
      const setup = { limits, settings, startedAt: clock.now(), identities, log: log.child({ policy: name }) }
      opened.push({ name, evaluate: open(setup), facts, noFacts })
    } catch (error) {
      problems.push(`policySettings.${name}: ${messageOf(error)}`)
    }
  }
  if (problems.length > 0) throw new ConfigError('guard configuration', problems)

  const parse = (text: string, source: string): RuleSet => {
    const rules = readRules(text, source, policies)
    try {
      config.keepRules?.(rules)
    } catch (error) {
      throw new ConfigError(source, [`cannot be kept: ${messageOf(error)}`])
    }
    return rules
  }
  const registry = await followFile({
    path: config.registryPath,
    parse: (text, path) => parseRegistry(text, path, hazards),
    pollMs: registryPollMs,
    clock,
    onReading: ({ parties }, problems) => {
      const { registryPath: path } = config
      if (problems.length === 0) log.info({ path, parties: parties.length }, 'guard registry loaded')
      else log.error({ path, problems }, 'guard registry refused, the one before stays')
    }
  })
  let inForce: string | null = null
  const tellRules = ({ hash }: RuleSet, problems: readonly string[]): void => {
    const previous = inForce
    inForce = hash
    if (problems.length > 0) {
      log.error({ problems, policy: hash }, 'guard rules refused, those before stay')
      config.onRules?.({ state: 'refused', hash, problems })
    } else if (hash !== previous) {
      log.info({ policy: hash, previous }, 'guard rules loaded')
      config.onRules?.({ state: 'loaded', hash, previous })
    }
  }
  let rules: Pick<Awaited<ReturnType<typeof followFile<RuleSet>>>, 'current' | 'problems' | 'reload' | 'close'>
  try {
    rules =
      config.rulesPath === undefined
        ? unchanging(parse(defaultRules(names), 'the rules of the suite'))
        : await followFile({ path: config.rulesPath, parse, pollMs: registryPollMs, clock, onReading: tellRules })
  } catch (error) {
    await registry.close()
    throw error
  }
  tellRules(rules.current(), [])
  const stand = shippedPolicies
    .filter(({ name }) => !names.includes(name))
    .map(({ name, facts = {}, noFacts = {} }) => ({
      name,
      evaluate: () => abstain(`guard.${name}.not-asked`, 'not among the policies of this guard'),
      facts,
      noFacts
    }))
  return {
    decide: decideWith({
      rules: rules.current,
      registry: registry.current,
      policies: [...opened, ...stand],
      hazards,
      policyTimeoutMs: limits.policyTimeoutMs,
      clock
    }),
    registry: registry.current,
    registryProblems: registry.problems,
    reload: async () => {
      const problems = await registry.reload()
      return problems.length > 0 ? { ok: false, problems } : { ok: true, parties: registry.current().parties.length }
    },
    rules: rules.current,
    ruleProblems: rules.problems,
    reloadRules: rules.reload,
    policies: opened.map(({ name }) => name),
    hazards,
    close: async () => {
      await registry.close()
      await rules.close()
      identities?.close()
    }
  }
}

/** Rules that have no file to follow. */
const unchanging = (rules: RuleSet) => ({
  current: () => rules,
  problems: () => [],
  reload: async () => [],
  close: async () => undefined
})

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
