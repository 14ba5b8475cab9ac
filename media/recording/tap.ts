/** What a media thread copies out for a recording. Nothing is recorded of who has no slot. */
import type { Member, Playing } from '../mixer/conference.ts'
import { RingWriter } from './ring.ts'

export class RecordTap {
  readonly #ring: RingWriter
  readonly #startedMs: number

  /** @param nowMs monotonic, that of packets and frames: the recording begins */
  constructor(memory: SharedArrayBuffer, nowMs: number) {
    this.#ring = new RingWriter(memory)
    this.#startedMs = nowMs
  }

  #since(nowMs: number): number {
    return Math.max(0, Math.round(nowMs - this.#startedMs))
  }

  /** @param packet as it was accepted: decrypted, from the participant, header and all */
  packet(slot: number, packet: Uint8Array, arrivedMs: number): void {
    this.#ring.packet(slot, this.#since(arrivedMs), packet)
  }

  /** A frame that was mixed: the parts of those who are recorded, and what is played to all. */
  frame(nowMs: number, rateHz: number, members: readonly Member[], playing: readonly Playing[]): void {
    const timeMs = this.#since(nowMs)
    for (let n = 0; n < members.length; n++) {
      const { slot, part } = members[n]!
      if (slot > 0 && part !== null) this.#ring.part(slot, timeMs, rateHz, part)
    }
    for (let n = 0; n < playing.length; n++) {
      const { part } = playing[n]!
      if (part !== null) this.#ring.part(0, timeMs, rateHz, part)
    }
    this.#ring.frame(timeMs, rateHz)
  }
}
