/**
 * A seat of the council: a browser's place in a conference. It outlives the page's connection to the service: whoever comes back within the time of
 * grace goes on with the same leg, by another way of ICE where that is needed.
 */
import { type CallContext, errorCode, newTraceId, type ParticipantRole, recordOfQuality } from '#kernel'
import { type CouncilContext, contextOf } from './context.ts'
import { type SeatTerms, seatName } from './invitations.ts'
import type { MotionOutcome, Motions, Voter } from './motions.ts'
import type { Admission, BrowserLeg, CouncilPorts, RosterMember } from './ports.ts'
import { Recorder, textHash } from './record.ts'
import type { NoticeCode, PageSignal, RefusalCode, ServiceSignal, SipTerms } from './signals.ts'

/** A page that is connected to the service. */
export interface PageChannel {
  readonly send: (signal: ServiceSignal) => void
  /** Says why, and closes. */
  readonly refuse: (code: RefusalCode, reason: string) => void
}

export interface SeatTaker extends SeatTerms {
  /** The invitation's. */
  readonly key: string
  readonly role: ParticipantRole
  /** What the page signs votes with; null where it does not vote. */
  readonly voteKey: string | null
  /** Where its sound comes by SIP. */
  readonly sip: SipTerms | null
  readonly from: Admission['from']
}

/** What the seats of a service have in common. */
export interface Council {
  readonly motions: Motions
  readonly roster: (conference: string) => readonly RosterMember[]
  /** Gives a message to one participant of the conference who has a seat, or to all but the sender. @returns whether somebody got it */
  readonly deliver: (conference: string, from: string, to: string | null, body: string) => boolean
  /** Told when a seat without sound has come or gone. */
  readonly changed: (conference: string) => void
}

const refusals: ReadonlyMap<string, string> = new Map([
  ['guard.rate.exceeded', 'too many attempts: try again in a minute'],
  ['witness.unrecorded', 'your coming cannot be recorded now']
])

export class Seat {
  readonly participant: string
  readonly conference: string
  readonly #taker: SeatTaker
  readonly #ports: CouncilPorts
  readonly #council: Council
  readonly #graceMs: number
  readonly #ended: (seat: Seat) => void
  readonly #context: CallContext
  readonly #record: Recorder
  readonly #abort = new AbortController()
  #leg: BrowserLeg | null = null
  /** Name of its SIP call in the conference. */
  #voice: string | null = null
  #joined = false
  #page: PageChannel | null
  #iceState = 'new'
  #over: Promise<void> | null = null
  #stopWaiting = () => {}
  /** One message after the other. */
  #turn: Promise<void> = Promise.resolve()

  /**
   * @param graceMs how long the seat is kept for a page that is gone
   * @param ended told once, when the seat is free
   */
  constructor(
    taker: SeatTaker,
    page: PageChannel,
    ports: CouncilPorts,
    council: Council,
    graceMs: number,
    ended: (seat: Seat) => void
  ) {
    const traceId = newTraceId()
    this.#taker = taker
    this.#page = page
    this.#ports = ports
    this.#council = council
    this.#graceMs = graceMs
    this.#ended = ended
    this.conference = taker.conference
    this.participant = `${taker.id}-${traceId.slice(0, 8)}`
    const log = ports.log.child({ traceId })
    this.#context = { traceId, log, signal: this.#abort.signal, now: ports.clock.now }
    const { id, conference, role, kind, key } = taker
    const seat = { party: id, participant: this.participant, conference, role, kind, seat: seatName(key) }
    this.#record = new Recorder(ports.witness, log, traceId, seat)
  }

  get key(): string {
    return this.#taker.key
  }

  get party(): string {
    return this.#taker.id
  }

  get role(): ParticipantRole {
    return this.#taker.role
  }

  get kind(): SeatTerms['kind'] {
    return this.#taker.kind
  }

  /** In the conference without sound. */
  get silent(): boolean {
    return this.#joined && this.#leg === null && this.#voice === null && !this.over
  }

  get voice(): string | null {
    return this.#voice
  }

  /** A SIP call of this seat has come, under this name, or is over. Of a page that has its own sound it is a telephone beside it. */
  heardAs(participant: string, isHere: boolean): void {
    if (this.#taker.sip === null || (!isHere && this.#voice !== participant)) return
    this.#voice = isHere ? participant : null
    this.#council.changed(this.conference)
  }

  /** Whoever votes by this seat; null for nobody. */
  get #voter(): Voter | null {
    const { id, role, kind, mayVote, voteKey } = this.#taker
    const votes = role === 'guardian' && (kind === 'person' || mayVote) && voteKey !== null
    return votes ? { party: id, participant: this.participant, key: voteKey } : null
  }

