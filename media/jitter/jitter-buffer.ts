/**
 * Puts packets back in order and gives a frame whenever the mixer asks, made up where a packet is missing.
 *
 * Where sound stands in time is told by its RTP timestamp; how late it may be is learned from the packets (delay-estimate.ts),
 * and the delay follows by leaving out or repeating single pitch periods (time-stretch.ts), which also makes up for clocks that
 * differ. Memory is taken once, but for slots that grow to the size of the packets. Time is the caller's: arrival and playing are
 * told in the same monotonic milliseconds.
 */
import { type Decoder, longestPacketMs } from '../codec/codec.ts'
import type { Law } from '../codec/g711.ts'
import { keptFrames, type LegRecord, laneFrame, mostHeld, of } from '../express/record.ts'
import { sequenceDistance, timestampDistance } from '../rtp/rtp.ts'
import { DelayEstimate } from './delay-estimate.ts'
import { capacity, type HeldPacket, HeldPackets } from './held-packets.ts'
import { StretchQueue } from './time-stretch.ts'

export interface JitterBufferConfig {
  /** RTP clock. */
  readonly clockRateHz: number
  /** Rate of the decoder's sound. The RTP clock when absent. */
  readonly sampleRateHz?: number
  /** Samples a call of {@link JitterBuffer.take} gives, at the rate of the sound: one frame of the mixer. */
  readonly frameSamples: number
  /** Delay over the fastest packets, at least. */
  readonly targetDelayMs: number
  /** And at most, however late packets come. Default 240. */
  readonly maxDelayMs?: number
}

/** What happened so far. `dropped` is the sum of `late`, `duplicates` and `overflow`. */
export interface JitterCounts {
  dropped: number
  /** Packets that came after their time. With `overflow`, the discarded packets of RFC 3611 §4.7. */
  late: number
  duplicates: number
  /** Packets for which there was no room. */
  overflow: number
  /** Frames made up in place of lost or late packets. */
  concealed: number
  /** Lost packets restored from the one after them. */
  recovered: number
  /** Frames left out unheard, because the mixer did not ask for them in time, or more came at once than is held. */
  skipped: number
  /** Times a pitch period was left out, and repeated, to change the delay. */
  shortened: number
  lengthened: number
  /** Of these, where it could be heard, because much too much or too little was waiting. */
  audible: number
}

/** Told what becomes of packets that are not simply played. */
export interface PacketFates {
  /** Too late, or no room for it. */
  readonly discarded: (sequenceNumber: number) => void
  /** Lost, and restored from the one after it. */
  readonly restored: (sequenceNumber: number) => void
}

const untold: PacketFates = { discarded: () => undefined, restored: () => undefined }

const largestPayload = 1500
/** Packets in a row that are new and yet late, after which the sender's time is taken to have moved. */
const lateBeforeResync = 2
/** Sound made up in a row before the stream counts as paused: what comes next begins a talkspurt. */
const concealedBeforePauseMs = 200
/** A gap between timestamps longer than this is no loss: the sender's time has moved, or it was silent. */
const longestGapMs = 1000
/**
 * More delay than wanted before some is taken away; less before some is added. Between them lies one frame, because playing
 * begins at a tick.
 */
const excessMs = 8
const shortageMs = 4
/** Too much or too little by this, and it is changed even where it is heard. */
const urgentMs = 60
/** Weight of a new measurement of the delay. */
const smoothing = 1 / 4
/** Time between two changes of the delay, unless it is far off or the sound is soft. */
const restMs = 80

/**
 * Room for what is being decoded or made up, of all buffers of a thread: it is used within one call only, and what is used again and again stays near the
 * processor.
 */
const scratch = new Int16Array(Math.max((longestPacketMs * 48_000) / 1000, largestPayload * 2))

/** Samples that may wait when the express lane takes a stream. */
const mostWaiting = 2 * laneFrame

/** The frames played last, on their way into the express lane or out of it. */
const played = new Int16Array(keptFrames * laneFrame)

