/**
 * One call: Q.931 states, fast connect, and where H.245 goes (tunnelled, or on a connection of its own). No socket, no clock: messages, expired timers and
 * requests go in, effects come out.
 */
import { step, type Table } from '#kernel'
import { chooseProposals, fastAnswer, proposals, readFastStart } from '../control/channels.ts'
import type { Address, AudioCodec, LocalMedia, MediaTerms } from '../control/media.ts'
import { type ControlEvent, ControlSession, type ControlSettings } from '../control/session.ts'
import { addressOf as addressOfTransport } from '../gatekeeper/addresses.ts'
import type { AliasAddress, EndpointType, FacilityUUIE, H323UserInformation, SetupUUIE } from '../h225/h225.ts'
import type { MultimediaSystemControlMessage, OpenLogicalChannel } from '../h245/h245.ts'
import { multimediaSystemControlMessage, openLogicalChannel } from '../h245/pdus.ts'
import {
  elementOctets,
  ie,
  octet,
  partyNumber,
  progressIndicator,
  type Q931Message,
  text,
  userInformationOf
} from '../q931/q931.ts'
import { causeOf, causes, type ReasonName, type ReleaseCause } from './causes.ts'
import type { CallIdentity, Extras, Party, SetupParts } from './messages.ts'
import * as messages from './messages.ts'
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

/** What the peer has told of itself. */
export interface RemoteParty {
  readonly address: Address | null
  readonly aliases: readonly AliasAddress[]
  /** Calling or connected number, digits; null where there is none. */
  readonly number: string | null
  readonly display: string | null
  readonly endpointType: EndpointType | null
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
  | { readonly type: 'h245'; readonly message: MultimediaSystemControlMessage }
  /** An address for the peer to connect to is needed: {@link CallSession.listening} tells it. */
  | { readonly type: 'listenH245' }
  | { readonly type: 'connectH245'; readonly address: Address }
  | { readonly type: 'start'; readonly timer: string; readonly ms: number }
  | { readonly type: 'stop'; readonly timer: string }
  | { readonly type: 'tell'; readonly told: CallTold }
  /** Everything of the call ends: connections are closed when what was sent is out. */
  | { readonly type: 'end' }

type Tunnel = 'proposed' | 'on' | 'off'
type Fast = 'none' | 'proposed' | 'offered' | 'accepted' | 'refused'

const q931TimerNames = ['T301', 'T303', 'T310', 'T322'] as const

/** H.245 that waits for a way to go. */
const mostWaiting = 100
const facilityIsRedirection = new Set(['callForwarded', 'routeCallToGatekeeper', 'routeCallToMC'])

export class CallSession {
  readonly control: ControlSession
  readonly #settings: CallSettings
  #effects: CallEffect[] = []
  #state: CallerState | CalledState = 'null'
  #tunnel: Tunnel
  #fast: Fast = 'none'
  #offer: readonly OpenLogicalChannel[] = []
  #proposed: readonly OpenLogicalChannel[] = []
  #fastToSend: readonly Uint8Array[] | null = null
  #refusalToSend = false
  #local: LocalMedia | null = null
  /** Where the peer can open H.245, told in the next message. */
  #h245Listening: Address | null = null
  #h245Told = false
  #peerH245: Address | null = null
  #h245: 'none' | 'connecting' | 'open' | 'closed' = 'none'
  #waiting: MultimediaSystemControlMessage[] = []
  /** Went with SETUP, and may have to go again. */
  #inSetup: MultimediaSystemControlMessage[] = []
  #setup: SetupUUIE | null = null
  #setupParts: SetupParts | null = null
  #setupExtras: Pick<Extras, 'genericData' | 'supplementary'> = {}
  #inBand = false
  #remote: RemoteParty = { address: null, aliases: [], number: null, display: null, endpointType: null }
  #ended = false
  /** It has ended H.245; RELEASE COMPLETE is then due from here. */
  #peerEnded = false
  /** What the peer's RELEASE COMPLETE says. */
  #cause: ReleaseCause = { cause: causes.normal, reason: null }
  #reason: ReasonName | undefined