  get over(): boolean {
    return this.#over !== null
  }

  /** Joins the conference; nobody joins whose coming cannot be recorded. */
  join(offer: string | null): Promise<void> {
    return this.#next(async () => {
      const { conference, role, voteKey, id, hazard, key, from } = this.#taker
      // told in this order and awaited together, so that the ledger commits them as one group
      const recorded = [this.#record.durable('webrtc_connection_started', { voteKey, sound: offer !== null })]
      if (offer !== null)
        recorded.push(this.#record.durable('sdp_offer_created', { sdpSha256: textHash(offer), iceRestart: false }))
      const admission = { party: id, conference, hazard, participant: this.participant, seat: key, from }
      const [refused] = await Promise.all([this.#ports.admit(this.#context, admission), ...recorded])
      if (refused !== null)
        return this.#fail('guard.refused', refused, refusals.get(refused) ?? 'IF.guard does not let this seat in')
      if (this.over) return
      if (offer === null) {
        this.#joined = true
        this.#council.changed(conference)
        return this.#answer(null)
      }
      const joined = await this.#ports.rooms.join(this.#context, {
        conference,
        participant: this.participant,
        role,
        kind: this.kind,
        offer
      })
      if (!joined.ok) return this.#fail('conference.refused', joined.code, joined.reason)
      const { leg, sdp } = joined
      if (this.over) {
        await leg.leave()
        return
      }
      this.#leg = leg
      this.#joined = true
      leg.onConnection?.(({ type, state }) => {
        if (type === 'ice') {
          this.#record.tell('ice_connection_state_changed', { state, previous: this.#iceState })
          this.#iceState = state
        } else if (state === 'connected') this.#record.tell('media_stream_ready', { codec: leg.codec(), encrypted: true })
      })
      leg.onEvent((event) => {
        if (event.type === 'failed') this.#fail('connection.failed', 'connection.failed', event.reason)
        else if (event.type === 'mediaTimeout')
          this.#fail('connection.failed', 'media.timeout', `no sound came for ${event.silentMs} ms`)
        else if (event.type === 'ended') this.#fail('connection.failed', 'call.ended', `ended with cause ${event.cause}`)
      })
      this.#answer(sdp)
    })
  }

  /** A page that comes back; the one before is told so. */
  resume(page: PageChannel, offer: string | null): Promise<void> {
    return this.#next(async () => {
      const leg = this.#leg
      if (!this.#joined || (leg === null) !== (offer === null))
        return page.refuse('seat.gone', 'the seat is free again: join anew')
      this.#stopWaiting()
      if (this.#page !== page) this.#page?.refuse('seat.taken-over', 'another page has taken the seat')
      this.#page = page
      if (leg === null || offer === null) return this.#answer(null)
      await this.#record.durable('sdp_offer_created', { sdpSha256: textHash(offer), iceRestart: true })
      const answer = await leg.offered(offer)
      if (answer.ok) this.#answer(answer.sdp)
      else this.#fail('conference.refused', answer.code, answer.reason)
    })
  }

