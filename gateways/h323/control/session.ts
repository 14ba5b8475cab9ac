/**
 * The H.245 of one call: the signalling entities of this folder put together, and what is decided about sound. No socket, no clock: messages and expired
 * timers go in, effects come out.
 */
import { step, type Table, type TypedEvent } from '#kernel'
import { presentationMessage, presentationMessageOf } from '../h239/h239.ts'
import type {
  Capability,
  FlowControlCommand,
  MultimediaSystemControlMessage,
  OpenLogicalChannel,
  OpenLogicalChannelAck,
  RequestMode,
  TerminalCapabilitySet,
  UserInputIndication
} from '../h245/h245.ts'
import { multimediaSystemControlMessage } from '../h245/pdus.ts'
import {
  type IncomingBlcse,
  type IncomingBlcseEvent,
  type IncomingBlcseState,
  type IncomingBlcseTold,
  incomingBlcse,
  outgoingBlcse
} from './blcse.ts'
import {
  canSend,
  type DigitCapabilities,
  digitCapabilities,
  emptyCapabilities,
  entriesLike,
  isEmpty,
  namesUnknownEntry,
  noCapabilities,
  ownCapabilities,
  type PeerCapabilities,
  type Receivable,
  withSet
} from './capabilities.ts'
import {
  type IncomingCese,
  type IncomingCeseEvent,
  type IncomingCeseState,
  type IncomingCeseTold,
  incomingCese,
  type OutgoingCese,
  type OutgoingCeseEvent,
  type OutgoingCeseState,
  type OutgoingCeseTold,
  outgoingCese
} from './cese.ts'
import {
  acceptAudio,
  acceptAudioBothWays,
  addressOf,
  type FastChannel,
  openAudio,
  openAudioBothWays,
  sessions,
  transportAddress
} from './channels.ts'
import {
  type Clcse,
  type IncomingClcseEvent,
  type IncomingClcseState,
  type IncomingClcseTold,
  incomingClcse,
  type OutgoingClcseEvent,
  type OutgoingClcseState,
  type OutgoingClcseTold,
  outgoingClcse
} from './clcse.ts'
import { audioModeOf, bitRateOf, codecOf, codecOfMode, staticPayloadTypes } from './codecs.ts'
import { command, type EntityEffect, type H245Timer, indication, response } from './entity.ts'
import {
  type ChannelTold,
  incomingLcse,
  type OutgoingLcseEvent,
  type OutgoingLcseState,
  outgoingLcse,
  type RejectCause
} from './lcse.ts'
import type { Address, AudioCodec, LocalMedia, MediaTerms } from './media.ts'
import {
  type IncomingMrseEvent,
  type IncomingMrseState,
  type IncomingMrseTold,
  incomingMrse,
  type Mrse,
  type OutgoingMrseEvent,
  type OutgoingMrseState,
  type OutgoingMrseTold,
  outgoingMrse
} from './mrse.ts'
import {
  acknowledgementEvent,
  determinationEvent,
  type Msdse,
  type MsdseEvent,
  type MsdseState,
  type MsdseTold,
  msdse,
  rejectionEvent,
  type Status
} from './msdse.ts'
import { type Rtdse, type RtdseEvent, type RtdseState, type RtdseTold, rtdse } from './rtdse.ts'

export interface ControlSettings {
  /** Of master-slave determination. */
  readonly terminalType: number
  /** 0–16,777,215, a new one each time. */
  readonly random24: () => number
  /** What can be received, before addresses are known. */
  readonly receivable: Receivable
  /** Capabilities beside sound and user input. */
  readonly others: readonly Capability[]
  readonly isMc: boolean
  /** Sound in one channel for both ways. */
  readonly bothWays: boolean
  /** Whether somebody handles messages that are not handled here: conference control, H.239. Else they are refused. */
  readonly passesOn: boolean
}

/** Milliseconds. H.245 leaves the values to implementers; these are those of appendix III's order of size. */
export const h245Timers: Readonly<Record<H245Timer | 'symmetry', number>> = {
  T101: 30_000,
  T102: 30_000,
  T103: 30_000,
  T105: 5000,
  T106: 30_000,
  T108: 30_000,
  T109: 30_000,
  /** How long a slave waits for the master to choose the codec of both ways; a master that finds two codecs waits twice as long for the peer. */
  symmetry: 500
}

export type ControlEvent =
  /** Capabilities are exchanged both ways, and who is master is known. */
  | { readonly type: 'ready'; readonly status: Status }
  | { readonly type: 'capabilities'; readonly capabilities: readonly Capability[] }
  /** What channels of sound carry now. */
  | { readonly type: 'terms'; readonly terms: MediaTerms | null }
  | { readonly type: 'digit'; readonly digit: string; readonly durationMs: number | null }
  /** The peer wants no sound until it sends capabilities again. */
  | { readonly type: 'paused'; readonly paused: boolean }
  | { readonly type: 'answered' }
  | { readonly type: 'unanswered' }
  | { readonly type: 'modeTaken' }
  | { readonly type: 'modeRefused' }
  | { readonly type: 'endSession' }
  | { readonly type: 'failed'; readonly reason: 'capabilities' | 'masterSlave' }
  | { readonly type: 'message'; readonly message: MultimediaSystemControlMessage }
  /** A channel that is not sound, to be decided on by {@link ControlSession.acceptChannel} or {@link ControlSession.rejectChannel}. */
  | { readonly type: 'channelOffered'; readonly open: OpenLogicalChannel }
  | { readonly type: 'channelOpened'; readonly number: number; readonly rtp: Address | null; readonly rtcp: Address | null }
  | { readonly type: 'channelClosed'; readonly number: number; readonly own: boolean }
  /** An event that its state does not allow, ignored. */
  | { readonly type: 'ignored'; readonly state: string; readonly event: string }

export type ControlEffect =
  | { readonly type: 'send'; readonly message: MultimediaSystemControlMessage }
  | { readonly type: 'start'; readonly timer: string; readonly ms: number }
  | { readonly type: 'stop'; readonly timer: string }
  | { readonly type: 'tell'; readonly event: ControlEvent }

