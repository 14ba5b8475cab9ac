/**
 * How likely a swarm is to complete a task, as a number from 0 to 1 that explains itself and learns from what became of claims.
 *
 * Names of capabilities are paths: `code.rust` is a special case of `code`. For each capability that the task requires at level L, the swarm's best one counts:
 *
 *     ratio  = level × share ÷ L        share = 1 for the capability itself, 0.9 for each step to a more special one, 0.6 for each to a more general one
 *     term   = min(1, ratio)
 *     fit    = product of the terms: all of it has to go well
 *     margin = least ratio
 *     base   = (8 × prior + completed) ÷ (8 + ended), over the claims of other swarms whose fit and margin were like this (calibration.ts); prior = fit
 *     trust  = (8 × kind + succeeded) ÷ (8 + expected), over the swarm's claims that required the same capabilities, by each; at most 1.5
 *     kind   = (8 × own + succeeded) ÷ (8 + expected), over its claims of the same roots
 *     own    = (8 + succeeded) ÷ (8 + expected), over all its claims
 *     score  = min(1, base × trust)
 *
 * `expected` is the sum of the bases with which claims were made, `succeeded` the number of those that were completed: who declares more than it can has
 * less than was expected. Both fade, by half in a week. A new swarm has 1; after one failure it has 0.79, after two 0.64. A task that requires
 * nothing fits everybody.
 */

import type { Capabilities } from '#coordinator'
import type { JsonObject } from '#kernel'
import { type Calibration, classOf, noCalibration, priorWeight } from './calibration.ts'

/** What a swarm made of the tasks that it was given. */
export interface History extends JsonObject {
  /** Claims that ended, given back ones excepted. */
  readonly ended: number
  readonly completed: number
  /** Faded, as they were at `at`. */
  readonly expected: number
  readonly succeeded: number
  readonly at: number
}

/** What is known of a swarm: of all its claims, by root of the taxonomy, and by capability that was required. Of those absent nothing is known. */
export interface SwarmRecord {
  readonly all: History
  readonly roots: Readonly<Record<string, History>>
  readonly capabilities: Readonly<Record<string, History>>
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
  readonly margin: number
  readonly base: number
  readonly trust: number
  /** What was expected of its claims of the same roots so far, faded: how much is known of it. */
  readonly expected: number
  readonly terms: readonly MatchTerm[]
}

const shareOfSpecial = 0.9
const shareOfGeneral = 0.6
const mostTrust = 1.5
/** What is believed of a swarm before anything is known weighs as much as so many claims. */
const trustWeight = 8
const halfLifeMs = 7 * 86_400_000
/** Of a requirement of nothing, and of a task that requires nothing. */
const mostMargin = 10

export const noHistory: History = { ended: 0, completed: 0, expected: 0, succeeded: 0, at: 0 }

const rootOf = (capability: string): string => capability.split('.', 1)[0]!
/** Roots of what a task requires, each once, in order. */
export const rootsOf = (requires: Capabilities): string[] => [...new Set(Object.keys(requires).map(rootOf))].sort()

/** What of a capability stands in for another; 0 when they lie on different branches. */
export function shareOf(has: string, wanted: string): number {
  const steps = (from: string, to: string) => to.split('.').length - from.split('.').length
  if (has === wanted) return 1
  if (has.startsWith(`${wanted}.`)) return shareOfSpecial ** steps(wanted, has)
  if (wanted.startsWith(`${has}.`)) return shareOfGeneral ** steps(has, wanted)
  return 0
}

/** What of a history is left at a later time. */
function faded({ expected, succeeded, at }: History, now: number): Pick<History, 'expected' | 'succeeded'> {
  const left = 2 ** (-Math.max(0, now - at) / halfLifeMs)
  return { expected: expected * left, succeeded: succeeded * left }
}

/** A history with one claim more. @param base with which the claim was made */
export function historyWith(before: History, completed: boolean, base: number, at: number): History {
  const { expected, succeeded } = faded(before, at)
  const more = completed ? 1 : 0
  return {
    ended: before.ended + 1,
    completed: before.completed + more,
    expected: expected + base,
    succeeded: succeeded + more,
    at
  }
}

/** Neither time nor a history of others: for those who only compare what is declared. */
export const unknownSwarm: SwarmRecord = { all: noHistory, roots: {}, capabilities: {} }

type Evidence = Pick<History, 'expected' | 'succeeded'>

const evidenceOf = (histories: Readonly<Record<string, History>>, names: readonly string[], now: number): Evidence =>
  names
    .map((name) => faded(histories[name] ?? noHistory, now))
    .reduce((sum, each) => ({ expected: sum.expected + each.expected, succeeded: sum.succeeded + each.succeeded }), {
      expected: 0,
      succeeded: 0
    })

/** Mean of a belief after evidence. @param before mean of the belief */
const after = (before: number, { expected, succeeded }: Evidence): number =>
  (trustWeight * before + succeeded) / (trustWeight + expected)

function trustOf(known: SwarmRecord, requires: Capabilities, now: number): Pick<Match, 'trust' | 'expected'> {
  const kind = evidenceOf(known.roots, rootsOf(requires), now)
  const own = after(1, faded(known.all, now))
  const special = evidenceOf(known.capabilities, Object.keys(requires), now)
  return { trust: Math.min(mostTrust, after(after(own, kind), special)), expected: kind.expected }
}

/** @param now milliseconds since 1970, for what has faded */
export function matchOf(
  requires: Capabilities,
  has: Capabilities,
  known: SwarmRecord = unknownSwarm,
  calibration: Calibration = noCalibration,
  now = 0
): Match {
  let margin = mostMargin
  const terms = Object.entries(requires).map(([capability, required]): MatchTerm => {
    let best: MatchTerm = { capability, required, by: null, level: 0, share: 0, term: 0 }
    let ratio = 0
    for (const [by, level] of Object.entries(has)) {
      const share = shareOf(by, capability)
      const own = share === 0 ? 0 : required === 0 ? mostMargin : Math.min(mostMargin, (level * share) / required)
      if (own > ratio || (own === ratio && share > best.share)) {
        best = { capability, required, by, level, share, term: Math.min(1, own) }
        ratio = own
      }
    }
    margin = Math.min(margin, ratio)
    return best
  })
  const fit = terms.reduce((product, { term }) => product * term, 1)
  const { ended, completed } = calibration[classOf(fit, margin)]!
  const base = fit === 0 ? 0 : (priorWeight * fit + completed) / (priorWeight + ended)
  const { trust, expected } = terms.length === 0 ? { trust: 1, expected: 0 } : trustOf(known, requires, now)
  return { score: Math.min(1, base * trust), fit, margin, base, trust, expected, terms }
}
