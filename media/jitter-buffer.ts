import type { Decoder } from './codec/codec.ts'
import { sequenceDistance, timestampDistance } from './rtp/rtp.ts'

export interface JitterBufferConfig {
  readonly clockRateHz: number
  /** Samples a call of {@link JitterBuffer.take} gives: one frame of the mixer. */
  readonly frameSamples: number
  /** Time from the arrival of the first packet of a talkspurt to its playing, at least. */
  readonly targetDelayMs: number
  /** Packets held at most. */
  readonly capacity?: number
}

export interface JitterCounts {
  /** Packets that came after their time, twice, or when there was no room. */
  dropped: number
  /** Frames made up in place of lost or late packets. */
  concealed: number
  /** Frames left out because the sender's clock runs faster than ours. */
  skipped: number
}

interface Slot {
  used: boolean
  sequenceNumber: number
  timestamp: number
  length: number
  arrivalMs: number
  readonly payload: Uint8Array
}

const largestPayload = 1500
/** Packets in a row that are new and yet late, after which the sender's time is taken to have moved. */
const lateBeforeResync = 2
/** Frames in a row with more in the buffer than it should hold before one is left out: long for one frame too many, short for two and more. */
const excessBeforeSkip = 50
const largeExcessBeforeSkip = 5
/** Frames made up in a row before the stream counts as paused: what comes next begins a talkspurt. */
const concealedBeforePause = 10

/**
 * Puts packets back in order and gives a frame whenever the mixer asks, made up where a packet is missing.
 *
 * Memory is taken once. Time is the caller's: arrival and playing are told in the same monotonic milliseconds.
 */
export class JitterBuffer {
  readonly counts: JitterCounts = { dropped: 0, concealed: 0, skipped: 0 }
  readonly #config: JitterBufferConfig
  readonly #decoder: Decoder
  readonly #slots: Slot[]
  readonly #frame: Int16Array
  /** Decoded samples not yet given, from `#ready` on, `#readyCount` of them. */
  readonly #decoded: Int16Array
  #readyCount = 0
  #playing = false
  /** RTP timestamp of the next sample to decode. */
  #next = 0
  /** Sequence number of the packet decoded last. */
  #lastPlayed = 0
  #lateInRow = 0
  #concealedInRow = 0
  #excessFrames = 0

