/**
 * One end of an evidence channel: what the council has toward a participant, and what a participant has toward the council. Both send and take files,
 * one at a time each way. It opens no socket and no file: channel, files and time are given to it.
 *
 * Here are the session and its messages; files are outgoing-files.ts and incoming-files.ts.
 */
import { errorCode, InfraFabricError } from '#kernel'
import { readFrame } from './frames.ts'
import { IncomingFiles, type IncomingPorts } from './incoming-files.ts'
import type {
  EvidenceChannel,
  EvidenceSource,
  LinkCounts,
  LinkStatistics,
  TransferPorts,
  TransferProgress
} from './link-ports.ts'
import {
  type ChunkEncoding,
  type EvidenceChunk,
  type EvidenceContext,
  type EvidenceMessage,
  type Handshake,
  invalidMessage,
  octetsOf,
  protocolVersion,
  type Receipt,
  readMessage
} from './messages.ts'
import { OutgoingFiles } from './outgoing-files.ts'
import { operationMs, retriesMs, type SessionEvent, type SessionState, stepSession } from './session-machine.ts'

export interface LinkPorts extends Pick<IncomingPorts, 'clock' | 'shelf' | 'sign' | 'onProgress' | 'onRefusal'> {
  /** Looks at the other's receipt and keeps it for good; `later` when it could not be kept now: it will come again. */
  readonly acceptReceipt: (source: EvidenceSource, receipt: Receipt, theirs: Handshake) => Promise<'kept' | 'later' | 'wrong'>
  readonly onState: (state: SessionState, previous: SessionState, reason: string | null) => void
  readonly onContext: (context: EvidenceContext) => void
  /** The other has ended the session, or has broken its rules. */
  readonly onEnd: (reason: string) => void
}

export interface LinkConfig {
  /** Trace of the call. */
  readonly call: string
  /** How chunks are to come to us. */
  readonly encoding: ChunkEncoding
  /** Public key of our receipts. */
  readonly key: string | null
  /** Offers that the other may make. */
  readonly mostIncoming?: number
}

/** Octets of the other that wait to be looked at: more than the window, less than what hurts. */
const mostQueuedOctets = 8 << 20

