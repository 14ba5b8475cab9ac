/**
 * One call: its Q.931 states, joined with fast connect, with H.245 and the way it goes. No socket, no clock: messages, expired timers and requests go in,
 * effects come out.
 */
import { step, type Table } from '#kernel'
import type { Address, AudioCodec, LocalMedia, MediaTerms } from '../control/media.ts'
import { type ControlEvent, ControlSession, type ControlSettings } from '../control/session.ts'
import type { AliasAddress, FacilityUUIE, SetupUUIE } from '../h225/h225.ts'
import type { MultimediaSystemControlMessage } from '../h245/h245.ts'
import { multimediaSystemControlMessage } from '../h245/pdus.ts'
import { elementOctets, ie, octet, progressIndicator, type Q931Message, text, userInformationOf } from '../q931/q931.ts'
import { causeOf, causes, type ReasonName, type ReleaseCause } from './causes.ts'
import { FastConnect, type FastConnectState } from './fast-connect.ts'
import { type BodyOf, type H245Effect, H245Way } from './h245-way.ts'
import type { CallIdentity, Extras, Party, SetupParts } from './messages.ts'
import * as messages from './messages.ts'
import { partyAfter, type RemoteParty, unknownParty } from './remote.ts'
import {
  type CalledEvent,
  type CalledState,
  type CallerEvent,
  type CallerState,
  calledStates,
  callerStates,
  q931Timers,
  type StateEffect,
  stateNumbers
} from './states.ts'

export type { RemoteParty } from './remote.ts'

/** How calls are signalled. What the peer cannot do is not done. */
export interface SignallingModes {
  /** Media are proposed in SETUP and agreed on before the call is answered (H.323 §8.1.7). Default true. */
  readonly fastStart: boolean
  /** H.245 inside the call signalling channel (H.323 §8.2.1). Default true. */
  readonly tunnelling: boolean
  /** H.245 begins before the call is answered (H.323 §8.2.3). Default false. */
  readonly earlyH245: boolean
  /** H.245 already in SETUP; ooh323c stalls on it. Needs tunnelling and earlyH245, and no fast start. Default false. */
  readonly h245InSetup: boolean
  /** Sound of H.245 in one channel for both ways, with reverse parameters. Default false. */
  readonly bothWays: boolean
}

export const defaultModes: SignallingModes = {
  fastStart: true,
  tunnelling: true,
  earlyH245: false,
  h245InSetup: false,
  bothWays: false
}

export interface CallSettings {
  readonly direction: 'outbound' | 'inbound'
  readonly identity: CallIdentity
  readonly own: Party
  readonly modes: SignallingModes
  readonly control: ControlSettings
}

export type CallTold =
  | { readonly type: 'proceeding' }
  | { readonly type: 'alerting'; readonly inBand: boolean }
  | { readonly type: 'progress'; readonly inBand: boolean }
  | { readonly type: 'connected' }
  | { readonly type: 'released'; readonly by: 'local' | 'remote'; readonly cause: ReleaseCause }
  | { readonly type: 'control'; readonly event: ControlEvent }
  | { readonly type: 'keypad'; readonly digits: string }
  | { readonly type: 'supplementary'; readonly apdus: readonly Uint8Array[] }
  /** FACILITY that sends the call elsewhere. */
  | { readonly type: 'redirected'; readonly facility: FacilityUUIE }
  /** A message that its state does not allow, answered with STATUS, or ignored. */
  | { readonly type: 'ignored'; readonly state: string; readonly event: string }

export type CallEffect =
  | { readonly type: 'signal'; readonly message: Q931Message }
  | H245Effect
  | { readonly type: 'start'; readonly timer: string; readonly ms: number }
  | { readonly type: 'stop'; readonly timer: string }
  | { readonly type: 'tell'; readonly told: CallTold }
  /** Everything of the call ends: connections are closed when what was sent is out. */
  | { readonly type: 'end' }

const q931TimerNames = ['T301', 'T303', 'T310', 'T322'] as const

const facilityIsRedirection = new Set(['callForwarded', 'routeCallToGatekeeper', 'routeCallToMC'])

export class CallSession {
  readonly control: ControlSession
  readonly #settings: CallSettings
  #effects: CallEffect[] = []
  #state: CallerState | CalledState = 'null'
  readonly #fast: FastConnect
  readonly #way: H245Way
  #local: LocalMedia | null = null
  #setup: SetupUUIE | null = null
  #setupParts: SetupParts | null = null
  #setupExtras: Pick<Extras, 'genericData' | 'supplementary'> = {}
  #inBand = false
  #remote: RemoteParty = unknownParty
  #ended = false
  /** It has ended H.245; RELEASE COMPLETE is then due from here. */
  #peerEnded = false
  /** What the peer's RELEASE COMPLETE says. */
  #cause: ReleaseCause = { cause: causes.normal, reason: null }
  #reason: ReasonName | undefined

