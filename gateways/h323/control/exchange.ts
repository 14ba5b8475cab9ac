/** What is settled before channels can be opened: the capabilities of both sides (H.245 §C.2) and who is master (§C.3); a pause by either side undoes it. */
import type { Capability, MasterSlaveDetermination, TerminalCapabilitySet } from '../h245/h245.ts'
import { emptyCapabilities, isEmpty, namesUnknownEntry, ownCapabilities, withSet } from './capabilities.ts'
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
} from './entities/cese.ts'
import {
  acknowledgementEvent,
  determinationEvent,
  type Msdse,
  type MsdseEvent,
  type MsdseState,
  type MsdseTold,
  msdse,
  rejectionEvent
} from './entities/msdse.ts'
import type { Outbox } from './outbox.ts'
import type { Situation, Sound, SoundSettings } from './sound.ts'

export interface ExchangeSettings extends Pick<SoundSettings, 'receivable'> {
  /** Of master-slave determination. */
  readonly terminalType: number
  /** 0–16,777,215, a new one each time. */
  readonly random24: () => number
  /** Capabilities beside sound and user input. */
  readonly others: readonly Capability[]
  readonly isMc: boolean
}

type SoundPart = Pick<Sound, 'local' | 'restart' | 'closeOut' | 'openSound' | 'checkSending' | 'agree'>

export class Exchange {
  readonly #settings: ExchangeSettings
  readonly #now: { -readonly [K in keyof Situation]: Situation[K] }
  readonly #sound: SoundPart
  readonly #outbox: Outbox
  #isStarted = false
  #isPeerKnown = false
  #isOwnTaken = false
  readonly #outgoingCese = { state: 'idle' as OutgoingCeseState, context: { sequenceNumber: 0 } }
  readonly #incomingCese = { state: 'idle' as IncomingCeseState, context: { sequenceNumber: 0 } }
  readonly #msdse: { state: MsdseState; readonly context: Msdse }

