/** A call with its sockets, its timers and its sound around the pure {@link CallSession}. */
import { randomBytes, randomInt } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import {
  type CallContext,
  type Clock,
  DecodeError,
  errorCode,
  InfraFabricError,
  isTraceId,
  type Log,
  type MediaRefusal,
  type WitnessEvent
} from '#kernel'
import { type CallEffect, CallSession, type CallTold, type SignallingModes } from '../call/call.ts'
import { causeOfAdmissionReject, causes, type ReasonName, type ReleaseCause } from '../call/causes.ts'
import type { Party } from '../call/messages.ts'
import { addressOf as h245Address, transportAddress as h245TransportAddress } from '../control/channels.ts'
import type { AudioCodec, MediaTerms } from '../control/media.ts'
import type { ControlEvent, ControlSettings } from '../control/session.ts'
import { type Address, addressOf, plainIp, textOfAddress } from '../gatekeeper/addresses.ts'
import type { AliasAddress, GenericData, SetupUUIE } from '../h225/h225.ts'
import { h323UserInformation } from '../h225/pdus.ts'
import type { MultimediaSystemControlMessage } from '../h245/h245.ts'
import { multimediaSystemControlMessage } from '../h245/pdus.ts'
import { decodeQ931, encodeQ931, ie, type Q931Message } from '../q931/q931.ts'
import { type Channel, type ChannelLimits, connectTo, openChannel } from './channel.ts'
import type {
  Call,
  CallEvent,
  CallMedia,
  ChannelAcceptance,
  ChannelOffer,
  ChannelRequest,
  MediaPlace,
  OpenMedia,
  RemoteParty
} from './endpoint.ts'
import type { Admission, AdmissionParts, ReportedCall } from './registrar.ts'
import { Supplementary } from './supplementary.ts'
import { aliasesOf, nameOf, type Target, targetOf, targetOfAliases, textOfTarget } from './target.ts'

/** What the calls of an endpoint share. */
export interface CallWorld {
  readonly clock: Clock
  readonly log: Log
  readonly own: Party
  readonly listen: Address
  readonly limits: ChannelLimits
  readonly control: ControlSettings
  readonly openMedia: OpenMedia
  /** Null where no gatekeeper admits calls. */
  readonly admit: ((parts: AdmissionParts) => Promise<Admission>) | null
  /** Null where calls need not be judged here. */
  readonly judge:
    | ((
        context: CallContext,
        call: { readonly inbound: boolean; readonly from: string; readonly to: string; readonly address: Address | null }
      ) => Promise<boolean>)
    | null
  readonly disengage: (call: ReportedCall & { readonly answered: boolean }) => Promise<void>
  readonly endpointIdentifier: () => string | null
  /** @throws when it could not be recorded */
  readonly record: (event: Omit<WitnessEvent, 'component'>) => Promise<void>
  readonly seal: ((octets: H323Information) => Uint8Array) | null
  readonly isSealed: ((octets: Uint8Array) => boolean) | null
  /** @throws {InfraFabricError} `h323.endpoint.closed`, `.busy` */
  readonly dial: (target: Target, place: MediaPlace, more: DialMore) => LiveCall
  readonly over: (call: LiveCall) => void
}

type H323Information = Parameters<typeof h323UserInformation.encode>[0]

export interface DialMore {
  readonly modes: SignallingModes
  readonly display: string | null
  readonly genericData: readonly GenericData[]
  /** Units of 100 bit/s. */
  readonly bandwidth: number
  readonly context: Partial<CallContext>
  readonly supplementary?: readonly Uint8Array[]
}

const pingMs = 30_000
/** Round trips without an answer after which the peer is asked for its state. */
const mostUnanswered = 3
const mostRedirections = 5
const mostBroken = 10
const digitMs = 160

export const randomReference = (): number => randomInt(1, 0x8000)

