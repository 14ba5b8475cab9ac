/** An H.323 endpoint: registers, dials, answers. What it shows to others, as types; how it works is in the other files of this folder. */
import type { CallContext, Clock, Guard, LegEvent, LegStats, Log, MediaRefusal, ParticipantRole, Witness } from '#kernel'
import type { RemoteParty, SignallingModes } from '../call/call.ts'
import type { ReleaseCause } from '../call/causes.ts'
import type { CalledState, CallerState } from '../call/states.ts'
import type { Address, AudioCodec, LocalMedia, MediaTerms } from '../control/media.ts'
import type { AliasAddress, GenericData } from '../h225/h225.ts'
import type { Capability, DataType, MultimediaSystemControlMessage } from '../h245/h245.ts'
import type { RegistrationState } from './registrar.ts'

export type { RemoteParty, SignallingModes } from '../call/call.ts'
export type { ReleaseCause } from '../call/causes.ts'
export type { Address, AudioCodec, LocalMedia, MediaTerms } from '../control/media.ts'
export { conferenceMedia } from './conference-media.ts'
export type { RegistrationState } from './registrar.ts'
export { createEndpoint } from './service.ts'

export type CallStateName = CallerState | CalledState

/** The sound of one call. */
export interface CallMedia {
  readonly local: LocalMedia
  /** Takes what was agreed, also when it changes in the call. */
  readonly apply: (terms: MediaTerms) => Promise<{ readonly ok: true } | MediaRefusal>
  /** Sends a digit as telephone-event (RFC 4733). Absent where the plane cannot: H.245 user input is sent then. */
  readonly sendDigit?: (digit: string, durationMs: number) => void
  readonly onEvent: (listener: (event: LegEvent) => void) => void
  /** Idempotent. */
  readonly close: () => Promise<LegStats | null>
}

/** Where in the council's conferences the sound of a call goes. */
export interface MediaPlace {
  readonly conference: string
  /** Unique in the conference. */
  readonly participant: string
  readonly role: ParticipantRole
}

/** Opens the sound of a call: `conferenceMedia(port)` makes one of the kernel's ConferencePort. */
export type OpenMedia = (
  context: CallContext,
  place: MediaPlace
) => Promise<{ readonly ok: true; readonly media: CallMedia } | MediaRefusal>

export interface GatekeeperOptions {
  /** Unicast address of RAS, `127.0.0.1:1719`; null looks for one by multicast (224.0.1.41:1718). */
  readonly address: string | null
  /** Wanted gatekeeperIdentifier. */
  readonly identifier?: string
  /** H.235.1 baseline security. */
  readonly user?: { readonly name: string; readonly password: string }
  /** Asked for, seconds; the gatekeeper decides. Default 300. */
  readonly timeToLiveS?: number
}

export interface EndpointConfig {
  /** Names and numbers: digits are a number, what has a scheme is a URL, the rest an H.323 identifier. */
  readonly aliases: readonly string[]
  /** Numbers that begin so come here too. */
  readonly prefixes?: readonly string[]
  readonly gatekeeper?: GatekeeperOptions | null
  /** Where calls are taken. Port 0 takes a free one. */
  readonly listen: Address
  readonly media: OpenMedia
  /** Asked about each call where there is no gatekeeper that admits it; null lets all calls pass. */
  readonly guard: Guard | null
  readonly witness: Witness | null
  readonly log: Log
  readonly clock?: Clock
  /** Host of the URIs under which IF.guard knows aliases. Default `h323.invalid`. */
  readonly domain?: string
  readonly modes?: Partial<SignallingModes>
  /** What the endpoint is: a terminal, a gateway, an MCU. Default terminal. */
  readonly kind?: 'terminal' | 'gateway' | 'mcu'
  /** Of master-slave determination: 50 terminal, 60 gateway, 190 MCU with audio (H.323 table 1). Default by `kind`. */
  readonly terminalType?: number
  /** Capabilities beside sound and user input, each an entry of its own in every simultaneous set: video, H.239. */
  readonly capabilities?: readonly Capability[]
  /** Asked for with ARQ, bit/s in both directions together. Default 128,000. */
  readonly bandwidthBps?: number
  /** Generic data of each SETUP that is sent, the trace id among it. */
  readonly genericData?: readonly GenericData[]
  readonly limits?: Partial<EndpointLimits>
  /** Hash of H.235.1 over call signalling: with this password, both sides know each other. */
  readonly security?: { readonly sendersID: string; readonly generalID: string; readonly password: string }
}

