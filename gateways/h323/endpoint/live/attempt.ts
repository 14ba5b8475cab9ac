/** One attempt at a call: its {@link CallSession}, and the connections and timers on which its effects are done. A call that is diverted makes another one. */
import { randomBytes, randomInt } from 'node:crypto'
import { DecodeError, type Log } from '#kernel'
import { type CallEffect, CallSession, type CallSettings, type CallTold, type SignallingModes } from '../../call/call.ts'
import { causes } from '../../call/causes.ts'
import type { CallIdentity } from '../../call/messages.ts'
import { CallChannels } from './channels.ts'
import { CallTimers } from './timers.ts'
import type { CallWorld, DialMore } from './world.ts'

export type AttemptWorld = Pick<CallWorld, 'clock' | 'limits' | 'listen' | 'sealing'>

export interface AttemptPorts {
  readonly log: Log
  readonly told: (told: CallTold) => void
  /** A message could not be read. */
  readonly unreadable: () => void
  /** The session is over. */
  readonly ended: () => void
  /** An error of our own making: nothing more can be said to the peer. */
  readonly broken: (error: unknown) => void
}

export class Attempt {
  readonly session: CallSession
  readonly channels: CallChannels
  readonly timers: CallTimers
  readonly #ports: AttemptPorts
  #isPerforming = false
  #isClosed = false

  constructor(settings: CallSettings, { clock, limits, listen, sealing }: AttemptWorld, ports: AttemptPorts) {
    this.#ports = ports
    this.session = new CallSession(settings)
    this.timers = new CallTimers(clock)
    this.channels = new CallChannels({
      clock,
      log: ports.log,
      limits,
      ownIp: listen.ip,
      sealing,
      callReference: settings.identity.callReference,
      received: (message) => this.do((session) => session.received(message)),
      lost: () => this.do((session) => session.lost()),
      unreadable: ports.unreadable,
      h245Listening: (address) =>
        this.do((session) => {
          if (address === null) session.release(causes.resourceUnavailable)
          else session.listening(address)
        }),
      h245Opened: () => this.do((session) => session.h245Opened()),
      h245Failed: () => this.do((session) => session.h245Failed()),
      h245Closed: () => this.do((session) => session.h245Closed()),
      h245Received: (message) => this.do((session) => session.h245Received(message))
    })
  }

  /**
   * Runs something on the session and does what comes of it.
   *
   * @throws {DecodeError} what the peer sent is for who reads it
   */
  do(run: (session: CallSession) => void): void {
    if (this.#isClosed) return
    try {
      try {
        run(this.session)
      } finally {
        this.#performAll()
      }
    } catch (error) {
      if (error instanceof DecodeError) throw error
      this.#ports.broken(error)
    }
  }

  #performAll(): void {
    // what is told may call back: its effects are done behind those that are left
    if (this.#isPerforming) return
    this.#isPerforming = true
    try {
      for (let effects = this.session.take(); effects.length > 0; effects = this.session.take()) {
        for (const effect of effects) if (!this.#isClosed) this.#perform(effect)
      }
    } finally {
      this.#isPerforming = false
    }
  }

  #perform(effect: CallEffect): void {
    const { channels, timers } = this
    switch (effect.type) {
      case 'signal':
        channels.send(effect.message)
        break
      case 'h245':
        channels.sendH245(effect.message)
        break
      case 'listenH245':
        void channels.listenH245()
        break
      case 'connectH245':
        void channels.connectH245(effect.address)
        break
      case 'start':
        timers.start(effect.timer, effect.ms, () => this.do((session) => session.expired(effect.timer)))
        break
      case 'stop':
        timers.stop(effect.timer)
        break
      case 'tell':
        this.#ports.told(effect.told)
        break
      case 'end':
        this.#ports.ended()
    }
  }

  /** The call goes elsewhere: the peer is told, nobody else is. */
  abandon(): void {
    this.session.release(causes.normal, 'facilityCallDeflection')
    for (const effect of this.session.take()) if (effect.type === 'signal' || effect.type === 'h245') this.#perform(effect)
    this.close()
  }

  /** Stops timers, closes connections when what was sent is out. Nothing is told any more. */
  close(): void {
    this.#isClosed = true
    this.timers.close()
    this.channels.close()
  }
}

type SessionWorld = Pick<CallWorld, 'own' | 'control'>

const mostReferences = 0x8000

export const outboundSettings = (
  { own, control }: SessionWorld,
  { display, modes }: DialMore,
  callIdentifier: Uint8Array,
  conferenceId: Uint8Array = randomBytes(16)
): CallSettings => ({
  direction: 'outbound',
  identity: { callReference: randomInt(1, mostReferences), callReferenceFlag: false, callIdentifier, conferenceId },
  own: display === null ? own : { ...own, display },
  modes,
  control: { ...control, bothWays: modes.bothWays }
})

export const inboundSettings = (
  { own, control }: SessionWorld,
  modes: SignallingModes,
  identity: Omit<CallIdentity, 'callReferenceFlag'>
): CallSettings => ({
  direction: 'inbound',
  identity: { ...identity, callReferenceFlag: true },
  own,
  modes,
  control: { ...control, bothWays: modes.bothWays }
})
