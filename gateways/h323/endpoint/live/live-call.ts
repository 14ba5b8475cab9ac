/** A call: joins its attempt, its admission, its sound, its services and its entries. */
import { randomBytes } from 'node:crypto'
import { type CallContext, errorCode, InfraFabricError, isTraceId, type Log } from '#kernel'
import type { CallSession, CallSettings, CallTold, SignallingModes } from '../../call/call.ts'
import { causes, type ReleaseCause } from '../../call/causes.ts'
import { addressOf, textOfAddress } from '../../gatekeeper/addresses.ts'
import type { AliasAddress, GenericData, SetupUUIE } from '../../h225/h225.ts'
import type { Q931Message } from '../../q931/q931.ts'
import type { Channel } from '../channel.ts'
import type { Call, CallEvent, MediaPlace } from '../endpoint.ts'
import type { ReportedCall } from '../registrar.ts'
import { nameOf, type Target, textOfTarget } from '../target.ts'
import { CallAdmission } from './admission.ts'
import { Attempt, inboundSettings, outboundSettings } from './attempt.ts'
import { CallControl } from './control.ts'
import { dial } from './dialling.ts'
import { CallEvents } from './events.ts'
import { ownerOf } from './owner.ts'
import { CallRecord } from './record.ts'
import { CallServices } from './services.ts'
import { CallSound } from './sound.ts'
import type { CallWorld, DialMore } from './world.ts'

const mostRedirections = 5
const mostUnreadable = 10

interface CallParts {
  readonly world: CallWorld
  readonly settings: CallSettings
  readonly called: readonly AliasAddress[]
  readonly genericData: readonly GenericData[]
  /** Units of 100 bit/s. */
  readonly bandwidth: number
  /** Of a call that goes out. */
  readonly dialled: { readonly place: MediaPlace; readonly more: DialMore } | null
}

export class LiveCall {
  /** What its owner sees of it. */
  readonly owner: Call
  readonly #parts: CallParts
  readonly #id: string
  readonly #log: Log
  readonly #abort = new AbortController()
  readonly #connected = Promise.withResolvers<void>()
  readonly #ended = Promise.withResolvers<ReleaseCause>()
  readonly #events = new CallEvents()
  readonly #record: CallRecord
  readonly #admission: CallAdmission
  readonly #sound: CallSound
  readonly #services: CallServices
  readonly #control: CallControl
  #attempt: Attempt
  #isOver = false
  #wasActive = false
  #redirections = 0
  #unreadable = 0
  #released: { readonly cause: ReleaseCause; readonly by: 'local' | 'remote' } = local(causes.normal)

