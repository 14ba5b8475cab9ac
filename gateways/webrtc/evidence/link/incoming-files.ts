/** Files that come to one end of a link: what is there is acknowledged, what is missing or wrong asked for again, what is whole gets a receipt. */
import { errorCode } from '#kernel'
import { type EvidenceRefusal, type EvidenceRefusalCode, refused } from '../names.ts'
import type { ChunkFrame } from './frames.ts'
import type { EvidencePart, EvidenceShelf, TransferPorts, TransferProgress } from './link-ports.ts'
import {
  chunkLength,
  chunkOctets,
  chunksOf,
  type EvidenceChunk,
  type EvidenceOffer,
  invalidMessage,
  type Receipt
} from './messages.ts'
import { retriesMs } from './session-machine.ts'

export interface IncomingPorts extends TransferPorts {
  readonly shelf: EvidenceShelf
  /** Signs a receipt of ours; null where no key was named. */
  readonly sign: (receipt: Omit<Receipt, 'signature'>) => Promise<string | null>
  /** An id of a file that goes the other way. */
  readonly isOutgoing: (id: string) => boolean
  /** An offer of the other was refused, or a file that was begun. */
  readonly onRefusal: (offer: Pick<EvidenceOffer, 'id' | 'name' | 'bytes'>, code: EvidenceRefusalCode, reason: string) => void
}

/** Chunks that one acknowledgement covers, and how long one waits at most. */
const acknowledgeChunks = 8
const acknowledgeMs = 1000
/** Times that a chunk may come wrong. */
const mostWrong = 1 + retriesMs.length

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

export class IncomingFiles {
  readonly #ports: IncomingPorts
  readonly #most: number
  readonly #files = new Map<string, Incoming>()
  /** Ids of files that were refused here: one that comes again is a replay. */
  readonly #refused = new Set<string>()

  /** @param most files that are taken from the other */
  constructor(ports: IncomingPorts, most: number) {
    this.#ports = ports
    this.#most = most
  }

  get isBusy(): boolean {
    return [...this.#files.values()].some(({ receipt }) => receipt === null)
  }

  progress(): readonly TransferProgress[] {
    return [...this.#files.values()].map((each) => this.#progressOf(each))
  }

  /** Nobody sends the rest of what was begun. */
  discard(): void {
    for (const { receipt, part } of this.#files.values()) if (receipt === null) void part.discard().catch(() => undefined)
  }

  /** The other has our receipt in its record. */
  confirmed(id: string): void {
    const incoming = this.#files.get(id)
    if (incoming?.receipt != null) this.#ports.onProgress(this.#progressOf(incoming))
  }

  /** The other sends a file no longer. */
  async withdrawn({ id, code, reason }: Extract<EvidenceChunk, { step: 'refused' }>): Promise<void> {
    const incoming = this.#files.get(id)
    if (incoming === undefined || incoming.receipt !== null) return
    this.#files.delete(id)
    await incoming.part.discard()
    this.#ports.onRefusal(incoming.offer, code, reason)
  }

  async offered(offer: EvidenceOffer): Promise<void> {
    const { id } = offer
    const known = this.#files.get(id)
    if (known !== undefined) {
      if (known.offer.sha256 !== offer.sha256 || known.offer.bytes !== offer.bytes)
        this.#refuse(offer, refused('evidence.replay', 'this id stands for another file'))
      else if (known.receipt !== null) this.#ports.say(known.receipt)
      else {
        if (known.part.next() > 0) this.#ports.counts.resumes++
        this.#have(known, null)
      }
      return
    }
    if (this.#refused.has(id) || this.#ports.isOutgoing(id)) {
      this.#refuse(offer, refused('evidence.replay', 'this id was used before'))
      return
    }
    if (this.#files.size >= this.#most) {
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
    this.#files.set(id, incoming)
    this.#ports.onBusy()
    if (taken.part.next() > 0) this.#ports.counts.resumes++
    if (taken.part.next() >= chunksOf(offer.bytes)) await this.#finish(incoming)
    else this.#have(incoming, null)
  }

  #have(incoming: Incoming, again: 'gap' | 'hash' | null): void {
    incoming.unacknowledged = 0
    incoming.acknowledgedAt = this.#ports.clock.monotonicMs()
    const next = incoming.part.next()
    this.#ports.say({ performative: 'evidence_chunk', step: 'have', id: incoming.offer.id, next, again })
    this.#ports.onProgress(this.#progressOf(incoming))
  }

  #progressOf({ offer: { id, name, bytes }, part, receipt }: Incoming): TransferProgress {
    const done = receipt === null ? Math.min(bytes, part.next() * chunkOctets) : bytes
    return { id, name, direction: 'in', bytes, done, state: receipt === null ? 'receiving' : 'received', code: null }
  }

  #refuse(offer: EvidenceOffer, { code, reason }: EvidenceRefusal): void {
    if (this.#refused.size < 10_000) this.#refused.add(offer.id)
    this.#ports.say({ performative: 'evidence_chunk', step: 'refused', id: offer.id, code, reason })
    this.#ports.onRefusal(offer, code, reason)
  }

  async #drop(incoming: Incoming, refusal: EvidenceRefusal): Promise<void> {
    this.#files.delete(incoming.offer.id)
    this.#refuse(incoming.offer, refusal)
    await incoming.part.discard()
    this.#ports.onBusy()
  }

  /** @throws {InfraFabricError} `evidence.message.invalid`: of a file that was not offered */
  async chunk({ id, index, sha256, octets }: ChunkFrame): Promise<void> {
    const incoming = this.#files.get(id)
    if (incoming === undefined) {
      // on its way when the file was refused; one that was never offered breaks the rules
      if (this.#refused.has(id)) return
      throw invalidMessage('a chunk of a file that was not offered')
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
    if (octets.length !== chunkLength(offer.bytes, index)) {
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
      this.#ports.counts.wrongChunks++
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
    this.#ports.counts.receivedChunks++
    this.#ports.counts.receivedBytes += octets.length
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
    this.#ports.say(incoming.receipt)
    this.#ports.onBusy()
    this.#ports.onProgress(this.#progressOf(incoming))
  }
}