interface OutChannel {
  state: OutgoingLcseState
  readonly open: OpenLogicalChannel
  readonly bothWays: boolean
  /** Null for what is not sound. */
  readonly codec: AudioCodec | null
  rtp: Address | null
  rtcp: Address | null
  payloadType: number | null
  /** By flow control. */
  stopped: boolean
  /** Comes back in this codec when it is closed. */
  next: AudioCodec | null
  /** Number of the peer's channel for both ways whose way from here this is; it is closed by its opener. */
  readonly reverseOf: number | null
}

interface InChannel {
  state: IncomingBlcseState
  open: OpenLogicalChannel | null
  bothWays: boolean
  codec: AudioCodec | null
  closing: OutgoingClcseState
  /** Payload type of the peer's stream where the channel names one. */
  payloadType: number | null
  /** Where the peer sends its control packets from. */
  rtcp: Address | null
}

/** Channels that a peer may have open at once. */
const mostChannels = 64
/** How often sound changes to the codec of the other way. */
const mostAdaptions = 2
const firstFreeSession = 32

export class ControlSession {
  readonly #settings: ControlSettings
  #effects: ControlEffect[] = []
  #local: LocalMedia | null = null
  #peer: PeerCapabilities = noCapabilities
  #peerKnown = false
  #status: Status | null = null
  #ownTaken = false
  #isReady = false
  #started = false
  #ended = false
  /** The peer asked for a pause; we did. */
  #paused = false
  #holding = false
  #adaptions = 0
  /** What sound is sent in where the codec is asked for by the peer. */
  #wanted: AudioCodec | null = null
  #nextNumber = 1
  #nextSession = firstFreeSession
  #terms: MediaTerms | null = null
  readonly #out = new Map<number, OutChannel>()
  readonly #in = new Map<number, InChannel>()
  readonly #outgoingCese = { state: 'idle' as OutgoingCeseState, context: { sequenceNumber: 0 } }
  readonly #incomingCese = { state: 'idle' as IncomingCeseState, context: { sequenceNumber: 0 } }
  readonly #msdse: { state: MsdseState; readonly context: Msdse }
  readonly #rtdse = { state: 'idle' as RtdseState, context: { sequenceNumber: 0 } }
  readonly #outgoingMrse = { state: 'idle' as OutgoingMrseState, context: { sequenceNumber: 0 } }
  readonly #incomingMrse = { state: 'idle' as IncomingMrseState, context: { sequenceNumber: 0 } }
  readonly #asked = new Map<number, { state: IncomingClcseState }>()

