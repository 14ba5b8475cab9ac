import { type LegRecord, of } from '../express/record.ts'
import { sequenceDistance, timestampDistance } from './rtp.ts'

/** A jump further than this is a restart of the sender, not loss. @see RFC 3550 appendix A.1, MAX_DROPOUT */
const maxDropout = 3000
const maxMisorder = 100

export interface TransitDifferences {
  readonly least: number
  readonly most: number
  readonly mean: number
  readonly deviation: number
}

/**
 * What a receiver knows of one synchronisation source: extended sequence number, loss, interarrival jitter.
 *
 * @see RFC 3550 §6.4.1, appendix A.1, A.3, A.8
 */
export class RtpSource {
  readonly ssrc: number
  readonly #clockRateHz: number
  #baseSequence = 0
  #highest = 0
  #cycles = 0
  #received = 0
  #expectedPrior = 0
  #receivedPrior = 0
  #transit = 0
  /** Jitter in timestamp units, times 16. */
  #jitter16 = 0
  #started = false
  #badSequence = -1
  /** Differences in transit time since {@link takeInterval}. */
  #differences = 0
  #differencesSum = 0
  #differencesSquares = 0
  #differenceLeast = 0
  #differenceMost = 0

  constructor(ssrc: number, clockRateHz: number) {
    this.ssrc = ssrc
    this.#clockRateHz = clockRateHz
  }

  /** @returns whether the packet belongs to the stream; false for the first of a jump, which must be followed by a second to be believed */
  receive(sequenceNumber: number, timestamp: number, arrivalMs: number): boolean {
    if (!this.#started) this.#restart(sequenceNumber)
    const ahead = sequenceDistance(sequenceNumber, this.#highest)
    if (ahead > maxDropout || ahead < -maxMisorder) {
      if (sequenceNumber !== this.#badSequence) {
        this.#badSequence = (sequenceNumber + 1) & 0xffff
        return false
      }
      this.#restart(sequenceNumber)
    } else if (ahead > 0) {
      if (sequenceNumber < this.#highest) this.#cycles += 65_536
      this.#highest = sequenceNumber
    }
    this.#received++
    this.#measure(timestamp, arrivalMs)
    return true
  }

  #restart(sequenceNumber: number): void {
    this.#started = true
    this.#baseSequence = sequenceNumber
    this.#highest = sequenceNumber
    this.#cycles = 0
    this.#received = 0
    this.#expectedPrior = 0
    this.#receivedPrior = 0
    this.#badSequence = -1
    this.#transit = Number.NaN
  }

  #measure(timestamp: number, arrivalMs: number): void {
    const arrival = Math.round((arrivalMs * this.#clockRateHz) / 1000)
    const transit = (arrival - timestamp) | 0
    if (!Number.isNaN(this.#transit)) {
      const difference = Math.abs(timestampDistance(transit, this.#transit))
      this.#jitter16 += difference - Math.floor((this.#jitter16 + 8) / 16)
      this.#differenceLeast = this.#differences === 0 ? difference : Math.min(this.#differenceLeast, difference)
      this.#differenceMost = Math.max(this.#differenceMost, difference)
      this.#differences++
      this.#differencesSum += difference
      this.#differencesSquares += difference * difference
    }
    this.#transit = transit
  }

  /** The next packet that is expected, once there has been one. */
  get expected(): number | null {
    return this.#started && !Number.isNaN(this.#transit) ? (this.#highest + 1) & 0xffff : null
  }

  /** Lets the express lane go on counting. */
  lend({ fields }: LegRecord): void {
    fields[of.peerSsrc] = this.ssrc
    fields[of.highest] = this.#highest
    fields[of.cycles] = this.#cycles
    fields[of.received] = this.#received
    fields[of.transit] = this.#transit
    fields[of.jitter16] = this.#jitter16
    fields[of.differences] = this.#differences
    fields[of.differencesSum] = this.#differencesSum
    fields[of.differencesSquares] = this.#differencesSquares
    fields[of.differenceLeast] = this.#differenceLeast
    fields[of.differenceMost] = this.#differenceMost
  }

  /** The inverse of {@link lend}. */
  follow({ fields }: LegRecord): void {
    this.#highest = fields[of.highest]!
    this.#cycles = fields[of.cycles]!
    this.#received = fields[of.received]!
    this.#transit = fields[of.transit]!
    this.#jitter16 = fields[of.jitter16]!
    this.#differences = fields[of.differences]!
    this.#differencesSum = fields[of.differencesSum]!
    this.#differencesSquares = fields[of.differencesSquares]!
    this.#differenceLeast = fields[of.differenceLeast]!
    this.#differenceMost = fields[of.differenceMost]!
  }

  get received(): number {
    return this.#received
  }

  /** First sequence number that counts. */
  get baseSequence(): number {
    return this.#baseSequence
  }

  get extendedHighest(): number {
    return (this.#cycles + this.#highest) >>> 0
  }

  /** In timestamp units. */
  get jitter(): number {
    return Math.min(0xffffffff, Math.floor(this.#jitter16 / 16))
  }

  get jitterMs(): number {
    return (this.jitter * 1000) / this.#clockRateHz
  }

  /**
   * Differences in transit time between packets and those before them since the last call, in timestamp units; null when there were none.
   *
   * @see RFC 3611 §4.6
   */
  takeInterval(): TransitDifferences | null {
    const count = this.#differences
    if (count === 0) return null
    const mean = this.#differencesSum / count
    const deviation = Math.sqrt(Math.max(0, this.#differencesSquares / count - mean * mean))
    const taken = { least: this.#differenceLeast, most: this.#differenceMost, mean, deviation }
    this.#differences = this.#differencesSum = this.#differencesSquares = this.#differenceMost = 0
    return taken
  }

  /** Expected less received; duplicates can make it negative. */
  get cumulativeLost(): number {
    return this.#started ? this.#cycles + this.#highest - this.#baseSequence + 1 - this.#received : 0
  }

  /** Fraction lost since the last call, in 1/256: for the next report block. */
  takeFractionLost(): number {
    const expected = this.#received + this.cumulativeLost
    const expectedInterval = expected - this.#expectedPrior
    const lostInterval = expectedInterval - (this.#received - this.#receivedPrior)
    this.#expectedPrior = expected
    this.#receivedPrior = this.#received
    return expectedInterval === 0 || lostInterval <= 0 ? 0 : Math.min(255, Math.floor((lostInterval * 256) / expectedInterval))
  }
}
