/**
 * One end of an evidence channel: what the council has toward a participant, and what a participant has toward the council. Both send and take files,
 * one at a time each way. It opens no socket and no file: channel, files and time are given to it.
 */
import { type Clock, errorCode, InfraFabricError } from '#kernel'
import { type ChunkFrame, frameHeaderOctets, readFrame, writeFrameHeader } from './frames.ts'
import {
  type ChunkEncoding,
  chunkOctets,
  type EvidenceChunk,
  type EvidenceContext,
  type EvidenceMessage,
  type EvidenceOffer,
  type Handshake,
  protocolVersion,
  type Receipt,
  readMessage
} from './messages.ts'
import { type EvidenceRefusal, type EvidenceRefusalCode, refused } from './names.ts'
import { type OutgoingEvent, type OutgoingState, stepOutgoing } from './outgoing-machine.ts'
import { operationMs, retriesMs, type SessionEvent, type SessionState, stepSession } from './session-machine.ts'

/** A data channel: ordered, reliable. */
export interface EvidenceChannel {
  /** Rejects when the message was not taken. */
  readonly send: (message: Uint8Array<ArrayBuffer> | string) => Promise<void>
  /** Resolves when little waits to be sent, or the channel is closed. */
  readonly room: () => Promise<void>
  readonly onMessage: (listener: (message: Uint8Array | string) => void) => void
  /** Idempotent. */
  readonly close: () => void
}

/** A file to be handed over. */
export interface EvidenceSource extends Omit<EvidenceOffer, 'performative' | 'step'> {
  /** Writes chunk `index` into `into`, which has room for 65,536 octets. @returns its length and its hash */
  readonly read: (index: number, into: Uint8Array) => Promise<{ readonly length: number; readonly sha256: string }>
  /** Nothing is read for now, or any more. */
  readonly release: () => void
}

/** A file that is coming in. It outlives the channel: what is there need not come again. */
export interface EvidencePart {
  /** Number of the first chunk that is missing. */
  readonly next: () => number
  /** @returns false when the octets have another hash: they are not kept. @throws when they cannot be kept */
  readonly write: (index: number, octets: Uint8Array, sha256: string) => Promise<boolean>
  /** Looks at the whole, which becomes evidence. */
  readonly finish: () => Promise<{ readonly ok: true } | EvidenceRefusal>
  /** What is there goes. */
  readonly discard: () => Promise<void>
}

/** Where files come to. */
export interface EvidenceShelf {
  readonly take: (offer: EvidenceOffer) => Promise<{ readonly ok: true; readonly part: EvidencePart } | EvidenceRefusal>
}

export interface TransferProgress {
  readonly id: string
  readonly name: string
  readonly direction: 'in' | 'out'
  readonly bytes: number
  /** Octets that have arrived. */
  readonly done: number
  readonly state: OutgoingState | 'receiving' | 'received'
  readonly code: EvidenceRefusalCode | null
}

export interface LinkStatistics {
  readonly sentChunks: number
  readonly sentBytes: number
  readonly receivedChunks: number
  readonly receivedBytes: number
  /** Handshakes, offers and chunks that had to be sent once more. */
  readonly retries: number
  /** Times that a file which was offered anew went on with what was missing of it. */
  readonly resumes: number
  /** Chunks whose hash was not right. */
  readonly wrongChunks: number
  /** Octets of files in both directions for each second in which a file was on its way. */
  readonly bytesPerSecond: number
}

