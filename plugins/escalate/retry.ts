import type { CallOutRefusal } from '#kernel'

export interface RetryPolicy {
  /** Calls of one expert in one escalation, the first included. */
  readonly attempts: number
  /** Before the second, third, … attempt, where the callee named no time; the last one is kept on. */
  readonly backoffMs: readonly number[]
  /** A callee that asks for more patience than this is given up. */
  readonly longestRetryAfterMs: number
}

export const defaultRetryPolicy: RetryPolicy = { attempts: 3, backoffMs: [1000, 2000, 4000], longestRetryAfterMs: 30_000 }

/** Failures that may be over soon by themselves: RFC 3261 §21.4.9, §21.5. */
const passing: ReadonlySet<number> = new Set([408, 500, 502, 503, 504])
/** Refusals that may name a time to call again: RFC 3261 §20.33. */
const mayNameTime: ReadonlySet<number> = new Set([404, 413, 480, 486, 500, 503, 600, 603])

/**
 * When the same expert is to be called again.
 *
 * | class | what is done |
 * |---|---|
 * | refused before a packet left; cancelled; no answer in the ring timeout | not again |
 * | 404, 413, 480, 486, 500, 503, 600, 603 with Retry-After | after that time, when it is short enough |
 * | 408, 500, 502, 503, 504, unreachable | after the backoff |
 * | 491 | after 2.1 to 4 s (RFC 3261 §14.1) |
 * | any other 3xx, 4xx, 5xx, 6xx | not again |
 *
 * @param attempt number of the call that failed, from 1 on.
 * @param random 0 ≤ random < 1.
 * @returns milliseconds, or null for not again.
 */
export function retryDelayMs(refusal: CallOutRefusal, attempt: number, policy: RetryPolicy, random: number): number | null {
  if (attempt >= policy.attempts || refusal.security) return null
  if (refusal.by !== 'callee' && refusal.by !== 'network') return null
  const { status, retryAfterMs } = refusal
  if (retryAfterMs !== null && status !== null && mayNameTime.has(status))
    return retryAfterMs <= policy.longestRetryAfterMs ? retryAfterMs : null
  if (status === 491) return 2100 + Math.floor(random * 191) * 10
  if (refusal.by === 'network' || (status !== null && passing.has(status)))
    return policy.backoffMs[Math.min(attempt, policy.backoffMs.length) - 1] ?? null
  return null
}
