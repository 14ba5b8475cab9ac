/**
 * Packets that wait to be played, by their sequence numbers. Slots grow to the size of the packets and are used again, the one freed last first: memory is
 * taken once.
 */
import { sequenceDistance } from '../rtp/rtp.ts'

export interface HeldPacket {
  sequenceNumber: number
  timestamp: number
  length: number
  arrivalMs: number
  comfortNoise: boolean
  payload: Uint8Array
}

/** Packets held at most; a power of two. */
export const capacity = 64

export class HeldPackets {
  /** By their sequence numbers; null where there is none. */
  readonly #slots: (HeldPacket | null)[] = Array.from({ length: capacity }, () => null)
  /** Sequence number of the packet that is held, or was last; −1 for none. */
  readonly #sequences = new Int32Array(capacity).fill(-1)
  /** Slots that hold nothing. */
  readonly #free: HeldPacket[] = []
  #count = 0

  get count(): number {
    return this.#count
  }

  /** Whether a packet has come already: it is held, or was and nothing has taken its place. */
  hasSeen(sequenceNumber: number): boolean {
    return this.#sequences[sequenceNumber & (capacity - 1)] === sequenceNumber
  }

  /** A packet has come that is not held here. */
  see(sequenceNumber: number): void {
    this.#sequences[sequenceNumber & (capacity - 1)] = sequenceNumber
  }

  /** Whether another packet is in the place that this one would have. */
  isTaken(sequenceNumber: number): boolean {
    return this.#slots[sequenceNumber & (capacity - 1)] !== null
  }

  /** Takes a packet into its place, which is free; the payload is copied. */
  hold(
    sequenceNumber: number,
    timestamp: number,
    packet: Uint8Array,
    start: number,
    end: number,
    arrivalMs: number,
    comfortNoise: boolean
  ): void {
    const at = sequenceNumber & (capacity - 1)
    const length = end - start
    const slot = this.#free.pop() ?? newSlot()
    this.#slots[at] = slot
    this.#sequences[at] = sequenceNumber
    slot.sequenceNumber = sequenceNumber
    slot.timestamp = timestamp
    slot.length = length
    slot.arrivalMs = arrivalMs
    slot.comfortNoise = comfortNoise
    if (slot.payload.length < length) slot.payload = new Uint8Array(Math.ceil(length / 64) * 64)
    for (let i = 0; i < length; i++) slot.payload[i] = packet[start + i]!
    this.#count++
  }

  /** Gives its place up; what it holds stays until another packet is taken. */
  release(slot: HeldPacket): void {
    this.#slots[slot.sequenceNumber & (capacity - 1)] = null
    this.#free.push(slot)
    this.#count--
  }

  /** Releases all, and forgets what has come. @param each is told the sequence numbers, in the order of their places */
  clear(each?: (sequenceNumber: number) => void): void {
    for (const slot of this.#slots) {
      if (slot === null) continue
      each?.(slot.sequenceNumber)
      this.release(slot)
    }
    this.#sequences.fill(-1)
  }

  /** The packet of this number; null when it is not held. */
  at(sequenceNumber: number): HeldPacket | null {
    const slot = this.#slots[sequenceNumber & (capacity - 1)] ?? null
    return slot !== null && slot.sequenceNumber === sequenceNumber ? slot : null
  }

  /** The oldest; null when nothing is held. */
  first(): HeldPacket | null {
    if (this.#count === 0) return null
    let found: HeldPacket | null = null
    for (const slot of this.#slots) {
      if (slot !== null && (found === null || sequenceDistance(slot.sequenceNumber, found.sequenceNumber) < 0)) found = slot
    }
    return found
  }

  /** The first one after this number, as far as the room goes; null when there is none. */
  after(sequenceNumber: number): HeldPacket | null {
    if (this.#count === 0) return null
    for (let n = 1; n <= capacity; n++) {
      const slot = this.at((sequenceNumber + n) & 0xffff)
      if (slot !== null) return slot
    }
    return null
  }
}

const newSlot = (): HeldPacket => ({
  sequenceNumber: -1,
  timestamp: 0,
  length: 0,
  arrivalMs: 0,
  comfortNoise: false,
  payload: new Uint8Array(0)
})
