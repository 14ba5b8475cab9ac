import { type JsonObject, type Layer, layers } from '#kernel'

/** What is needed of a ledger entry to explain a call. */
export interface CallEntry {
  readonly event: string
  readonly component: string
  readonly traceId: string
  readonly payload: JsonObject
}

export interface LayerOutcome {
  readonly layer: Layer
  /**
   * `passed`: asked, and let the call through. `decided`: refused it. `skipped`: later layers were reached without it, so it is not enabled at this
   * edge. `not reached`: the call ended before it, or is not decided yet.
   */
  readonly state: 'passed' | 'decided' | 'skipped' | 'not reached'
  /** Code of the refusal, of the approval, or of nothing. */
  readonly code: string | null
  readonly reason: string
}

/** Which layer decided about a call, and why: read from its ledger entries alone. */
export interface Explanation {
  readonly traceId: string | null
  readonly callId: string | null
  /** `open`: no final answer stands in the record. `unknown`: no entry speaks of a decision. */
  readonly verdict: 'connected' | 'rejected' | 'security_rejected' | 'open' | 'unknown'
  /** Layer that refused; null when none did (a refusal may have other grounds, such as no codec in common). */
  readonly decidedBy: Layer | null
  readonly code: string | null
  readonly reason: string
  readonly expertId: string | null
  readonly hazard: string | null
  /** All seven, in order. */
  readonly layers: readonly LayerOutcome[]
  /** What each policy said, in the order asked; empty when the call did not get to IF.guard. */
  readonly findings: readonly {
    readonly policy: string
    readonly verdict: string
    readonly code: string
    readonly reason: string
  }[]
  /** By what IF.guard decided; null when it was not asked, or by a version that gave no receipt. */
  readonly receipt: {
    readonly engine: string
    readonly policy: string
    readonly rule: string | null
    readonly input: string
  } | null
  /** Refusals at the edge before the attempt that is explained here, e.g. wrong credentials and then the right ones. */
  readonly earlierRefusals: number
}

/** Entries by the call they speak of, in order of first appearance; entries without `payload.callId` are left out. */
export function groupByCall<E extends CallEntry>(entries: readonly E[]): ReadonlyMap<string, readonly E[]> {
  const calls = new Map<string, E[]>()
  for (const entry of entries) {
    const callId = text(entry.payload.callId)
    if (callId !== null) calls.set(callId, [...(calls.get(callId) ?? []), entry])
  }
  return calls
}

/**
 * Explains one call.
 *
 * @param entries entries of the call in the order of the ledger; others may be among them and are passed over.
 */
