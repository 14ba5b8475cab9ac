/** What the council page needs of others; the suite gives it. */
import type { CallContext, Clock, ConferenceLeg, JoinRequest, Log, MediaRefusal, ParticipantRole, Witness } from '#kernel'

/** How the way to a browser is doing, in the words of ICE (RFC 8445) and DTLS. */
export interface ConnectionChange {
  readonly type: 'ice' | 'dtls'
  readonly state: string
}

/** A browser's leg in the conference. */
export interface BrowserLeg extends ConferenceLeg {
  readonly onConnection: (listener: (event: ConnectionChange) => void) => void
}

export interface RosterMember {
  readonly participant: string
  readonly role: ParticipantRole
  readonly muted: boolean
  readonly handRaised: boolean
  readonly speaking: boolean
  /** Leads the talk. */
  readonly dominant: boolean
}

/** Conferences that browsers join; telephones are in the same ones. */
export interface CouncilRooms {
  readonly join: (
    context: CallContext,
    request: JoinRequest & { readonly offer: string }
  ) => Promise<{ readonly ok: true; readonly leg: BrowserLeg; readonly sdp: string } | MediaRefusal>
  readonly roster: (conference: string) => readonly RosterMember[]
  /** Of the participant itself. @throws {InfraFabricError} when it is gone */
  readonly mute: (conference: string, participant: string, muted: boolean) => void
  /** @throws {InfraFabricError} when it is gone */
  readonly raiseHand: (conference: string, participant: string, raised: boolean) => void
  /** Told the name of a conference whose roster has changed. */
  readonly onChange: (listener: (conference: string) => void) => void
}

export interface CouncilPorts {
  readonly rooms: CouncilRooms
  /** Role of a party of the registry; undefined for nobody's id. */
  readonly roleOf: (id: string) => ParticipantRole | undefined
  readonly witness: Pick<Witness, 'record'>
  readonly clock: Clock
  readonly log: Log
}
