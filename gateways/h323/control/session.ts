/**
 * The H.245 of one call: the signalling entities of this folder put together, and what is decided about sound. No socket, no clock: messages and expired
 * timers go in, effects come out.
 */
import { presentationMessage, presentationMessageOf } from '../h239/h239.ts'
import type { MultimediaSystemControlMessage, OpenLogicalChannel, RequestMode, UserInputIndication } from '../h245/h245.ts'
import { multimediaSystemControlMessage } from '../h245/pdus.ts'
import { type DigitCapabilities, digitCapabilities, noCapabilities } from './capabilities.ts'
import type { FastChannel } from './channels.ts'
import { audioModeOf, codecOfMode } from './codecs.ts'
import { command, type H245Timer, indication, response } from './entities/entity.ts'
import type { RejectCause } from './entities/lcse.ts'
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
} from './entities/mrse.ts'
import type { Status } from './entities/msdse.ts'
import { type Rtdse, type RtdseEvent, type RtdseState, type RtdseTold, rtdse } from './entities/rtdse.ts'
import { Exchange, type ExchangeSettings } from './exchange.ts'
import type { LogicalChannels } from './logical-channels.ts'
import type { Address, AudioCodec, LocalMedia, MediaTerms } from './media.ts'
import { type ControlEffect, Outbox } from './outbox.ts'
import { type Situation, Sound, type SoundSettings } from './sound.ts'

export type { ControlEffect, ControlEvent } from './outbox.ts'

export interface ControlSettings extends SoundSettings, ExchangeSettings {
  /** Whether somebody handles messages and channels that are not handled here: conference control, H.239, video. Else they are refused. */
  readonly passesOn: boolean
}

export class ControlSession {
  readonly #settings: ControlSettings
  readonly #outbox = new Outbox()
  readonly #now: Situation
  readonly #sound: Sound
  readonly #channels: LogicalChannels
  readonly #exchange: Exchange
  #ended = false
  readonly #rtdse = { state: 'idle' as RtdseState, context: { sequenceNumber: 0 } }
  readonly #outgoingMrse = { state: 'idle' as OutgoingMrseState, context: { sequenceNumber: 0 } }
  readonly #incomingMrse = { state: 'idle' as IncomingMrseState, context: { sequenceNumber: 0 } }

  constructor(settings: ControlSettings) {
    this.#settings = settings
    this.#now = { peer: noCapabilities, status: null, isReady: false, paused: false, holding: false }
    this.#sound = new Sound(settings, this.#now, this.#outbox)
    this.#channels = this.#sound.channels
    this.#exchange = new Exchange(settings, this.#now, this.#sound, this.#outbox)
  }

  get status(): Status | null {
    return this.#now.status
  }

  get terms(): MediaTerms | null {
    return this.#sound.terms
  }

  get isStarted(): boolean {
    return this.#exchange.isStarted
  }

  get holding(): boolean {
    return this.#now.holding
  }

