/**
 * A task is kept for those who fit it best for a while, and dear ones for those who are proven.
 *
 *     stake    = cost ÷ (cost + usual cost of a claim)        0 to 1; a half where the task has no estimate, or nothing is known of costs
 *     sure     = score × 0.8 ^ (2 × stake × failures in a row) − 0.1 × stake ÷ √(1 + expected of its claims of the same roots so far)
 *     patience = min(most, share of the time from when the task could be claimed to its deadline)
 *     asked    = threshold + (first − threshold) × max(0, 1 − waited ÷ patience)
 *
 * A swarm of which less is sure than is asked lets a better one go before, as long as there is one: active, without a claim, admitted by all else, and surer by
 * 0.02 or more. So a swarm that is alone waits for nobody, and the best of those who are idle is never refused.
 */

import type { JsonObject } from '#kernel'
import type { Match } from './match.ts'

/** How long a task is kept, and for whom. */
export interface Patience extends JsonObject {
  /** Longest, milliseconds; 0 keeps nothing. */
  readonly mostMs: number
  /** Of the time to the deadline, 0–1. */
  readonly ofDeadline: number
  /** What is asked at first, 0–1. */
  readonly first: number
}

export const usualPatience: Patience = { mostMs: 10 * 60_000, ofDeadline: 0.25, first: 0.95 }

/** What is asked of a swarm over time: falls from `first` at `from` to `threshold` at `until`, milliseconds since 1970. */
export interface Demand {
  readonly first: number
  readonly threshold: number
  readonly from: number
  readonly until: number
}

/** Who is surer by less is not better: nobody waits for a difference that says nothing. */
export const leastAhead = 0.02
/** Of a task that costs what claims usually cost. */
export const usualStake = 0.5
const doubtOfFailure = 0.8
const doubtOfNew = 0.1

/** @param readyAt since when it can be claimed. @param deadlineAt null for none */
export function demandOf(patience: Patience, threshold: number, readyAt: number, deadlineAt: number | null): Demand {
  const { mostMs, ofDeadline } = patience
  const left = deadlineAt === null ? Number.POSITIVE_INFINITY : Math.max(0, deadlineAt - readyAt)
  const lasts = ofDeadline === 0 ? 0 : Math.min(mostMs, ofDeadline * left)
  return { first: Math.max(patience.first, threshold), threshold, from: readyAt, until: readyAt + lasts }
}

/** What is asked at a time. */
export function askedAt({ first, threshold, from, until }: Demand, at: number): number {
  if (at >= until) return threshold
  return first - (first - threshold) * Math.max(0, (at - from) / (until - from))
}

/** When so much is enough, or who is better is not waited for any longer; milliseconds since 1970. */
export function enoughAt({ first, threshold, from, until }: Demand, sure: number): number {
  if (sure <= threshold) return until
  return sure >= first ? from : Math.ceil(from + ((first - sure) / (first - threshold)) * (until - from))
}

/**
 * How much is at stake beside what a claim usually costs.
 *
 * @param estimate US dollars as a decimal; null where unknown
 * @param usual mean cost of claims; null before the first
 */
export function stakeOf(estimate: string | null, usual: number | null): number {
  const cost = estimate === null ? null : Number(estimate)
  return cost === null || usual === null || cost + usual === 0 ? usualStake : cost / (cost + usual)
}

/**
 * How sure a swarm is to complete a task, beside others: who failed last or is little proven is less so, the more is at stake.
 *
 * @param failures in a row
 */
export const sureOf = ({ score, expected }: Pick<Match, 'score' | 'expected'>, failures: number, stake: number): number =>
  score * doubtOfFailure ** (2 * stake * failures) - (doubtOfNew * stake) / Math.sqrt(1 + expected)