  constructor(config: JitterBufferConfig, decoder: Decoder) {
    this.#config = config
    this.#decoder = decoder
    this.#slots = Array.from({ length: config.capacity ?? 50 }, () => ({
      used: false,
      sequenceNumber: 0,
      timestamp: 0,
      length: 0,
      arrivalMs: 0,
      payload: new Uint8Array(largestPayload)
    }))
    this.#frame = new Int16Array(largestPayload)
    this.#decoded = new Int16Array(largestPayload + config.frameSamples)
  }

  /** Takes a packet; its payload is copied. */
  put(sequenceNumber: number, timestamp: number, packet: Uint8Array, start: number, end: number, arrivalMs: number): void {
    if (end - start > largestPayload || end <= start) {
      this.counts.dropped++
      return
    }
    if (this.#playing && timestampDistance(timestamp, this.#next) < 0) {
      this.counts.dropped++
      const isNew = sequenceDistance(sequenceNumber, this.#lastPlayed) > 0
      if (isNew && ++this.#lateInRow >= lateBeforeResync) this.reset()
      return
    }
    this.#lateInRow = 0
    let free: Slot | undefined
    for (const slot of this.#slots) {
      if (!slot.used) free ??= slot
      else if (slot.sequenceNumber === sequenceNumber) {
        this.counts.dropped++
        return
      }
    }
    if (free === undefined) {
      this.counts.dropped += this.#slots.length
      this.reset()
      free = this.#slots[0]!
    }
    free.used = true
    free.sequenceNumber = sequenceNumber
    free.timestamp = timestamp
    free.length = end - start
    free.arrivalMs = arrivalMs
    for (let i = 0; i < free.length; i++) free.payload[i] = packet[start + i]!
  }

  /**
   * Gives the next frame.
   *
   * @param out `frameSamples` long.
   * @returns false when nothing is being said: `out` is silence then
   */
  take(out: Int16Array, nowMs: number): boolean {
    if (!this.#playing && !this.#begin(nowMs)) {
      out.fill(0)
      return false
    }
    while (this.#readyCount < out.length) {
      if (!this.#decodeNext(out.length)) {
        this.#playing = false
        this.#readyCount = 0
        out.fill(0)
        return false
      }
    }
    out.set(this.#decoded.subarray(0, out.length))
    this.#decoded.copyWithin(0, out.length, this.#readyCount)
    this.#readyCount -= out.length
    this.#trim(out.length)
    return true
  }

  /** Lets the time of frames pass that were never asked for. */
  skip(frames: number): void {
    for (let n = 0; n < frames && this.#playing; n++) this.#leaveOut(this.#config.frameSamples)
  }

  /** Forgets what is held: the next packet begins anew. */
  reset(): void {
    for (const slot of this.#slots) slot.used = false
    this.#playing = false
    this.#readyCount = 0
    this.#lateInRow = 0
    this.#concealedInRow = 0
    this.#excessFrames = 0
  }

  /** Packets held. */
  get depth(): number {
    let count = 0
    for (const slot of this.#slots) if (slot.used) count++
    return count
  }

  #begin(nowMs: number): boolean {
    const first = this.#earliest()
    if (first === undefined) return false
    let arrivedMs = first.arrivalMs
    for (const slot of this.#slots) if (slot.used && slot.arrivalMs < arrivedMs) arrivedMs = slot.arrivalMs
    if (nowMs - arrivedMs < this.#config.targetDelayMs) return false
    this.#playing = true
    this.#next = first.timestamp
    this.#lastPlayed = (first.sequenceNumber - 1) & 0xffff
    this.#concealedInRow = 0
    return true
  }

  #earliest(): Slot | undefined {
    let found: Slot | undefined
    for (const slot of this.#slots) {
      if (slot.used && (found === undefined || isBefore(slot, found))) found = slot
    }
    return found
  }

  /** Decodes the packet that is due, or makes one up. @returns false when the stream has paused */
  #decodeNext(frameSamples: number): boolean {
    const slot = this.#earliest()
    if (slot !== undefined && timestampDistance(slot.timestamp, this.#next) <= 0) {
      slot.used = false
      this.#lastPlayed = slot.sequenceNumber
      const samples = this.#decoder.decode(slot.payload, 0, slot.length, this.#frame)
      this.#push(this.#frame, samples)
      this.#next = (slot.timestamp + samples) >>> 0
      this.#concealedInRow = 0
      return true
    }
    if (++this.#concealedInRow > concealedBeforePause) return false
    const gap = slot === undefined ? frameSamples : Math.min(frameSamples, timestampDistance(slot.timestamp, this.#next))
    const made = this.#frame.subarray(0, gap)
    this.#decoder.conceal(made, this.#concealedInRow)
    this.counts.concealed++
    this.#push(made, gap)
    this.#next = (this.#next + gap) >>> 0
    return true
  }

  #push(samples: Int16Array, count: number): void {
    this.#decoded.set(samples.subarray(0, count), this.#readyCount)
    this.#readyCount += count
  }

  /** Leaves out a frame when more than the target has been waiting for a while: the sender's clock runs faster, or a burst has passed. */
  #trim(frameSamples: number): void {
    let newest = this.#next
    for (const slot of this.#slots) if (slot.used && timestampDistance(slot.timestamp, newest) > 0) newest = slot.timestamp
    const held = timestampDistance(newest, this.#next) + this.#readyCount
    const target = (this.#config.targetDelayMs * this.#config.clockRateHz) / 1000
    const excess = held - target
    this.#excessFrames = excess >= 0 ? this.#excessFrames + 1 : 0
    if (this.#excessFrames < (excess >= 2 * frameSamples ? largeExcessBeforeSkip : excessBeforeSkip)) return
    this.#excessFrames = 0
    this.#leaveOut(frameSamples)
  }

  /** Lets the time of one frame pass that nobody will hear. */
  #leaveOut(frameSamples: number): void {
    if (this.#readyCount < frameSamples && !this.#decodeNext(frameSamples)) return
    const left = Math.min(frameSamples, this.#readyCount)
    this.#decoded.copyWithin(0, left, this.#readyCount)
    this.#readyCount -= left
    this.counts.skipped++
  }
}

function isBefore(a: Slot, b: Slot): boolean {
  const apart = timestampDistance(a.timestamp, b.timestamp)
  return apart < 0 || (apart === 0 && sequenceDistance(a.sequenceNumber, b.sequenceNumber) < 0)
}