  constructor(settings: CallSettings) {
    this.#settings = settings
    this.#tunnel = settings.modes.tunnelling ? 'proposed' : 'off'
    this.control = new ControlSession(settings.control)
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

  get fastConnect(): Fast {
    return this.#fast
  }

  get tunnelling(): boolean {
    return this.#tunnel === 'on'
  }

  /** Whether a listening address for H.245 is wanted before the first message goes out. */
  get wantsListening(): boolean {
    return this.#tunnel === 'off'
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
    if (this.#fast === 'offered') this.#answerFastStart()
    this.control.setLocal(local)
    this.#beginControl()
  }

  /** The address on which H.245 of this call is listened to. */
  listening(address: Address): void {
    this.#h245Listening = address
    if (this.#state === 'active' && !this.#h245Told && this.#h245 === 'none') this.#startH245()
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
    this.#h245 = 'open'
    for (const message of this.#waiting.splice(0)) this.#effects.push({ type: 'h245', message })
    this.control.start()
  }

  h245Closed(): void {
    if (this.#ended || this.#h245 !== 'open') return
    this.#h245 = 'closed'
    // the control channel is the life of a call that is not tunnelled (H.323 §8.5)
    this.release(causes.temporaryFailure)
  }

  /** The connection could not be made. */
  h245Failed(): void {
    if (this.#ended || this.#h245 !== 'connecting') return
    this.#h245 = 'none'
    if (this.control.terms === null) this.release(causes.temporaryFailure)
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
    this.#learn(message, information)
    if (pdu !== undefined) this.#tunnelOf(pdu)
    const body = pdu?.['h323-message-body']
    if (body !== undefined && 'value' in body && body.type !== 'unknownExtension') this.#fastStartOf(body.value)
    const isEnd = message.messageType === 'releaseComplete'
    if (!isEnd) this.#state931(message, body)
    // without a SETUP there is no call that the rest could be of
    if (this.#ended || this.#state === 'null') return
    // with RELEASE COMPLETE comes endSession, which says nothing more;
    // outside the tunnel they are nothing: the flag of our answers says so (H.323 §8.2.1)
    for (const octets of this.#tunnel === 'off' || isEnd ? [] : (pdu?.h245Control ?? [])) {
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
        if (this.#fast === 'proposed') this.#fast = 'refused'
        this.#tell({ type: 'connected' })
        this.#beginControl()
      }
    }
  }

  // messages out

  /** What goes with any message. */
  #extras(more: Partial<Extras> = {}): Extras {
    return { tunnelling: this.#tunnel !== 'off', ...more }
  }

  /** What goes with the answers to a SETUP: the answer to fast connect, and the address of H.245, once. */
  #answerExtras(): Extras {
    const extras: { -readonly [K in keyof Extras]: Extras[K] } = this.#extras()
    if (this.#fastToSend !== null) {
      extras.fastStart = this.#fastToSend
      this.#fastToSend = null
    }
    if (this.#refusalToSend) {
      extras.fastConnectRefused = true
      this.#refusalToSend = false
    }
    return extras
  }

  #withH245Address(extras: Extras): Extras {
    if (this.#tunnel !== 'off' || this.#h245Listening === null || this.#h245 !== 'none') return extras
    // who knows where to connect does so, and is not connected to: two connections would cross (H.323 §8.2.3)
    if (this.#peerH245 !== null) return extras
    this.#h245Told = true
    return { ...extras, h245Address: this.#h245Listening }
  }

  #send(message: Extract<StateEffect, { type: 'send' }>['message']): void {
    const { identity, own, modes } = this.#settings
    const early = modes.earlyH245
    switch (message) {
      case 'setup':
        this.#sendSetup()
        break
      case 'callProceeding':
        this.#signal(
          messages.callProceeding(identity, own, early ? this.#withH245Address(this.#answerExtras()) : this.#answerExtras())
        )
        break
      case 'alerting': {
        const extras = early ? this.#withH245Address(this.#answerExtras()) : this.#answerExtras()
        this.#signal(messages.alerting(identity, own, { ...extras, inBand: this.#inBand }))
        break
      }
      case 'progress':
        this.#signal(messages.progress(identity, own, early ? this.#withH245Address(this.#answerExtras()) : this.#answerExtras()))
        break
      case 'connect':
        // who opens is the peer; where it already said where, that is done from here
        this.#signal(messages.connect(identity, own, this.#withH245Address(this.#answerExtras())))
        break
      case 'statusInquiry':
        this.#signal(messages.statusInquiry(identity, this.#extras()))
    }
    this.#beginControl()
  }

  #sendSetup(): void {
    const { identity, own, modes } = this.#settings
    const local = this.#local
    let fastStart: Uint8Array[] | undefined
    if (modes.fastStart && local !== null && local.codecs.length > 0) {
      this.#proposed = proposals(local, this.control.reserveNumbers(local.codecs.length))
      fastStart = this.#proposed.map((open) => openLogicalChannel.encode(open))
      this.#fast = 'proposed'
    }
    let h245Control: Uint8Array[] | undefined
    if (this.#tunnel === 'proposed' && modes.h245InSetup && modes.earlyH245 && fastStart === undefined) {
      this.control.start()
      h245Control = this.#takeForSetup()
    }
    const early = this.#tunnel === 'off' && modes.earlyH245
    const extras = this.#extras({
      ...this.#setupExtras,
      ...(fastStart !== undefined && { fastStart }),
      ...(h245Control !== undefined && { h245Control })
    })
    this.#signal(messages.setup(identity, own, this.#setupParts!, early ? this.#withH245Address(extras) : extras))
  }

  /** Messages of the control session that wait, encoded for the SETUP that goes out now. */
  #takeForSetup(): Uint8Array[] {
    this.#drainControl()
    this.#inSetup = this.#waiting.splice(0)
    return this.#inSetup.map((message) => multimediaSystemControlMessage.encode(message))
  }

  #signal(message: Q931Message): void {
    this.#effects.push({ type: 'signal', message })
  }

  #sendRelease(cause: number): void {
    this.#drainControl()
    this.#waiting = []
    this.control.end()
    let h245Control: Uint8Array[] = []
    for (const effect of this.control.take()) {
      if (effect.type !== 'send') continue
      if (this.#h245 === 'open') this.#effects.push({ type: 'h245', message: effect.message })
      else if (this.#tunnel === 'on') h245Control = [multimediaSystemControlMessage.encode(effect.message)]
    }
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

  /** What the message tells of the peer. */
  #learn(message: Q931Message, information: H323UserInformation | undefined): void {
    const body = information?.['h323-uu-pdu']['h323-message-body']
    const shown = elementOctets(message, ie.display)
    const number = elementOctets(message, this.#settings.direction === 'inbound' ? ie.callingPartyNumber : ie.connectedNumber)
    const next: { -readonly [K in keyof RemoteParty]: RemoteParty[K] } = { ...this.#remote }
    if (shown !== undefined) next.display = text.decode(shown)
    if (number !== undefined) next.number = partyNumber.decode(number).digits
    switch (body?.type) {
      case 'setup':
        next.aliases = body.value.sourceAddress ?? []
        next.endpointType = body.value.sourceInfo
        next.address =
          body.value.sourceCallSignalAddress === undefined ? null : addressOfTransport(body.value.sourceCallSignalAddress)
        break
      case 'connect':
        next.aliases = body.value.connectedAddress ?? next.aliases
        next.endpointType = body.value.destinationInfo
        break
      case 'alerting':
        next.aliases = body.value.alertingAddress ?? next.aliases
        next.endpointType = body.value.destinationInfo
    }
    this.#remote = next
  }

  /** Whether H.245 is tunnelled, as the peer sees it. */
  #tunnelOf(pdu: H323UserInformation['h323-uu-pdu']): void {
    const body = pdu['h323-message-body']
    const { direction } = this.#settings
    if (this.#tunnel === 'proposed') {
      const isAnswer = direction === 'outbound' ? body.type !== 'setup' : body.type === 'setup'
      // a gatekeeper in between does not know yet what the called side can (H.225.0 §7.2, provisionalRespToH245Tunneling)
      if (isAnswer && pdu.provisionalRespToH245Tunneling === undefined && body.type !== 'releaseComplete') {
        this.#tunnel = pdu.h245Tunneling === true ? 'on' : 'off'
        if (this.#tunnel === 'on') this.#flushWaiting()
        else this.#waiting = [...this.#inSetup, ...this.#waiting]
        this.#inSetup = []
      }
    } else if (this.#tunnel === 'on' && pdu.h245Tunneling === false && body.type !== 'releaseComplete') {
      // the peer leaves the tunnel: from now on H.245 has its own connection
      this.#tunnel = 'off'
    }
    const address = h245AddressOf(body)
    if (address !== null) {
      this.#peerH245 = address
      const isAsked = body.type === 'facility' && body.value.reason.type === 'startH245'
      if (isAsked && this.#tunnel === 'off') this.#connectH245()
    }
  }

  #fastStartOf(value: object): void {
    if (this.#fast !== 'proposed' || this.#settings.direction !== 'outbound') return
    const { fastStart, fastConnectRefused } = value as { fastStart?: readonly Uint8Array[]; fastConnectRefused?: null }
    if (fastConnectRefused !== undefined) {
      this.#fast = 'refused'
      return
    }
    if (fastStart === undefined || fastStart.length === 0) return
    const { forward, reverse } = readFastStart(fastStart.map((octets) => openLogicalChannel.decode(octets)))
    const offered = readFastStart(this.#proposed)
    const out = forward.find(({ codec, rtp }) => rtp !== null && offered.forward.some((one) => one.codec === codec)) ?? null
    const back = reverse.find(({ codec }) => offered.reverse.some((one) => one.codec === codec)) ?? null
    if (out === null && back === null) {
      this.#fast = 'refused'
      return
    }
    this.#fast = 'accepted'
    // numbers of answers need not be those of proposals: ours go by the codec
    const number = out === null ? 0 : (offered.forward.find(({ codec }) => codec === out.codec)?.number ?? out.number)
    this.control.adopt(out === null ? null : { ...out, number }, back)
  }

  #setupCame(message: Q931Message, value: SetupUUIE): void {
    if (this.#setup !== null || this.#settings.direction !== 'inbound') {
      this.#unexpected(message)
      return
    }
    this.#setup = value
    if (value.fastStart !== undefined && value.fastStart.length > 0) {
      this.#offer = value.fastStart.map((octets) => openLogicalChannel.decode(octets))
      this.#fast = this.#settings.modes.fastStart ? 'offered' : 'refused'
      if (this.#fast === 'refused') this.#refusalToSend = true
    }
    this.#called({ type: 'setup' })
  }

  #answerFastStart(): void {
    const local = this.#local!
    const chosen = chooseProposals(this.#offer, local)
    if (chosen === null) {
      this.#fast = 'refused'
      this.#refusalToSend = true
      return
    }
    this.#fast = 'accepted'
    const number = this.control.reserveNumbers(1)
    this.#fastToSend = fastAnswer(chosen, number, local).map((open) => openLogicalChannel.encode(open))
    this.control.setLocal(local)
    this.control.adopt({ ...chosen.reverse, number }, chosen.forward)
  }

  #facilityCame(facility: FacilityUUIE): void {
    if (facilityIsRedirection.has(facility.reason.type) && this.#settings.direction === 'outbound') {
      this.#tell({ type: 'redirected', facility })
    }
  }

  #receiveControl(message: MultimediaSystemControlMessage): void {
    // H.245 before an answer to the proposals ends fast connect (H.323 §8.1.7.2)
    if (this.#fast === 'proposed' && startsControl(message)) this.#fast = 'refused'
    this.control.receive(message)
    this.#drainControl()
  }

  // H.245

  /** Begins H.245 where its time has come. */
  #beginControl(): void {
    if (this.#ended || this.#state === 'null') return
    // begun in SETUP where the peer then turned out not to tunnel: a connection is still to be made
    if (this.control.isStarted && (this.#tunnel !== 'off' || this.#h245 !== 'none')) return
    const { modes } = this.#settings
    // the answer to fast connect goes first: H.245 before it would end it
    const isDecided = this.#fast !== 'proposed' && this.#fast !== 'offered' && this.#fastToSend === null && !this.#refusalToSend
    const isTime =
      this.#state === 'active' || (modes.earlyH245 && this.#state !== 'callInitiated' && this.#state !== 'callPresent')
    if (!isTime || !isDecided || this.#tunnel === 'proposed') return
    if (this.#tunnel === 'on') this.control.start()
    else if (this.#h245 === 'none') this.#startH245()
  }

  /** H.245 on a connection of its own: to the peer's address where it told one; else it is asked to come. */
  #startH245(): void {
    if (this.#peerH245 !== null) this.#connectH245()
    else if (this.#h245Listening === null) this.#effects.push({ type: 'listenH245' })
    else if (!this.#h245Told) {
      this.#signal(messages.facility(this.#settings.identity, { reason: 'startH245' }, this.#withH245Address(this.#extras())))
    }
  }

  #connectH245(): void {
    if (this.#h245 !== 'none' || this.#peerH245 === null) return
    this.#h245 = 'connecting'
    this.#effects.push({ type: 'connectH245', address: this.#peerH245 })
  }

  #flushWaiting(): void {
    for (const message of this.#waiting.splice(0)) this.#sendControl(message)
  }

  #sendControl(message: MultimediaSystemControlMessage): void {
    if (this.#h245 === 'open') this.#effects.push({ type: 'h245', message })
    else if (this.#tunnel === 'on') {
      // one message of H.245 in one FACILITY: gateways of Cisco take no more
      const h245Control = [multimediaSystemControlMessage.encode(message)]
      this.#signal(
        messages.facility(this.#settings.identity, { reason: 'transportedInformation' }, this.#extras({ h245Control }))
      )
    } else if (this.#waiting.length < mostWaiting) this.#waiting.push(message)
  }

  #drainControl(): void {
    for (const effect of this.control.take()) {
      // what came before it may have ended the call
      if (this.#ended) return
      switch (effect.type) {
        case 'send':
          this.#sendControl(effect.message)
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
        if (this.#fast === 'accepted') this.#tell({ type: 'control', event })
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

type BodyOf = H323UserInformation['h323-uu-pdu']['h323-message-body']

/** Answers to STATUS ENQUIRY. @see Q.850, 30 */
const statusCause = { enquiry: 30 } as const

function h245AddressOf(body: BodyOf): Address | null {
  if (!('value' in body) || body.type === 'unknownExtension') return null
  const { h245Address } = body.value as { h245Address?: Parameters<typeof addressOfTransport>[0] }
  return h245Address === undefined ? null : addressOfTransport(h245Address)
}

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