export class JitterBuffer {
  readonly counts: JitterCounts = {
    dropped: 0,
    late: 0,
    duplicates: 0,
    overflow: 0,
    concealed: 0,
    recovered: 0,
    skipped: 0,
    shortened: 0,
    lengthened: 0,
    audible: 0
  }
  readonly #decoder: Decoder
  readonly #fates: PacketFates
  readonly #clockPerMs: number
  /** Samples for each unit of the RTP clock: 2 for G.722, a sixth for Opus at 8 kHz. */
  readonly #samplesPerClock: number
  readonly #samplesPerMs: number
  readonly #frameSamples: number
  readonly #frameMs: number
  readonly #leastDelayMs: number
  readonly #maxDelayMs: number
  readonly #held = new HeldPackets()
  readonly #scratch: Int16Array
  /** The part of `#scratch` that was made up last: made anew only when the length changes. */
  #made: Int16Array
  readonly #queue: StretchQueue
  readonly #estimate: DelayEstimate
  #playing = false
  /** Whether `#next` and `#lastPlayed` say something. */
  #hasPlayed = false
  /** RTP timestamp of the next sample to decode. */
  #next = 0
  /** Sequence number of the packet decoded last. */
  #lastPlayed = 0
  /** Samples of the packet decoded last. */
  #packetSamples: number
  #lateInRow = 0
  #concealedInRow = 0
  #concealedMs = 0
  /**
   * Samples made up while nothing was there, and time stood still: a packet that comes late is still played, one that never comes
   * has had its time.
   */
  #credit = 0
  /** Frames made up of which it is not yet known whether anything was lost. */
  #unsure = 0
  /** Frames left out for want of room since one was taken last. */
  #passed = 0
  /** How long the last packet had been due when it was decoded, smoothed; NaN before the first. */
  #slackMs = Number.NaN
  /** Delay of what is given over the fastest packets, smoothed. */
  #delayMs = Number.NaN
  #restUntilMs = 0
  /** Timestamps counted on beyond 32 bits, for the transit. */
  #newest = 0
  #newestExtended = 0
  #started = false
  /** `#newestExtended` when the stream was lent to the express lane. */
  #lentExtended = 0