export class LiveCall implements Call {
  readonly direction: 'inbound' | 'outbound'
  readonly traceId: string
  readonly id: string
  readonly called: readonly AliasAddress[]
  readonly genericData: readonly GenericData[]
  readonly connected: Promise<void>
  readonly ended: Promise<ReleaseCause>
  readonly context: CallContext
  readonly #world: CallWorld
  readonly #log: Log
  readonly #abort = new AbortController()
  readonly #modes: SignallingModes
  readonly #more: DialMore | null
  readonly #supplementary: Supplementary
  readonly #connected = Promise.withResolvers<void>()
  readonly #ended = Promise.withResolvers<ReleaseCause>()
  readonly #listeners: ((event: CallEvent) => void)[] = []
  readonly #early: CallEvent[] = []
  readonly #timers = new Map<string, () => void>()
  #session: CallSession
  #channel: Channel | null = null
  #h245: Channel | null = null
  #h245Server: Server | null = null
  #media: CallMedia | null = null
  #opening: Promise<CallMedia | null> | null = null
  #place: MediaPlace | null = null
  #lastTerms: MediaTerms | null = null
  #decideChannel: ((offer: ChannelOffer) => ChannelAcceptance | null) | null = null
  #isOver = false
  #admitted = false
  #bandwidth: number
  #redirections = 0
  #broken = 0
  #unanswered = 0
  #pingedAt = 0
  #answeredAt: number | null = null
  #peerHolds = false
  #wasActive = false
  #driving = false

  private constructor(
    world: CallWorld,
    direction: 'inbound' | 'outbound',
    session: CallSession,
    called: readonly AliasAddress[],
    genericData: readonly GenericData[],
    modes: SignallingModes,
    more: DialMore | null,
    bandwidth: number
  ) {
    this.#world = world
    this.direction = direction
    this.#session = session
    this.called = called
    this.genericData = genericData
    this.#modes = modes
    this.#more = more
    this.#bandwidth = bandwidth
    this.id = Buffer.from(session.identity.callIdentifier).toString('hex')
    this.traceId = this.id
    this.#log = world.log.child({ traceId: this.traceId })
    this.connected = this.#connected.promise
    this.connected.catch(() => {})
    this.ended = this.#ended.promise
    this.context = {
      traceId: this.traceId,
      ...(more?.context.parentTraceId !== undefined && { parentTraceId: more.context.parentTraceId }),
      log: this.#log,
      signal: this.#abort.signal,
      now: world.clock.now
    }
    more?.context.signal?.addEventListener('abort', () => this.release(), { once: true, signal: this.#abort.signal })
    this.#supplementary = new Supplementary({
      clock: world.clock,
      send: (apdus) => this.#do((one) => one.supplementary(apdus)),
      told: (told) => this.#supplementaryTold(told)
    })
  }