  private constructor(parts: CallParts) {
    const { world, settings, dialled } = parts
    const { clock } = world
    const { parentTraceId, signal } = dialled?.more.context ?? {}
    this.#parts = parts
    // the trace id of a call is its GUID
    const traceId = Buffer.from(settings.identity.callIdentifier).toString('hex')
    this.#id = traceId
    this.#connected.promise.catch(() => {})
    const log = world.log.child({ traceId })
    this.#log = log
    const context: CallContext = {
      traceId,
      ...(parentTraceId !== undefined && { parentTraceId }),
      log,
      signal: this.#abort.signal,
      now: clock.now
    }
    signal?.addEventListener('abort', () => this.release(), { once: true, signal: this.#abort.signal })
    const emit = (event: CallEvent): void => this.#events.emit(event)
    const release = (cause: number): void => this.release(cause)
    this.#record = new CallRecord({ record: world.record, clock, log, traceId, parentTraceId })
    this.#admission = new CallAdmission(world, context, settings.direction === 'inbound', parts.bandwidth)
    this.#sound = new CallSound({
      context,
      open: world.openMedia,
      agreed: (terms) => emit({ type: 'media', terms }),
      digit: (digit, durationMs) => emit({ type: 'digit', digit, durationMs, by: 'rtp' }),
      failed: release
    })
    this.#services = new CallServices({
      clock,
      log,
      send: (apdus) => this.#do((session) => session.supplementary(apdus)),
      emit,
      release,
      dial: (target, apdus) => this.#dialForPeer(target, apdus),
      redirect: (target, apdus) => this.#redirect(target, apdus),
      askToRedirect: (target) => this.#do((session) => session.redirect(target))
    })
    this.#control = new CallControl({
      clock,
      log,
      attempt: () => this.#attempt,
      emit,
      agree: (terms) => this.#sound.agree(terms),
      held: (held) => this.#services.peerHolds(held)
    })
    this.#attempt = this.#newAttempt(settings)
    this.owner = ownerOf({
      direction: settings.direction,
      id: traceId,
      called: parts.called,
      genericData: parts.genericData,
      connected: this.#connected.promise,
      ended: this.#ended.promise,
      events: this.#events,
      sound: this.#sound,
      services: this.#services,
      control: this.#control,
      attempt: () => this.#attempt,
      isOver: () => this.#isOver,
      wasActive: () => this.#wasActive,
      release: (cause) => this.release(cause)
    })
  }

  /** Begins a call; what comes of it is told by its events. */
  static dial(world: CallWorld, target: Target, place: MediaPlace, more: DialMore): LiveCall {
    const { traceId } = more.context
    const guid = traceId !== undefined && isTraceId(traceId) ? Buffer.from(traceId, 'hex') : randomBytes(16)
    const call = new LiveCall({
      world,
      settings: outboundSettings(world, more, guid),
      called: target.aliases,
      genericData: more.genericData,
      bandwidth: more.bandwidth,
      dialled: { place, more }
    })
    queueMicrotask(() => call.#dial(target, place, more))
    return call
  }

  /** Takes a call that has come in. */
  static accept(
    world: CallWorld,
    channel: Channel,
    { callReference }: Q931Message,
    setup: SetupUUIE,
    genericData: readonly GenericData[],
    modes: SignallingModes,
    bandwidth: number
  ): LiveCall {
    const callIdentifier = setup.callIdentifier?.guid ?? randomBytes(16)
    const call = new LiveCall({
      world,
      settings: inboundSettings(world, modes, { callReference, callIdentifier, conferenceId: setup.conferenceID }),
      called: setup.destinationAddress ?? [],
      genericData,
      bandwidth,
      dialled: null
    })
    call.#attempt.channels.adopt(channel)
    return call
  }

  #newAttempt(settings: CallSettings): Attempt {
    return new Attempt(settings, this.#parts.world, {
      log: this.#log,
      told: (told) => this.#told(told),
      unreadable: () => {
        if (++this.#unreadable > mostUnreadable) this.#do((session) => session.release(causes.protocolError))
      },
      ended: () => this.#finish(),
      broken: (error) => this.#giveUp(error)
    })
  }

  // for the endpoint

  /** The call as RAS knows it. */
  get reported(): ReportedCall {
    return this.#admission.report(this.#attempt.session.identity)
  }

  get isOver(): boolean {
    return this.#isOver
  }

  get #isOutbound(): boolean {
    return this.#parts.settings.direction === 'outbound'
  }

  /** @param cause Q.850 */
  release(cause?: number): void {
    this.#fail(cause ?? (this.#wasActive || this.#isOutbound ? causes.normal : causes.rejected))
  }

  /** Inbound: the SETUP is read, the call judged, and then told. @returns whether it goes on */
  async begin(message: Q931Message): Promise<boolean> {
    const { session, channels } = this.#attempt
    this.#do((one) => one.received(message))
    if (this.#isOver) return false
    if (session.wantsListening && !(await channels.listenH245())) return false
    this.#do((one) => one.proceed())
    const { aliases, number, address } = session.remote
    const from = nameOf(aliases) ?? number ?? ''
    const to = nameOf(this.#parts.called) ?? nameOf(this.#parts.world.own.aliases) ?? ''
    if (!(await this.#record.received(from, to, channels.remote === null ? null : textOfAddress(channels.remote)))) {
      this.#do((one) => one.release(causes.temporaryFailure))
      return false
    }
    const admitted = await this.#admission.ask({
      identity: session.identity,
      from,
      to,
      destination: this.#parts.called,
      source: aliases,
      address,
      connectedTo: channels.remote
    })
    if (!admitted.ok) this.#fail(admitted.cause)
    return !this.#isOver
  }

  /** A message of call signalling, as it came. */
  receive(payload: Buffer): void {
    this.#attempt.channels.receive(payload)
  }

  /** The signalling connection is gone. */
  lost(): void {
    this.#do((session) => session.lost())
  }

  // the way of a call that goes out

  #dial(target: Target, place: MediaPlace, more: DialMore): void {
    dial(target, place, more, this.#attempt, {
      world: this.#parts.world,
      record: this.#record,
      admission: this.#admission,
      sound: this.#sound,
      isOver: () => this.#isOver,
      failed: (cause) => this.#fail(cause)
    }).catch((error: unknown) => this.#giveUp(error))
  }

  /** The call goes elsewhere: the old attempt ends without a word, another one begins. */
  #redirect(target: Target, supplementary?: readonly Uint8Array[]): void {
    const { world, dialled } = this.#parts
    if (dialled === null || this.#wasActive || this.#isOver) return
    if (++this.#redirections > mostRedirections) {
      this.#do((session) => session.release(causes.noRoute))
      return
    }
    const more = { ...dialled.more, ...(supplementary !== undefined && { supplementary }) }
    const { conferenceId } = this.#attempt.session.identity
    this.#attempt.abandon()
    this.#admission.disengage(false)
    this.#attempt = this.#newAttempt(outboundSettings(world, more, randomBytes(16), conferenceId))
    this.#events.emit({ type: 'diverted', to: textOfTarget(target) })
    this.#dial(target, dialled.place, more)
  }

  /** H.450.2: the call that a transferred side makes, in the place of this one. */
  #dialForPeer(target: Target, supplementary: readonly Uint8Array[]): Call | null {
    const { world, settings, dialled } = this.#parts
    const { place } = this.#sound
    if (place === null || !this.#wasActive) return null
    return world.dial(
      target,
      { ...place, participant: `${place.participant}~${this.#id.slice(0, 4)}` },
      {
        modes: settings.modes,
        display: world.own.display,
        genericData: dialled?.more.genericData ?? [],
        bandwidth: this.#admission.bandwidth,
        context: { parentTraceId: this.#id },
        supplementary
      }
    )
  }

  // what comes of the attempt

  #do(run: (session: CallSession) => void): void {
    this.#attempt.do(run)
  }

  #told(told: CallTold): void {
    switch (told.type) {
      case 'proceeding':
      case 'alerting':
      case 'progress':
        this.#events.emit(told)
        break
      case 'connected':
        this.#wasActive = true
        this.#connected.resolve()
        this.#record.connected(this.#partyText(true), this.#partyText(false))
        this.#events.emit({ type: 'connected' })
        this.#control.beginPings()
        break
      case 'released':
        this.#released = told
        break
      case 'control':
        this.#control.told(told.event)
        break
      case 'keypad':
        for (const digit of told.digits) this.#events.emit({ type: 'digit', digit, durationMs: null, by: 'q931' })
        break
      case 'supplementary':
        this.#services.receive(told.apdus)
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

  #partyText(caller: boolean): string {
    const { aliases, number } = this.#attempt.session.remote
    const isOwn = this.#isOutbound === caller
    return (isOwn ? nameOf(this.#parts.world.own.aliases) : (nameOf(aliases) ?? number)) ?? ''
  }

  // the end

  /** Ends a call whose signalling has not begun, or is to be given up. */
  #fail(cause: number): void {
    if (this.#isOver) return
    if (this.#attempt.session.state !== 'null') {
      this.#do((session) => session.release(cause))
      return
    }
    this.#released = local(cause)
    this.#finish()
  }

  #giveUp(error: unknown): void {
    this.#log.error({ code: errorCode(error) }, 'call given up')
    this.#released = local(causes.temporaryFailure)
    this.#finish()
  }

  #finish(): void {
    if (this.#isOver) return
    this.#isOver = true
    const { cause, by } = this.#released
    this.#sound.mute()
    this.#services.close()
    this.#attempt.close()
    this.#admission.close(this.#wasActive)
    if (!this.#wasActive) {
      this.#connected.reject(new InfraFabricError('h323.call.ended', `the call ended with cause ${cause.cause}`))
    }
    this.#record.released(cause, by)
    this.#events.emit({ type: 'released', by, cause })
    this.#abort.abort('the call is over')
    void this.#sound.close().then(() => this.#ended.resolve(cause))
  }
}

const local = (cause: number): { readonly cause: ReleaseCause; readonly by: 'local' } => ({
  cause: { cause, reason: null },
  by: 'local'
})
