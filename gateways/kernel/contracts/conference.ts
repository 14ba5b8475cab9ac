import type { CallContext } from '../context.ts'
import type { JsonObject } from '../json.ts'

/** Rights in the conference. Expert and Guardian are peers: same mix, same right to speak. */
export type ParticipantRole = 'guardian' | 'expert' | 'observer'

export interface JoinRequest {
  /** Name of the conference; created with its first participant, gone with its last. */
  readonly conference: string
  /** Unique in the conference. */
  readonly participant: string
  readonly role: ParticipantRole
  /** SDP offer of the participant, or null to be given one (late offer, RFC 3264 §5). */
  readonly offer: string | null
  /** Of the addresses in an offer of ours; 4 when left out. An answer of ours has that of the offer. */
  readonly family?: 4 | 6
  /** Told when there is sound before the call behind the conference is answered: the description under which it is heard. */
  readonly onEarlyMedia?: (sdp: string) => void
}

/** Why the media plane refused. Each code maps to one SIP status in gateways/sip. */
export type MediaRefusalCode =
  | 'sdp.malformed'
  | 'sdp.no-audio'
  /** The sound has no address that can be reached from here: of a family that is not served, or not that of one machine. */
  | 'sdp.no-address'
  | 'sdp.no-common-codec'
  | 'sdp.unsupported-profile'
  | 'conference.full'
  /** The chair lets nobody else in. */
  | 'conference.locked'
  | 'conference.no-ports'
  /** The call behind the conference was refused: `status` says how. */
  | 'call.refused'

export interface MediaRefusal {
  readonly ok: false
  readonly code: MediaRefusalCode
  readonly reason: string
  /** SIP status of the refusal, where it is another's. */
  readonly status?: number
}

export type LegEvent =
  /** A telephone-event ended (RFC 4733). `digit` is one of 0–9 * # A–D. */
  | { readonly type: 'dtmf'; readonly digit: string; readonly durationMs: number }
  /** No valid RTP for `silentMs` although the leg is not on hold. Told once per silence. */
  | { readonly type: 'mediaTimeout'; readonly silentMs: number }
  /** Packets from a source that is not the participant were dropped; `packets` counts since the last such event. */
  | { readonly type: 'strangerRejected'; readonly packets: number }
  /** The call behind the conference is over. `cause` is one of Q.850. */
  | { readonly type: 'ended'; readonly cause: number }
  /** The media plane lost this leg and cannot carry it on. */
  | { readonly type: 'failed'; readonly reason: string }

export interface DirectionStats {
  readonly packets: number
  readonly bytes: number
  /** Malformed or unexpected packets. */
  readonly errors: number
  /** Late, duplicate or overflow. */
  readonly dropped: number
}

/** What the other end has reported of the stream that we send (RFC 3550 §6.4.1, RFC 3611 §4.7). */
export interface PeerQuality {
  readonly lost: number
  /** Null where who takes its reports for us does not pass that on. */
  readonly jitterMs: number | null
  /** Null where it sends no extended reports, or does not know. */
  readonly rFactor: number | null
  readonly mosListening: number | null
  readonly mosConversational: number | null
}

/** What is measured of the way to a participant where somebody else ends it for us, and our stream goes only as far as there. */
export interface WayBeyond {
  /** Null before it is known. */
  readonly roundTripMs: number | null
  /** Null before the participant has reported. */
  readonly peer: PeerQuality | null
}

/** How the sound of a participant has come in, from its first packet on. */
export interface LegQuality {
  /** Packets that should have come; of these those lost for good, and those too late to be played. */
  readonly expected: number
  readonly lost: number
  readonly discarded: number
  /** Lost packets whose sound was restored from others. */
  readonly restored: number
  readonly duplicates: number
  /** Shares of packets lost or discarded within bursts and within gaps, 0 to 1, and how long both last, in milliseconds (RFC 3611 §4.7.2). */
  readonly burstDensity: number
  readonly gapDensity: number
  readonly burstMs: number
  readonly gapMs: number
  /** Largest interarrival jitter seen, in milliseconds. */
  readonly jitterMaxMs: number
  /** Delay in the jitter buffer and the mix, in milliseconds. */
  readonly endSystemDelayMs: number
  /** Rating of the E-model, 0 to 93.2, and opinion scores, 1 to 4.5: of the sound alone, and with the delay of conversation. */
  readonly rFactor: number
  readonly mosListening: number
  readonly mosConversational: number
  /**
   * Whether the encoder of what the participant was sent has saved time because the machine was loaded: mean over the seconds of the leg of 0 (none), 1 (at the price
   * of octets) and 2 (of sound); null where its codec cannot.
   */
  readonly economy: number | null
  /** Null before the peer has reported. */
  readonly peer: PeerQuality | null
}

export interface LegStats {
  readonly codec: string | null
  readonly received: DirectionStats
  readonly sent: DirectionStats
  /** Interarrival jitter in milliseconds (RFC 3550 §6.4.1). */
  readonly jitterMs: number
  /** Packets lost as counted by sequence numbers (RFC 3550 appendix A.3); never negative. */
  readonly lost: number
  /** Round trip from the last receiver report, null before one came. */
  readonly roundTripMs: number | null
  readonly encrypted: boolean
  /** Null where packets go where the description says; else whether the peer has settled on a way (RFC 8445). */
  readonly ice: 'checking' | 'selected' | null
  /** Null where nothing has come in. */
  readonly quality: LegQuality | null
}

/** How a leg has sounded, as the entry `leg_quality` of the ledger has it; null where nothing has come in. */
export const recordOfQuality = ({ quality, codec, jitterMs, roundTripMs }: LegStats): JsonObject | null =>
  quality === null ? null : (structuredClone({ codec, jitterMs, roundTripMs, ...quality }) as unknown as JsonObject)

/** One participant's place in a conference. */
export interface ConferenceLeg {
  readonly codec: () => string | null
  /** Session description last sent or agreed to by this side: what a session refresh repeats. */
  readonly localSdp: () => string
  /** Takes a new offer (re-INVITE, UPDATE: hold, resume, codec or address change) and returns the answer; a refusal leaves the leg as it was. */
  readonly offered: (sdp: string) => Promise<{ readonly ok: true; readonly sdp: string; readonly held: boolean } | MediaRefusal>
  /** Takes the answer to an offer of ours. */
  readonly answered: (sdp: string) => Promise<{ readonly ok: true; readonly held: boolean } | MediaRefusal>
  readonly stats: () => Promise<LegStats>
  /** The offer of ours once more, with encryption demanded where it was left to the peer; null where there is no such offer. Absent where it is never left. */
  readonly offerSecure?: () => string | null
  /** Sends a digit as telephone-event (RFC 4733), in place of sound for so long. Absent where it cannot. */
  readonly sendDigit?: (digit: string, durationMs: number) => void
  /** Takes what is measured of the rest of the way: from then on it stands for our own round trip and reports. Absent where nobody can tell. */
  readonly tellBeyond?: (way: WayBeyond) => void
  /** Leaves the conference and frees port, timers and buffers. Idempotent; resolves with the final counts. */
  readonly leave: () => Promise<LegStats>
  readonly onEvent: (listener: (event: LegEvent) => void) => void
}

/** The port through which gateways reach the council's conferences. */
export interface ConferencePort {
  readonly join: (
    context: CallContext,
    request: JoinRequest
  ) => Promise<{ readonly ok: true; readonly leg: ConferenceLeg; readonly sdp: string } | MediaRefusal>
}