export interface LinkPorts {
  readonly clock: Clock
  readonly shelf: EvidenceShelf
  /** Signs a receipt of ours; null where no key was named. */
  readonly sign: (receipt: Omit<Receipt, 'signature'>) => Promise<string | null>
  /** Looks at the other's receipt and keeps it for good; `later` when it could not be kept now: it will come again. */
  readonly acceptReceipt: (source: EvidenceSource, receipt: Receipt, theirs: Handshake) => Promise<'kept' | 'later' | 'wrong'>
  readonly onState: (state: SessionState, previous: SessionState, reason: string | null) => void
  readonly onProgress: (progress: TransferProgress) => void
  readonly onContext: (context: EvidenceContext) => void
  /** The other has ended the session, or has broken its rules. */
  readonly onEnd: (reason: string) => void
  /** An offer of the other was refused, or a file that was begun. */
  readonly onRefusal: (offer: Pick<EvidenceOffer, 'id' | 'name' | 'bytes'>, code: EvidenceRefusalCode, reason: string) => void
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

/** Chunks under way that were not acknowledged. */
const windowChunks = 32
/** Chunks that one acknowledgement covers, and how long one waits at most. */
const acknowledgeChunks = 8
const acknowledgeMs = 1000
/** Octets of the other that wait to be looked at: more than the window, less than what hurts. */
const mostQueuedOctets = 8 << 20
/** Times that a chunk may come wrong. */
const mostWrong = 1 + retriesMs.length

interface Outgoing {
  readonly source: EvidenceSource
  readonly chunks: number
  state: OutgoingState
  code: EvidenceRefusalCode | null
  attempts: number
  acknowledged: number
  /** Chunks sent so far: what is sent below is sent again. */
  highest: number
  /** Of the run that sends; another number stops it. */
  run: number
  wake: () => void
  stopTimer: () => void
}

interface Incoming {
  readonly offer: EvidenceOffer
  readonly part: EvidencePart
  receipt: Receipt | null
  unacknowledged: number
  acknowledgedAt: number
  wrong: number
  /** Chunks behind a gap are dropped without a word until the right one comes. */
  gap: boolean
}

const chunksOf = (bytes: number): number => Math.ceil(bytes / chunkOctets)
const lengthOf = (bytes: number, index: number): number => Math.min(chunkOctets, bytes - index * chunkOctets)

function toBase64(octets: Uint8Array): string {
  let text = ''
  for (let at = 0; at < octets.length; at += 8192) text += String.fromCharCode(...octets.subarray(at, at + 8192))
  return btoa(text)
}

const fromBase64 = (text: string): Uint8Array => Uint8Array.from(atob(text), (character) => character.charCodeAt(0))

export class EvidenceLink {
  readonly #config: LinkConfig
  readonly #ports: LinkPorts
  readonly #outgoing = new Map<string, Outgoing>()
  readonly #incoming = new Map<string, Incoming>()
  /** Ids of files that were refused here: one that comes again is a replay. */
  readonly #refused = new Set<string>()
  #state: SessionState = 'IDLE'
  #channel: EvidenceChannel | null = null
  #theirs: Handshake | null = null
  #attempts = 0
  #stopTimer = () => {}
  #turn: Promise<void> = Promise.resolve()
  #queuedOctets = 0
  #context: EvidenceContext | null = null
  #counts = { sentChunks: 0, sentBytes: 0, receivedChunks: 0, receivedBytes: 0, retries: 0, resumes: 0, wrongChunks: 0 }
  #busyMs = 0
  #busySince: number | null = null

