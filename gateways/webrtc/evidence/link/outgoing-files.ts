/** Files on their way out of one end of a link, one at a time: each goes by its table (outgoing-machine.ts), chunks within a window. */

import type { EvidenceRefusalCode } from '../names.ts'
import { frameHeaderOctets, writeFrameHeader } from './frames.ts'
import type { EvidenceChannel, EvidenceSource, TransferPorts, TransferProgress } from './link-ports.ts'
import { chunkLength, chunkOctets, chunksOf, dataOf, type EvidenceChunk, invalidMessage, type Receipt } from './messages.ts'
import { type OutgoingEvent, type OutgoingState, stepOutgoing } from './outgoing-machine.ts'
import { operationMs, retriesMs } from './session-machine.ts'

export interface OutgoingPorts extends TransferPorts {
  /** Null while there is none. */
  readonly channel: () => EvidenceChannel | null
  /** Chunks are to go in text. */
  readonly asText: () => boolean
  /** Files may be offered. */
  readonly isOpen: () => boolean
  readonly acceptReceipt: (source: EvidenceSource, receipt: Receipt) => Promise<'kept' | 'later' | 'wrong'>
  /** A file could not be handed over. */
  readonly onFailed: () => void
  /** None is left that is still to go, or could not be handed over. */
  readonly onWhole: () => void
}

/** Chunks under way that were not acknowledged. */
const windowChunks = 32

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

export class OutgoingFiles {
  readonly #ports: OutgoingPorts
  readonly #files = new Map<string, Outgoing>()

  constructor(ports: OutgoingPorts) {
    this.#ports = ports
  }

  has(id: string): boolean {
    return this.#files.has(id)
  }

  get isBusy(): boolean {
    return [...this.#files.values()].some(({ state }) => state === 'offered' || state === 'sending')
  }

  progress(): readonly TransferProgress[] {
    return [...this.#files.values()].map((each) => this.#progressOf(each))
  }

  /** Hands a file over as soon as it can be. One of an id that is known is not taken again. */
  add(source: EvidenceSource): void {
    if (this.#files.has(source.id)) return
    this.#files.set(source.id, {
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
    const outgoing = this.#files.get(id)
    if (outgoing === undefined) return
    if (outgoing.state === 'offered' || outgoing.state === 'sending')
      this.#ports.say({ performative: 'evidence_chunk', step: 'refused', id, code: 'evidence.withdrawn', reason: 'withdrawn' })
    this.#step(outgoing, { type: 'refused', code: 'evidence.withdrawn', reason: 'withdrawn' })
    this.#files.delete(id)
  }

  /** There is a channel: what could not be handed over is tried again. */
  begin(): void {
    for (const each of this.#files.values()) if (each.state === 'failed') each.state = 'waiting'
    this.#next()
  }

  /** The channel is gone. */
  lost(): void {
    for (const each of this.#files.values()) this.#step(each, { type: 'lost' })
  }

  /** The other has every chunk before `next`. @throws {InfraFabricError} `evidence.message.invalid` */
  have({ id, next, again }: Extract<EvidenceChunk, { step: 'have' }>): void {
    const outgoing = this.#files.get(id)
    if (outgoing === undefined) return
    if (next > outgoing.chunks) throw invalidMessage('have: behind the end of the file')
    if (again === 'hash') this.#ports.counts.wrongChunks++
    this.#step(outgoing, { type: 'have', next, again: again !== null })
  }

  /** The other does not take a file. @returns false when it is none of these */
  refused({ id, code, reason }: Extract<EvidenceChunk, { step: 'refused' }>): boolean {
    const outgoing = this.#files.get(id)
    if (outgoing === undefined) return false
    this.#step(outgoing, { type: 'refused', code, reason })
    return true
  }

  /** @throws {InfraFabricError} `evidence.message.invalid` */
  async receipt(receipt: Receipt): Promise<void> {
    const outgoing = this.#files.get(receipt.id)
    if (outgoing === undefined) return
    const { source, state } = outgoing
    const mine = receipt.sha256 === source.sha256 && receipt.bytes === source.bytes
    if (!mine) throw invalidMessage('a receipt of another file')
    const outcome = state === 'handedOver' ? 'kept' : await this.#ports.acceptReceipt(source, receipt)
    if (outcome === 'wrong') throw invalidMessage('the signature of a receipt is not right')
    if (outcome === 'kept') this.#step(outgoing, { type: 'receipt', receipt })
  }

  #next(): void {
    if (!this.#ports.isOpen()) return
    const all = [...this.#files.values()]
    if (all.some(({ state }) => state === 'offered' || state === 'sending')) return
    const waiting = all.find(({ state }) => state === 'waiting')
    if (waiting !== undefined) this.#step(waiting, { type: 'start' })
    else if (!all.some(({ state }) => state === 'failed' || state === 'refused')) this.#ports.onWhole()
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
          this.#ports.say({
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
          if (before === 'offered' && effect.next > 0) this.#ports.counts.resumes++
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
          this.#ports.counts.retries++
          outgoing.stopTimer()
          outgoing.stopTimer = this.#ports.clock.after(retriesMs[outgoing.attempts++]!, () =>
            this.#step(outgoing, { type: 'again' })
          )
          break
        case 'stopWaiting':
          outgoing.stopTimer()
          break
        case 'confirm':
          this.#ports.say({ performative: 'evidence_chunk', step: 'confirmed', id: source.id })
          break
        case 'tell':
          outgoing.code = effect.code
          if (effect.outcome !== 'handedOver') this.#ports.onFailed()
          break
      }
    }
    this.#ports.onBusy()
    if (state !== before || event.type === 'have') this.#ports.onProgress(this.#progressOf(outgoing))
    if (state !== before && (state === 'handedOver' || state === 'refused' || state === 'failed')) this.#next()
  }

  #progressOf({ source: { id, name, bytes }, acknowledged, state, code }: Outgoing): TransferProgress {
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
      this.#ports.say({ performative: 'evidence_chunk', step: 'refused', id, code: 'evidence.disk', reason })
      this.#step(outgoing, { type: 'refused', code: 'evidence.disk', reason })
    })
  }

  async #sendChunks(outgoing: Outgoing, from: number, run: number): Promise<void> {
    const { source, chunks } = outgoing
    const { id } = source
    const asText = this.#ports.asText()
    for (let index = from; index < chunks; index++) {
      while (index - outgoing.acknowledged >= windowChunks) {
        await new Promise<void>((resolve) => {
          outgoing.wake = resolve
        })
        if (run !== outgoing.run) return
      }
      const frame = new Uint8Array(frameHeaderOctets + chunkLength(source.bytes, index))
      const octets = frame.subarray(frameHeaderOctets)
      const { sha256 } = await source.read(index, octets)
      await this.#ports.channel()?.room()
      const channel = this.#ports.channel()
      if (run !== outgoing.run || channel === null) return
      if (!asText) writeFrameHeader(frame, { id, index, sha256 })
      const text = () => {
        const chunk: EvidenceChunk = {
          performative: 'evidence_chunk',
          step: 'data',
          id,
          index,
          sha256,
          data: dataOf(octets)
        }
        return JSON.stringify(chunk)
      }
      // one that SCTP could not take is missed by the other, which asks again
      channel.send(asText ? text() : frame).catch(() => undefined)
      this.#ports.counts.sentChunks++
      this.#ports.counts.sentBytes += octets.length
      if (index < outgoing.highest) this.#ports.counts.retries++
      outgoing.highest = Math.max(outgoing.highest, index + 1)
    }
  }
}
