import type { CallOutRefusal } from '#kernel'

export const resultStatuses = ['connected', 'rejected', 'security_rejected', 'failed'] as const
export type ResultStatus = (typeof resultStatuses)[number]

/** What became of an escalation. */
export interface EscalationResult {
  readonly status: ResultStatus
  /** Stable and dotted. */
  readonly code: string
  readonly reason: string
}

const declines: ReadonlySet<number> = new Set([403, 603, 607, 608])

/** Whether somebody says no by a final response, where others say that it did not come about. @see RFC 3261 §21.4.4, §21.6.2; RFC 8197; RFC 8688 */
export const isDecline = (status: number): boolean => declines.has(status)

/** The status of one refusal: a person or a rule said no, or it did not come about. */
export function statusOf(refusal: CallOutRefusal): Exclude<ResultStatus, 'connected'> {
  if (refusal.security) return 'security_rejected'
  if (refusal.by === 'guard') return 'rejected'
  return refusal.by === 'callee' && refusal.status !== null && isDecline(refusal.status) ? 'rejected' : 'failed'
}

/** One result of several refusals: an attack outweighs a no, a no outweighs a failure; of equals the last counts. */
export function resultOf(refusals: readonly CallOutRefusal[]): EscalationResult {
  for (const status of ['security_rejected', 'rejected', 'failed'] as const) {
    const last = refusals.findLast((refusal) => statusOf(refusal) === status)
    if (last !== undefined) return { status, code: last.code, reason: last.reason }
  }
  return { status: 'failed', code: 'escalate.nobody-called', reason: 'nobody was called' }
}
