/**
 * How well a swarm fits a task, as a number from 0 to 1 that explains itself.
 *
 * Names of capabilities are paths: `code.rust` is a special case of `code`. For each capability that the task requires at level L, the swarm's best one counts:
 *
 *     term  = min(1, level × share / L)
 *     share = 1 for the capability itself, 0.9 for each step to a more special one, 0.6 for each step to a more general one
 *     fit   = mean of the terms, each weighed by its L; 0 when one of them is 0
 *     score = fit × (1 − 0.5 × (1 − h))
 *     h     = (completed + 4) ÷ (ended + 4), over what the swarm was given of the same roots
 *
 * The 4 makes a new swarm start from 1, and one failure weigh little at first. A task that requires nothing fits everybody.
 */

import type { Capabilities } from '#coordinator'
import type { JsonObject } from '#kernel'

/** What a swarm made of the tasks of one root of the taxonomy. */
export interface History extends JsonObject {
  /** Claims that ended, given back ones excepted. */
  readonly ended: number
  readonly completed: number
}

export interface MatchTerm extends JsonObject {
  readonly capability: string
  readonly required: number
  /** The swarm's capability that counts; null when none does. */
  readonly by: string | null
  readonly level: number
  readonly share: number
  readonly term: number
}

export interface Match extends JsonObject {
  readonly score: number
  readonly fit: number
  readonly history: number
  readonly terms: readonly MatchTerm[]
}

const shareOfSpecial = 0.9
const shareOfGeneral = 0.6
const weightOfHistory = 0.5
const trust = 4

export const rootOf = (capability: string): string => capability.split('.', 1)[0]!

/** What of a capability stands in for another; 0 when they lie on different branches. */
export function shareOf(has: string, wanted: string): number {
  const steps = (from: string, to: string) => to.split('.').length - from.split('.').length
  if (has === wanted) return 1
  if (has.startsWith(`${wanted}.`)) return shareOfSpecial ** steps(wanted, has)
  if (wanted.startsWith(`${has}.`)) return shareOfGeneral ** steps(has, wanted)
  return 0
}

/** @param histories by root of the taxonomy; of those absent nothing is known */
export function matchOf(requires: Capabilities, has: Capabilities, histories: Readonly<Record<string, History>>): Match {
  const terms = Object.entries(requires).map(([capability, required]): MatchTerm => {
    let best: MatchTerm = { capability, required, by: null, level: 0, share: 0, term: 0 }
    for (const [by, level] of Object.entries(has)) {
      const share = shareOf(by, capability)
      const term = share === 0 ? 0 : required === 0 ? 1 : Math.min(1, (level * share) / required)
      if (term > best.term || (term === best.term && share > best.share)) best = { capability, required, by, level, share, term }
    }
    return best
  })
  const weight = terms.reduce((sum, { required }) => sum + required, 0)
  const mean = weight === 0 ? 1 : terms.reduce((sum, { required, term }) => sum + required * term, 0) / weight
  const fit = terms.some(({ term }) => term === 0) ? 0 : mean
  const roots = new Set(Object.keys(requires).map(rootOf))
  let ended = 0
  let completed = 0
  for (const root of roots) {
    ended += histories[root]?.ended ?? 0
    completed += histories[root]?.completed ?? 0
  }
  const history = (completed + trust) / (ended + trust)
  return { score: fit * (1 - weightOfHistory * (1 - history)), fit, history, terms }
}