  constructor(settings: CallSettings) {
    this.#settings = settings
    this.control = new ControlSession(settings.control)
    this.#fast = new FastConnect(this.control)
    this.#way = new H245Way(settings.direction, settings.modes.tunnelling, {
      effect: (effect) => this.#effects.push(effect),
      facility: (reason, extras) => this.#signal(messages.facility(settings.identity, { reason }, this.#extras(extras)))
    })
  }

  get state(): CallerState | CalledState {
    return this.#state
  }

  get remote(): RemoteParty {
    return this.#remote
  }

  get terms(): MediaTerms | null {
    return this.control.terms
  }

  get hasEnded(): boolean {
    return this.#ended
  }

  get identity(): CallIdentity {
    return this.#settings.identity
  }

  get fastConnect(): FastConnectState {
    return this.#fast.state
  }

  get tunnelling(): boolean {
    return this.#way.tunnel === 'on'
  }

  /** Whether a listening address for H.245 is wanted before the first message goes out. */
  get wantsListening(): boolean {
    return this.#way.tunnel === 'off'
  }

  /** What was done since the last time, in order. */
  take(): readonly CallEffect[] {
    this.#drainControl()
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  /** Where sound is received. Of a caller before {@link dial}, of who is called when it is known where the sound goes. */
  setLocal(local: LocalMedia): void {
    if (this.#ended || this.#local !== null) return
    this.#local = local
    this.#fast.answer(local)
    this.control.setLocal(local)
    this.#beginControl()
  }

  /** The address on which H.245 of this call is listened to. */
  listening(address: Address): void {
    this.#way.listening(address, this.#state === 'active')
  }

  /** Outbound: sends SETUP. */
  dial(parts: SetupParts, extras: Pick<Extras, 'genericData' | 'supplementary'> = {}): void {
    this.#setupParts = parts
    this.#setupExtras = extras
    this.#caller({ type: 'setupRequest' })
  }

  proceed(): void {
    this.#called({ type: 'proceedRequest' })
  }

  alert(): void {
    this.#inBand = this.#local !== null
    this.#called({ type: 'alertRequest' })
  }

  progress(): void {
    this.#inBand = this.#local !== null
    this.#called({ type: 'progressRequest' })
  }

  answer(): void {
    this.#called({ type: 'answerRequest' })
  }

  /** @param reason where another than that of the cause is told */
  release(cause: number, reason?: ReasonName): void {
    this.#reason = reason
    this.#both({ type: 'releaseRequest', cause })
  }

  /** Asks for the state of the peer; no answer ends the call (T322). */
  enquire(): void {
    this.#both({ type: 'statusRequest' })
  }

  /** Sends APDUs of H.450 in a FACILITY. */
  supplementary(apdus: readonly Uint8Array[]): void {
    if (this.#ended || this.#state === 'null') return
    this.#signal(
      messages.facility(this.#settings.identity, { reason: 'transportedInformation' }, this.#extras({ supplementary: apdus }))
    )
  }

  /** Sends the call elsewhere by H.225.0 alone. */
  redirect({ aliases, address }: { readonly aliases: readonly AliasAddress[]; readonly address: Address | null }): void {
    if (this.#ended || this.#state === 'null') return
    const parts = {
      reason: 'callForwarded',
      ...(aliases.length > 0 && { alternativeAliases: aliases }),
      ...(address !== null && { alternativeAddress: address })
    } as const
    this.#signal(messages.facility(this.#settings.identity, parts, this.#extras()))
  }

  display(shown: string): void {
    if (!this.#ended && this.#state !== 'null') {
      this.#signal(messages.information(this.#settings.identity, { display: shown }, this.#extras()))
    }
  }

  /** Digits by Q.931, before H.245 is there. */
  keypad(digits: string): void {
    if (!this.#ended && this.#state !== 'null') {
      this.#signal(messages.information(this.#settings.identity, { keypad: digits }, this.#extras()))
    }
  }

  notify(indicator: number): void {
    if (!this.#ended && this.#state !== 'null') {
      this.#signal(messages.notify(this.#settings.identity, indicator, this.#extras()))
    }
  }

  /** Asks the peer for another codec. */
  requestCodec(codec: AudioCodec): void {
    this.control.requestCodec(codec)
  }

  /** A timer went off that an effect has started. */
  expired(timer: string): void {
    const name = q931TimerNames.find((one) => one === timer)
    if (name === undefined) this.control.expired(timer)
    else this.#both({ type: name } as CallerEvent & CalledEvent)
  }

  /** The connection of call signalling is gone. */
  lost(): void {
    this.#both({ type: 'lost' })
  }

  /** H.245 has a connection of its own. */
  h245Opened(): void {
    if (this.#ended || this.#state === 'null') return
    this.#way.opened()
    this.control.start()
  }

  h245Closed(): void {
    // the control channel is the life of a call that is not tunnelled (H.323 §8.5)
    if (!this.#ended && this.#way.closed()) this.release(causes.temporaryFailure)
  }

  /** The connection could not be made. */
  h245Failed(): void {
    if (!this.#ended && this.#way.failed() && this.control.terms === null) this.release(causes.temporaryFailure)
  }

  h245Received(message: MultimediaSystemControlMessage): void {
    if (!this.#ended && this.#state !== 'null') this.#receiveControl(message)
  }

  /**
   * A message of call signalling.
   *
   * @throws {DecodeError} whatever its user-user information has wrong
   */
  received(message: Q931Message): void {
    if (this.#ended) return
    const information = userInformationOf(message)
    const pdu = information?.['h323-uu-pdu']
    this.#remote = partyAfter(this.#remote, message, information, this.#settings.direction)
    if (pdu !== undefined) this.#way.learn(pdu)
    const body = pdu?.['h323-message-body']
    if (body !== undefined && 'value' in body && body.type !== 'unknownExtension') this.#fast.answered(body.value)
    const isEnd = message.messageType === 'releaseComplete'
    if (!isEnd) this.#state931(message, body)
    // without a SETUP there is no call that the rest could be of
    if (this.#ended || this.#state === 'null') return
    // with RELEASE COMPLETE comes endSession, which says nothing more;
    // outside the tunnel they are nothing: the flag of our answers says so (H.323 §8.2.1)
    for (const octets of this.#way.tunnel === 'off' || isEnd ? [] : (pdu?.h245Control ?? [])) {
      this.#receiveControl(multimediaSystemControlMessage.decode(octets))
      if (this.#ended) return
    }
    if (pdu?.h4501SupplementaryService !== undefined) {
      this.#tell({ type: 'supplementary', apdus: pdu.h4501SupplementaryService })
    }
    if (isEnd) this.#releaseCame(message, body)
    else this.#beginControl()
  }

  // states

  #state931(message: Q931Message, body: BodyOf | undefined): void {
    const { messageType } = message
    switch (messageType) {
      case 'setup':
        if (body?.type === 'setup') this.#setupCame(message, body.value)
        return
      case 'callProceeding':
      case 'alerting':
      case 'progress':
      case 'connect':
      case 'setupAcknowledge':
        if (this.#settings.direction === 'outbound') {
          this.#inBand = hasInBand(message)
          this.#caller({ type: messageType })
        } else this.#unexpected(message)
        return
      case 'facility':
        if (body?.type === 'facility') this.#facilityCame(body.value)
        return
      case 'information': {
        const octets = elementOctets(message, ie.keypadFacility)
        if (octets !== undefined) this.#tell({ type: 'keypad', digits: text.decode(octets) })
        return
      }
      case 'statusInquiry':
        this.#sendStatus(statusCause.enquiry)
        return
      case 'status':
        this.#statusCame(message)
        return
      case 'notify':
        return
      default:
        // DISCONNECT, RELEASE and what is unknown have no meaning in H.225.0
        this.#sendStatus(causes.messageTypeUnknown)
    }
  }

  #unexpected(message: Q931Message): void {
    this.#tell({ type: 'ignored', state: this.#state, event: String(message.messageType) })
    this.#sendStatus(causes.wrongState)
  }

  #sendStatus(cause: number): void {
    this.#signal(messages.status(this.#settings.identity, stateNumbers[this.#state], cause, this.#extras()))
  }

  /** @see Q.931 §5.8.11: a peer in U0 has no call any more; any other state is compatible here */
  #statusCame(message: Q931Message): void {
    const octets = elementOctets(message, ie.callState)
    const peer = octets === undefined ? undefined : octet.decode(octets) & 0x3f
    if (peer === 0 && this.#state !== 'null') {
      this.#reason = undefined
      this.#both({ type: 'releaseRequest', cause: causes.wrongState })
      return
    }
    if (this.#state === 'active') this.#both({ type: 'status' })
  }

  #releaseCame(message: Q931Message, body: BodyOf | undefined): void {
    const reason = body?.type === 'releaseComplete' ? body.value.reason : undefined
    this.#cause = causeOf(message, reason)
    this.#both({ type: 'releaseComplete' })
  }

  #caller(event: CallerEvent): void {
    if (this.#settings.direction === 'outbound') this.#run<CallerState, CallerEvent>(callerStates, event)
  }

  #called(event: CalledEvent): void {
    if (this.#settings.direction === 'inbound') this.#run<CalledState, CalledEvent>(calledStates, event)
  }

  #both(event: CallerEvent & CalledEvent): void {
    if (this.#settings.direction === 'outbound') this.#run<CallerState, CallerEvent>(callerStates, event)
    else this.#run<CalledState, CalledEvent>(calledStates, event)
  }

  #run<S extends CallerState | CalledState, E extends { readonly type: string }>(
    table: Table<S, E, StateEffect>,
    event: E
  ): void {
    if (this.#ended) return
    const { state, effects, allowed } = step(table, this.#state as S, event, undefined)
    if (!allowed) {
      this.#tell({ type: 'ignored', state: this.#state, event: event.type })
      return
    }
    this.#state = state
    for (const effect of effects) this.#perform(effect)
  }

  #perform(effect: StateEffect): void {
    switch (effect.type) {
      case 'send':
        this.#send(effect.message)
        break
      case 'start':
        this.#effects.push({ type: 'start', timer: effect.timer, ms: q931Timers[effect.timer] })
        break
      case 'stop':
        this.#effects.push({ type: 'stop', timer: effect.timer })
        break
      case 'release':
        this.#sendRelease(effect.cause)
        break
      case 'gone':
        this.#finish('remote', effect.lost ? { cause: causes.temporaryFailure, reason: null } : this.#cause)
        break
      case 'tell':
        this.#announce(effect.told)
    }
  }

  #announce(told: Extract<StateEffect, { type: 'tell' }>['told']): void {
    switch (told) {
      case 'offered':
        return
      case 'proceeding':
        this.#tell({ type: 'proceeding' })
        break
      case 'alerting':
      case 'progress':
        this.#tell({ type: told, inBand: this.#inBand })
        break
      case 'connected': {
        // what was not agreed on by now will not be (H.323 §8.1.7.1)
        this.#fast.giveUp()
        this.#tell({ type: 'connected' })
        this.#beginControl()
      }
    }
  }

  // messages out

  /** What goes with any message. */
  #extras(more: Partial<Extras> = {}): Extras {
    return { tunnelling: this.#way.tunnel !== 'off', ...more }
  }

  /** What goes with the answers to a SETUP: the answer to fast connect, and, where it may be told by now, the address of H.245. */
  #answerExtras(withAddress: boolean): Extras {
    return { ...this.#extras(), ...this.#fast.takeAnswer(), ...(withAddress && this.#way.takeAddress()) }
  }

  #send(message: Extract<StateEffect, { type: 'send' }>['message']): void {
    const { identity, own, modes } = this.#settings
    const early = modes.earlyH245
    switch (message) {
      case 'setup':
        this.#sendSetup()
        break
      case 'callProceeding':
        this.#signal(messages.callProceeding(identity, own, this.#answerExtras(early)))
        break
      case 'alerting':
        this.#signal(messages.alerting(identity, own, { ...this.#answerExtras(early), inBand: this.#inBand }))
        break
      case 'progress':
        this.#signal(messages.progress(identity, own, this.#answerExtras(early)))
        break
      case 'connect':
        // who opens is the peer; where it already said where, that is done from here
        this.#signal(messages.connect(identity, own, this.#answerExtras(true)))
        break
      case 'statusInquiry':
        this.#signal(messages.statusInquiry(identity, this.#extras()))
    }
    this.#beginControl()
  }

  #sendSetup(): void {
    const { identity, own, modes } = this.#settings
    const local = this.#local
    const fastStart = modes.fastStart && local !== null && local.codecs.length > 0 ? this.#fast.propose(local) : undefined
    let h245Control: Uint8Array[] | undefined
    if (this.#way.tunnel === 'proposed' && modes.h245InSetup && modes.earlyH245 && fastStart === undefined) {
      this.control.start()
      this.#drainControl()
      h245Control = this.#way.takeForSetup()
    }
    const extras = this.#extras({
      ...this.#setupExtras,
      ...(fastStart !== undefined && { fastStart }),
      ...(h245Control !== undefined && { h245Control }),
      ...(modes.earlyH245 && this.#way.takeAddress())
    })
    this.#signal(messages.setup(identity, own, this.#setupParts!, extras))
  }

  #signal(message: Q931Message): void {
    this.#effects.push({ type: 'signal', message })
  }

  #sendRelease(cause: number): void {
    this.#drainControl()
    this.control.end()
    const last = this.control.take().findLast((effect) => effect.type === 'send')
    const h245Control = this.#way.sendLast(last?.message ?? null)
    const { identity } = this.#settings
    this.#signal(messages.releaseComplete(identity, cause, this.#extras({ h245Control }), this.#reason))
    this.#finish(this.#peerEnded ? 'remote' : 'local', { cause, reason: this.#reason ?? null })
  }

  #finish(by: 'local' | 'remote', cause: ReleaseCause): void {
    this.#ended = true
    this.control.end()
    this.control.take()
    for (const timer of q931TimerNames) this.#effects.push({ type: 'stop', timer })
    this.#tell({ type: 'released', by, cause })
    this.#effects.push({ type: 'end' })
  }

  // messages in

  #setupCame(message: Q931Message, value: SetupUUIE): void {
    if (this.#setup !== null || this.#settings.direction !== 'inbound') {
      this.#unexpected(message)
      return
    }
    this.#setup = value
    if (value.fastStart !== undefined && value.fastStart.length > 0) {
      this.#fast.offered(value.fastStart, this.#settings.modes.fastStart)
    }
    this.#called({ type: 'setup' })
  }

  #facilityCame(facility: FacilityUUIE): void {
    if (facilityIsRedirection.has(facility.reason.type) && this.#settings.direction === 'outbound') {
      this.#tell({ type: 'redirected', facility })
    }
  }

  #receiveControl(message: MultimediaSystemControlMessage): void {
    // H.245 before an answer to the proposals ends fast connect (H.323 §8.1.7.2)
    if (startsControl(message)) this.#fast.giveUp()
    this.control.receive(message)
    this.#drainControl()
  }

  // H.245

  /** Begins H.245 where its time has come. */
  #beginControl(): void {
    if (this.#ended || this.#state === 'null') return
    // begun in SETUP where the peer then turned out not to tunnel: a connection is still to be made
    if (this.control.isStarted && (this.#way.tunnel !== 'off' || !this.#way.isUnconnected)) return
    const { modes } = this.#settings
    const isTime =
      this.#state === 'active' || (modes.earlyH245 && this.#state !== 'callInitiated' && this.#state !== 'callPresent')
    // the answer to fast connect goes first: H.245 before it would end it
    if (!isTime || !this.#fast.isSettled || this.#way.tunnel === 'proposed') return
    if (this.#way.tunnel === 'on') this.control.start()
    else if (this.#way.isUnconnected) this.#way.startConnection()
  }

  #drainControl(): void {
    for (const effect of this.control.take()) {
      // what came before it may have ended the call
      if (this.#ended) return
      switch (effect.type) {
        case 'send':
          this.#way.send(effect.message)
          break
        case 'tell':
          this.#controlTold(effect.event)
          break
        default:
          this.#effects.push(effect)
      }
    }
  }

  #controlTold(event: ControlEvent): void {
    if (this.#ended) return
    switch (event.type) {
      case 'endSession':
        this.#peerEnded = true
        this.release(causes.normal)
        break
      case 'failed':
        // sound that fast connect has opened goes on with a peer that knows no H.245
        if (this.#fast.state === 'accepted') this.#tell({ type: 'control', event })
        else this.release(event.reason === 'capabilities' ? causes.incompatible : causes.protocolError)
        break
      default:
        this.#tell({ type: 'control', event })
    }
  }

  #tell(told: CallTold): void {
    this.#effects.push({ type: 'tell', told })
  }
}

/** Answers to STATUS ENQUIRY. @see Q.850, 30 */
const statusCause = { enquiry: 30 } as const

/** In-band information is there, or may be. @see Q.931 §4.5.23 */
function hasInBand(message: Q931Message): boolean {
  const octets = elementOctets(message, ie.progressIndicator)
  if (octets === undefined) return false
  const { description } = progressIndicator.decode(octets)
  return description === 1 || description === 8
}

const startsControl = ({ type, value }: MultimediaSystemControlMessage & { readonly value?: unknown }): boolean =>
  type === 'request' &&
  ['terminalCapabilitySet', 'masterSlaveDetermination', 'openLogicalChannel'].includes((value as { type: string }).type)
