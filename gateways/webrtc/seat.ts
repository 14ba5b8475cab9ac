/**
 * A seat of the council: a browser's place in a conference. It outlives the page's connection to the service: whoever comes back within the time of
 * grace goes on with the same leg, by another way of ICE where that is needed.
 */
import { type CallContext, errorCode, type JsonObject, newTraceId, type ParticipantRole, recordOfQuality } from '#kernel'
import type { BrowserLeg, CouncilPorts } from './ports.ts'
import { Recorder, sdpHash } from './record.ts'
import type { PageSignal, RefusalCode, ServiceSignal } from './signals.ts'

/** A page that is connected to the service. */
export interface PageChannel {
  readonly send: (signal: ServiceSignal) => void
  /** Says why, and closes. */
  readonly refuse: (code: RefusalCode, reason: string) => void
}

export interface SeatTaker {
  readonly id: string
  readonly conference: string
  readonly role: ParticipantRole
}

export class Seat {
  readonly participant: string
  readonly conference: string
  readonly #taker: SeatTaker
  readonly #ports: CouncilPorts
  readonly #graceMs: number
  readonly #ended: (seat: Seat) => void
  readonly #context: CallContext
  readonly #record: Recorder
  readonly #abort = new AbortController()
  #leg: BrowserLeg | null = null
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
  constructor(taker: SeatTaker, page: PageChannel, ports: CouncilPorts, graceMs: number, ended: (seat: Seat) => void) {
    const traceId = newTraceId()
    this.#taker = taker
    this.#page = page
    this.#ports = ports
    this.#graceMs = graceMs
    this.#ended = ended
    this.conference = taker.conference
    this.participant = `${taker.id}-${traceId.slice(0, 8)}`
    const log = ports.log.child({ traceId })
    this.#context = { traceId, log, signal: this.#abort.signal, now: ports.clock.now }
    const { id, conference, role } = taker
    this.#record = new Recorder(ports.witness, log, traceId, { party: id, participant: this.participant, conference, role })
  }

  get over(): boolean {
    return this.#over !== null
  }

  /** Joins the conference; nobody joins whose coming cannot be recorded. */
  join(offer: string): Promise<void> {
    return this.#next(async () => {
      await this.#record.durable('webrtc_connection_started', {})
      await this.#record.durable('sdp_offer_created', { sdpSha256: sdpHash(offer), iceRestart: false })
      const { conference, role } = this.#taker
      const joined = await this.#ports.rooms.join(this.#context, { conference, participant: this.participant, role, offer })
      if (!joined.ok) return this.#fail('conference.refused', joined.code, joined.reason)
      const { leg, sdp } = joined
      if (this.over) {
        await leg.leave()
        return
      }
      this.#leg = leg
      leg.onConnection(({ type, state }) => {
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
  resume(page: PageChannel, offer: string): Promise<void> {
    return this.#next(async () => {
      const leg = this.#leg
      if (leg === null) return page.refuse('seat.gone', 'the seat is free again: join anew')
      this.#stopWaiting()
      if (this.#page !== page) this.#page?.refuse('seat.taken-over', 'another page has taken the seat')
      this.#page = page
      await this.#record.durable('sdp_offer_created', { sdpSha256: sdpHash(offer), iceRestart: true })
      const answer = await leg.offered(offer)
      if (answer.ok) this.#answer(answer.sdp)
      else this.#fail('conference.refused', answer.code, answer.reason)
    })
  }

  /** Takes a message of the page that has the seat. */
  take(signal: Exclude<PageSignal, { type: 'join' | 'resume' }>): void {
    const { rooms } = this.#ports
    try {
      if (signal.type === 'mute') rooms.mute(this.conference, this.participant, signal.muted)
      else if (signal.type === 'hand') rooms.raiseHand(this.conference, this.participant, signal.raised)
      else if (signal.type === 'leave') void this.end('left')
      else {
        this.#record.tell('sdp_answer_received', {
          toldBy: 'page',
          sdpSha256: this.#leg === null ? null : sdpHash(this.#leg.localSdp())
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
    if (this.#leg !== null) this.#page?.send({ type: 'roster', members: this.#ports.rooms.roster(this.conference) })
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
      const quality: JsonObject = stats === undefined ? {} : { quality: recordOfQuality(stats) }
      this.#record.tell('webrtc_connection_closed', { reason, ...quality })
      this.#ended(this)
    })()
    return this.#over
  }

  #answer(sdp: string): void {
    this.#page?.send({ type: 'answer', sdp, participant: this.participant, conference: this.conference })
    this.tellRoster()
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
