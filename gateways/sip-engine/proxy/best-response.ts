/**
 * Which of the failures of a request's branches goes back.
 *
 * @see RFC 3261 §16.7 steps 6 and 7
 */
import { allHeaders, type SipResponse } from '../codec/message.ts'
import type { HeaderLine } from '../codec/serialize.ts'

/** @param response null for one that no peer sent: 408 for silence, 503 where the request could not be sent. */
export interface Failure {
  readonly status: number
  readonly response: SipResponse | null
}

export function isChallenge(status: number): boolean {
  return status === 401 || status === 407
}

/** Responses of the 4xx class that tell the caller how to ask again. */
const instructive = new Set([401, 407, 415, 420, 484])

/** Lower is better. */
function rank({ status, response }: Failure): number {
  if (status >= 600) return 0
  const base = Math.floor(status / 100) * 10
  if (instructive.has(status)) return base
  if (response === null) return base + 3
  return status === 408 || status === 487 || status === 503 ? base + 2 : base + 1
}

/**
 * A 6xx, else the lowest class; in it what tells the caller how to ask again before the rest, and the earlier before the later. 503 would tell
 * the caller that this proxy is overloaded, so 500 takes its place.
 *
 * @param cancelled whether the caller has cancelled: silence is 487 then.
 */
export function bestFailure(failures: readonly Failure[], cancelled: boolean): Failure {
  let best: Failure = { status: 408, response: null }
  let bestRank = Number.POSITIVE_INFINITY
  for (const failure of failures) {
    if (rank(failure) >= bestRank) continue
    best = failure
    bestRank = rank(failure)
  }
  if (cancelled && best.response === null) return { status: 487, response: null }
  return best.status === 503 ? { status: 500, response: null } : best
}

/** Challenges of the other branches, to be added to the best one, so that the caller can answer all of them at once. */
export function otherChallenges(failures: readonly Failure[], best: Failure): HeaderLine[] {
  if (!isChallenge(best.status)) return []
  return failures
    .filter((each) => each !== best && isChallenge(each.status))
    .flatMap(({ response }) => (response === null ? [] : allHeaders(response)))
    .filter(({ key }) => key === 'www-authenticate' || key === 'proxy-authenticate')
    .map(({ name, value }): HeaderLine => [name, value])
}