export function explain(entries: readonly CallEntry[]): Explanation {
  const refusals = entries.filter(({ event }) => event === 'REJECTED' || event === 'SECURITY_REJECTED')
  const decisionAt = entries.findLastIndex(({ event }) => event === 'policy_decision')
  const decision = entries[decisionAt]?.payload
  const refusal = decision === undefined ? refusals.at(-1) : refusals.find((entry) => entries.indexOf(entry) > decisionAt)
  const connected = entries.some(({ event }, at) => (event === 'CONNECTED' || event === 'sip_200_ok') && at > decisionAt)
  const decidedBy = decision !== undefined && decision.verdict === 'reject' ? 'policy' : layer(refusal?.payload.layer)
  const arrived = entries.some(({ event }) => event === 'sip_invite_received' || event === 'INVITE')
  const reached = connected ? layers.length : reach(decidedBy, decision !== undefined, arrived)
  const vouched = Array.isArray(decision?.edgeLayers) ? decision.edgeLayers : null
  const cause = refusal?.payload ?? decision

  const outcome = (each: Layer, at: number): LayerOutcome => {
    if (each === decidedBy) {
      const grounds = decision !== undefined && each === 'policy' ? decision : refusal!.payload
      return { layer: each, state: 'decided', code: text(grounds.code), reason: text(grounds.reason) ?? edgeReason(grounds) }
    }
    if (at >= reached) return { layer: each, state: 'not reached', code: null, reason: notReached(decidedBy, refusal) }
    if (each === 'policy')
      return { layer: each, state: 'passed', code: text(decision?.code), reason: text(decision?.reason) ?? 'approved' }
    if (each === 'witness')
      return { layer: each, state: 'passed', code: null, reason: 'the call stood in the ledger before it was answered' }
    if (vouched === null)
      return {
        layer: each,
        state: 'passed',
        code: null,
        reason: `the edge asks it before ${decidedBy ?? 'policy'} and did not refuse`
      }
    return vouched.includes(each)
      ? { layer: each, state: 'passed', code: null, reason: 'the edge vouches for it' }
      : { layer: each, state: 'skipped', code: null, reason: 'the edge does not vouch for it: not enabled' }
  }
  const findings = Array.isArray(decision?.findings) ? decision.findings : []
  return {
    traceId: (entries[decisionAt] ?? refusal ?? entries[0])?.traceId ?? null,
    callId: text((decision ?? refusal?.payload ?? entries[0]?.payload)?.callId),
    verdict: verdictOf(refusal, decidedBy, decision, connected),
    decidedBy,
    code: connected && refusal === undefined ? text(decision?.code) : text(cause?.code),
    reason: summary(refusal, decidedBy, decision, connected),
    expertId: text(decision?.expertId),
    hazard: text(decision?.hazard),
    layers: layers.map(outcome),
    findings: findings.filter(isObject).map((finding) => ({
      policy: text(finding.policy) ?? '?',
      verdict: text(finding.verdict) ?? '?',
      code: text(finding.code) ?? '?',
      reason: text(finding.reason) ?? ''
    })),
    receipt: readReceipt(decision?.receipt),
    earlierRefusals: refusals.filter((entry) => entry !== refusal).length
  }
}

function readReceipt(value: unknown): Explanation['receipt'] {
  if (!isObject(value)) return null
  const { engine, policy, rule, input } = value
  return { engine: text(engine) ?? '?', policy: text(policy) ?? '?', rule: text(rule), input: text(input) ?? '?' }
}

/** How many layers the call got past, beginning with the first. */
function reach(decidedBy: Layer | null, askedGuard: boolean, arrived: boolean): number {
  if (decidedBy !== null) return layers.indexOf(decidedBy)
  if (askedGuard) return layers.indexOf('witness')
  return arrived ? layers.indexOf('policy') : 0
}

function verdictOf(
  refusal: CallEntry | undefined,
  decidedBy: Layer | null,
  decision: JsonObject | undefined,
  connected: boolean
): Explanation['verdict'] {
  if (refusal !== undefined) return refusal.event === 'SECURITY_REJECTED' ? 'security_rejected' : 'rejected'
  if (decidedBy !== null) return decision?.security === true ? 'security_rejected' : 'rejected'
  if (connected) return 'connected'
  return decision === undefined ? 'unknown' : 'open'
}

function summary(
  refusal: CallEntry | undefined,
  decidedBy: Layer | null,
  decision: JsonObject | undefined,
  connected: boolean
): string {
  if (decidedBy === 'policy') return text(decision?.reason ?? refusal?.payload.reason) ?? 'IF.guard refused'
  if (refusal !== undefined) return text(refusal.payload.reason) ?? edgeReason(refusal.payload)
  if (connected) return 'every layer let the call through'
  return decision === undefined
    ? 'no entry of this call speaks of a decision'
    : 'IF.guard approved; no final answer stands in the record'
}

function notReached(decidedBy: Layer | null, refusal: CallEntry | undefined): string {
  if (decidedBy !== null) return `the call ended at ${decidedBy}`
  return refusal === undefined ? 'nothing in the record' : 'the call was refused on other grounds'
}

function edgeReason(payload: JsonObject): string {
  const status = typeof payload.status === 'number' ? ` with ${payload.status}` : ''
  const count = typeof payload.count === 'number' && payload.count > 1 ? `, ${payload.count} requests` : ''
  return `refused at the edge${status}${count}`
}

function layer(value: unknown): Layer | null {
  return layers.find((each) => each === value) ?? null
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
