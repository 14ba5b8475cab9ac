/**
 * Motions that are put to the vote in conferences. A party has one vote, whatever number of seats; it can change it until the motion is closed, by who has
 * opened it or by its time. Nothing counts that is not in the ledger first.
 */
import { type Clock, errorCode, type JsonObject, type Log, newTraceId, type Witness } from '#kernel'
import { checkVote } from './vote-check.ts'
import { type Choice, type SignedVote, voteText } from './vote-text.ts'

export const votesComponent = 'IF.council'

export interface MotionView {
  /** 32 hex digits: the trace of its entries, too. */
  readonly id: string
  readonly title: string
  /** Trace of the call or escalation it is about. */
  readonly about: string | null
  readonly openedBy: string
  /** Wall clock. */
  readonly openedAt: number
  /** When it closes, or has closed. Wall clock. */
  readonly closesAt: number
  readonly open: boolean
  /** Who has voted how, in the order of their first votes. */
  readonly votes: readonly { readonly party: string; readonly choice: Choice; readonly sequence: number }[]
  readonly result: Result
}

export interface Result {
  readonly yes: number
  readonly no: number
  readonly abstain: number
  /** More yes than no. While the motion is open: as it stands. */
  readonly carried: boolean
}

/** Why something about a motion is not done. */
export type MotionRefusal =
  | 'motion.unknown'
  | 'motion.closed'
  | 'motion.too-many'
  | 'motion.not-yours'
  | 'vote.sequence'
  | 'vote.signature'
  | 'witness.unrecorded'

export type MotionOutcome = { readonly ok: true; readonly motion: string } | { readonly ok: false; readonly code: MotionRefusal }

/** Who has a vote, by which key. */
export interface Voter {
  readonly party: string
  /** Name in the conference. */
  readonly participant: string
  readonly key: string
}

export interface NewMotion {
  readonly title: string
  readonly about: string | null
  readonly openMs: number
}

const mostOpen = 10
const mostOpenOfParty = 3
/** Closed ones that are still shown. */
const mostClosed = 20

interface Motion {
  readonly id: string
  readonly conference: string
  readonly title: string
  readonly about: string | null
  readonly openedBy: string
  readonly openedAt: number
  closesAt: number
  open: boolean
  readonly votes: Map<string, { choice: Choice; sequence: number }>
  /** One thing after the other: what is recorded before the close is counted. */
  turn: Promise<unknown>
  stop: () => void
}

/** Counts. @param votes one of each party */
export function countVotes(votes: Iterable<{ readonly choice: Choice }>): Result {
  const counts = { yes: 0, no: 0, abstain: 0 }
  for (const { choice } of votes) counts[choice]++
  return { ...counts, carried: counts.yes > counts.no }
}

export class Motions {
  readonly #byConference = new Map<string, Motion[]>()
  readonly #witness: Pick<Witness, 'record'>
  readonly #clock: Clock
  readonly #log: Log
  readonly #changed: (conference: string) => void

  /** @param changed told the name of a conference whose motions have changed */
  constructor(witness: Pick<Witness, 'record'>, clock: Clock, log: Log, changed: (conference: string) => void) {
    this.#witness = witness
    this.#clock = clock
    this.#log = log
    this.#changed = changed
  }