export class EvidenceLink {
  readonly #config: LinkConfig
  readonly #ports: LinkPorts
  readonly #outgoing: OutgoingFiles
  readonly #incoming: IncomingFiles
  #state: SessionState = 'IDLE'
  #channel: EvidenceChannel | null = null
  #theirs: Handshake | null = null
  #attempts = 0
  #stopTimer = () => {}
  #turn: Promise<void> = Promise.resolve()
  #queuedOctets = 0
  #context: EvidenceContext | null = null
  readonly #counts: LinkCounts = {
    sentChunks: 0,
    sentBytes: 0,
    receivedChunks: 0,
    receivedBytes: 0,
    retries: 0,
    resumes: 0,
    wrongChunks: 0
  }
  #busyMs = 0
  #busySince: number | null = null

  constructor(config: LinkConfig, ports: LinkPorts) {
    this.#config = config
    this.#ports = ports
    const transfers: TransferPorts = {
      clock: ports.clock,
      counts: this.#counts,
      say: (message) => this.#say(message),
      onBusy: () => this.#busy(),
      onProgress: ports.onProgress
    }
    this.#outgoing = new OutgoingFiles({
      ...transfers,
      channel: () => this.#channel,
      asText: () => this.#theirs?.encoding === 'base64',
      isOpen: () => this.#isOpen,
      acceptReceipt: (source, receipt) => ports.acceptReceipt(source, receipt, this.#theirs!),
      onFailed: () => this.#take({ type: 'transferFailed' }),
      onWhole: () => this.#take({ type: 'transfersWhole' })
    })
    const { shelf, sign, onRefusal } = ports
    const isOutgoing = (id: string) => this.#outgoing.has(id)
    this.#incoming = new IncomingFiles({ ...transfers, shelf, sign, onRefusal, isOutgoing }, config.mostIncoming ?? 1000)
  }

  get state(): SessionState {
    return this.#state
  }

  get theirs(): Handshake | null {
    return this.#theirs
  }

  statistics(): LinkStatistics {
    const busyMs = this.#busyMs + (this.#busySince === null ? 0 : this.#ports.clock.monotonicMs() - this.#busySince)
    const octets = this.#counts.sentBytes + this.#counts.receivedBytes
    return { ...this.#counts, bytesPerSecond: busyMs === 0 ? 0 : Math.round((octets / busyMs) * 1000) }
  }

  progress(): readonly TransferProgress[] {
    return [...this.#outgoing.progress(), ...this.#incoming.progress()]
  }

  /** Goes on over this channel; the one before is closed. */
  attach(channel: EvidenceChannel): void {
    if (this.#state === 'CLOSED') {
      channel.close()
      return
    }
    if (this.#channel !== null) this.lost()
    this.#channel = channel
    this.#theirs = null
    this.#attempts = 0
    channel.onMessage((message) => {
      if (channel === this.#channel) this.#queue(message)
    })
    this.#take({ type: 'open' })
  }

  /** The channel is gone. */
  lost(): void {
    this.#channel?.close()
    this.#channel = null
    this.#take({ type: 'lost' })
  }

  /** Hands a file over as soon as it can be. One of an id that is known is not taken again. */
  offer(source: EvidenceSource): void {
    if (this.#state !== 'CLOSED') this.#outgoing.add(source)
  }

  /** A file that is not to be handed over any longer. */
  withdraw(id: string): void {
    this.#outgoing.withdraw(id)
  }

  context(context: EvidenceContext): void {
    this.#context = context
    if (this.#isOpen) this.#say({ performative: 'context_update', context })
  }

  /** Ends the session. Idempotent. */
  end(reason: string): void {
    this.#take({ type: 'end', reason })
  }

  /** Files may be offered, and the context told. */
  get #isOpen(): boolean {
    return this.#state === 'ACTIVE' || this.#state === 'DEGRADED'
  }

  #say(message: EvidenceMessage): void {
    // what is lost with a channel is said again on the next one
    this.#channel?.send(JSON.stringify(message)).catch(() => undefined)
  }

  #take(event: SessionEvent): void {
    const before = this.#state
    const { state, effects, allowed } = stepSession(before, event)
    if (!allowed) return
    this.#state = state
    for (const effect of effects) {
      switch (effect.do) {
        case 'sayHandshake':
          this.#say({
            performative: 'handshake',
            version: protocolVersion,
            call: this.#config.call,
            encoding: this.#config.encoding,
            key: this.#config.key
          })
          break
        case 'sayEnd':
          this.#say({ performative: 'session_end', reason: effect.reason })
          break
        case 'waitOperation':
          this.#wait(operationMs, () => this.#take({ type: this.#attempts < retriesMs.length ? 'timeout' : 'exhausted' }))
          break
        case 'waitAgain':
          this.#counts.retries++
          this.#wait(retriesMs[this.#attempts++]!, () => this.#take({ type: 'again' }))
          break
        case 'stopWaiting':
          this.#stopTimer()
          break
        case 'begin':
          this.#attempts = 0
          if (this.#context !== null) this.#say({ performative: 'context_update', context: this.#context })
          this.#outgoing.begin()
          break
        case 'pause':
          this.#outgoing.lost()
          break
        case 'free':
          this.#free()
          break
      }
    }
    if (state !== before) this.#ports.onState(state, before, event.type === 'end' ? event.reason : null)
  }

  #wait(ms: number, expired: () => void): void {
    this.#stopTimer()
    this.#stopTimer = this.#ports.clock.after(ms, expired)
  }

  #free(): void {
    this.#outgoing.lost()
    const channel = this.#channel
    this.#channel = null
    // the last word is on its way
    void channel?.room().then(() => channel.close())
    this.#incoming.discard()
    this.#busy()
  }

  /** Counts the time in which a file is on its way. */
  #busy(): void {
    const now = this.#ports.clock.monotonicMs()
    const active = this.#channel !== null && (this.#outgoing.isBusy || this.#incoming.isBusy)
    if (active) this.#busySince ??= now
    else if (this.#busySince !== null) {
      this.#busyMs += now - this.#busySince
      this.#busySince = null
    }
  }

  // what comes in

  #queue(message: Uint8Array | string): void {
    const octets = message.length
    this.#queuedOctets += octets
    if (this.#queuedOctets > mostQueuedOctets) {
      this.#break('more is sent than was asked for')
      return
    }
    const channel = this.#channel
    this.#turn = this.#turn.then(async () => {
      this.#queuedOctets -= octets
      if (channel !== this.#channel) return
      try {
        if (typeof message === 'string') await this.#message(readMessage(message))
        else {
          const frame = readFrame(message)
          if (this.#theirs === null) throw invalidMessage('evidence_chunk before the handshake')
          await this.#incoming.chunk(frame)
        }
      } catch (error) {
        this.#break(error instanceof InfraFabricError ? error.message : `the message could not be taken (${errorCode(error)})`)
      }
    })
  }

  /** The other does not keep to the rules. */
  #break(reason: string): void {
    if (this.#state === 'CLOSED') return
    this.#take({ type: 'end', reason })
    this.#ports.onEnd(reason)
  }

  async #message(message: EvidenceMessage): Promise<void> {
    if (message.performative === 'handshake') {
      if (message.call !== this.#config.call) throw invalidMessage('a handshake of another call')
      // one that was said again is no news
      if (this.#theirs === null) this.#theirs = message
      else if (JSON.stringify(message) !== JSON.stringify(this.#theirs))
        throw invalidMessage('another handshake on the same channel')
      this.#take({ type: 'handshake' })
      return
    }
    if (message.performative === 'session_end') {
      this.#take({ type: 'end', reason: message.reason })
      this.#ports.onEnd(message.reason)
      return
    }
    if (this.#theirs === null) throw invalidMessage(`${message.performative} before the handshake`)
    if (message.performative === 'context_update') this.#ports.onContext(message.context)
    else await this.#evidence(message)
  }

  async #evidence(message: EvidenceChunk): Promise<void> {
    switch (message.step) {
      case 'offer':
        return this.#incoming.offered(message)
      case 'data':
        return this.#incoming.chunk({ ...message, octets: octetsOf(message.data) })
      case 'confirmed':
        return this.#incoming.confirmed(message.id)
      case 'have':
        return this.#outgoing.have(message)
      case 'refused':
        return this.#outgoing.refused(message) ? undefined : this.#incoming.withdrawn(message)
      case 'receipt':
        return this.#outgoing.receipt(message)
    }
  }
}