  /** Takes a message of the page that has the seat. */
  take(signal: Exclude<PageSignal, { type: 'join' | 'resume' }>): void {
    const { rooms } = this.#ports
    if (signal.type === 'motion' || signal.type === 'vote' || signal.type === 'close') {
      void this.#vote(signal)
      return
    }
    if (signal.type === 'data') {
      const { to, body } = signal
      const { conference, participant } = this
      const reached = this.#joined && this.#council.deliver(conference, participant, to, body)
      if (reached) this.#record.tell('message_sent', { to, octets: Buffer.byteLength(body), sha256: textHash(body) })
      else this.#notice('data', 'data.nobody')
      return
    }
    if (this.silent && (signal.type === 'mute' || signal.type === 'hand' || signal.type === 'key')) return
    const heard = this.#voice ?? this.participant
    try {
      if (signal.type === 'mute') rooms.mute(this.conference, heard, signal.muted)
      else if (signal.type === 'hand') rooms.raiseHand(this.conference, heard, signal.raised)
      else if (signal.type === 'key') rooms.press(this.conference, heard, signal.digit)
      else if (signal.type === 'leave') void this.end('left')
      else {
        this.#record.tell('sdp_answer_received', {
          toldBy: 'page',
          sdpSha256: this.#leg === null ? null : textHash(this.#leg.localSdp())
        })
        const { candidates, gatheringMs } = signal
        this.#record.tell('ice_candidates_gathered', { toldBy: 'page', candidates: { ...candidates }, gatheringMs })
      }
    } catch (error) {
      // the participant has just gone
      this.#context.log.info({ code: errorCode(error), signal: signal.type }, 'not done')
    }
  }

  /** The page's connection is gone: the seat waits for it. */
  pageGone(page: PageChannel): void {
    if (this.#page !== page || this.over) return
    this.#page = null
    this.#stopWaiting = this.#ports.clock.after(this.#graceMs, () => void this.end('lost'))
  }

  tellRoster(): void {
    if (this.#joined) this.#page?.send({ type: 'roster', members: this.#council.roster(this.conference) })
  }

  tellContext(): void {
    if (this.#joined) this.#page?.send({ type: 'context_update', context: this.#contextNow() })
  }

  /** @param body of a message to this seat, or to all */
  tellData(from: string, to: string | null, body: string): void {
    if (this.#joined) this.#page?.send({ type: 'data', from, to, body })
  }

  #contextNow(): CouncilContext {
    const { conference } = this
    return contextOf(conference, this.#ports.calls.of(conference), this.#council.motions.of(conference))
  }

  #notice(of: Extract<ServiceSignal, { type: 'notice' }>['of'], code: NoticeCode): void {
    this.#page?.send({ type: 'notice', of, code })
  }

  async #vote(signal: Extract<PageSignal, { type: 'motion' | 'vote' | 'close' }>): Promise<void> {
    const voter = this.#voter
    if (voter === null || !this.#joined) return this.#notice(signal.type, 'vote.none')
    const { motions } = this.#council
    const { conference } = this
    let outcome: MotionOutcome
    if (signal.type === 'motion') {
      const { title, about, seconds } = signal
      const { calls, escalations } = this.#contextNow()
      if (about !== null && ![...calls, ...escalations].some(({ traceId }) => traceId === about))
        return this.#notice('motion', 'motion.about')
      outcome = await motions.open(conference, voter, { title, about, openMs: seconds * 1000 })
    } else if (signal.type === 'vote') outcome = await motions.cast(conference, voter, signal, signal.signature)
    else outcome = await motions.close(conference, voter, signal.motion)
    if (!outcome.ok) this.#notice(signal.type, outcome.code)
  }

  /** Frees the seat. Idempotent; resolves when the leg is gone. */
  end(reason: string, say: { readonly code: RefusalCode; readonly reason: string } | null = null): Promise<void> {
    this.#over ??= (async () => {
      this.#stopWaiting()
      this.#abort.abort()
      if (say !== null) this.#page?.refuse(say.code, say.reason)
      this.#page = null
      const stats = await this.#leg?.leave().catch((error: unknown) => {
        // its thread or process is gone, and the leg with it
        this.#context.log.warn({ code: errorCode(error) }, 'a leg went without its counts')
        return undefined
      })
      const quality = stats === undefined ? null : recordOfQuality(stats)
      if (quality !== null) this.#record.tell('leg_quality', quality)
      this.#record.tell('webrtc_connection_closed', { reason })
      this.#ended(this)
      this.#council.changed(this.conference)
    })()
    return this.#over
  }

  #answer(sdp: string | null): void {
    const { participant, conference } = this
    const { id: party, sip } = this.#taker
    this.#page?.send({ type: 'answer', sdp, participant, conference, party, votes: this.#voter !== null, sip })
    this.tellRoster()
    this.tellContext()
  }

  #fail(code: RefusalCode, cause: string, reason: string): void {
    if (this.over) return
    this.#record.tell('webrtc_error', { code: cause, reason })
    void this.end(cause, { code, reason })
  }

  #next(work: () => Promise<void>): Promise<void> {
    this.#turn = this.#turn.then(async () => {
      if (this.over) return
      try {
        await work()
      } catch (error) {
        this.#context.log.warn({ code: errorCode(error) }, 'a seat failed')
        this.#fail('conference.refused', errorCode(error), 'the conference cannot be reached now')
      }
    })
    return this.#turn
  }
}
