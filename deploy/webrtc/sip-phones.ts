/**
 * Browsers that call by SIP over secure WebSocket (RFC 7118). To the SIP gateway theirs are calls like any other: they have met the edge's layers and
 * IF.guard. Their sound is a browser's: ICE and DTLS-SRTP end in mediasoup, and from there it is heard in the same mixer.
 */
import type { EdgeSeat } from '#kamailio'
import {
  type CallContext,
  type Clock,
  type ConferenceLeg,
  type ConferencePort,
  errorCode,
  type Guard,
  type LegEvent,
  type Log,
  type MediaRefusal,
  type Witness
} from '#kernel'
import { isWebRtc, type Rooms } from '#media'
import { Recorder, seatUser, textHash } from '#webrtc'
import { digestSecret } from '../data/credentials.ts'

/** What of an edge knows seats. */
export interface SeatsAtEdge {
  readonly addSeat: (seat: EdgeSeat) => Promise<void>
  readonly removeSeat: (user: string) => Promise<void>
  readonly isInBrowser: (address: string) => Promise<boolean>
}

/** What a SIP phone in a browser needs to call with the credentials of a seat. */
export interface SipSeat {
  readonly url: string
  /** For From: the party's own. */
  readonly uri: string
  readonly user: string
  readonly realm: string
}

/** Where browsers' SIP phones reach the suite. */
export interface SipOverWebSocket {
  /** Made when the edge runs. */
  readonly attach: (edge: SeatsAtEdge, url: string) => void
  /** Lets the holder of a token call, until it is too late or the seat is taken back. @returns null where no edge takes WebSockets */
  readonly give: (seat: {
    readonly seat: string
    readonly token: string
    readonly digestUser: string
    readonly uri: string
    readonly expiresAt: number
  }) => Promise<SipSeat | null>
  /** Null where no edge takes WebSockets, or none runs yet. */
  readonly url: () => string | null
  /** What was given for a seat. */
  readonly seatOf: (seat: string) => SipSeat | null
  /** Told the name of a seat, and that under which a call of it is in the conference, or is there no longer. */
  readonly onVoice: (listener: (seat: string, participant: string, isHere: boolean) => void) => void
  /** Ends the calls of a seat, and lets nobody call by it. */
  readonly take: (seat: string) => Promise<void>
  /** Whether a phone that has registered under this URI is in a browser, and wants a browser's session description. */
  readonly isInBrowser: (uri: string) => Promise<boolean>
  /** Decides as the guard does, and remembers by which seat a call was made. */
  readonly guard: Guard
  /** Browsers are joined in rooms, all others where they always are. */
  readonly conference: ConferencePort
  readonly close: () => void
}

export interface SipOverWebSocketPorts {
  /** Null while browsers are off, or the suite is starting. */
  readonly rooms: () => Rooms | null
  readonly conference: ConferencePort
  readonly guard: Guard
  readonly witness: Pick<Witness, 'record'>
  readonly realm: string
  readonly clock: Clock
  readonly log: Log
}

interface Given {
  readonly sip: SipSeat
  readonly stop: () => void
  /** Each ends a call. */
  readonly calls: Set<() => void>
}