  /** @param now written here only */
  constructor(settings: ExchangeSettings, now: Situation, sound: SoundPart, outbox: Outbox) {
    this.#settings = settings
    this.#now = now
    this.#sound = sound
    this.#outbox = outbox
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

  get isStarted(): boolean {
    return this.#isStarted
  }

  get isPeerKnown(): boolean {
    return this.#isPeerKnown
  }

  /** Begins: capabilities and determination at once (H.245 §C.2, §C.3 run side by side). Idempotent. */
  start(): void {
    if (this.#isStarted) return
    this.#isStarted = true
    this.#sendCapabilities()
    this.#determine()
  }

  /** Asks the peer for silence by an empty set, and stops sending. @see H.323 §8.4.6 */
  hold(): void {
    if (this.#now.holding) return
    this.#now.holding = true
    this.#now.isReady = false
    this.#transfer(emptyCapabilities)
    this.#sound.closeOut()
  }

  /** Ends {@link hold}: both sides begin as after the opening of the control channel. */
  retrieve(): void {
    if (!this.#now.holding) return
    this.#now.holding = false
    this.#restart()
    this.#sendCapabilities()
    this.#determine()
  }

  // messages of the peer

  /** sendTerminalCapabilitySet */
  capabilitiesWanted(): void {
    if (!this.#now.holding) this.#sendCapabilities()
  }

  capabilities(event: Exclude<IncomingCeseEvent, { readonly type: 'transferResponse' | 'rejectRequest' }>): void {
    this.#incoming(event)
  }

  /** An answer to another set than the last one is ignored. */
  capabilitiesAnswered(
    event: Extract<OutgoingCeseEvent, { readonly type: 'terminalCapabilitySetAck' | 'terminalCapabilitySetReject' }>
  ): void {
    if (event.sequenceNumber === this.#outgoingCese.context.sequenceNumber) this.#outgoing(event)
    else this.#outbox.ignore('outgoingCese', event.type)
  }

  determination(message: MasterSlaveDetermination): void {
    this.#determined(determinationEvent(this.#msdse.context, this.#msdse.state, message))
  }

  /** @param decision what the peer says that this side is */
  determinationAcknowledged(decision: Parameters<typeof acknowledgementEvent>[2]): void {
    this.#determined(acknowledgementEvent(this.#msdse.context, this.#msdse.state, decision))
  }

  determinationRejected(): void {
    this.#determined(rejectionEvent(this.#msdse.context))
  }

  determinationReleased(): void {
    this.#determined({ type: 'masterSlaveDeterminationRelease' })
  }

  expired(timer: 'T101' | 'T106'): void {
    if (timer === 'T101') this.#outgoing({ type: 'T101' })
    else this.#determined({ type: 'T106' })
  }

  // capabilities

  #sendCapabilities(): void {
    const { receivable, others, isMc } = this.#settings
    this.#transfer(ownCapabilities(this.#sound.local ?? receivable, others, isMc))
  }

  #transfer(set: TerminalCapabilitySet): void {
    this.#isOwnTaken = false
    this.#outgoing({ type: 'transferRequest', set })
  }

  #capabilitiesCame(set: TerminalCapabilitySet): void {
    const next = withSet(this.#now.peer, set)
    if (namesUnknownEntry(next)) {
      this.#incoming({ type: 'rejectRequest', cause: { type: 'undefinedTableEntryUsed' } })
      return
    }
    this.#now.peer = next
    this.#incoming({ type: 'transferResponse' })
    if (isEmpty(set) && next.table.size === 0) {
      this.#pause()
      return
    }
    this.#isPeerKnown = true
    this.#outbox.tell({ type: 'capabilities', capabilities: [...next.table.values()] })
    if (this.#now.paused) this.#resume()
    this.start()
    this.#whenReady()
    this.#sound.checkSending()
    this.#sound.agree()
  }

  /** The peer wants silence. */
  #pause(): void {
    this.#isPeerKnown = false
    this.#now.isReady = false
    if (this.#now.paused) return
    this.#now.paused = true
    this.#sound.closeOut()
    this.#outbox.tell({ type: 'paused', paused: true })
  }

  #resume(): void {
    this.#now.paused = false
    this.#outbox.tell({ type: 'paused', paused: false })
    if (this.#now.holding) return
    this.#restart()
    this.#sendCapabilities()
    if (this.#msdse.state === 'idle') this.#determine()
  }

  /** State as after the opening of the control channel. */
  #restart(): void {
    this.#now.status = null
    this.#now.isReady = false
    this.#sound.restart()
  }

  #whenReady(): void {
    if (this.#now.isReady || this.#now.paused || this.#now.holding) return
    if (!this.#isOwnTaken || !this.#isPeerKnown || this.#now.status === null) return
    this.#now.isReady = true
    this.#outbox.tell({ type: 'ready', status: this.#now.status })
    this.#sound.openSound()
  }

  // entities

  #outgoing(event: OutgoingCeseEvent): void {
    this.#outbox.run<OutgoingCeseState, OutgoingCeseEvent, OutgoingCeseTold, OutgoingCese>(
      outgoingCese,
      this.#outgoingCese,
      event,
      this.#outgoingCese.context,
      '',
      (told) => {
        if (told.type === 'capabilitiesRefused') this.#outbox.tell({ type: 'failed', reason: 'capabilities' })
        else {
          this.#isOwnTaken = true
          this.#whenReady()
        }
      }
    )
  }

  #incoming(event: IncomingCeseEvent): void {
    this.#outbox.run<IncomingCeseState, IncomingCeseEvent, IncomingCeseTold, IncomingCese>(
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

  #determine(): void {
    this.#determined({ type: 'determineRequest' })
  }

  #determined(event: MsdseEvent): void {
    this.#outbox.run<MsdseState, MsdseEvent, MsdseTold, Msdse>(msdse, this.#msdse, event, this.#msdse.context, '', (told) => {
      if (told.type === 'undetermined') this.#outbox.tell({ type: 'failed', reason: 'masterSlave' })
      else {
        this.#now.status = told.status
        this.#whenReady()
      }
    })
  }
}
