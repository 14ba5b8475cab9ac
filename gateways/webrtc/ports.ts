/** What the council page needs of others; the suite gives it. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type {
  CallContext,
  Clock,
  ConferenceLeg,
  EdgeFacts,
  JoinRequest,
  Log,
  MediaRefusal,
  ParticipantRole,
  Witness
} from '#kernel'
import type { CallsInContext } from './context.ts'
import type { SeatedPage } from './evidence/ports.ts'
import type { SipTerms } from './signals.ts'

/** How the way to a browser is doing, in the words of ICE (RFC 8445) and DTLS. */
export interface ConnectionChange {
  readonly type: 'ice' | 'dtls'
  readonly state: string
}

/** A seat's leg in the conference. */
export interface BrowserLeg extends ConferenceLeg {
  /** Absent for an agent, whose sound comes as plain RTP. */
  readonly onConnection?: (listener: (event: ConnectionChange) => void) => void
}

export const seatKinds = ['person', 'agent'] as const
export type SeatKind = (typeof seatKinds)[number]

export interface RosterMember {
  readonly participant: string
  readonly role: ParticipantRole
  /** A person, or a program that acts for the party. */
  readonly kind: SeatKind
  readonly muted: boolean
  /** Whoever else has muted it. */
  readonly mutedBySelf: boolean
  readonly handRaised: boolean
  readonly speaking: boolean
  /** Leads the talk. */
  readonly dominant: boolean
}

/** Conferences that browsers join; telephones are in the same ones. */
export interface CouncilRooms {
  readonly join: (
    context: CallContext,
    request: JoinRequest & { readonly offer: string; readonly kind: SeatKind }
  ) => Promise<{ readonly ok: true; readonly leg: BrowserLeg; readonly sdp: string } | MediaRefusal>
  readonly roster: (conference: string) => readonly Omit<RosterMember, 'kind'>[]
  /** Of the participant itself. @throws {InfraFabricError} when it is gone */
  readonly mute: (conference: string, participant: string, muted: boolean) => void
  /** @throws {InfraFabricError} when it is gone */
  readonly raiseHand: (conference: string, participant: string, raised: boolean) => void
  /** A key of the participant, as if it came in its sound. @throws {InfraFabricError} when it is gone */
  readonly press: (conference: string, participant: string, digit: string) => void
  /** Told the name of a conference whose roster has changed. */
  readonly onChange: (listener: (conference: string) => void) => void
}

/** What is told of the calls of a conference. */
export interface CouncilCalls {
  readonly of: (conference: string) => CallsInContext
  /** Told the name of a conference of which something has changed. */
  readonly onChange: (listener: (conference: string) => void) => void
}

/** Whoever proves to have a party's seat, and from where. */
export interface Admission {
  readonly party: string
  readonly conference: string
  readonly hazard: string | null
  /** Name in the conference. */
  readonly participant: string
  /** SHA-256 of the seat's token: what was shown in place of a digest. */
  readonly seat: string
  readonly from: Pick<EdgeFacts, 'sourceAddress' | 'transport' | 'tlsVersion' | 'tlsCipher'>
}

/** Evidence beside the seats: what of the page's server is its own. */
export interface CouncilEvidence {
  /** Takes a WebSocket of `/evidence`. @param seatOf whose seat a token is, while somebody sits on it */
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer, seatOf: (token: string) => SeatedPage | null) => void
  /** Answers a request whose path begins with `/evidence/`. */
  readonly serve: (request: IncomingMessage, response: ServerResponse) => void
  /** Nobody sits on a seat any more. */
  readonly left: (key: string) => void
}

/** Pages whose sound comes by SIP. */
export interface CouncilSip {
  /** Of the edge's WebSocket; null while there is none. */
  readonly url: () => string | null
  /** @param seat its name. @returns null for a seat by which nobody can call */
  readonly terms: (seat: string, conference: string, hazard: string | null) => SipTerms | null
  /** Told the name of a seat, and that under which a call of it is in the conference, or is there no longer. */
  readonly onVoice: (listener: (seat: string, participant: string, isHere: boolean) => void) => void
}

export interface CouncilPorts {
  /** Left out where no edge takes SIP over WebSocket. */
  readonly sip?: CouncilSip
  /** Left out where there is no evidence. */
  readonly evidence?: CouncilEvidence
  readonly rooms: CouncilRooms
  readonly calls: CouncilCalls
  /** Asks IF.guard, which records what it decides. @returns the code of a refusal, null for none */
  readonly admit: (context: CallContext, admission: Admission) => Promise<string | null>
  /** Role of a party of the registry; undefined for nobody's id. */
  readonly roleOf: (id: string) => ParticipantRole | undefined
  /** Told the name of a seat that was taken back. */
  readonly revoked: (seat: string) => Promise<void>
  readonly witness: Pick<Witness, 'record'>
  readonly clock: Clock
  readonly log: Log
}