  constructor(settings: ControlSettings) {
    this.#settings = settings
    this.#msdse = {
      state: 'idle',
      context: {
        terminalType: settings.terminalType,
        statusDeterminationNumber: 0,
        random: settings.random24,
        tries: 0,
        status: null
      }
    }
  }

  get status(): Status | null {
    return this.#status
  }

  get terms(): MediaTerms | null {
    return this.#terms
  }

  get isStarted(): boolean {
    return this.#started
  }

  get holding(): boolean {
    return this.#holding
  }

  get digits(): DigitCapabilities {
    return digitCapabilities(this.#peer)
  }

  /** What was done since the last time, in order. */
  take(): readonly ControlEffect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  /** Begins: capabilities and determination at once (H.245 §C.2, §C.3 run side by side). Idempotent. */
  start(): void {
    if (this.#started || this.#ended) return
    this.#started = true
    this.#sendCapabilities()
    this.#determine()
  }

  /** Sound can be received from now on; channels are opened when the peer is ready for it. */
  setLocal(local: LocalMedia): void {
    this.#local = local
    for (const [number, channel] of this.#in) {
      if (channel.state === 'awaitingEstablishment' && channel.codec !== null) this.#answerAudio(number, channel)
    }
    this.#openSound()
  }

  /** Takes over what fast connect has opened. Numbers are as each sender chose them. */
  adopt(out: FastChannel | null, incoming: FastChannel | null): void {
    const local = this.#local!
    if (out !== null) {
      this.#nextNumber = Math.max(this.#nextNumber, out.number + 1)
      this.#out.set(out.number, {
        state: 'established',
        open: openAudio(out.number, out.codec, local),
        bothWays: false,
        codec: out.codec,
        rtp: out.rtp,
        rtcp: out.rtcp,
        payloadType: out.dynamicPayloadType,
        stopped: false,
        next: null,
        reverseOf: null
      })
    }
    if (incoming !== null) {
      this.#in.set(incoming.number, {
        state: 'established',
        open: null,
        bothWays: false,
        codec: incoming.codec,
        closing: 'idle',
        payloadType: incoming.dynamicPayloadType,
        rtcp: incoming.rtcp
      })
    }
    this.#agree()
  }

  /** Number for a channel that is proposed by fast connect. */
  reserveNumbers(count: number): number {
    const first = this.#nextNumber
    this.#nextNumber += count
    return first
  }

  /** Asks the peer for silence by an empty set, and stops sending. @see H.323 §8.4.6 */
  hold(): void {
    if (this.#holding || this.#ended) return
    this.#holding = true
    this.#isReady = false
    this.#transfer(emptyCapabilities)
    this.#closeOut()
  }

  /** Ends {@link hold}: both sides begin as after the opening of the control channel. */
  retrieve(): void {
    if (!this.#holding || this.#ended) return
    this.#holding = false
    this.#restart()
    this.#sendCapabilities()
    this.#determine()
  }

  /** Sends a digit as user input, in the best form the peer takes. @returns false when it takes none */
  digit(digit: string, durationMs: number): boolean {
    const { signal, alphanumeric } = this.digits
    if (signal) {
      const value = { signalType: digit, duration: Math.max(1, Math.min(65_535, Math.round(durationMs))) }
      this.#send(indication({ type: 'userInput', value: { type: 'signal', value } }))
      return true
    }
    // every terminal takes basicString, also one that does not say so (H.323 §6.2.8.2)
    if (!alphanumeric && !this.#peerKnown) return false
    this.#send(indication({ type: 'userInput', value: { type: 'alphanumeric', value: digit } }))
    return true
  }

  /** Changes how long a signal lasts that was sent last (H.245 §B.13.6). */
  digitUpdate(durationMs: number): void {
    const value = { duration: Math.max(1, Math.min(65_535, Math.round(durationMs))) }
    this.#send(indication({ type: 'userInput', value: { type: 'signalUpdate', value } }))
  }

  /** Asks the peer for another codec. */
  requestCodec(codec: AudioCodec): void {
    const modes = [[{ type: { type: 'audioMode', value: audioModeOf(codec) } }]] as const
    this.#outgoingMrseEvent({ type: 'transferRequest', modes: modes.map((mode) => [...mode]) })
  }

  /** Asks for a sign of life. */
  ping(): void {
    if (this.#ended) return
    this.#rtdseEvent({ type: 'transferRequest' })
  }

  /** Asks the sender to close a channel that comes here. */
  requestClose(number: number): void {
    const channel = this.#in.get(number)
    if (channel === undefined) return
    this.#outgoingClcseEvent(number, channel, { type: 'closeRequest' })
  }

  /** Opens a channel that is not sound. @returns its number */
  openChannel(parameters: Pick<OpenLogicalChannel, 'forwardLogicalChannelParameters'>): number {
    const number = this.reserveNumbers(1)
    const channel: OutChannel = {
      state: 'released',
      open: { forwardLogicalChannelNumber: number, ...parameters },
      bothWays: false,
      codec: null,
      rtp: null,
      rtcp: null,
      payloadType: null,
      stopped: false,
      next: null,
      reverseOf: null
    }
    this.#out.set(number, channel)
    this.#outEvent(number, channel, { type: 'establishRequest' })
    return number
  }

  closeChannel(number: number): void {
    const channel = this.#out.get(number)
    if (channel !== undefined && channel.codec === null) this.#outEvent(number, channel, { type: 'releaseRequest' })
  }

  acceptChannel(number: number, at: { readonly rtp: Address; readonly rtcp: Address; readonly sessionId?: number }): void {
    const channel = this.#in.get(number)
    if (channel?.open == null) return
    const asked = sessionOf(channel.open)
    const sessionID = at.sessionId ?? (asked === 0 ? this.#nextSession++ : asked)
    const ack: OpenLogicalChannelAck = {
      forwardLogicalChannelNumber: number,
      forwardMultiplexAckParameters: {
        type: 'h2250LogicalChannelAckParameters',
        value: {
          sessionID,
          mediaChannel: transportAddress(at.rtp),
          mediaControlChannel: transportAddress(at.rtcp),
          flowControlToZero: false
        }
      }
    }
    this.#inEvent(number, channel, { type: 'establishResponse', ack })
    if (channel.state === 'established') this.#tell({ type: 'channelOpened', number, ...at })
  }

  rejectChannel(number: number, cause: RejectCause): void {
    const channel = this.#in.get(number)
    if (channel !== undefined) this.#inEvent(number, channel, { type: 'releaseRequest', cause })
  }

  /** Any other message. */
  sendMessage(message: MultimediaSystemControlMessage): void {
    this.#send(message)
  }

  /** Says that this is the end; nothing is sent or done afterwards. */
  end(): void {
    if (this.#ended) return
    if (this.#started) this.#send(command({ type: 'endSessionCommand', value: { type: 'disconnect' } }))
    this.#ended = true
    this.#effects = this.#effects.filter(({ type }) => type !== 'start')
  }

  /** A timer of this session went off. */
  expired(timer: string): void {
    if (this.#ended) return
    const [name, side, text] = timer.split(':') as [H245Timer | 'symmetry', string?, string?]
    const number = Number(text)
    switch (name) {
      case 'T101':
        this.#outgoingCeseEvent({ type: 'T101' })
        return
      case 'T103': {
        if (side === 'out') {
          const channel = this.#out.get(number)
          if (channel !== undefined) this.#outEvent(number, channel, { type: 'T103' })
        } else {
          const channel = this.#in.get(number)
          if (channel !== undefined) this.#inEvent(number, channel, { type: 'T103' })
        }
        return
      }
      case 'T105':
        this.#rtdseEvent({ type: 'T105' })
        return
      case 'T106':
        this.#determined({ type: 'T106' })
        return
      case 'T108': {
        const channel = this.#in.get(number)
        if (channel !== undefined) this.#outgoingClcseEvent(number, channel, { type: 'T108' })
        return
      }
      case 'T109':
        this.#outgoingMrseEvent({ type: 'T109' })
        return
      case 'symmetry':
        this.#symmetryDue()
        return
    }
  }

  /** A message of the peer. */
  receive(message: MultimediaSystemControlMessage): void {
    if (this.#ended) return
    switch (message.type) {
      case 'request':
        this.#request(message)
        return
      case 'response':
        this.#response(message)
        return
      case 'command':
        this.#command(message)
        return
      case 'indication':
        this.#indication(message)
        return
      default:
        this.#notSupported(message)
        return
    }
  }

  #request(message: Extract<MultimediaSystemControlMessage, { type: 'request' }>): void {
    const { value } = message
    switch (value.type) {
      case 'terminalCapabilitySet':
        this.#incomingCeseEvent({ type: 'terminalCapabilitySet', set: value.value })
        return
      case 'masterSlaveDetermination':
        this.#determined(determinationEvent(this.#msdse.context, this.#msdse.state, value.value))
        return
      case 'openLogicalChannel':
        this.#offered(value.value)
        return
      case 'closeLogicalChannel':
        this.#closed(value.value.forwardLogicalChannelNumber)
        return
      case 'requestChannelClose':
        this.#closeAsked(value.value.forwardLogicalChannelNumber)
        return
      case 'requestMode':
        this.#modeAsked(value.value)
        return
      case 'roundTripDelayRequest':
        // answered at any time, also before anything else is done
        this.#send(response({ type: 'roundTripDelayResponse', value: { sequenceNumber: value.value.sequenceNumber } }))
        return
      case 'maintenanceLoopRequest': {
        const { type } = value.value
        if (type.type === 'unknownExtension') {
          this.#notSupported(message)
          return
        }
        this.#send(response({ type: 'maintenanceLoopReject', value: { type, cause: { type: 'canNotPerformLoop' } } }))
        return
      }
      case 'genericRequest': {
        if (this.#settings.passesOn) {
          this.#tell({ type: 'message', message })
          return
        }
        // H.239 is refused in its own words by who does not speak it
        const asked = presentationMessageOf(value.value)
        if (asked?.type === 'presentationTokenRequest') {
          const { terminalLabel, channelId } = asked
          const refusal = { type: 'presentationTokenResponse', terminalLabel, channelId, accepted: false } as const
          this.#send(presentationMessage(refusal))
          return
        }
        if (asked?.type === 'flowControlReleaseRequest') {
          const { channelId } = asked
          this.#send(presentationMessage({ type: 'flowControlReleaseResponse', channelId, accepted: false }))
          return
        }
        this.#notSupported(message)
        return
      }
      default:
        if (this.#settings.passesOn && value.type !== 'unknownExtension') {
          this.#tell({ type: 'message', message })
          return
        }
        this.#notSupported(message)
        return
    }
  }

  #response(message: Extract<MultimediaSystemControlMessage, { type: 'response' }>): void {
    const { value } = message
    switch (value.type) {
      case 'terminalCapabilitySetAck':
      case 'terminalCapabilitySetReject': {
        const { context } = this.#outgoingCese
        const { sequenceNumber } = value.value
        if (sequenceNumber !== context.sequenceNumber) {
          this.#ignore('outgoingCese', value.type)
          return
        }
        const event =
          value.type === 'terminalCapabilitySetAck'
            ? ({ type: value.type, sequenceNumber } as const)
            : ({ type: value.type, sequenceNumber, cause: value.value.cause } as const)
        this.#outgoingCeseEvent(event)
        return
      }
      case 'masterSlaveDeterminationAck':
        this.#determined(acknowledgementEvent(this.#msdse.context, this.#msdse.state, value.value.decision.type))
        return
      case 'masterSlaveDeterminationReject':
        this.#determined(rejectionEvent(this.#msdse.context))
        return
      case 'openLogicalChannelAck':
        this.#answered(value.value.forwardLogicalChannelNumber, { type: 'openLogicalChannelAck', ack: value.value })
        return
      case 'openLogicalChannelReject': {
        const { forwardLogicalChannelNumber, cause } = value.value
        const known = cause.type === 'unknownExtension' ? 'unspecified' : cause.type
        this.#answered(forwardLogicalChannelNumber, { type: 'openLogicalChannelReject', cause: known })
        return
      }
      case 'closeLogicalChannelAck':
        this.#answered(value.value.forwardLogicalChannelNumber, { type: 'closeLogicalChannelAck' })
        return
      case 'requestChannelCloseAck':
      case 'requestChannelCloseReject': {
        const number = value.value.forwardLogicalChannelNumber
        const channel = this.#in.get(number)
        if (channel === undefined) {
          this.#ignore('outgoingClcse', value.type)
          return
        }
        this.#outgoingClcseEvent(number, channel, { type: value.type })
        return
      }
      case 'requestModeAck':
      case 'requestModeReject': {
        if (value.value.sequenceNumber !== this.#outgoingMrse.context.sequenceNumber) {
          this.#ignore('outgoingMrse', value.type)
          return
        }
        this.#outgoingMrseEvent({ type: value.type })
        return
      }
      case 'roundTripDelayResponse':
        if (value.value.sequenceNumber !== this.#rtdse.context.sequenceNumber) {
          this.#ignore('rtdse', value.type)
          return
        }
        this.#rtdseEvent({ type: value.type })
        return
      default:
        this.#tell({ type: 'message', message })
        return
    }
  }

  #command(message: Extract<MultimediaSystemControlMessage, { type: 'command' }>): void {
    const { value } = message
    switch (value.type) {
      case 'sendTerminalCapabilitySet':
        if (!this.#holding) this.#sendCapabilities()
        return
      case 'flowControlCommand':
        this.#flowControl(value.value, message)
        return
      case 'endSessionCommand':
        this.#tell({ type: 'endSession' })
        return
      default:
        this.#tell({ type: 'message', message })
        return
    }
  }

  #indication(message: Extract<MultimediaSystemControlMessage, { type: 'indication' }>): void {
    const { value } = message
    switch (value.type) {
      case 'userInput':
        this.#userInput(value.value, message)
        return
      case 'masterSlaveDeterminationRelease':
        this.#determined({ type: 'masterSlaveDeterminationRelease' })
        return
      case 'terminalCapabilitySetRelease':
        this.#incomingCeseEvent({ type: value.type })
        return
      case 'openLogicalChannelConfirm': {
        const number = value.value.forwardLogicalChannelNumber
        const channel = this.#in.get(number)
        if (channel === undefined) {
          this.#ignore('incomingBlcse', value.type)
          return
        }
        this.#inEvent(number, channel, { type: 'openLogicalChannelConfirm' })
        return
      }
      case 'requestChannelCloseRelease':
      case 'requestModeRelease':
        // both are decided about at once, so nothing is left to be withdrawn
        return
      default:
        this.#tell({ type: 'message', message })
        return
    }
  }

  // capability exchange

  #sendCapabilities(): void {
    const { receivable, others, isMc } = this.#settings
    this.#transfer(ownCapabilities(this.#local ?? receivable, others, isMc))
  }

  #transfer(set: TerminalCapabilitySet): void {
    this.#ownTaken = false
    this.#outgoingCeseEvent({ type: 'transferRequest', set })
  }

  #capabilitiesCame(set: TerminalCapabilitySet): void {
    const next = withSet(this.#peer, set)
    if (namesUnknownEntry(next)) {
      this.#incomingCeseEvent({ type: 'rejectRequest', cause: { type: 'undefinedTableEntryUsed' } })
      return
    }
    this.#peer = next
    this.#incomingCeseEvent({ type: 'transferResponse' })
    if (isEmpty(set) && next.table.size === 0) {
      this.#peerKnown = false
      this.#isReady = false
      if (!this.#paused) {
        this.#paused = true
        this.#closeOut()
        this.#tell({ type: 'paused', paused: true })
      }
      return
    }
    this.#peerKnown = true
    this.#tell({ type: 'capabilities', capabilities: [...next.table.values()] })
    if (this.#paused) {
      this.#paused = false
      this.#tell({ type: 'paused', paused: false })
      if (!this.#holding) {
        this.#restart()
        this.#sendCapabilities()
        if (this.#msdse.state === 'idle') this.#determine()
      }
    }
    this.start()
    this.#whenReady()
    this.#checkSending()
    this.#agree()
  }

  /** State as after the opening of the control channel. */
  #restart(): void {
    this.#status = null
    this.#isReady = false
    this.#adaptions = 0
  }

  // master-slave determination

  #determine(): void {
    this.#determined({ type: 'determineRequest' })
  }

  #determined(event: MsdseEvent): void {
    this.#run<MsdseState, MsdseEvent, MsdseTold, Msdse>(msdse, this.#msdse, event, this.#msdse.context, '', (told) => {
      if (told.type === 'undetermined') this.#tell({ type: 'failed', reason: 'masterSlave' })
      else {
        this.#status = told.status
        this.#whenReady()
      }
    })
  }

  #whenReady(): void {
    if (this.#isReady || this.#ended || this.#paused || this.#holding) return
    if (!this.#ownTaken || !this.#peerKnown || this.#status === null) return
    this.#isReady = true
    this.#tell({ type: 'ready', status: this.#status })
    this.#openSound()
  }

  // channels of sound

  #soundOut(): [number, OutChannel] | undefined {
    return [...this.#out].find(([, { codec, state }]) => codec !== null && state !== 'released')
  }

  /** What comes here: a channel of the peer, or the way back of one for both ways of ours. */
  #soundIn(): Pick<InChannel, 'codec' | 'payloadType' | 'rtcp'> | undefined {
    const channel = [...this.#in.values()].find(
      ({ codec, state }) => codec !== null && (state === 'established' || state === 'awaitingConfirmation')
    )
    return (
      channel ??
      [...this.#out.values()].find(({ bothWays, codec, state }) => bothWays && codec !== null && state === 'established')
    )
  }

  /** For each open channel from here that is not sound, the entries of the peer it may count as. */
  #beside(): number[][] {
    return [...this.#out.values()]
      .filter(({ codec, state }) => codec === null && state !== 'released')
      .map(({ open }) => {
        const { dataType } = open.forwardLogicalChannelParameters
        if (dataType.type === 'videoData') return entriesLike(this.#peer, 'video', dataType.value.type)
        if (dataType.type === 'data') return entriesLike(this.#peer, 'data', dataType.value.application.type)
        return []
      })
      .filter((entries) => entries.length > 0)
  }

  #canSend(codec: AudioCodec): boolean {
    return this.#local?.codecs.includes(codec) === true && canSend(this.#peer, codec, this.#beside())
  }

  /** Opens the channel from here when everything is there for it. A slave lets the master choose the codec. */
  #openSound(now = false): void {
    if (!this.#isReady || this.#local === null || this.#soundOut() !== undefined) return
    const comes = this.#soundIn()?.codec ?? null
    const choice = [this.#wanted, comes, ...this.#local.codecs].find((codec) => codec !== null && this.#canSend(codec))
    if (choice == null) return
    if (this.#status === 'slave' && comes === null && !now) {
      this.#start('symmetry', h245Timers.symmetry)
      return
    }
    this.#stop('symmetry')
    this.#openOut(choice)
  }

  #openOut(codec: AudioCodec): void {
    const local = this.#local!
    const number = this.reserveNumbers(1)
    const { bothWays } = this.#settings
    const channel: OutChannel = {
      state: 'released',
      open: bothWays ? openAudioBothWays(number, codec, local) : openAudio(number, codec, local),
      bothWays,
      codec,
      rtp: null,
      rtcp: null,
      payloadType: codec === 'opus' ? local.opusPayloadType : null,
      stopped: false,
      next: null,
      reverseOf: null
    }
    this.#out.set(number, channel)
    this.#outEvent(number, channel, { type: 'establishRequest' })
  }

  #closeOut(): void {
    for (const [number, channel] of this.#out) this.#releaseOut(number, channel)
  }

  #releaseOut(number: number, channel: OutChannel): void {
    if (channel.reverseOf !== null) this.requestClose(channel.reverseOf)
    else if (channel.state !== 'awaitingRelease') this.#outEvent(number, channel, { type: 'releaseRequest' })
  }

  /** Another codec: the channel is closed and opened again. */
  #changeCodec(codec: AudioCodec): void {
    const sound = this.#soundOut()
    if (sound === undefined) return
    const [number, channel] = sound
    if (channel.codec === codec && channel.state !== 'awaitingRelease') return
    channel.next = codec
    this.#releaseOut(number, channel)
  }

  /** The plane has one codec for both ways: a slave follows the master, a master follows a peer that does not. */
  #symmetryDue(): void {
    const sound = this.#soundOut()
    if (sound === undefined) {
      this.#openSound(true)
      return
    }
    this.#follow()
  }

  #follow(): void {
    const out = this.#soundOut()?.[1]
    const comes = this.#soundIn()?.codec ?? null
    if (out === undefined || comes === null || out.codec === comes || !this.#canSend(comes)) return
    // asked for by the peer, who follows then
    if (out.codec === this.#wanted) return
    if (this.#adaptions >= mostAdaptions) return
    this.#adaptions++
    this.#changeCodec(comes)
  }

  #checkSymmetry(): void {
    const out = this.#soundOut()?.[1]
    const comes = this.#soundIn()?.codec ?? null
    if (!this.#isReady || out === undefined || comes === null || out.codec === comes) return
    if (this.#status === 'slave') this.#follow()
    else this.#start('symmetry', 2 * h245Timers.symmetry)
  }

  /** After new capabilities: what the peer does not receive any more is closed. */
  #checkSending(): void {
    const sound = this.#soundOut()
    if (sound === undefined || !this.#isReady) return
    const [number, { codec }] = sound
    if (codec === null || canSend(this.#peer, codec)) return
    const other = this.#local?.codecs.find((one) => this.#canSend(one))
    if (other === undefined) this.#releaseOut(number, sound[1])
    else this.#changeCodec(other)
  }

  #offered(open: OpenLogicalChannel): void {
    const number = open.forwardLogicalChannelNumber
    const bothWays = open.reverseLogicalChannelParameters !== undefined
    let channel = this.#in.get(number)
    if (channel === undefined) {
      if (this.#in.size >= mostChannels) {
        const value = { forwardLogicalChannelNumber: number, cause: { type: 'unspecified' } } as const
        this.#send(response({ type: 'openLogicalChannelReject', value }))
        return
      }
      channel = { state: 'released', open: null, bothWays, codec: null, closing: 'idle', payloadType: null, rtcp: null }
      this.#in.set(number, channel)
    }
    this.#inEvent(number, channel, { type: 'openLogicalChannel', open })
  }

  #decide(number: number, channel: InChannel, open: OpenLogicalChannel): void {
    const { dataType, multiplexParameters } = open.forwardLogicalChannelParameters
    const reject = (cause: RejectCause): void => this.#inEvent(number, channel, { type: 'releaseRequest', cause })
    channel.open = open
    channel.bothWays = open.reverseLogicalChannelParameters !== undefined
    channel.codec = null
    if (multiplexParameters.type !== 'h2250LogicalChannelParameters') {
      reject('dataTypeALCombinationNotSupported')
      return
    }
    const { sessionID, mediaControlChannel, dynamicRTPPayloadType } = multiplexParameters.value
    channel.rtcp = addressOf(mediaControlChannel)
    channel.payloadType = dynamicRTPPayloadType ?? null
    if (dataType.type !== 'audioData') {
      if (dataType.type === 'unknownExtension') {
        reject('unknownDataType')
        return
      }
      if (sessionID === sessions.audio) {
        reject('invalidSessionID')
        return
      }
      if (!this.#settings.passesOn) {
        reject('dataTypeNotSupported')
        return
      }
      this.#tell({ type: 'channelOffered', open })
      return
    }
    const codec = codecOf(dataType.value)
    if (codec === null || !(this.#local ?? this.#settings.receivable).codecs.includes(codec)) {
      reject('dataTypeNotSupported')
      return
    }
    // while we hold, nothing can be received here
    if (this.#holding) {
      reject('dataTypeNotAvailable')
      return
    }
    if (channel.bothWays) {
      const back = open.reverseLogicalChannelParameters!
      const backCodec = back.dataType.type === 'audioData' ? codecOf(back.dataType.value) : null
      if (backCodec !== codec || back.multiplexParameters?.type !== 'h2250LogicalChannelParameters') {
        reject('unsuitableReverseParameters')
        return
      }
      const own = this.#soundOut()
      // two channels for the same: the master's stays (H.245 §C.5.1.3)
      if (own?.[1].bothWays === true && this.#status === 'master') {
        reject('masterSlaveConflict')
        return
      }
    }
    channel.codec = codec
    if (this.#local !== null) this.#answerAudio(number, channel)
  }

  #answerAudio(number: number, channel: InChannel): void {
    const local = this.#local!
    const codec = channel.codec!
    if (!channel.bothWays) {
      this.#inEvent(number, channel, { type: 'establishResponse', ack: acceptAudio(number, local, codec) })
      return
    }
    const reverse = this.reserveNumbers(1)
    this.#inEvent(number, channel, { type: 'establishResponse', ack: acceptAudioBothWays(number, reverse, local, codec) })
    const parameters = channel.open!.reverseLogicalChannelParameters!.multiplexParameters!
    if (parameters.type !== 'h2250LogicalChannelParameters') return
    const { mediaChannel, mediaControlChannel, dynamicRTPPayloadType } = parameters.value
    this.#out.set(reverse, {
      state: 'established',
      open: openAudio(reverse, codec, local),
      bothWays: true,
      codec,
      rtp: addressOf(mediaChannel),
      rtcp: addressOf(mediaControlChannel),
      payloadType: dynamicRTPPayloadType ?? null,
      stopped: false,
      next: null,
      reverseOf: number
    })
    this.#agree()
  }

  #closed(number: number): void {
    const channel = this.#in.get(number)
    if (channel !== undefined) {
      this.#inEvent(number, channel, { type: 'closeLogicalChannel' })
      return
    }
    // one of ours: some peers close what they do not want to receive
    this.#send(response({ type: 'closeLogicalChannelAck', value: { forwardLogicalChannelNumber: number } }))
  }

  #answered(number: number, event: OutgoingLcseEvent): void {
    const channel = this.#out.get(number)
    if (channel === undefined) {
      this.#ignore('outgoingLcse', event.type)
      return
    }
    this.#outEvent(number, channel, event)
  }

  #outEvent(number: number, channel: OutChannel, event: OutgoingLcseEvent): void {
    const table = channel.bothWays ? outgoingBlcse : outgoingLcse
    this.#run<OutgoingLcseState, OutgoingLcseEvent, ChannelTold, { readonly open: OpenLogicalChannel }>(
      table,
      channel,
      event,
      channel,
      `:out:${number}`,
      (told) => this.#outTold(number, channel, told)
    )
    // silence begins with our close, not with its ack
    if (channel.state === 'awaitingRelease' && channel.codec !== null) this.#agree()
  }

  #outTold(number: number, channel: OutChannel, told: ChannelTold): void {
    if (told.type === 'established') {
      this.#readAck(channel, told.ack)
      if (channel.codec === null) {
        this.#tell({ type: 'channelOpened', number, rtp: channel.rtp, rtcp: channel.rtcp })
        return
      }
      this.#agree()
      this.#checkSymmetry()
      return
    }
    this.#out.delete(number)
    if (channel.codec === null) {
      this.#tell({ type: 'channelClosed', number, own: true })
      return
    }
    this.#agree()
    if (told.cause === 'masterSlaveConflict') return
    if (channel.next !== null && !this.#paused && !this.#holding) {
      this.#openOut(channel.next)
      return
    }
    if (told.by === 'peer' && !this.#paused && !this.#holding) this.#tryNext(channel.codec)
  }

  /** The peer does not take this codec after all: the next one it names. */
  #tryNext(refused: AudioCodec): void {
    const codecs = this.#local?.codecs ?? []
    const next = codecs.slice(codecs.indexOf(refused) + 1).find((codec) => this.#canSend(codec))
    if (next !== undefined) this.#openOut(next)
  }

  #readAck(channel: OutChannel, ack: OpenLogicalChannelAck): void {
    const forward = ack.forwardMultiplexAckParameters
    if (forward?.type === 'h2250LogicalChannelAckParameters') {
      channel.rtp = addressOf(forward.value.mediaChannel)
      channel.rtcp = addressOf(forward.value.mediaControlChannel)
      channel.stopped = forward.value.flowControlToZero ?? false
      channel.payloadType = forward.value.dynamicRTPPayloadType ?? channel.payloadType
    }
  }

  #inEvent(number: number, channel: InChannel, event: IncomingBlcseEvent): void {
    const table = (channel.bothWays ? incomingBlcse : incomingLcse) as typeof incomingBlcse
    this.#run<IncomingBlcseState, IncomingBlcseEvent, IncomingBlcseTold, IncomingBlcse>(
      table,
      channel,
      event,
      { number },
      `:in:${number}`,
      (told) => {
        switch (told.type) {
          case 'offered':
            return this.#decide(number, channel, told.open)
          case 'confirmed':
            return this.#heard(channel)
          case 'released': {
            if (channel.bothWays && channel.codec !== null) this.#dropReverse()
            if (channel.codec === null) this.#tell({ type: 'channelClosed', number, own: false })
            if (channel.state === 'released') this.#in.delete(number)
            this.#agree()
          }
        }
      }
    )
    if (channel.state === 'released') this.#in.delete(number)
    if (event.type === 'establishResponse' && channel.codec !== null && !channel.bothWays) this.#heard(channel)
  }

  /** Sound comes from now on. */
  #heard(channel: InChannel): void {
    if (channel.codec === null) return
    this.#agree()
    this.#openSound()
    this.#checkSymmetry()
  }

  /** The way from here goes with the channel for both ways that the peer has closed. */
  #dropReverse(): void {
    for (const [number, { bothWays, state }] of this.#out) {
      if (bothWays && state === 'established') this.#out.delete(number)
    }
  }

  #closeAsked(number: number): void {
    const holder = this.#asked.get(number) ?? { state: 'idle' as IncomingClcseState }
    this.#asked.set(number, holder)
    const channel = this.#out.get(number)
    this.#incomingClcseEvent(number, holder, { type: 'requestChannelClose' })
    if (channel === undefined) this.#incomingClcseEvent(number, holder, { type: 'rejectRequest' })
    else {
      this.#incomingClcseEvent(number, holder, { type: 'closeResponse' })
      this.#outEvent(number, channel, { type: 'releaseRequest' })
    }
    this.#asked.delete(number)
  }

  // modes and flow

  #modeAsked({ sequenceNumber, requestedModes }: RequestMode): void {
    this.#incomingMrseEvent({ type: 'requestMode', sequenceNumber, modes: requestedModes })
    const codecs = requestedModes.map((mode) =>
      mode.flatMap(({ type }) => (type.type === 'audioMode' ? [codecOfMode(type.value)] : []))
    )
    const at = codecs.findIndex((found) => found.length === 1 && found[0] !== null && this.#canSend(found[0]!))
    if (at < 0 || this.#soundOut() === undefined) {
      this.#incomingMrseEvent({ type: 'rejectRequest', cause: 'modeUnavailable' })
      return
    }
    this.#incomingMrseEvent({ type: 'transferResponse', mostPreferred: at === 0 })
    this.#wanted = codecs[at]![0]!
    this.#changeCodec(this.#wanted)
  }

  #flowControl({ scope, restriction }: FlowControlCommand, message: MultimediaSystemControlMessage): void {
    const most = restriction.type === 'noRestriction' ? Number.POSITIVE_INFINITY : restriction.value
    const sound = this.#soundOut()
    if (scope.type === 'logicalChannelNumber' && scope.value !== sound?.[0]) {
      this.#tell({ type: 'message', message })
      return
    }
    if (sound === undefined || sound[1].codec === null) return
    const [number, channel] = sound
    const codec = channel.codec!
    const smaller = this.#local?.codecs.find((one) => bitRateOf[one] <= most && this.#canSend(one))
    if (bitRateOf[codec] <= most) channel.stopped = false
    else if (smaller !== undefined) {
      this.#wanted = smaller
      this.#changeCodec(smaller)
      return
    } else channel.stopped = true
    const value = { scope: { type: 'logicalChannelNumber', value: number }, restriction } as const
    this.#send(indication({ type: 'flowControlIndication', value }))
    this.#agree()
  }

  #userInput(input: UserInputIndication, message: MultimediaSystemControlMessage): void {
    switch (input.type) {
      case 'alphanumeric':
        for (const digit of input.value) {
          if (/^[0-9*#A-D!]$/i.test(digit)) this.#tell({ type: 'digit', digit: digit.toUpperCase(), durationMs: null })
        }
        return
      case 'signal': {
        // "!" is a hook flash; a signal with rtp repeats what telephone-event says as well
        if (input.value.rtp !== undefined) return
        this.#tell({ type: 'digit', digit: input.value.signalType, durationMs: input.value.duration ?? null })
        return
      }
      case 'signalUpdate':
      case 'userInputSupportIndication':
        return
      default:
        this.#tell({ type: 'message', message })
        return
    }
  }

  #notSupported(message: MultimediaSystemControlMessage): void {
    const returnedFunction = multimediaSystemControlMessage.encode(message)
    this.#send(
      indication({
        type: 'functionNotSupported',
        value: { cause: { type: 'unknownFunction' }, ...(returnedFunction.length <= mostReturned && { returnedFunction }) }
      })
    )
  }

  // terms

  /** What the plane is to do, told when it has changed. */
  #agree(): void {
    const next = this.#currentTerms()
    if (JSON.stringify(next) === JSON.stringify(this.#terms)) return
    this.#terms = next
    this.#tell({ type: 'terms', terms: next })
  }

  #currentTerms(): MediaTerms | null {
    const out = [...this.#out.values()].find(({ codec, state }) => codec !== null && state === 'established')
    const comes = this.#soundIn()
    const codec = out?.codec ?? comes?.codec ?? null
    if (codec === null) return null
    const receives = comes?.codec === codec
    const numbers = [out?.payloadType, receives ? comes.payloadType : null, this.#local?.opusPayloadType]
    const payloadType = codec === 'opus' ? numbers.find((number) => number != null) : staticPayloadTypes[codec]
    if (payloadType === undefined || payloadType === null) return null
    const remote = out?.rtp == null ? null : { rtp: out.rtp, rtcp: out.rtcp }
    return {
      codec,
      payloadType,
      remote: remote ?? beside(comes?.rtcp ?? null),
      sends: remote !== null && !out!.stopped,
      receives,
      eventPayloadType: this.digits.eventPayloadType
    }
  }

  // effects

  #send(message: MultimediaSystemControlMessage): void {
    if (!this.#ended) this.#effects.push({ type: 'send', message })
  }

  #tell(event: ControlEvent): void {
    this.#effects.push({ type: 'tell', event })
  }

  #start(timer: string, ms: number): void {
    this.#effects.push({ type: 'start', timer, ms })
  }

  #stop(timer: string): void {
    this.#effects.push({ type: 'stop', timer })
  }

  #ignore(state: string, event: string): void {
    this.#tell({ type: 'ignored', state, event })
  }

  #run<S extends string, E extends TypedEvent, Told, C>(
    table: Table<S, E, EntityEffect<Told>, C>,
    holder: { state: S },
    event: E,
    context: C,
    suffix: string,
    told: (told: Told) => void
  ): void {
    const { state, effects, allowed } = step(table, holder.state, event, context)
    if (!allowed) {
      this.#ignore(holder.state, event.type)
      return
    }
    holder.state = state
    for (const effect of effects) {
      switch (effect.type) {
        case 'send':
          this.#send(effect.message)
          break
        case 'start':
          this.#start(effect.timer + suffix, h245Timers[effect.timer])
          break
        case 'stop':
          this.#stop(effect.timer + suffix)
          break
        case 'tell':
          told(effect.told)
      }
    }
  }

  #outgoingCeseEvent(event: OutgoingCeseEvent): void {
    this.#run<OutgoingCeseState, OutgoingCeseEvent, OutgoingCeseTold, OutgoingCese>(
      outgoingCese,
      this.#outgoingCese,
      event,
      this.#outgoingCese.context,
      '',
      (told) => {
        if (told.type === 'capabilitiesRefused') this.#tell({ type: 'failed', reason: 'capabilities' })
        else {
          this.#ownTaken = true
          this.#whenReady()
        }
      }
    )
  }

  #incomingCeseEvent(event: IncomingCeseEvent): void {
    this.#run<IncomingCeseState, IncomingCeseEvent, IncomingCeseTold, IncomingCese>(
      incomingCese,
      this.#incomingCese,
      event,
      this.#incomingCese.context,
      '',
      (told) => {
        if (told.type === 'capabilitiesCame') this.#capabilitiesCame(told.set)
      }
    )
  }

  #rtdseEvent(event: RtdseEvent): void {
    this.#run<RtdseState, RtdseEvent, RtdseTold, Rtdse>(rtdse, this.#rtdse, event, this.#rtdse.context, '', ({ type }) =>
      this.#tell({ type })
    )
  }

  #outgoingMrseEvent(event: OutgoingMrseEvent): void {
    this.#run<OutgoingMrseState, OutgoingMrseEvent, OutgoingMrseTold, Mrse>(
      outgoingMrse,
      this.#outgoingMrse,
      event,
      this.#outgoingMrse.context,
      '',
      ({ type }) => this.#tell({ type })
    )
  }

  #incomingMrseEvent(event: IncomingMrseEvent): void {
    // answered where it is asked
    this.#run<IncomingMrseState, IncomingMrseEvent, IncomingMrseTold, Mrse>(
      incomingMrse,
      this.#incomingMrse,
      event,
      this.#incomingMrse.context,
      '',
      () => {}
    )
  }

  #incomingClcseEvent(number: number, holder: { state: IncomingClcseState }, event: IncomingClcseEvent): void {
    this.#run<IncomingClcseState, IncomingClcseEvent, IncomingClcseTold, Clcse>(
      incomingClcse,
      holder,
      event,
      { number },
      '',
      () => {}
    )
  }

  #outgoingClcseEvent(number: number, channel: InChannel, event: OutgoingClcseEvent): void {
    const holder = { state: channel.closing }
    // what comes of it is told when the channel closes
    this.#run<OutgoingClcseState, OutgoingClcseEvent, OutgoingClcseTold, Clcse>(
      outgoingClcse,
      holder,
      event,
      { number },
      `:in:${number}`,
      () => {}
    )
    channel.closing = holder.state
  }
}

/** A refused message is sent back when it is no longer than this, octets. */
const mostReturned = 1024

/** RTP beside a port of RTCP, where nothing else is known of the peer. */
const beside = (rtcp: Address | null): { rtp: Address; rtcp: Address } | null =>
  rtcp === null || rtcp.port < 2 ? null : { rtp: { ip: rtcp.ip, port: rtcp.port - 1 }, rtcp }

function sessionOf(open: OpenLogicalChannel): number {
  const { multiplexParameters } = open.forwardLogicalChannelParameters
  return multiplexParameters.type === 'h2250LogicalChannelParameters' ? multiplexParameters.value.sessionID : 0
}