  get digits(): DigitCapabilities {
    return digitCapabilities(this.#now.peer)
  }

  /** What was done since the last time, in order. */
  take(): readonly ControlEffect[] {
    return this.#outbox.take()
  }

  /** Begins: capabilities and determination at once (H.245 §C.2, §C.3 run side by side). Idempotent. */
  start(): void {
    if (!this.#ended) this.#exchange.start()
  }

  /** Sound can be received from now on; channels are opened when the peer is ready for it. */
  setLocal(local: LocalMedia): void {
    this.#sound.setLocal(local)
  }

  /** Takes over what fast connect has opened. Numbers are as each sender chose them. */
  adopt(out: FastChannel | null, incoming: FastChannel | null): void {
    this.#sound.adopt(out, incoming)
  }

  /** Numbers for channels that are proposed by fast connect. */
  reserveNumbers(count: number): number {
    return this.#channels.reserveNumbers(count)
  }

  /** Asks the peer for silence by an empty set, and stops sending. @see H.323 §8.4.6 */
  hold(): void {
    if (!this.#ended) this.#exchange.hold()
  }

  /** Ends {@link hold}: both sides begin as after the opening of the control channel. */
  retrieve(): void {
    if (!this.#ended) this.#exchange.retrieve()
  }

  /** Sends a digit as user input, in the best form the peer takes. @returns false when it takes none */
  digit(digit: string, durationMs: number): boolean {
    const { signal, alphanumeric } = this.digits
    if (signal) {
      const value = { signalType: digit, duration: Math.max(1, Math.min(65_535, Math.round(durationMs))) }
      this.#outbox.send(indication({ type: 'userInput', value: { type: 'signal', value } }))
      return true
    }
    // every terminal takes basicString, also one that does not say so (H.323 §6.2.8.2)
    if (!alphanumeric && !this.#exchange.isPeerKnown) return false
    this.#outbox.send(indication({ type: 'userInput', value: { type: 'alphanumeric', value: digit } }))
    return true
  }

  /** Changes how long a signal lasts that was sent last (H.245 §B.13.6). */
  digitUpdate(durationMs: number): void {
    const value = { duration: Math.max(1, Math.min(65_535, Math.round(durationMs))) }
    this.#outbox.send(indication({ type: 'userInput', value: { type: 'signalUpdate', value } }))
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
    this.#channels.requestClose(number)
  }

  /** Opens a channel that is not sound. @param number reserved before; none takes the next @returns its number */
  openChannel(parameters: Pick<OpenLogicalChannel, 'forwardLogicalChannelParameters'>, number?: number): number {
    return this.#channels.openChannel(parameters, number)
  }

  closeChannel(number: number): void {
    this.#channels.closeChannel(number)
  }

  acceptChannel(number: number, at: { readonly rtp: Address; readonly rtcp: Address; readonly sessionId?: number }): void {
    this.#channels.acceptChannel(number, at)
  }

  rejectChannel(number: number, cause: RejectCause): void {
    this.#channels.rejectChannel(number, cause)
  }

  /** Any other message. */
  sendMessage(message: MultimediaSystemControlMessage): void {
    this.#outbox.send(message)
  }

  /** Says that this is the end; nothing is sent or done afterwards. */
  end(): void {
    if (this.#ended) return
    if (this.#exchange.isStarted) this.#outbox.send(command({ type: 'endSessionCommand', value: { type: 'disconnect' } }))
    this.#ended = true
    this.#outbox.end()
  }

  /** A timer of this session went off. */
  expired(timer: string): void {
    if (this.#ended) return
    const [name, side, text] = timer.split(':') as [H245Timer | 'symmetry', string?, string?]
    const number = Number(text)
    switch (name) {
      case 'T101':
      case 'T106':
        this.#exchange.expired(name)
        return
      case 'T103':
        this.#channels.establishmentExpired(side === 'out' ? 'out' : 'in', number)
        return
      case 'T105':
        this.#rtdseEvent({ type: 'T105' })
        return
      case 'T108':
        this.#channels.closeAnswered(number, { type: 'T108' })
        return
      case 'T109':
        this.#outgoingMrseEvent({ type: 'T109' })
        return
      case 'symmetry':
        this.#sound.symmetryDue()
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
        this.#exchange.capabilities({ type: 'terminalCapabilitySet', set: value.value })
        return
      case 'masterSlaveDetermination':
        this.#exchange.determination(value.value)
        return
      case 'openLogicalChannel':
        this.#channels.offered(value.value)
        return
      case 'closeLogicalChannel':
        this.#channels.closed(value.value.forwardLogicalChannelNumber)
        return
      case 'requestChannelClose':
        this.#channels.closeAsked(value.value.forwardLogicalChannelNumber)
        return
      case 'requestMode':
        this.#modeAsked(value.value)
        return
      case 'roundTripDelayRequest':
        // answered at any time, also before anything else is done
        this.#outbox.send(response({ type: 'roundTripDelayResponse', value: { sequenceNumber: value.value.sequenceNumber } }))
        return
      case 'maintenanceLoopRequest': {
        const { type } = value.value
        if (type.type === 'unknownExtension') {
          this.#notSupported(message)
          return
        }
        this.#outbox.send(response({ type: 'maintenanceLoopReject', value: { type, cause: { type: 'canNotPerformLoop' } } }))
        return
      }
      case 'genericRequest': {
        if (this.#settings.passesOn) {
          this.#outbox.tell({ type: 'message', message })
          return
        }
        // H.239 is refused in its own words by who does not speak it
        const asked = presentationMessageOf(value.value)
        if (asked?.type === 'presentationTokenRequest') {
          const { terminalLabel, channelId } = asked
          const refusal = { type: 'presentationTokenResponse', terminalLabel, channelId, accepted: false } as const
          this.#outbox.send(presentationMessage(refusal))
          return
        }
        if (asked?.type === 'flowControlReleaseRequest') {
          const { channelId } = asked
          this.#outbox.send(presentationMessage({ type: 'flowControlReleaseResponse', channelId, accepted: false }))
          return
        }
        this.#notSupported(message)
        return
      }
      default:
        if (this.#settings.passesOn && value.type !== 'unknownExtension') {
          this.#outbox.tell({ type: 'message', message })
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
        this.#exchange.capabilitiesAnswered({ type: value.type, sequenceNumber: value.value.sequenceNumber })
        return
      case 'terminalCapabilitySetReject': {
        const { sequenceNumber, cause } = value.value
        this.#exchange.capabilitiesAnswered({ type: value.type, sequenceNumber, cause })
        return
      }
      case 'masterSlaveDeterminationAck':
        this.#exchange.determinationAcknowledged(value.value.decision.type)
        return
      case 'masterSlaveDeterminationReject':
        this.#exchange.determinationRejected()
        return
      case 'openLogicalChannelAck':
        this.#channels.answered(value.value.forwardLogicalChannelNumber, { type: 'openLogicalChannelAck', ack: value.value })
        return
      case 'openLogicalChannelReject': {
        const { forwardLogicalChannelNumber, cause } = value.value
        const known = cause.type === 'unknownExtension' ? 'unspecified' : cause.type
        this.#channels.answered(forwardLogicalChannelNumber, { type: 'openLogicalChannelReject', cause: known })
        return
      }
      case 'closeLogicalChannelAck':
        this.#channels.answered(value.value.forwardLogicalChannelNumber, { type: 'closeLogicalChannelAck' })
        return
      case 'requestChannelCloseAck':
      case 'requestChannelCloseReject':
        this.#channels.closeAnswered(value.value.forwardLogicalChannelNumber, { type: value.type })
        return
      case 'requestModeAck':
      case 'requestModeReject': {
        if (value.value.sequenceNumber !== this.#outgoingMrse.context.sequenceNumber) {
          this.#outbox.ignore('outgoingMrse', value.type)
          return
        }
        this.#outgoingMrseEvent({ type: value.type })
        return
      }
      case 'roundTripDelayResponse':
        if (value.value.sequenceNumber !== this.#rtdse.context.sequenceNumber) {
          this.#outbox.ignore('rtdse', value.type)
          return
        }
        this.#rtdseEvent({ type: value.type })
        return
      default:
        this.#outbox.tell({ type: 'message', message })
        return
    }
  }

  #command(message: Extract<MultimediaSystemControlMessage, { type: 'command' }>): void {
    const { value } = message
    switch (value.type) {
      case 'sendTerminalCapabilitySet':
        this.#exchange.capabilitiesWanted()
        return
      case 'flowControlCommand':
        this.#sound.flowControl(value.value, message)
        return
      case 'endSessionCommand':
        this.#outbox.tell({ type: 'endSession' })
        return
      default:
        this.#outbox.tell({ type: 'message', message })
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
        this.#exchange.determinationReleased()
        return
      case 'terminalCapabilitySetRelease':
        this.#exchange.capabilities({ type: value.type })
        return
      case 'openLogicalChannelConfirm':
        this.#channels.confirmed(value.value.forwardLogicalChannelNumber)
        return
      case 'requestChannelCloseRelease':
      case 'requestModeRelease':
        // both are decided about at once, so nothing is left to be withdrawn
        return
      default:
        this.#outbox.tell({ type: 'message', message })
        return
    }
  }

  // modes and flow

  #modeAsked({ sequenceNumber, requestedModes }: RequestMode): void {
    this.#incomingMrseEvent({ type: 'requestMode', sequenceNumber, modes: requestedModes })
    const codecs = requestedModes.map((mode) =>
      mode.flatMap(({ type }) => (type.type === 'audioMode' ? [codecOfMode(type.value)] : []))
    )
    const at = codecs.findIndex((found) => found.length === 1 && found[0] !== null && this.#sound.canSend(found[0]!))
    if (at < 0 || !this.#sound.isSending) {
      this.#incomingMrseEvent({ type: 'rejectRequest', cause: 'modeUnavailable' })
      return
    }
    this.#incomingMrseEvent({ type: 'transferResponse', mostPreferred: at === 0 })
    this.#sound.prefer(codecs[at]![0]!)
  }

  #userInput(input: UserInputIndication, message: MultimediaSystemControlMessage): void {
    switch (input.type) {
      case 'alphanumeric':
        for (const digit of input.value) {
          if (/^[0-9*#A-D!]$/i.test(digit)) this.#outbox.tell({ type: 'digit', digit: digit.toUpperCase(), durationMs: null })
        }
        return
      case 'signal': {
        // "!" is a hook flash; a signal with rtp repeats what telephone-event says as well
        if (input.value.rtp !== undefined) return
        this.#outbox.tell({ type: 'digit', digit: input.value.signalType, durationMs: input.value.duration ?? null })
        return
      }
      case 'signalUpdate':
      case 'userInputSupportIndication':
        return
      default:
        this.#outbox.tell({ type: 'message', message })
        return
    }
  }

  #notSupported(message: MultimediaSystemControlMessage): void {
    const returnedFunction = multimediaSystemControlMessage.encode(message)
    this.#outbox.send(
      indication({
        type: 'functionNotSupported',
        value: { cause: { type: 'unknownFunction' }, ...(returnedFunction.length <= mostReturned && { returnedFunction }) }
      })
    )
  }

  #rtdseEvent(event: RtdseEvent): void {
    this.#outbox.run<RtdseState, RtdseEvent, RtdseTold, Rtdse>(rtdse, this.#rtdse, event, this.#rtdse.context, '', ({ type }) =>
      this.#outbox.tell({ type })
    )
  }

  #outgoingMrseEvent(event: OutgoingMrseEvent): void {
    this.#outbox.run<OutgoingMrseState, OutgoingMrseEvent, OutgoingMrseTold, Mrse>(
      outgoingMrse,
      this.#outgoingMrse,
      event,
      this.#outgoingMrse.context,
      '',
      ({ type }) => this.#outbox.tell({ type })
    )
  }

  #incomingMrseEvent(event: IncomingMrseEvent): void {
    // answered where it is asked
    this.#outbox.run<IncomingMrseState, IncomingMrseEvent, IncomingMrseTold, Mrse>(
      incomingMrse,
      this.#incomingMrse,
      event,
      this.#incomingMrse.context,
      '',
      () => {}
    )
  }
}

/** A refused message is sent back when it is no longer than this, octets. */
const mostReturned = 1024
