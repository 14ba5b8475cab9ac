/** What a council is told of the calls it has: what any of its members may know, nothing that is for operators only. */
import type { MotionView } from './motions.ts'

/** What one policy of IF.guard said; its reason in words stays with the operators. */
export interface FindingInContext {
  readonly policy: string
  readonly verdict: 'pass' | 'deny' | 'abstain'
  readonly code: string
}

export interface CallInContext {
  readonly traceId: string
  readonly direction: 'inbound' | 'outbound'
  /** Registry id; null for nobody's. */
  readonly expert: string | null
  readonly hazard: string | null
  readonly state: 'asking' | 'ringing' | 'connected' | 'refused' | 'ended'
  /** What IF.guard decided; null before it has. */
  readonly decision: {
    readonly verdict: 'approve' | 'reject'
    readonly code: string
    readonly findings: readonly FindingInContext[]
  } | null
  /** Wall clock. */
  readonly since: number
}

export interface EscalationInContext {
  readonly id: string
  readonly traceId: string
  readonly hazard: string
  readonly sender: string
  readonly state: 'hunting' | 'connected' | 'ended'
  /** `connected`, `rejected`, `security_rejected`, `failed`; null while it is open. */
  readonly result: string | null
  readonly experts: readonly { readonly expert: string; readonly kind: 'expert' | 'contrarian'; readonly state: string }[]
  readonly evidence: readonly { readonly name: string; readonly sha256: string }[]
  /** Bridges beside the expert's sound that are degraded or have failed. */
  readonly impaired: readonly { readonly bridge: string; readonly target: string | null; readonly state: string }[]
}

/** The part that others tell; motions are the gateway's own. */
export interface CallsInContext {
  /** Rules in force; by the SHA-256 of their text, as receipts name them. */
  readonly policy: { readonly engine: string; readonly hash: string }
  readonly calls: readonly CallInContext[]
  readonly escalations: readonly EscalationInContext[]
}

export interface CouncilContext extends CallsInContext {
  readonly conference: string
  /** Hazards of calls and escalations that are open. */
  readonly hazards: readonly string[]
  readonly motions: readonly MotionView[]
}

export function contextOf(conference: string, told: CallsInContext, motions: readonly MotionView[]): CouncilContext {
  const calls = told.calls.filter(({ state }) => state !== 'ended' && state !== 'refused')
  const escalations = told.escalations.filter(({ state }) => state !== 'ended')
  const hazards = [...calls, ...escalations].flatMap(({ hazard }) => (hazard === null ? [] : [hazard]))
  return { conference, hazards: [...new Set(hazards)].sort(), ...told, motions }
}