  constructor(config: LinkConfig, ports: LinkPorts) {
    this.#config = config
    this.#ports = ports
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
    return [
      ...[...this.#outgoing.values()].map((each) => this.#progressOut(each)),
      ...[...this.#incoming.values()].map((each) => this.#progressIn(each))
    ]
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
    if (this.#outgoing.has(source.id) || this.#state === 'CLOSED') return
    this.#outgoing.set(source.id, {
      source,
      chunks: chunksOf(source.bytes),
      state: 'waiting',
      code: null,
      attempts: 0,
      acknowledged: 0,
      highest: 0,
      run: 0,
      wake: () => {},
      stopTimer: () => {}
    })
    this.#next()
  }

  /** A file that is not to be handed over any longer. */
  withdraw(id: string): void {
    const outgoing = this.#outgoing.get(id)
    if (outgoing === undefined) return
    if (outgoing.state === 'offered' || outgoing.state === 'sending')
      this.#say({ performative: 'evidence_chunk', step: 'refused', id, code: 'evidence.withdrawn', reason: 'withdrawn' })
    this.#step(outgoing, { type: 'refused', code: 'evidence.withdrawn', reason: 'withdrawn' })
    this.#outgoing.delete(id)
  }

  context(context: EvidenceContext): void {
    this.#context = context
    if (this.#state === 'ACTIVE' || this.#state === 'DEGRADED') this.#say({ performative: 'context_update', context })
  }

  /** Ends the session. Idempotent. */
  end(reason: string): void {
    this.#take({ type: 'end', reason })
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
          for (const each of this.#outgoing.values()) if (each.state === 'failed') each.state = 'waiting'
          this.#next()
          break
        case 'pause':
          for (const each of this.#outgoing.values()) this.#step(each, { type: 'lost' })
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
    for (const each of this.#outgoing.values()) this.#step(each, { type: 'lost' })
    const channel = this.#channel
    this.#channel = null
    // the last word is on its way
    void channel?.room().then(() => channel.close())
    // nobody sends the rest
    for (const { receipt, part } of this.#incoming.values()) if (receipt === null) void part.discard().catch(() => undefined)
    this.#busy()
  }

  /** Counts the time in which a file is on its way. */
  #busy(): void {
    const now = this.#ports.clock.monotonicMs()
    const active =
      this.#channel !== null &&
      ([...this.#outgoing.values()].some(({ state }) => state === 'offered' || state === 'sending') ||
        [...this.#incoming.values()].some(({ receipt }) => receipt === null))
    if (active) this.#busySince ??= now
    else if (this.#busySince !== null) {
      this.#busyMs += now - this.#busySince
      this.#busySince = null
    }
  }

  // ── files on their way out ──

  #next(): void {
    if (this.#state !== 'ACTIVE' && this.#state !== 'DEGRADED') return
    const all = [...this.#outgoing.values()]
    if (all.some(({ state }) => state === 'offered' || state === 'sending')) return
    const waiting = all.find(({ state }) => state === 'waiting')
    if (waiting !== undefined) this.#step(waiting, { type: 'start' })
    else if (!all.some(({ state }) => state === 'failed' || state === 'refused')) this.#take({ type: 'transfersWhole' })
  }

  #step(outgoing: Outgoing, event: OutgoingEvent): void {
    const { state, effects, allowed } = stepOutgoing(outgoing.state, event)
    if (!allowed) return
    const before = outgoing.state
    outgoing.state = state
    const { source } = outgoing
    for (const effect of effects) {
      switch (effect.do) {
        case 'offer':
          this.#say({
            performative: 'evidence_chunk',
            step: 'offer',
            id: source.id,
            name: source.name,
            mediaType: source.mediaType,
            bytes: source.bytes,
            sha256: source.sha256,
            by: source.by
          })
          break
        case 'sendFrom':
          if (before === 'offered' && effect.next > 0) this.#counts.resumes++
          outgoing.attempts = 0
          outgoing.acknowledged = effect.next
          this.#send(outgoing, effect.next)
          break
        case 'acknowledged':
          outgoing.attempts = 0
          outgoing.acknowledged = Math.max(outgoing.acknowledged, effect.next)
          outgoing.wake()
          break
        case 'stopSending':
          outgoing.run++
          outgoing.wake()
          source.release()
          break
        case 'waitOperation':
          outgoing.stopTimer()
          outgoing.stopTimer = this.#ports.clock.after(operationMs, () =>
            this.#step(outgoing, { type: outgoing.attempts < retriesMs.length ? 'timeout' : 'exhausted' })
          )
          break
        case 'waitAgain':
          this.#counts.retries++
          outgoing.stopTimer()
          outgoing.stopTimer = this.#ports.clock.after(retriesMs[outgoing.attempts++]!, () =>
            this.#step(outgoing, { type: 'again' })
          )
          break
        case 'stopWaiting':
          outgoing.stopTimer()
          break
        case 'confirm':
          this.#say({ performative: 'evidence_chunk', step: 'confirmed', id: source.id })
          break
        case 'tell':
          outgoing.code = effect.code
          if (effect.outcome !== 'handedOver') this.#take({ type: 'transferFailed' })
          break
      }
    }
    this.#busy()
    if (state !== before || event.type === 'have') this.#ports.onProgress(this.#progressOut(outgoing))
    if (state !== before && (state === 'handedOver' || state === 'refused' || state === 'failed')) this.#next()
  }

  #progressOut({ source: { id, name, bytes }, acknowledged, state, code }: Outgoing): TransferProgress {
    const done = state === 'handedOver' ? bytes : Math.min(bytes, acknowledged * chunkOctets)
    return { id, name, direction: 'out', bytes, done, state, code }
  }

  #send(outgoing: Outgoing, from: number): void {
    const run = ++outgoing.run
    outgoing.wake()
    this.#sendChunks(outgoing, from, run).catch(() => {
      // the file cannot be read: the other is told, and it is over
      if (run !== outgoing.run) return
      const { id } = outgoing.source
      const reason = 'the file cannot be read'
      this.#say({ performative: 'evidence_chunk', step: 'refused', id, code: 'evidence.disk', reason })
      this.#step(outgoing, { type: 'refused', code: 'evidence.disk', reason })
    })
  }

