import type { GuardRequest, JsonObject, Log, PolicyFinding } from '#kernel'
import type { Party, Registry } from '../registry/registry.ts'
import type { FactType } from '../rules/types.ts'
import type { IdentityVerifier } from '../stir/verifier.ts'

/** Limits that policies keep. All have defaults. */
export interface GuardLimits {
  /** Calls that each party may make in any minute. */
  readonly callsPerMinute: number
  /** How far the time of a signature may be from ours, either way. */
  readonly signatureWindowMs: number
  /** Nonces remembered per key; a signer beyond it is refused until the oldest are due. */
  readonly noncesPerKey: number
  /** How long one policy may take. */
  readonly policyTimeoutMs: number
}

/** What a policy may keep for the life of a guard. */
export interface PolicySetup {
  readonly limits: GuardLimits
  /** Of this policy, from the guard's configuration; empty when none are given. */
  readonly settings: Readonly<Record<string, unknown>>
  /** Wall clock at the start, milliseconds since 1970. */
  readonly startedAt: number
  /** Verifies Identity headers; null where none is configured. */
  readonly identities: IdentityVerifier | null
  readonly log: Log
}

/** What a policy sees besides the request. */
export interface PolicyState {
  readonly registry: Registry
  /** The expert or Guardian whom the call is with: named in From of an inbound call, in To of an outbound one. */
  readonly party: Party | null
  /** Who would have signed the request: the party named in From. */
  readonly signer: Party | null
  readonly hazards: readonly string[]
  /** Monotonic milliseconds, for whatever is counted or kept. */
  readonly monotonicMs: number
}

/** A finding as a policy makes it: the guard adds the policy's name. */
export interface PolicyVerdict {
  readonly verdict: PolicyFinding['verdict']
  /** `guard.<policy>.<what>`, at most 64 of `a-z 0-9 . -`: from a fixed set, never made from what a caller sent. */
  readonly code: string
  readonly reason: string
  /** True on a denial that speaks of an attack, not of a mistake or a limit. */
  readonly security?: boolean
  /** Values of the policy's own facts; those of the policy when left out. */
  readonly facts?: JsonObject
  /**
   * Called in the turn in which the call is approved, for what only approved calls use up. A verdict takes the place of this one, and the rules are
   * asked again.
   */
  readonly claim?: () => PolicyVerdict | null
}

/**
 * Judges one request. What it throws, and a verdict that is late or ill-formed, counts as a denial (`guard.policy.failed`).
 */
export type Evaluate = (request: GuardRequest, state: PolicyState) => PolicyVerdict | Promise<PolicyVerdict>

/** Establishes one kind of facts for the rules: a folder `<name>/` with a public file `policy.ts` that exports `policy`. What its verdict means is up to the rules. */
export interface Policy {
  /** Name of the folder: 1 to 32 of `a-z 0-9 -`. */
  readonly name: string
  /** Called once for every guard that uses the policy; what it remembers between calls lives in the function it returns. Throws when the settings are wrong. */
  readonly open: (setup: PolicySetup) => Evaluate
  /** Facts of its own beside `verdict`, `code`, `reason` and `attack`, and the values they have when a verdict brings none. */
  readonly facts?: Readonly<Record<string, FactType>>
  readonly noFacts?: JsonObject
}

export const pass = (code: string, reason: string): PolicyVerdict => ({ verdict: 'pass', code, reason })
export const abstain = (code: string, reason: string): PolicyVerdict => ({ verdict: 'abstain', code, reason })
export const deny = (code: string, reason: string): PolicyVerdict => ({ verdict: 'deny', code, reason })
/** A denial that speaks of an attack. */
export const denyAttack = (code: string, reason: string): PolicyVerdict => ({ verdict: 'deny', code, reason, security: true })