export interface EndpointLimits {
  /** Calls at once. Default 200. */
  readonly calls: number
  /** TCP connections from outside that have not brought a SETUP yet. Default 50. */
  readonly pending: number
  /** Octets of a TPKT. Default 32,768. */
  readonly messageOctets: number
  /** A TPKT that has begun must be whole, a connection must bring its first one, in this time, ms. Default 5000. */
  readonly slowMs: number
  /** Messages a second of one connection. Default 100. */
  readonly messagesPerSecond: number
}

/** A channel that the peer wants to open and that is not sound: video, presentation. */
export interface ChannelOffer {
  readonly number: number
  readonly sessionId: number
  readonly dataType: DataType
  /** Where the peer receives control packets of this channel. */
  readonly rtcp: Address | null
  readonly dynamicPayloadType: number | null
}

export interface ChannelAcceptance {
  readonly rtp: Address
  readonly rtcp: Address
  readonly sessionId?: number
}

/** A channel of ours that is not sound. */
export interface ChannelRequest {
  /** Reserved before; none takes the next. */
  readonly number?: number
  readonly sessionId: number
  readonly dataType: DataType
  readonly rtcp: Address
  readonly dynamicPayloadType?: number
}

export type CallEvent =
  | { readonly type: 'proceeding' }
  /** The called side rings. `inBand`: it sends sound already. */
  | { readonly type: 'alerting'; readonly inBand: boolean }
  | { readonly type: 'progress'; readonly inBand: boolean }
  | { readonly type: 'connected' }
  | { readonly type: 'released'; readonly by: 'local' | 'remote'; readonly cause: ReleaseCause }
  /** The capabilities of the peer, as told by its last TCS; empty asks for a pause. */
  | { readonly type: 'capabilities'; readonly capabilities: readonly Capability[] }
  | { readonly type: 'media'; readonly terms: MediaTerms }
  | { readonly type: 'digit'; readonly digit: string; readonly durationMs: number | null; readonly by: 'h245' | 'rtp' | 'q931' }
  /** The peer put the call on hold, or took it back. */
  | { readonly type: 'held'; readonly held: boolean }
  /** The peer asks to be connected with somebody else (H.450.2); done by the endpoint, told here. */
  | { readonly type: 'transfer'; readonly to: string; readonly call: Call }
  /** What became of a transfer that this side asked for. */
  | { readonly type: 'transferred'; readonly ok: boolean }
  /** The call goes to somebody else (H.450.3, or FACILITY callForwarded). */
  | { readonly type: 'diverted'; readonly to: string }
  | { readonly type: 'messageWaiting'; readonly waiting: boolean; readonly count: number | null }
  /** An H.245 message that the endpoint does not handle: conference control, H.239, flow control of video. */
  | { readonly type: 'h245'; readonly message: MultimediaSystemControlMessage }
  | {
      readonly type: 'channelOpened'
      readonly number: number
      readonly own: boolean
      readonly rtp: Address | null
      readonly rtcp: Address | null
    }
  | { readonly type: 'channelClosed'; readonly number: number; readonly own: boolean }
  | { readonly type: 'roundTrip'; readonly delayMs: number }

export interface Call {
  readonly traceId: string
  /** 32 hex digits: GUID of the call. */
  readonly id: string
  readonly direction: 'inbound' | 'outbound'
  /** U0–U10 of Q.931 by name. */
  readonly state: () => CallStateName
  readonly remote: () => RemoteParty
  /** Whom the call was for, as dialled. */
  readonly called: readonly AliasAddress[]
  /** Generic data of the SETUP. */
  readonly genericData: readonly GenericData[]
  readonly terms: () => MediaTerms | null
  /** Master of H.245; null while that is open. */
  readonly isMaster: () => boolean | null
  readonly onEvent: (listener: (event: CallEvent) => void) => void
  /** Resolves when the call is answered; rejects with {@link CallEnded} when it ends before. */
  readonly connected: Promise<void>
  /** Resolves when it is over. */
  readonly ended: Promise<ReleaseCause>