  async #sendChunks(outgoing: Outgoing, from: number, run: number): Promise<void> {
    const { source, chunks } = outgoing
    const { id } = source
    const asText = this.#theirs?.encoding === 'base64'
    for (let index = from; index < chunks; index++) {
      while (index - outgoing.acknowledged >= windowChunks) {
        await new Promise<void>((resolve) => {
          outgoing.wake = resolve
        })
        if (run !== outgoing.run) return
      }
      const frame = new Uint8Array(frameHeaderOctets + lengthOf(source.bytes, index))
      const octets = frame.subarray(frameHeaderOctets)
      const { sha256 } = await source.read(index, octets)
      await this.#channel?.room()
      const channel = this.#channel
      if (run !== outgoing.run || channel === null) return
      if (!asText) writeFrameHeader(frame, { id, index, sha256 })
      const text = () => {
        const chunk: EvidenceChunk = {
          performative: 'evidence_chunk',
          step: 'data',
          id,
          index,
          sha256,
          data: toBase64(octets)
        }
        return JSON.stringify(chunk)
      }
      // one that SCTP could not take is missed by the other, which asks again
      channel.send(asText ? text() : frame).catch(() => undefined)
      this.#counts.sentChunks++
      this.#counts.sentBytes += octets.length
      if (index < outgoing.highest) this.#counts.retries++
      outgoing.highest = Math.max(outgoing.highest, index + 1)
    }
  }

  // ── what comes in ──

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
        else await this.#chunk(readFrame(message))
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
      if (message.call !== this.#config.call)
        throw new InfraFabricError('evidence.message.invalid', 'a handshake of another call')
      // one that was said again is no news
      if (this.#theirs === null) this.#theirs = message
      else if (JSON.stringify(message) !== JSON.stringify(this.#theirs))
        throw new InfraFabricError('evidence.message.invalid', 'another handshake on the same channel')
      this.#take({ type: 'handshake' })
      return
    }
    if (message.performative === 'session_end') {
      this.#take({ type: 'end', reason: message.reason })
      this.#ports.onEnd(message.reason)
      return
    }
    if (this.#theirs === null)
      throw new InfraFabricError('evidence.message.invalid', `${message.performative} before the handshake`)
    if (message.performative === 'context_update') this.#ports.onContext(message.context)
    else await this.#evidence(message)
  }

  async #evidence(message: EvidenceChunk): Promise<void> {
    const { id } = message
    switch (message.step) {
      case 'offer':
        return this.#offered(message)
      case 'data':
        return this.#chunk({ ...message, octets: fromBase64(message.data) })
      case 'confirmed': {
        const incoming = this.#incoming.get(id)
        if (incoming?.receipt != null) this.#ports.onProgress(this.#progressIn(incoming))
        return
      }
      case 'have': {
        const outgoing = this.#outgoing.get(id)
        if (outgoing === undefined) return
        if (message.next > outgoing.chunks)
          throw new InfraFabricError('evidence.message.invalid', 'have: behind the end of the file')
        if (message.again === 'hash') this.#counts.wrongChunks++
        this.#step(outgoing, { type: 'have', next: message.next, again: message.again !== null })
        return
      }
      case 'refused': {
        const outgoing = this.#outgoing.get(id)
        if (outgoing !== undefined) {
          this.#step(outgoing, { type: 'refused', code: message.code, reason: message.reason })
          return
        }
        const incoming = this.#incoming.get(id)
        if (incoming === undefined || incoming.receipt !== null) return
        this.#incoming.delete(id)
        await incoming.part.discard()
        this.#ports.onRefusal(incoming.offer, message.code, message.reason)
        return
      }
      case 'receipt': {
        const outgoing = this.#outgoing.get(id)
        if (outgoing === undefined) return
        const { source, state } = outgoing
        const mine = message.sha256 === source.sha256 && message.bytes === source.bytes
        if (!mine) throw new InfraFabricError('evidence.message.invalid', 'a receipt of another file')
        const outcome = state === 'handedOver' ? 'kept' : await this.#ports.acceptReceipt(source, message, this.#theirs!)
        if (outcome === 'wrong') throw new InfraFabricError('evidence.message.invalid', 'the signature of a receipt is not right')
        if (outcome === 'kept') this.#step(outgoing, { type: 'receipt', receipt: message })
      }
    }
  }

  async #offered(offer: EvidenceOffer): Promise<void> {
    const { id } = offer
    const known = this.#incoming.get(id)
    if (known !== undefined) {
      if (known.offer.sha256 !== offer.sha256 || known.offer.bytes !== offer.bytes)
        this.#refuse(offer, refused('evidence.replay', 'this id stands for another file'))
      else if (known.receipt !== null) this.#say(known.receipt)
      else {
        if (known.part.next() > 0) this.#counts.resumes++
        this.#have(known, null)
      }
      return
    }
    if (this.#refused.has(id) || this.#outgoing.has(id)) {
      this.#refuse(offer, refused('evidence.replay', 'this id was used before'))
      return
    }
    if (this.#incoming.size >= (this.#config.mostIncoming ?? 1000)) {
      this.#refuse(offer, refused('evidence.too-many', 'too many files'))
      return
    }
    const taken = await this.#ports.shelf.take(offer)
    if (!taken.ok) {
      this.#refuse(offer, taken)
      return
    }
    const incoming: Incoming = {
      offer,
      part: taken.part,
      receipt: null,
      unacknowledged: 0,
      acknowledgedAt: 0,
      wrong: 0,
      gap: false
    }
    this.#incoming.set(id, incoming)
    this.#busy()
    if (taken.part.next() > 0) this.#counts.resumes++
    if (taken.part.next() >= chunksOf(offer.bytes)) await this.#finish(incoming)
    else this.#have(incoming, null)
  }

  #have(incoming: Incoming, again: 'gap' | 'hash' | null): void {
    incoming.unacknowledged = 0
    incoming.acknowledgedAt = this.#ports.clock.monotonicMs()
    const next = incoming.part.next()
    this.#say({ performative: 'evidence_chunk', step: 'have', id: incoming.offer.id, next, again })
    this.#ports.onProgress(this.#progressIn(incoming))
  }