export function sipOverWebSocket(ports: SipOverWebSocketPorts): SipOverWebSocket {
  const { rooms, conference, guard, witness, realm, clock, log } = ports
  const seats = new Map<string, Given>()
  /** Seats of calls that are admitted and have not joined yet, by trace. */
  const admitted = new Map<string, string>()
  const voiceListeners = new Set<(seat: string, participant: string, isHere: boolean) => void>()
  let edge: { readonly seats: SeatsAtEdge; readonly url: string } | null = null

  const take = async (seat: string): Promise<void> => {
    const given = seats.get(seat)
    if (given === undefined) return
    seats.delete(seat)
    given.stop()
    for (const end of [...given.calls]) end()
    await edge?.seats.removeSeat(given.sip.user)
  }

  async function join(context: CallContext, request: Parameters<ConferencePort['join']>[1], offer: string, among: Rooms) {
    const { conference, participant, role } = request
    const seat = admitted.get(context.traceId) ?? null
    const record = new Recorder(witness, context.log, context.traceId, { participant, conference, role, by: 'sip', seat })
    if (seat !== null && !seats.has(seat))
      return { ok: false, code: 'call.refused', reason: 'the seat was taken back', status: 403 } satisfies MediaRefusal
    await record.durable('webrtc_connection_started', { sound: true })
    await record.durable('sdp_offer_created', { sdpSha256: textHash(offer), iceRestart: false })
    const joined = await among.join(context, { ...request, offer })
    if (!joined.ok) {
      record.tell('webrtc_error', { code: joined.code, reason: joined.reason })
      record.tell('webrtc_connection_closed', { reason: joined.code })
      return joined
    }
    const tellVoice = (isHere: boolean) => {
      if (seat !== null) for (const listener of voiceListeners) listener(seat, participant, isHere)
    }
    const given = seat === null ? undefined : seats.get(seat)
    tellVoice(true)
    return { ...joined, leg: witnessed(joined.leg, nameOfIce(offer), record, given, () => tellVoice(false)) }
  }

  return {
    attach: (running, url) => {
      edge = { seats: running, url }
    },
    give: async ({ seat, token, digestUser, uri, expiresAt }) => {
      if (edge === null) return null
      const user = seatUser(digestUser, seat)
      const { ha1Md5, ha1Sha256 } = digestSecret(user, realm, token)
      await edge.seats.addSeat({ user, of: digestUser, ha1Md5, ha1Sha256 })
      const stop = clock.after(Math.max(0, expiresAt - clock.now()), () => {
        take(seat).catch((error: unknown) =>
          log.warn({ code: errorCode(error) }, 'a seat that is too old could not be taken back')
        )
      })
      const sip = { url: edge.url, uri, user, realm }
      seats.set(seat, { sip, stop, calls: new Set() })
      return sip
    },
    url: () => edge?.url ?? null,
    seatOf: (seat) => seats.get(seat)?.sip ?? null,
    onVoice: (listener) => void voiceListeners.add(listener),
    take,
    isInBrowser: async (uri) => {
      try {
        return (await edge?.seats.isInBrowser(uri.replace(/^sips?:/i, ''))) ?? false
      } catch (error) {
        log.warn({ code: errorCode(error) }, 'the edge does not say where a phone has registered')
        return false
      }
    },
    guard: {
      decide: async (context, request) => {
        const decision = await guard.decide(context, request)
        const { seat } = request.edge
        if (seat !== undefined && seat !== null && decision.verdict === 'approve') {
          admitted.set(context.traceId, seat)
          context.signal.addEventListener('abort', () => admitted.delete(context.traceId), { once: true })
        }
        return decision
      }
    },
    conference: {
      join: (context, request) => {
        const among = rooms()
        return request.offer !== null && among !== null && isWebRtc(request.offer)
          ? join(context, request, request.offer, among)
          : conference.join(context, request)
      }
    },
    close: () => {
      for (const { stop } of seats.values()) stop()
      seats.clear()
    }
  }
}

/** A new one begins another way of ICE (RFC 8445 §2.4). */
const nameOfIce = (sdp: string): string | null => /^a=ice-ufrag:(\S+)/m.exec(sdp)?.[1] ?? null

/** A browser's leg, of which the ledger is told, and which ends when its seat is taken back. */
function witnessed(
  leg: ConferenceLeg,
  offered: string | null,
  record: Recorder,
  seat: Given | undefined,
  over: () => void
): ConferenceLeg {
  const listeners: ((event: LegEvent) => void)[] = []
  let iceState = 'new'
  let iceName = offered
  let why = 'left'
  const end = () => {
    why = 'revoked'
    for (const listener of listeners) listener({ type: 'failed', reason: 'the seat was taken back' })
  }
  seat?.calls.add(end)
  leg.onEvent((event) => {
    if (event.type === 'failed') {
      why = event.reason
      record.tell('webrtc_error', { code: 'connection.failed', reason: event.reason })
    }
    for (const listener of listeners) listener(event)
  })
  if ('onConnection' in leg && typeof leg.onConnection === 'function')
    leg.onConnection(({ type, state }: { readonly type: string; readonly state: string }) => {
      if (type === 'ice') {
        record.tell('ice_connection_state_changed', { state, previous: iceState })
        iceState = state
      } else if (state === 'connected') record.tell('media_stream_ready', { codec: leg.codec(), encrypted: true })
    })
  let left = false
  return {
    codec: leg.codec,
    localSdp: leg.localSdp,
    answered: leg.answered,
    stats: leg.stats,
    ...(leg.sendDigit === undefined ? {} : { sendDigit: leg.sendDigit }),
    offered: async (sdp) => {
      const name = nameOfIce(sdp)
      record.tell('sdp_offer_created', { sdpSha256: textHash(sdp), iceRestart: name !== iceName })
      iceName = name
      return leg.offered(sdp)
    },
    onEvent: (listener) => void listeners.push(listener),
    leave: () => {
      if (!left) {
        left = true
        seat?.calls.delete(end)
        over()
        record.tell('webrtc_connection_closed', { reason: why })
      }
      return leg.leave()
    }
  }
}