  /** Inbound: says CALL PROCEEDING. */
  readonly proceed: () => void
  /** Inbound: rings. With a place the sound is opened at once: ring-back and announcements are heard. */
  readonly alert: (earlyMedia?: MediaPlace) => Promise<void>
  /** Inbound: PROGRESS with in-band sound. */
  readonly progress: (earlyMedia: MediaPlace) => Promise<void>
  /** Inbound. @returns false when the call ended meanwhile, or there was no media for it */
  readonly answer: (place: MediaPlace) => Promise<boolean>
  /** Inbound, not answered: sends the caller to somebody else (H.450.3). */
  readonly divert: (to: string) => void
  /** Idempotent. @param cause Q.850, default 16 (normal clearing), 21 (rejected) before an answer */
  readonly release: (cause?: number) => void

  readonly sendDigit: (digit: string, durationMs?: number) => void
  /** Sends text in a Q.931 INFORMATION. */
  readonly sendDisplay: (text: string) => void
  readonly hold: () => void
  readonly retrieve: () => void
  /** Tells the peer how many messages are kept for it here (H.450.7); none at all with 0. */
  readonly messageWaiting: (count: number) => void
  /** Asks the peer to call somebody else instead (H.450.2). */
  readonly transfer: (to: string) => void
  /** Asks the peer to send another codec (H.245 mode request). */
  readonly requestCodec: (codec: AudioCodec) => void
  /** Any H.245 message beside those of the endpoint. */
  readonly sendH245: (message: MultimediaSystemControlMessage) => void
  /** Decides about channels that are not sound; without a listener they are refused (dataTypeNotSupported). */
  readonly onChannel: (decide: (offer: ChannelOffer) => ChannelAcceptance | null) => void
  /** Number of a channel that is to be opened later: H.239 asks for the token by it. */
  readonly reserveChannel: () => number
  /** Opens a channel that is not sound. @returns its number */
  readonly openChannel: (request: ChannelRequest) => number
  readonly closeChannel: (number: number) => void
}

export interface DialOptions extends MediaPlace {
  readonly context?: Partial<CallContext>
  readonly modes?: Partial<SignallingModes>
  /** Display of the caller. */
  readonly display?: string
  /** Beside the endpoint's. */
  readonly genericData?: readonly GenericData[]
  /** Bandwidth of this call, bit/s in both directions together. */
  readonly bandwidthBps?: number
}

export type EndpointEvent =
  | { readonly type: 'registered'; readonly endpointIdentifier: string }
  | { readonly type: 'unregistered'; readonly reason: string }
  /** No listener for calls, too many of them, or not a SETUP: refused without being told as a call. */
  | { readonly type: 'refused'; readonly reason: string }

export interface Endpoint {
  /** Where calls are taken. */
  readonly address: Address
  readonly registration: () => RegistrationState
  /** Resolves at the first registration. @throws {InfraFabricError} `h323.endpoint.unregistered` with the reason */
  readonly registered: Promise<void>
  readonly calls: () => readonly Call[]
  /** Called with each call that comes in; it answers, or releases. */
  readonly onCall: (listener: (call: Call) => void) => void
  readonly onEvent: (listener: (event: EndpointEvent) => void) => void
  /**
   * Calls an alias (through the gatekeeper) or an address (`192.0.2.1:1720`, `name@192.0.2.1:1720`).
   *
   * @throws {InfraFabricError} `h323.endpoint.closed`, `h323.endpoint.busy` when there are too many calls, `h323.endpoint.target`
   */
  readonly dial: (target: string, options: DialOptions) => Call
  /** Releases every call, unregisters, stops listening. Idempotent. */
  readonly close: () => Promise<void>
}