  #progressIn({ offer: { id, name, bytes }, part, receipt }: Incoming): TransferProgress {
    const done = receipt === null ? Math.min(bytes, part.next() * chunkOctets) : bytes
    return { id, name, direction: 'in', bytes, done, state: receipt === null ? 'receiving' : 'received', code: null }
  }

  #refuse(offer: EvidenceOffer, { code, reason }: EvidenceRefusal): void {
    if (this.#refused.size < 10_000) this.#refused.add(offer.id)
    this.#say({ performative: 'evidence_chunk', step: 'refused', id: offer.id, code, reason })
    this.#ports.onRefusal(offer, code, reason)
  }

  async #drop(incoming: Incoming, refusal: EvidenceRefusal): Promise<void> {
    this.#incoming.delete(incoming.offer.id)
    this.#refuse(incoming.offer, refusal)
    await incoming.part.discard()
    this.#busy()
  }

  async #chunk({ id, index, sha256, octets }: ChunkFrame): Promise<void> {
    if (this.#theirs === null) throw new InfraFabricError('evidence.message.invalid', 'evidence_chunk before the handshake')
    const incoming = this.#incoming.get(id)
    if (incoming === undefined) {
      // on its way when the file was refused; one that was never offered breaks the rules
      if (this.#refused.has(id)) return
      throw new InfraFabricError('evidence.message.invalid', 'a chunk of a file that was not offered')
    }
    if (incoming.receipt !== null) return
    const { offer, part } = incoming
    const next = part.next()
    if (index < next) return
    if (index > next) {
      if (!incoming.gap) this.#have(incoming, 'gap')
      incoming.gap = true
      return
    }
    if (octets.length !== lengthOf(offer.bytes, index)) {
      await this.#drop(incoming, refused('evidence.size', 'chunks are not as long as the size declared says'))
      return
    }
    let right: boolean
    try {
      right = await part.write(index, octets, sha256)
    } catch (error) {
      await this.#drop(incoming, refused('evidence.disk', `it cannot be kept (${errorCode(error)})`))
      return
    }
    if (!right) {
      this.#counts.wrongChunks++
      incoming.wrong++
      if (incoming.wrong >= mostWrong) await this.#drop(incoming, refused('evidence.chunk', `chunk ${index} has another hash`))
      else {
        incoming.gap = true
        this.#have(incoming, 'hash')
      }
      return
    }
    incoming.wrong = 0
    incoming.gap = false
    this.#counts.receivedChunks++
    this.#counts.receivedBytes += octets.length
    incoming.unacknowledged++
    if (part.next() === chunksOf(offer.bytes)) await this.#finish(incoming)
    else if (
      incoming.unacknowledged >= acknowledgeChunks ||
      this.#ports.clock.monotonicMs() - incoming.acknowledgedAt >= acknowledgeMs
    )
      this.#have(incoming, null)
  }

  async #finish(incoming: Incoming): Promise<void> {
    const { offer, part } = incoming
    const { id, sha256, bytes } = offer
    const whole = await part.finish()
    if (!whole.ok) {
      await this.#drop(incoming, whole)
      return
    }
    const at = new Date(this.#ports.clock.now()).toISOString()
    const receipt = { performative: 'evidence_chunk', step: 'receipt', id, sha256, bytes, at } as const
    incoming.receipt = { ...receipt, signature: await this.#ports.sign(receipt) }
    this.#say(incoming.receipt)
    this.#busy()
    this.#ports.onProgress(this.#progressIn(incoming))
  }
}