  /** Begins a call; what comes of it is told by its events. */
  static dial(world: CallWorld, target: Target, place: MediaPlace, more: DialMore): LiveCall {
    const brought = more.context.traceId
    const guid = brought !== undefined && isTraceId(brought) ? Buffer.from(brought, 'hex') : randomBytes(16)
    const session = outboundSession(world, more, guid, randomBytes(16))
    const call = new LiveCall(world, 'outbound', session, target.aliases, more.genericData, more.modes, more, more.bandwidth)
    call.#place = place
    queueMicrotask(() => call.#begin(target))
    return call
  }

  /** Takes a call that has come in. */
  static accept(
    world: CallWorld,
    channel: Channel,
    message: Q931Message,
    setup: SetupUUIE,
    genericData: readonly GenericData[],
    modes: SignallingModes,
    bandwidth: number
  ): LiveCall {
    const guid = setup.callIdentifier?.guid ?? randomBytes(16)
    const session = new CallSession({
      direction: 'inbound',
      identity: {
        callReference: message.callReference,
        callReferenceFlag: true,
        callIdentifier: guid,
        conferenceId: setup.conferenceID
      },
      own: world.own,
      modes,
      control: { ...world.control, bothWays: modes.bothWays }
    })
    const call = new LiveCall(world, 'inbound', session, setup.destinationAddress ?? [], genericData, modes, null, bandwidth)
    call.#channel = channel
    return call
  }

  // for the endpoint

  get session(): CallSession {
    return this.#session
  }

  get reported(): ReportedCall {
    const { callReference, callIdentifier, conferenceId } = this.#session.identity
    return {
      callReference,
      callIdentifier,
      conferenceId,
      isOriginator: this.direction === 'outbound',
      bandwidth: this.#bandwidth
    }
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Inbound: the SETUP is read, the call judged, and then told. @returns whether it goes on */
  async begin(message: Q931Message): Promise<boolean> {
    const session = this.#session
    this.#take(message)
    if (this.#isOver) return false
    if (session.wantsListening && !(await this.#listenH245())) return false
    this.#do((one) => one.proceed())
    const from = nameOf(session.remote.aliases) ?? session.remote.number ?? ''
    const to = nameOf(this.called) ?? nameOf(this.#world.own.aliases) ?? ''
    try {
      await this.#world.record({
        event: 'h323_setup_received',
        traceId: this.traceId,
        payload: { from, to, source: this.#channel === null ? null : textOfAddress(this.#channel.remote) }
      })
    } catch (error) {
      this.#log.error({ code: errorCode(error) }, 'call not recorded')
      this.#do((one) => one.release(causes.temporaryFailure))
      return false
    }
    return (await this.#admit(from, to, this.called, null, true)) && !this.#isOver
  }

  async #admit(
    from: string,
    to: string,
    destination: readonly AliasAddress[],
    address: Address | null,
    answering: boolean
  ): Promise<boolean> {
    const { admit, judge, own, listen } = this.#world
    if (admit !== null) {
      const remote = this.#channel?.remote ?? null
      const admission = await admit({
        answering,
        destination: answering && destination.length === 0 ? own.aliases : destination,
        destCallSignalAddress: answering ? listen : address,
        source: answering ? this.#session.remote.aliases : own.aliases,
        srcCallSignalAddress: answering ? (this.#session.remote.address ?? remote) : listen,
        callReference: this.#session.identity.callReference,
        callIdentifier: this.#session.identity.callIdentifier,
        conferenceId: this.#session.identity.conferenceId,
        bandwidth: this.#bandwidth
      })
      if (!admission.ok) {
        this.#log.info({ reason: admission.reason }, 'admission refused')
        this.#fail(causeOfAdmissionReject(admission.reason))
        return false
      }
      this.#admitted = true
      this.#bandwidth = Math.min(this.#bandwidth, admission.confirm.bandWidth)
      this.#routed = addressOf(admission.confirm.destCallSignalAddress)
      if (admission.confirm.destinationInfo !== undefined && !answering) this.#mapped = admission.confirm.destinationInfo
      if (this.#isOver) this.#disengage()
      return !this.#isOver
    }
    if (
      judge !== null &&
      !(await judge(this.context, { inbound: answering, from, to, address: this.#channel?.remote ?? address }))
    ) {
      this.#fail(causes.rejected)
      return false
    }
    return true
  }

  /** Where the gatekeeper says that the call goes, and whom it is for. */
  #routed: Address | null = null
  #mapped: readonly AliasAddress[] | null = null

  #begin(target: Target): void {
    this.#attempt(target).catch((error: unknown) => this.#giveUp(error))
  }

  /** After an error of our own making: nothing more can be said to the peer. */
  #giveUp(error: unknown): void {
    this.#log.error({ code: errorCode(error) }, 'call given up')
    this.#cause = { cause: causes.temporaryFailure, reason: null }
    this.#by = 'local'
    this.#finish()
  }

  /** Outbound: admission, sound, connection, SETUP. */
  async #attempt(target: Target): Promise<void> {
    const session = this.#session
    const from = nameOf(this.#world.own.aliases) ?? ''
    const to = textOfTarget(target)
    try {
      await this.#world.record({
        event: 'h323_setup_sent',
        traceId: this.traceId,
        ...(this.context.parentTraceId !== undefined && { parentTraceId: this.context.parentTraceId }),
        payload: { from, to }
      })
    } catch (error) {
      this.#log.error({ code: errorCode(error) }, 'call not recorded')
      this.#fail(causes.temporaryFailure)
      return
    }
    if (this.#isOver) return
    if (!(await this.#admit(from, to, target.aliases, target.address, false))) return
    const address = this.#routed ?? target.address
    if (address === null) {
      this.#fail(causes.noRoute)
      return
    }
    const [media, socket] = await Promise.all([this.#openMedia(this.#place!), this.#connect(address)])
    if (this.#isOver) {
      socket?.destroy()
      return
    }
    if (socket === null || socket.destroyed || media === null) {
      socket?.destroy()
      this.#fail(media === null ? causes.resourceUnavailable : causes.noRoute)
      return
    }
    this.#channel = this.#openSignalling(socket)
    if (session.wantsListening && !(await this.#listenH245())) return
    session.setLocal(media.local)
    const { supplementary, genericData } = this.#more!
    this.#do((one) =>
      one.dial(
        {
          destination: this.#mapped ?? target.aliases,
          destCallSignalAddress: address,
          sourceCallSignalAddress: this.#world.listen,
          endpointIdentifier: this.#world.endpointIdentifier()
        },
        { genericData, ...(supplementary !== undefined && { supplementary }) }
      )
    )
  }

  #connect(address: Address): Promise<Socket | null> {
    const { listen, clock } = this.#world
    return connectTo(address, listen.ip, clock, this.#log)
  }

  #openSignalling(socket: Socket): Channel {
    const channel: Channel = openChannel(
      socket,
      this.#world.limits,
      {
        message: (payload) => {
          if (this.#channel === channel) this.receive(payload)
        },
        closed: () => {
          if (this.#channel === channel) this.lost()
        }
      },
      this.#world.clock,
      this.#log
    )
    return channel
  }

  /** A message of call signalling, as it came. */
  receive(payload: Buffer): void {
    if (this.#isOver) return
    try {
      const message = decodeQ931(payload)
      if (message.callReference !== this.#session.identity.callReference) return
      if (this.#world.isSealed !== null && !this.#isTrusted(message)) return
      this.#take(message)
    } catch (error) {
      this.#log.info({ code: errorCode(error) }, 'h323 message not understood')
      if (++this.#broken > mostBroken) this.#do((one) => one.release(causes.protocolError))
    }
  }

  #isTrusted(message: Q931Message): boolean {
    const octets = message.elements.find(({ id, codeset }) => id === ie.userUser && codeset === undefined)?.octets
    if (octets !== undefined && this.#world.isSealed!(octets.subarray(1))) return true
    this.#log.warn({ message: message.messageType }, 'call signalling without a right hash')
    return false
  }

  #take(message: Q931Message): void {
    this.#do((one) => one.received(message))
  }

  /** The signalling connection is gone. */
  lost(): void {
    this.#do((one) => one.lost())
  }

  // effects

  /** Runs something on the session and does what comes of it. */
  #do(run: (session: CallSession) => void): void {
    if (this.#isOver) return
    const session = this.#session
    try {
      try {
        run(session)
      } finally {
        this.#drain(session)
      }
    } catch (error) {
      // what the peer sent is for who reads it
      if (error instanceof DecodeError) throw error
      this.#giveUp(error)
    }
  }

  #drain(session: CallSession): void {
    // what is told may call back: its effects are done behind those that are left
    if (this.#driving) return
    this.#driving = true
    try {
      for (let effects = session.take(); effects.length > 0; effects = session.take()) {
        for (const effect of effects) this.#perform(session, effect)
      }
    } finally {
      this.#driving = false
    }
  }

  #perform(session: CallSession, effect: CallEffect): void {
    switch (effect.type) {
      case 'signal':
        this.#channel?.send(this.#encode(effect.message))
        break
      case 'h245':
        this.#h245?.send(multimediaSystemControlMessage.encode(effect.message))
        break
      case 'listenH245':
        void this.#listenH245()
        break
      case 'connectH245':
        void this.#connectH245(session, effect.address)
        break
      case 'start':
        this.#start(effect.timer, effect.ms, () => this.#do((one) => one.expired(effect.timer)))
        break
      case 'stop':
        this.#stop(effect.timer)
        break
      case 'tell':
        if (session === this.#session) this.#told(effect.told)
        break
      case 'end':
        if (session === this.#session) this.#finish()
    }
  }

  #encode(message: Q931Message): Uint8Array {
    const { seal } = this.#world
    if (seal === null) return encodeQ931(message)
    const elements = message.elements.map((element) =>
      element.id === ie.userUser
        ? { ...element, octets: Buffer.concat([Buffer.of(5), seal(h323UserInformation.decode(element.octets.subarray(1)))]) }
        : element
    )
    return encodeQ931({ ...message, elements })
  }

  #start(timer: string, ms: number, expired: () => void): void {
    if (this.#isOver) return
    this.#stop(timer)
    this.#timers.set(
      timer,
      this.#world.clock.after(ms, () => {
        this.#timers.delete(timer)
        expired()
      })
    )
  }

  #stop(timer: string): void {
    this.#timers.get(timer)?.()
    this.#timers.delete(timer)
  }

  #told(told: CallTold): void {
    switch (told.type) {
      case 'proceeding':
      case 'alerting':
      case 'progress':
        this.#emit(told)
        break
      case 'connected':
        this.#wasActive = true
        this.#answeredAt = this.#world.clock.now()
        this.#connected.resolve()
        this.#emit({ type: 'connected' })
        this.#record('h323_connected', { from: this.#partyText(true), to: this.#partyText(false) })
        this.#schedulePing()
        break
      case 'released':
        this.#cause = told.cause
        this.#by = told.by
        break
      case 'control':
        this.#controlTold(told.event)
        break
      case 'keypad':
        for (const digit of told.digits) this.#emit({ type: 'digit', digit, durationMs: null, by: 'q931' })
        break
      case 'supplementary':
        for (const apdu of told.apdus) this.#supplementary.receive(apdu)
        break
      case 'redirected': {
        const { alternativeAliasAddress: aliases, alternativeAddress } = told.facility
        const address = alternativeAddress === undefined ? null : addressOf(alternativeAddress)
        if (aliases !== undefined || address !== null) this.#redirect({ aliases: aliases ?? [], address })
        break
      }
      case 'ignored':
        this.#log.debug({ state: told.state, event: told.event }, 'event not allowed in this state')
    }
  }

  #cause: ReleaseCause = { cause: causes.normal, reason: null }
  #by: 'local' | 'remote' = 'local'

  #controlTold(event: ControlEvent): void {
    switch (event.type) {
      case 'ready':
        break
      case 'capabilities':
        this.#emit({ type: 'capabilities', capabilities: event.capabilities })
        break
      case 'terms':
        this.#agree(event.terms)
        break
      case 'digit':
        this.#emit({ type: 'digit', digit: event.digit, durationMs: event.durationMs, by: 'h245' })
        break
      case 'paused':
        this.#setPeerHold(event.paused)
        break
      case 'answered':
        this.#unanswered = 0
        this.#emit({ type: 'roundTrip', delayMs: this.#world.clock.monotonicMs() - this.#pingedAt })
        break
      case 'unanswered':
        if (++this.#unanswered >= mostUnanswered) this.#session.enquire()
        break
      case 'message':
        this.#emit({ type: 'h245', message: event.message })
        break
      case 'channelOffered':
        this.#channelOffered(event.open)
        break
      case 'channelOpened':
      case 'channelClosed':
        this.#emit(event)
        break
      case 'ignored':
        this.#log.debug({ state: event.state, event: event.event }, 'h245 event not allowed in this state')
        break
      case 'modeTaken':
      case 'modeRefused':
        this.#log.debug({ answer: event.type }, 'mode request')
        break
      case 'failed':
        this.#log.info({ reason: event.reason }, 'no H.245 with this peer')
    }
  }

  #setPeerHold(held: boolean): void {
    if (this.#peerHolds === held) return
    this.#peerHolds = held
    this.#emit({ type: 'held', held })
  }

  #channelOffered(open: Extract<ControlEvent, { type: 'channelOffered' }>['open']): void {
    const { forwardLogicalChannelNumber: number, forwardLogicalChannelParameters } = open
    const { multiplexParameters, dataType } = forwardLogicalChannelParameters
    if (multiplexParameters.type !== 'h2250LogicalChannelParameters' || this.#decideChannel === null) {
      this.#session.control.rejectChannel(number, 'dataTypeNotSupported')
      return
    }
    const { sessionID, mediaControlChannel, dynamicRTPPayloadType } = multiplexParameters.value
    const accepted = this.#decideChannel({
      number,
      sessionId: sessionID,
      dataType,
      rtcp: h245Address(mediaControlChannel),
      dynamicPayloadType: dynamicRTPPayloadType ?? null
    })
    if (accepted === null) this.#session.control.rejectChannel(number, 'dataTypeNotAvailable')
    else this.#session.control.acceptChannel(number, accepted)
  }

  #schedulePing(): void {
    this.#start('ping', pingMs, () => {
      if (this.#session.control.isStarted) {
        this.#pingedAt = this.#world.clock.monotonicMs()
        this.#do((one) => one.control.ping())
      }
      this.#schedulePing()
    })
  }

  // sound

  async #openMedia(place: MediaPlace): Promise<CallMedia | null> {
    this.#opening ??= this.#joinMedia(place)
    return this.#opening
  }

  async #joinMedia(place: MediaPlace): Promise<CallMedia | null> {
    this.#place = place
    let opened: Awaited<ReturnType<OpenMedia>>
    try {
      opened = await this.#world.openMedia(this.context, place)
    } catch (error) {
      this.#log.error({ code: errorCode(error) }, 'no media')
      return null
    }
    if (!opened.ok) {
      this.#log.info({ code: opened.code }, 'no media')
      return null
    }
    const { media } = opened
    if (this.#isOver) {
      await media.close()
      return null
    }
    this.#media = media
    media.onEvent((event) => {
      if (this.#isOver) return
      if (event.type === 'dtmf') this.#emit({ type: 'digit', digit: event.digit, durationMs: event.durationMs, by: 'rtp' })
      if (event.type === 'failed' || event.type === 'mediaTimeout') this.release(causes.temporaryFailure)
    })
    return media
  }

  #agree(terms: MediaTerms | null): void {
    const last = this.#lastTerms
    const next = terms ?? (last === null ? null : { ...last, sends: false, receives: false })
    if (next === null || this.#media === null) return
    this.#lastTerms = next
    this.#emit({ type: 'media', terms: next })
    this.#media.apply(next).then(
      (applied) => {
        if (!applied.ok) this.#refused(applied)
      },
      (error: unknown) => {
        this.#log.error({ code: errorCode(error) }, 'media plane')
        this.release(causes.temporaryFailure)
      }
    )
  }

  #refused({ code }: MediaRefusal): void {
    this.#log.warn({ code }, 'the media plane refused what was agreed on')
    this.release(causes.incompatible)
  }

  // H.245 connection

  /** @returns false when the call ended meanwhile */
  async #listenH245(): Promise<boolean> {
    if (this.#h245Server !== null || this.#isOver) return !this.#isOver
    const server = createServer({ pauseOnConnect: false })
    this.#h245Server = server
    server.maxConnections = 1
    server.on('connection', (socket) => {
      // only the peer itself, and only once
      const isPeer = plainIp(socket.remoteAddress ?? '') === this.#channel?.remote.ip
      if (!isPeer || this.#h245 !== null || this.#isOver) socket.destroy()
      else this.#openH245(this.#session, socket)
    })
    const ip = this.#channel?.local.ip ?? this.#world.listen.ip
    const port = await new Promise<number | null>((resolve) => {
      server.once('error', (error) => {
        this.#log.error({ code: errorCode(error) }, 'h245 cannot be listened to')
        resolve(null)
      })
      server.listen(0, ip, () => resolve((server.address() as { port: number }).port))
    })
    if (this.#isOver) {
      server.close()
      return false
    }
    if (port === null) this.#do((one) => one.release(causes.resourceUnavailable))
    else this.#do((one) => one.listening({ ip, port }))
    return !this.#isOver
  }

  async #connectH245(session: CallSession, address: Address): Promise<void> {
    const socket = await this.#connect(address)
    if (this.#isOver || session !== this.#session || this.#h245 !== null) {
      socket?.destroy()
      return
    }
    if (socket === null) this.#do((one) => one.h245Failed())
    else this.#openH245(session, socket)
  }

  #openH245(session: CallSession, socket: Socket): void {
    const channel: Channel = openChannel(
      socket,
      this.#world.limits,
      {
        message: (payload) => {
          if (this.#h245 !== channel) return
          let message: MultimediaSystemControlMessage
          try {
            message = multimediaSystemControlMessage.decode(payload)
          } catch (error) {
            this.#log.info({ code: errorCode(error) }, 'h245 message not understood')
            if (++this.#broken > mostBroken) this.#do((one) => one.release(causes.protocolError))
            return
          }
          this.#do((one) => one.h245Received(message))
        },
        closed: () => {
          if (this.#h245 === channel && session === this.#session) this.#do((one) => one.h245Closed())
        }
      },
      this.#world.clock,
      this.#log
    )
    this.#h245 = channel
    this.#do((one) => one.h245Opened())
  }

  // the end

  /** Ends a call whose signalling has not begun, or is to be given up. */
  #fail(cause: number): void {
    if (this.#isOver) return
    if (this.#session.state !== 'null') {
      this.#do((one) => one.release(cause))
      return
    }
    this.#cause = { cause, reason: null }
    this.#by = 'local'
    this.#finish()
  }

  #closeConnections(): void {
    this.#channel?.end()
    this.#h245?.end()
    this.#h245Server?.close()
    this.#channel = null
    this.#h245 = null
    this.#h245Server = null
  }

  #disengage(): void {
    if (!this.#admitted) return
    this.#admitted = false
    this.#world
      .disengage({ ...this.reported, answered: this.#wasActive })
      .catch((error: unknown) => this.#log.debug({ code: errorCode(error) }, 'disengage'))
  }

  #finish(): void {
    if (this.#isOver) return
    this.#isOver = true
    for (const cancel of this.#timers.values()) cancel()
    this.#timers.clear()
    this.#supplementary.close()
    this.#closeConnections()
    this.#disengage()
    const cause = this.#cause
    if (!this.#wasActive) {
      this.#connected.reject(new InfraFabricError('h323.call.ended', `the call ended with cause ${cause.cause}`))
    }
    this.#record('h323_released', {
      cause: cause.cause,
      reason: cause.reason,
      by: this.#by,
      answered: this.#wasActive,
      duration_ms: this.#answeredAt === null ? 0 : this.#world.clock.now() - this.#answeredAt
    })
    this.#emit({ type: 'released', by: this.#by, cause })
    this.#abort.abort('the call is over')
    const media = this.#media
    void (media === null ? Promise.resolve() : media.close().catch(() => null)).then(() => {
      this.#ended.resolve(cause)
      this.#world.over(this)
    })
  }

  #record(event: string, payload: WitnessEvent['payload']): void {
    this.#world
      .record({ event, traceId: this.traceId, payload })
      .catch((error: unknown) => this.#log.error({ code: errorCode(error), event }, 'not recorded'))
  }

  #partyText(caller: boolean): string {
    const isOwn = (this.direction === 'outbound') === caller
    return (isOwn ? nameOf(this.#world.own.aliases) : (nameOf(this.#session.remote.aliases) ?? this.#session.remote.number)) ?? ''
  }

  #emit(event: CallEvent): void {
    if (this.#listeners.length === 0) this.#early.push(event)
    for (const listener of this.#listeners) listener(event)
  }

  // supplementary services

  #supplementaryTold(told: Parameters<ConstructorParameters<typeof Supplementary>[0]['told']>[0]): void {
    switch (told.type) {
      case 'held':
        this.#setPeerHold(told.held)
        break
      case 'transferAsked':
        this.#transferAsked(told.to, told.done)
        break
      case 'transferAnswered':
        this.#emit({ type: 'transferred', ok: told.ok })
        if (told.ok) this.release(causes.normal)
        break
      case 'rerouted':
        this.#redirect(targetOfAliases(told.to), told.supplementary)
        break
      case 'rerouteRefused':
        // a caller that does not know H.450.3 may know the FACILITY of H.225.0
        this.#do((one) => one.redirect(targetOfAliases(told.to)))
        break
      case 'messageWaiting':
        this.#emit({ type: 'messageWaiting', waiting: told.waiting, count: told.count })
    }
  }

  /** H.450.2: this side calls somebody else; when that call is answered the peer is told, and this one ends. */
  #transferAsked(to: readonly AliasAddress[], done: (ok: boolean) => void): void {
    const target = targetOfAliases(to)
    const name = textOfTarget(target)
    const place = this.#place
    if (name === '' || place === null || !this.#wasActive) {
      done(false)
      return
    }
    let call: LiveCall
    try {
      call = this.#world.dial(
        target,
        { ...place, participant: `${place.participant}~${this.id.slice(0, 4)}` },
        {
          modes: this.#modes,
          display: this.#world.own.display,
          genericData: this.#more?.genericData ?? [],
          bandwidth: this.#bandwidth,
          context: { parentTraceId: this.traceId },
          supplementary: [this.#supplementary.transferSetup()]
        }
      )
    } catch (error) {
      this.#log.info({ code: errorCode(error) }, 'transfer refused')
      done(false)
      return
    }
    this.#emit({ type: 'transfer', to: name, call })
    call.connected.then(
      () => done(true),
      () => done(false)
    )
  }

  /** The call goes elsewhere: the old attempt ends without a word, another one begins. */
  #redirect(target: Target, supplementary?: readonly Uint8Array[]): void {
    if (this.direction !== 'outbound' || this.#wasActive || this.#isOver) return
    if (++this.#redirections > mostRedirections) {
      this.#do((one) => one.release(causes.noRoute))
      return
    }
    const old = this.#session
    const more = { ...this.#more!, ...(supplementary !== undefined && { supplementary }) }
    // its own end is not told: the call goes on
    this.#session = outboundSession(this.#world, more, randomBytes(16), old.identity.conferenceId)
    old.release(causes.normal, 'facilityCallDeflection' satisfies ReasonName)
    for (const effect of old.take()) if (effect.type === 'signal' || effect.type === 'h245') this.#perform(old, effect)
    for (const timer of [...this.#timers.keys()]) this.#stop(timer)
    this.#closeConnections()
    this.#disengage()
    this.#routed = null
    this.#mapped = null
    this.#emit({ type: 'diverted', to: textOfTarget(target) })
    this.#begin(target)
  }

  // what the owner of the call does

  readonly state = (): CallSession['state'] => (this.#isOver ? 'null' : this.#session.state)
  readonly remote = (): RemoteParty => ({
    ...this.#session.remote,
    address: this.#channel?.remote ?? this.#session.remote.address
  })
  readonly terms = (): MediaTerms | null => this.#session.terms
  readonly isMaster = (): boolean | null => {
    const { status } = this.#session.control
    return status === null ? null : status === 'master'
  }

  readonly onEvent = (listener: (event: CallEvent) => void): void => {
    this.#listeners.push(listener)
    const early = this.#early.splice(0)
    for (const event of early) queueMicrotask(() => listener(event))
  }

  readonly proceed = (): void => this.#do((one) => one.proceed())

  readonly alert = async (earlyMedia?: MediaPlace): Promise<void> => {
    if (earlyMedia !== undefined && !(await this.#receiveAt(earlyMedia))) return
    this.#do((one) => one.alert())
  }

  readonly progress = async (earlyMedia: MediaPlace): Promise<void> => {
    if (await this.#receiveAt(earlyMedia)) this.#do((one) => one.progress())
  }

  readonly answer = async (place: MediaPlace): Promise<boolean> => {
    if (!(await this.#receiveAt(place))) return false
    this.#do((one) => one.answer())
    return !this.#isOver
  }

  /** Opens the sound. @returns false when there is none, and the call was released */
  async #receiveAt(place: MediaPlace): Promise<boolean> {
    const media = await this.#openMedia(place)
    if (this.#isOver) return false
    if (media === null) {
      this.#do((one) => one.release(causes.resourceUnavailable))
      return false
    }
    this.#do((one) => one.setLocal(media.local))
    return true
  }

  readonly divert = (to: string): void => {
    if (this.direction !== 'inbound' || this.#wasActive || this.#isOver) return
    this.#supplementary.reroute(aliasesOf(targetOf(to)), this.called, this.#session.remote.aliases)
  }

  readonly release = (cause?: number): void => {
    this.#fail(cause ?? (this.#wasActive || this.direction === 'outbound' ? causes.normal : causes.rejected))
  }

  readonly sendDigit = (digit: string, durationMs = digitMs): void => {
    if (this.#isOver || !/^[0-9*#A-D]$/i.test(digit)) return
    const upper = digit.toUpperCase()
    if (this.#sendsEvents()) {
      this.#media!.sendDigit!(upper, durationMs)
      return
    }
    this.#do((one) => {
      if (!one.control.digit(upper, durationMs)) one.keypad(upper)
    })
  }

  /** Whether digits go as telephone-event: the plane has one number for both ways, so the peer's must be ours. */
  #sendsEvents(): boolean {
    const media = this.#media
    if (media?.sendDigit === undefined || this.#session.terms?.sends !== true) return false
    const { eventPayloadType } = this.#session.control.digits
    return eventPayloadType !== null && eventPayloadType === media.local.eventPayloadType
  }

  readonly sendDisplay = (text: string): void => this.#do((one) => one.display(text))

  readonly hold = (): void => {
    if (!this.#wasActive || this.#session.control.holding) return
    this.#supplementary.hold(true)
    this.#do((one) => one.control.hold())
  }

  readonly retrieve = (): void => {
    if (!this.#wasActive || !this.#session.control.holding) return
    this.#supplementary.hold(false)
    this.#do((one) => one.control.retrieve())
  }

  readonly messageWaiting = (count: number): void => {
    if (this.#wasActive) this.#supplementary.messageWaiting(count > 0, this.#session.remote.aliases, count)
  }

  readonly transfer = (to: string): void => {
    if (this.#wasActive) this.#supplementary.transfer(aliasesOf(targetOf(to)))
  }

  readonly requestCodec = (codec: AudioCodec): void => this.#do((one) => one.requestCodec(codec))
  readonly sendH245 = (message: MultimediaSystemControlMessage): void => this.#do((one) => one.control.sendMessage(message))

  readonly onChannel = (decide: (offer: ChannelOffer) => ChannelAcceptance | null): void => {
    this.#decideChannel = decide
  }

  readonly openChannel = (request: ChannelRequest): number => {
    let number = 0
    this.#do((one) => {
      number = one.control.openChannel({
        forwardLogicalChannelParameters: {
          dataType: request.dataType,
          multiplexParameters: {
            type: 'h2250LogicalChannelParameters',
            value: {
              sessionID: request.sessionId,
              mediaControlChannel: h245TransportAddress(request.rtcp),
              mediaGuaranteedDelivery: false,
              ...(request.dynamicPayloadType !== undefined && { dynamicRTPPayloadType: request.dynamicPayloadType })
            }
          }
        }
      })
    })
    return number
  }

  readonly closeChannel = (number: number): void => this.#do((one) => one.control.closeChannel(number))
}

function outboundSession(world: CallWorld, more: DialMore, callIdentifier: Uint8Array, conferenceId: Uint8Array): CallSession {
  return new CallSession({
    direction: 'outbound',
    identity: { callReference: randomReference(), callReferenceFlag: false, callIdentifier, conferenceId },
    own: more.display === null ? world.own : { ...world.own, display: more.display },
    modes: more.modes,
    control: { ...world.control, bothWays: more.modes.bothWays }
  })
}