  /** Motions of a conference, oldest first. */
  of(conference: string): readonly MotionView[] {
    return (this.#byConference.get(conference) ?? []).map((motion) => ({
      id: motion.id,
      title: motion.title,
      about: motion.about,
      openedBy: motion.openedBy,
      openedAt: motion.openedAt,
      closesAt: motion.closesAt,
      open: motion.open,
      votes: [...motion.votes].map(([party, vote]) => ({ party, ...vote })),
      result: countVotes(motion.votes.values())
    }))
  }

  async open(conference: string, { party, participant }: Voter, { title, about, openMs }: NewMotion): Promise<MotionOutcome> {
    const motions = this.#byConference.get(conference) ?? []
    const open = motions.filter((motion) => motion.open)
    if (open.length >= mostOpen || open.filter(({ openedBy }) => openedBy === party).length >= mostOpenOfParty)
      return { ok: false, code: 'motion.too-many' }
    const openedAt = this.#clock.now()
    const motion: Motion = {
      id: newTraceId(),
      conference,
      title,
      about,
      openedBy: party,
      openedAt,
      closesAt: openedAt + openMs,
      open: true,
      votes: new Map(),
      turn: Promise.resolve(),
      stop: () => {}
    }
    // it takes its place at once, so that two at a time cannot be one too many
    this.#byConference.set(conference, [...motions, motion])
    const closesAt = new Date(motion.closesAt).toISOString()
    if (!(await this.#recorded(motion, 'vote_opened', { title, openedBy: party, participant, closesAt }))) {
      this.#byConference.set(
        conference,
        this.#byConference.get(conference)!.filter((other) => other !== motion)
      )
      return { ok: false, code: 'witness.unrecorded' }
    }
    motion.stop = this.#clock.after(openMs, () => void this.#end(motion, 'time'))
    this.#changed(conference)
    return { ok: true, motion: motion.id }
  }

  /** @param signature of the vote as `voteText` writes it */
  cast(
    conference: string,
    voter: Voter,
    vote: { readonly motion: string; readonly choice: Choice; readonly sequence: number },
    signature: string
  ): Promise<MotionOutcome> {
    return this.#inTurn(conference, vote.motion, async (motion) => {
      if (!motion.open || this.#clock.now() >= motion.closesAt) return 'motion.closed'
      const { party, participant, key } = voter
      if (vote.sequence !== (motion.votes.get(party)?.sequence ?? 0) + 1) return 'vote.sequence'
      const signed: SignedVote = { ...vote, conference, party, title: motion.title }
      if (!checkVote(signed, key, signature)) return 'vote.signature'
      const { choice, sequence } = vote
      const payload = { party, participant, choice, sequence, key, signature, signed: voteText(signed) }
      if (!(await this.#recorded(motion, 'vote_cast', payload))) return 'witness.unrecorded'
      motion.votes.set(party, { choice, sequence })
      this.#changed(conference)
      return null
    })
  }

  close(conference: string, { party }: Voter, id: string): Promise<MotionOutcome> {
    const motion = this.#find(conference, id)
    if (motion === undefined) return Promise.resolve({ ok: false, code: 'motion.unknown' })
    if (motion.openedBy !== party) return Promise.resolve({ ok: false, code: 'motion.not-yours' })
    return this.#end(motion, party)
  }

  /** Closes what is open, each with its result. */
  async closeAll(): Promise<void> {
    const all = [...this.#byConference.values()].flat()
    await Promise.all(all.map((motion) => (motion.open ? this.#end(motion, 'service') : motion.turn)))
  }

  #end(motion: Motion, by: string): Promise<MotionOutcome> {
    return this.#inTurn(motion.conference, motion.id, async () => {
      if (!motion.open) return 'motion.closed'
      motion.stop()
      motion.open = false
      motion.closesAt = Math.min(motion.closesAt, this.#clock.now())
      const votes = Object.fromEntries([...motion.votes].map(([party, { choice }]) => [party, choice]))
      // what is not recorded is closed all the same: no vote is taken after this
      const { carried, ...counts } = countVotes(motion.votes.values())
      await this.#recorded(motion, 'vote_closed', { by, ...counts, carried, votes })
      this.#forget(motion.conference)
      this.#changed(motion.conference)
      return null
    })
  }

  #forget(conference: string): void {
    const motions = this.#byConference.get(conference)!
    const closed = motions.filter(({ open }) => !open)
    const old = new Set(closed.slice(0, Math.max(0, closed.length - mostClosed)))
    this.#byConference.set(
      conference,
      motions.filter((motion) => !old.has(motion))
    )
  }

  #find(conference: string, id: string): Motion | undefined {
    return this.#byConference.get(conference)?.find((motion) => motion.id === id)
  }

  #inTurn(conference: string, id: string, work: (motion: Motion) => Promise<MotionRefusal | null>): Promise<MotionOutcome> {
    const motion = this.#find(conference, id)
    if (motion === undefined) return Promise.resolve({ ok: false, code: 'motion.unknown' })
    const done = motion.turn.then(async (): Promise<MotionOutcome> => {
      const code = await work(motion)
      return code === null ? { ok: true, motion: id } : { ok: false, code }
    })
    motion.turn = done
    return done
  }

  async #recorded(motion: Motion, event: string, facts: JsonObject): Promise<boolean> {
    const { id, conference, about } = motion
    const under = about === null ? {} : { parentTraceId: about }
    const payload = { motion: id, conference, ...facts }
    try {
      await this.#witness.record({ component: votesComponent, event, traceId: id, ...under, payload })
      return true
    } catch (error) {
      this.#log.error({ code: errorCode(error), event, motion: id }, 'unrecorded')
      return false
    }
  }
}