  constructor(config: JitterBufferConfig, decoder: Decoder, fates: PacketFates = untold) {
    const sampleRateHz = config.sampleRateHz ?? config.clockRateHz
    this.#decoder = decoder
    this.#fates = fates
    this.#clockPerMs = config.clockRateHz / 1000
    this.#samplesPerClock = sampleRateHz / config.clockRateHz
    this.#samplesPerMs = sampleRateHz / 1000
    this.#frameSamples = config.frameSamples
    this.#frameMs = (config.frameSamples * 1000) / sampleRateHz
    this.#packetSamples = config.frameSamples
    this.#scratch = scratch.subarray(
      0,
      Math.max(config.frameSamples, (longestPacketMs * sampleRateHz) / 1000, largestPayload * 2)
    )
    this.#made = this.#scratch.subarray(0, config.frameSamples)
    this.#queue = new StretchQueue(sampleRateHz, (this.#scratch.length * 1000) / sampleRateHz + 4 * this.#frameMs)
    this.#leastDelayMs = config.targetDelayMs
    this.#maxDelayMs = Math.max(config.targetDelayMs, config.maxDelayMs ?? 240)
    this.#estimate = new DelayEstimate(config.targetDelayMs, this.#maxDelayMs)
  }

  /**
   * Takes a packet; its payload is copied.
   *
   * @param comfortNoise the payload describes silence, in place of the codec's own payload. @see RFC 3389
   */
  put(
    sequenceNumber: number,
    timestamp: number,
    packet: Uint8Array,
    start: number,
    end: number,
    arrivalMs: number,
    comfortNoise = false
  ): void {
    const length = end - start
    if (length > largestPayload || length <= 0 || start < 0 || end > packet.length) {
      this.#drop('overflow')
      this.#fates.discarded(sequenceNumber)
      return
    }
    if (this.#held.hasSeen(sequenceNumber)) {
      this.#drop('duplicates')
      return
    }
    if (this.#hasPlayed && !this.#isInTime(sequenceNumber, timestamp, arrivalMs)) return
    this.#lateInRow = 0
    // Of what comes at once after an outage, or while the thread stood still, the end is worth hearing.
    while (this.#held.count * this.#packetSamples >= mostHeld * this.#frameSamples) this.#makeRoom()
    const isFarAhead = this.#playing && sequenceDistance(sequenceNumber, this.#lastPlayed) > capacity
    if (isFarAhead || this.#held.isTaken(sequenceNumber)) {
      this.counts.overflow += this.#held.count
      this.counts.dropped += this.#held.count
      this.#held.clear((held) => this.#fates.discarded(held))
      this.reset()
    }
    this.#measure(timestamp, arrivalMs)
    this.#held.hold(sequenceNumber, timestamp, packet, start, end, arrivalMs, comfortNoise)
  }

  /** Whether a packet can still be played, if only its end; counts it otherwise. */
  #isInTime(sequenceNumber: number, timestamp: number, arrivalMs: number): boolean {
    const newer = sequenceDistance(sequenceNumber, this.#lastPlayed)
    const early = timestampDistance(timestamp, this.#next)
    if (newer > 0 && early > -this.#packetSamples / this.#samplesPerClock) return true
    this.#drop('late')
    this.#fates.discarded(sequenceNumber)
    if (-early < longestGapMs * this.#clockPerMs) this.#measure(timestamp, arrivalMs)
    if (newer > 0 && ++this.#lateInRow >= lateBeforeResync) this.reset()
    return false
  }

  #drop(reason: 'late' | 'duplicates' | 'overflow'): void {
    this.counts[reason]++
    this.counts.dropped++
  }

  #measure(timestamp: number, arrivalMs: number): void {
    if (!this.#started) {
      this.#started = true
      this.#newest = timestamp
      this.#newestExtended = 0
    }
    const extended = this.#newestExtended + timestampDistance(timestamp, this.#newest)
    if (extended > this.#newestExtended) {
      this.#newest = timestamp
      this.#newestExtended = extended
    }
    this.#estimate.packet(arrivalMs - extended / this.#clockPerMs, arrivalMs)
  }

  /** When a sample would be played that has no delay over the fastest packets. */
  #dueMs(timestamp: number): number {
    const extended = this.#newestExtended + timestampDistance(timestamp, this.#newest)
    return extended / this.#clockPerMs + this.#estimate.baseMs
  }

  /**
   * Gives the next frame.
   *
   * @param out `frameSamples` long.
   * @returns false when nothing is being said: `out` is silence then. Comfort noise counts as something
   */
  take(out: Int16Array, nowMs: number): boolean {
    this.#passed = 0
    if (!this.#playing) {
      this.#describePause()
      if (!this.#begin(nowMs)) return this.#decoder.pause(out)
    }
    const queue = this.#queue
    let slackMs = Number.NaN
    while (queue.length < this.#frameSamples) {
      slackMs = nowMs - this.#dueMs(this.#next)
      if (!this.#decodeNext()) return this.#stop(out)
    }
    if (this.#concealedInRow === 0) {
      if (!Number.isNaN(slackMs)) this.#slackMs = smooth(this.#slackMs, slackMs)
      this.#delayMs = smooth(this.#delayMs, nowMs - this.#dueMs(this.#next) + queue.length / this.#samplesPerMs)
      this.#follow(nowMs)
    }
    while (queue.length < this.#frameSamples) {
      if (!this.#decodeNext()) return this.#stop(out)
    }
    queue.take(out)
    return true
  }

  /** The stream pauses: gives what is left of it, and then the background. */
  #stop(out: Int16Array): boolean {
    this.#playing = false
    const left = this.#queue.take(out)
    if (left === 0) return this.#decoder.pause(out)
    const rest = this.#view(out.length - left)
    this.#decoder.pause(rest)
    for (let i = 0; i < rest.length; i++) out[left + i] = rest[i]!
    return true
  }

  /**
   * Moves the delay toward its target, a pitch period at a time.
   *
   * A packet must not be later than the packet decoded last had been due. That changes by whole frames, when so many periods have
   * been left out or repeated that one decoding more or less is needed; until then they only change what is left over in the
   * queue.
   */
  #follow(nowMs: number): void {
    const queue = this.#queue
    const { targetMs } = this.#estimate
    const over = this.#delayMs - targetMs - this.#frameMs
    const under = targetMs - this.#slackMs
    const urgent = over > urgentMs || under > urgentMs
    if (nowMs < this.#restUntilMs && !urgent) return
    if (over > excessMs) {
      while (queue.length < queue.needed && this.#successor() !== null && this.#decodeNext());
      const gone = queue.shorten(false) || (urgent ? this.#audibly(queue.shorten(true)) : 0)
      if (gone > 0) this.#moved(-gone, nowMs, 'shortened')
    } else if (under > shortageMs) {
      const added = queue.lengthen(false) || (urgent ? this.#audibly(queue.lengthen(true)) : 0)
      if (added > 0) this.#moved(added, nowMs, 'lengthened')
    }
  }

  #audibly(samples: number): number {
    if (samples > 0) this.counts.audible++
    return samples
  }

  #moved(samples: number, nowMs: number, how: 'shortened' | 'lengthened'): void {
    this.counts[how]++
    this.#delayMs += samples / this.#samplesPerMs
    this.#restUntilMs = nowMs + (this.#queue.soft ? 0 : restMs)
  }

  /**
   * Lets the time of frames pass that were never asked for. Of what is left out, that much is decoded that what follows joins what was heard last. What there was no
   * room for is among it.
   */
  skip(frames: number): void {
    for (let n = frames - Math.min(frames, this.#passed); n > 0 && this.#playing; n--) {
      this.counts.skipped++
      if (n > keptFrames && this.#passOver()) continue
      if (!this.#dropFrame()) return
    }
  }

  /** Leaves out a frame unheard. @returns false when the stream has paused */
  #dropFrame(): boolean {
    while (this.#queue.length < this.#frameSamples) {
      if (this.#decodeNext()) continue
      this.#stop(this.#view(this.#frameSamples))
      return false
    }
    this.#queue.drop(this.#frameSamples)
    return true
  }

  /** More has come than is held: the oldest is left out. */
  #makeRoom(): void {
    this.#passed++
    this.counts.skipped++
    if (this.#playing) this.#dropFrame()
    else this.#held.release(this.#held.first()!)
  }

  /** Leaves out a packet of one frame without decoding it, where more than enough follow. */
  #passOver(): boolean {
    if (this.#held.count <= keptFrames || this.#concealedInRow > 0 || this.#credit > 0 || this.#unsure > 0) return false
    const slot = this.#successor()
    if (slot === null) return false
    const aFrame = !slot.comfortNoise && this.#decoder.samplesIn(slot.payload, 0, slot.length) === this.#frameSamples
    if (!aFrame || slot.timestamp !== this.#next) return false
    this.#held.release(slot)
    this.#lastPlayed = slot.sequenceNumber
    this.#next = (slot.timestamp + Math.round(this.#frameSamples / this.#samplesPerClock)) >>> 0
    return true
  }

  /** Forgets what is held: the next packet begins anew. What was learned of the path's jitter stays. */
  reset(): void {
    this.#held.clear()
    this.#playing = false
    this.#hasPlayed = false
    this.#started = false
    this.#estimate.newTime()
    this.#queue.clear()
    this.#decoder.reset()
    this.#lateInRow = 0
    this.#pauseEnds()
  }

  #pauseEnds(): void {
    this.#concealedInRow = 0
    this.#concealedMs = 0
    this.#credit = 0
    this.#slackMs = Number.NaN
    this.#delayMs = Number.NaN
  }

  /**
   * Lets the express lane carry the stream on: G.711 at 8 kHz by packets of one frame each, those that are held in order and without a gap.
   *
   * @param highest sequence number that came last @returns false where there is more to it: nothing is lent then
   */
  lend(record: LegRecord, law: Law, highest: number): boolean {
    if (!this.#isInOrder(highest)) return false
    const noisy = this.#decoder.noisy === true
    const calm = this.#isCalm(law)
    if (!calm && noisy) return false
    const { fields } = record
    fields[of.rough] = Number(!calm)
    fields[of.noisy] = Number(noisy)
    if (calm) {
      for (let n = 0; n < keptFrames; n++) {
        const payload = record.payload(this.#lastPlayed - keptFrames + 1 + n)
        for (let i = 0; i < laneFrame; i++) payload[i] = law.compress[played[n * laneFrame + i]! & 0xffff]!
      }
    } else {
      this.#decoder.lend!(record)
      this.#queue.lend(record)
    }
    fields[of.playing] = Number(this.#playing)
    fields[of.hasPlayed] = Number(this.#hasPlayed)
    fields[of.concealedInRow] = this.#concealedInRow
    fields[of.concealedMs] = this.#concealedMs
    fields[of.credit] = this.#credit
    fields[of.unsure] = this.#unsure
    fields[of.passed] = this.#passed
    fields[of.clean] = 0
    fields[of.held] = this.#held.count
    fields[of.lastPlayed] = this.#lastPlayed
    fields[of.nextTimestamp] = this.#next
    fields[of.newest] = this.#newest
    fields[of.newestExtended] = this.#newestExtended
    fields[of.left] = this.#queue.length
    fields[of.slack] = this.#slackMs
    fields[of.delay] = this.#delayMs
    fields[of.restUntil] = this.#restUntilMs
    const { counts } = this
    fields[of.concealed] = counts.concealed
    fields[of.shortened] = counts.shortened
    fields[of.lengthened] = counts.lengthened
    fields[of.audible] = counts.audible
    fields[of.skipped] = counts.skipped
    this.#estimate.lend(record)
    for (let n = this.#held.count - 1; n >= 0; n--) {
      const slot = this.#held.at((highest - n) & 0xffff)!
      record.payload(slot.sequenceNumber).set(slot.payload.subarray(0, laneFrame))
      record.arrivals[record.slot(slot.sequenceNumber)] = slot.arrivalMs
      this.#held.release(slot)
    }
    this.#lentExtended = this.#newestExtended
    return true
  }

  /** Whether what is held is the end of the stream as it came, a frame of G.711 in each packet, and what was played ends where that begins. */
  #isInOrder(highest: number): boolean {
    const held = this.#held.count
    if (this.#clockPerMs !== 8 || this.#samplesPerMs !== 8 || this.#frameSamples !== laneFrame) return false
    if (!this.#started || held > mostHeld || this.#packetSamples !== laneFrame || this.#lateInRow > 0) return false
    if (this.#decoder.pausing || this.#decoder.lend === undefined || this.#queue.length > mostWaiting) return false
    for (let n = 0; n < held; n++) {
      const slot = this.#held.at((highest - n) & 0xffff)
      if (slot === null || slot.length !== laneFrame || slot.comfortNoise) return false
      if (slot.timestamp !== (this.#newest - n * laneFrame) >>> 0) return false
    }
    if (!this.#playing) return true
    return ((this.#lastPlayed + held) & 0xffff) === highest && this.#newest === (this.#next + (held - 1) * laneFrame) >>> 0
  }

  /** Whether nothing was made up, stretched or changed in what may be looked at again: the packets tell it all, and it stands in `played`. */
  #isCalm({ compress, expand }: Law): boolean {
    if (!this.#playing || this.#concealedInRow > 0 || this.#credit > 0 || this.#unsure > 0) return false
    if (this.#queue.length >= laneFrame || Number.isNaN(this.#slackMs) || Number.isNaN(this.#delayMs)) return false
    if (!this.#decoder.recall?.(played) || !this.#queue.isEndOf(played)) return false
    const known = (keptFrames - 1) * laneFrame + (laneFrame >> 1)
    for (let i = played.length - known; i < played.length; i++)
      if (expand[compress[played[i]! & 0xffff]!] !== played[i]) return false
    return true
  }

  /** Says what the express lane has measured, which goes on with it. */
  glance(record: LegRecord): void {
    const { counts } = this
    const { fields } = record
    this.#delayMs = fields[of.delay]!
    this.#playing = fields[of.rough] === 0 || fields[of.playing] !== 0
    counts.concealed = fields[of.concealed]!
    counts.shortened = fields[of.shortened]!
    counts.lengthened = fields[of.lengthened]!
    counts.audible = fields[of.audible]!
    counts.skipped = fields[of.skipped]!
    this.#estimate.follow(record)
  }

  /** Takes the stream back from the express lane. */
  follow(record: LegRecord, { expand }: Law): void {
    const { fields } = record
    const held = fields[of.held]!
    const rough = fields[of.rough] !== 0
    this.#lastPlayed = fields[of.lastPlayed]!
    this.#next = fields[of.nextTimestamp]!
    this.#newest = fields[of.newest]!
    this.#newestExtended = fields[of.newestExtended]!
    this.#slackMs = fields[of.slack]!
    this.#restUntilMs = fields[of.restUntil]!
    this.#passed = fields[of.passed]!
    this.#hasPlayed = !rough || fields[of.hasPlayed] !== 0
    this.#concealedInRow = rough ? fields[of.concealedInRow]! : 0
    this.#concealedMs = rough ? fields[of.concealedMs]! : 0
    this.#credit = rough ? fields[of.credit]! : 0
    this.#unsure = rough ? fields[of.unsure]! : 0
    this.glance(record)
    if (rough) {
      this.#decoder.follow!(record)
      this.#queue.follow(record)
    } else {
      for (let n = 0; n < keptFrames; n++) {
        const payload = record.payload(this.#lastPlayed - keptFrames + 1 + n)
        for (let i = 0; i < laneFrame; i++) played[n * laneFrame + i] = expand[payload[i]!]!
      }
      this.#decoder.restore!(played)
      this.#queue.load(played, fields[of.left]!)
    }
    const highest = fields[of.highest]!
    const came = Math.min(capacity, (this.#newestExtended - this.#lentExtended) / laneFrame)
    for (let n = 0; n < came; n++) this.#held.see((highest - n) & 0xffff)
    for (let n = held - 1; n >= 0; n--) {
      const sequenceNumber = (highest - n) & 0xffff
      this.#held.hold(
        sequenceNumber,
        (this.#newest - n * laneFrame) >>> 0,
        record.payload(sequenceNumber),
        0,
        laneFrame,
        record.arrivals[record.slot(sequenceNumber)]!,
        false
      )
    }
  }

  /** Packets held. */
  get depth(): number {
    return this.#held.count
  }

  /** Delay over the fastest packets of late, of what is given; 0 while nothing is played. */
  get delayMs(): number {
    return Number.isNaN(this.#delayMs) || !this.#playing ? 0 : this.#delayMs
  }

  /** Delay that is aimed at, at most. */
  get maxDelayMs(): number {
    return this.#maxDelayMs
  }

  /** Sound in the packet decoded last. */
  get packetMs(): number {
    return this.#packetSamples / this.#samplesPerMs
  }

  /** Delay that is aimed at. */
  get targetMs(): number {
    return this.#estimate.targetMs
  }

  #begin(nowMs: number): boolean {
    const first = this.#held.first()
    if (first === null) return false
    const { targetMs } = this.#estimate
    if (nowMs < Math.min(this.#dueMs(first.timestamp), first.arrivalMs) + targetMs) return false
    this.#settle(first.sequenceNumber === ((this.#lastPlayed + 1) & 0xffff))
    this.#playing = true
    this.#hasPlayed = true
    this.#next = first.timestamp
    this.#lastPlayed = (first.sequenceNumber - 1) & 0xffff
    this.#queue.clear()
    this.#pauseEnds()
    return true
  }

  /** The packet that follows the last one; null when it is not here. */
  #successor(): HeldPacket | null {
    return this.#held.at((this.#lastPlayed + 1) & 0xffff)
  }

  /** A description of silence that came while nothing was playing is taken at once. */
  #describePause(): void {
    while (this.#held.count > 0) {
      const slot = this.#held.first()!
      if (!slot.comfortNoise) return
      this.#decoder.comfortNoise?.(slot.payload, 0, slot.length)
      this.#held.release(slot)
      this.#lastPlayed = slot.sequenceNumber
    }
  }

  /** Decodes the packet that is due, or makes up what is missing. @returns false when the stream has paused */
  #decodeNext(): boolean {
    const slot = this.#held.after(this.#lastPlayed)
    if (slot === null) return this.#bridge()
    let gap = timestampDistance(slot.timestamp, this.#next)
    const consecutive = slot.sequenceNumber === ((this.#lastPlayed + 1) & 0xffff)
    if (gap > longestGapMs * this.#clockPerMs) return false
    if (this.#unsure > 0 && !consecutive) this.#waitForRedundancy()
    this.#settle(consecutive && gap > 0)
    if (gap > 0 && this.#credit > 0) {
      // What was made up while time stood still was in this gap.
      const paid = Math.min(gap, Math.round(this.#credit / this.#samplesPerClock))
      this.#next = (this.#next + paid) >>> 0
      gap -= paid
    }
    this.#credit = 0
    if (gap > 0) {
      this.#fillGap(slot, Math.round(gap * this.#samplesPerClock), consecutive)
      return true
    }
    this.#play(slot, Math.round(-gap * this.#samplesPerClock))
    return true
  }

  #play(slot: HeldPacket, skip: number): void {
    this.#held.release(slot)
    const samples = slot.comfortNoise ? 0 : this.#decoder.decode(slot.payload, 0, slot.length, this.#scratch)
    // What cannot be decoded is lost.
    if (samples === 0 && !slot.comfortNoise) return
    this.#lastPlayed = slot.sequenceNumber
    this.#concealedInRow = 0
    this.#concealedMs = 0
    if (slot.comfortNoise) {
      this.#decoder.comfortNoise?.(slot.payload, 0, slot.length)
      return
    }
    this.#packetSamples = samples
    if (skip < samples) this.#queue.push(this.#scratch, skip, samples)
    this.#next = (slot.timestamp + Math.round(samples / this.#samplesPerClock)) >>> 0
  }

  /** Fills part of the gap before `slot`, at most one packet of it. */
  #fillGap(slot: HeldPacket, gap: number, silence: boolean): void {
    const packet = (slot.comfortNoise ? 0 : this.#decoder.samplesIn(slot.payload, 0, slot.length)) || this.#packetSamples
    const count = Math.min(gap, packet)
    const made = this.#view(count)
    if (silence) this.#decoder.pause(made)
    else {
      this.#concealedInRow++
      const last = gap <= packet
      if (last && !slot.comfortNoise && (this.#decoder.recover?.(slot.payload, 0, slot.length, made) ?? 0) === count) {
        this.counts.recovered++
        this.#fates.restored((slot.sequenceNumber - 1) & 0xffff)
      } else {
        this.#decoder.conceal(made)
        this.counts.concealed++
      }
    }
    this.#queue.push(made, 0, count)
    this.#next = (this.#next + Math.round(count / this.#samplesPerClock)) >>> 0
  }

  /**
   * Nothing is here: says what may follow, and holds the time until it is known whether the packet is late, lost, or was never
   * sent.
   */
  #bridge(): boolean {
    if (this.#decoder.pausing || this.#concealedMs >= concealedBeforePauseMs) return false
    const made = this.#view(this.#frameSamples)
    this.#concealedMs += this.#frameMs
    this.#concealedInRow++
    this.#decoder.conceal(made)
    this.#unsure++
    this.#credit += made.length
    this.#queue.push(made, 0, made.length)
    return true
  }

  /**
   * A packet was lost, and the one after it, which may tell what was in it, came too late for that: from now on it is waited for.
   */
  #waitForRedundancy(): void {
    if (this.#decoder.recover === undefined) return
    this.#estimate.waitFor(this.#leastDelayMs + this.#packetSamples / this.#samplesPerMs)
  }

  /** It is known now what the frames were that were made up while nothing was there. @param silence the sender sent nothing */
  #settle(silence: boolean): void {
    if (!silence) this.counts.concealed += this.#unsure
    this.#unsure = 0
  }

  #view(length: number): Int16Array {
    if (this.#made.length !== length) this.#made = this.#scratch.subarray(0, length)
    return this.#made
  }
}

/** @param before NaN for none */
function smooth(before: number, now: number): number {
  return Number.isNaN(before) ? now : before + smoothing * (now - before)
}
