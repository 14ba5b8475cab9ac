/** Votes as the ledger has them, held against what was signed: nothing of the service that counted them is asked. */
import type { JsonObject } from '#kernel'
import { countVotes, type Result } from './motions.ts'
import { checkVote } from './vote-check.ts'
import { type Choice, choices } from './vote-text.ts'

export const voteComponents = { votes: 'IF.council', seats: 'IF.witness.webrtc' } as const

export interface VoteEntry {
  readonly event: string
  readonly time: string
  readonly payload: JsonObject
}

export interface AuditedVote {
  readonly party: string
  readonly choice: Choice
  readonly sequence: number
}

export interface AuditedMotion {
  readonly motion: string
  readonly conference: string
  readonly title: string
  readonly openedBy: string
  readonly openedAt: string
  /** When it was closed; null while it is open, or where its end is not in the ledger. */
  readonly closedAt: string | null
  /** The party, `time` or `service`. */
  readonly closedBy: string | null
  /** The last good vote of each party. */
  readonly votes: readonly AuditedVote[]
  /** Counted from those. */
  readonly result: Result
  /** What does not agree, in words. */
  readonly problems: readonly string[]
}

type Draft = { -readonly [K in keyof AuditedMotion]: AuditedMotion[K] } & {
  problems: string[]
  counted: Map<string, AuditedVote>
  told: JsonObject | null
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')

/** @param entries of both components, in the order of the ledger */
export function auditVotes(entries: Iterable<VoteEntry>): AuditedMotion[] {
  /** Keys that were recorded when seats were taken, by participant. */
  const keys = new Map<string, { party: string; key: string }>()
  const motions = new Map<string, Draft>()
  for (const { event, time, payload } of entries) {
    if (event === 'webrtc_connection_started' && text(payload.voteKey) !== '') {
      keys.set(text(payload.participant), { party: text(payload.party), key: text(payload.voteKey) })
      continue
    }
    const id = text(payload.motion)
    if (event === 'vote_opened') {
      const { conference, title, openedBy } = payload
      motions.set(id, {
        motion: id,
        conference: text(conference),
        title: text(title),
        openedBy: text(openedBy),
        openedAt: time,
        closedAt: null,
        closedBy: null,
        votes: [],
        result: countVotes([]),
        problems: [],
        counted: new Map(),
        told: null
      })
      continue
    }
    const motion = motions.get(id)
    if (motion === undefined) continue
    if (event === 'vote_cast') cast(motion, payload, keys)
    else if (event === 'vote_closed') {
      motion.closedAt = time
      motion.closedBy = text(payload.by)
      motion.told = payload
    }
  }
  return [...motions.values()].map(finish)
}

function cast(motion: Draft, payload: JsonObject, keys: ReadonlyMap<string, { party: string; key: string }>): void {
  const party = text(payload.party)
  const sequence = Number(payload.sequence)
  const choice = choices.find((each) => each === payload.choice)
  const { motion: id, conference, title } = motion
  const problem = choice === undefined ? 'no choice' : wrong(choice)
  if (problem !== null) motion.problems.push(`vote ${sequence} of ${party}: ${problem}`)
  else motion.counted.set(party, { party, choice: choice!, sequence })

  function wrong(chosen: Choice): string | null {
    const seat = keys.get(text(payload.participant))
    if (motion.closedAt !== null) return 'given after the end'
    if (seat === undefined || seat.party !== party || seat.key !== payload.key) return 'not by the key of its seat'
    if (sequence !== (motion.counted.get(party)?.sequence ?? 0) + 1) return 'out of order'
    const signed = { motion: id, conference, title, party, sequence, choice: chosen }
    return checkVote(signed, seat.key, text(payload.signature)) ? null : 'the signature is not good'
  }
}

function finish({ counted, told, ...motion }: Draft): AuditedMotion {
  const votes = [...counted.values()]
  const result = countVotes(votes)
  const agrees = told === null || (['yes', 'no', 'abstain', 'carried'] as const).every((name) => told[name] === result[name])
  return {
    ...motion,
    votes,
    result,
    problems: agrees ? motion.problems : [...motion.problems, 'the result told is not that of the votes']
  }
}
