/**
 * What became of each packet of a stream: the facts from which its quality is reckoned.
 *
 * Packets come out of order and lost ones are restored later, so the last {@link window} of them are held until their fate is known; what is older counts as
 * it stands. Allocates nothing for a packet.
 */
import { type LegRecord, of } from '../express/record.ts'
import { sequenceDistance } from '../rtp/rtp.ts'
import { LossPattern, type LossSummary, type Outcome } from './loss-pattern.ts'

/** Packets held: 1.28 s of 20 ms each, longer than any of them may be late. A power of two. */
const window = 64
/** A jump further than this is a restart of the sender, not loss. @see RFC 3550 appendix A.1 */
const maxDropout = 3000
const maxMisorder = 100

const missing = 0
const arrived = 1
const discarded = 2
const restored = 3

const outcomes: readonly Outcome[] = ['lost', 'played', 'discarded', 'played']

export interface ReceptionSummary extends LossSummary {
  /** Lost, and made whole from the redundancy of others: not in `lost`. */
  readonly restored: number
  readonly duplicates: number
}

export class Reception {
  /** Packets in a row that came in order since what is below was written: of a good network, all that is touched. */
  #calm = 0
  readonly #fates = new Uint8Array(window)
  readonly #pattern = new LossPattern()
  #started = false
  #highest = 0
  /** Packets from the newest back whose fate is held. */
  #held = 0
  #restored = 0
  #duplicates = 0

  arrived(sequenceNumber: number): void {
    if (this.expects(sequenceNumber)) {
      this.#calm++
      return
    }
    if (this.#started) this.#settle()
    else this.restart(sequenceNumber)
    const ahead = sequenceDistance(sequenceNumber, this.#highest)
    if (ahead > maxDropout || ahead < -maxMisorder) {
      this.restart(sequenceNumber)
      this.#advance(arrived)
    } else if (ahead > 0) {
      for (let n = 1; n < ahead; n++) this.#advance(missing)
      this.#advance(arrived)
    } else if (this.#holds(sequenceNumber)) {
      const at = sequenceNumber & (window - 1)
      if (this.#fates[at] === missing) this.#fates[at] = arrived
      else this.#duplicates++
    }
  }

  /** Whether this one is the next in order. */
  expects(sequenceNumber: number): boolean {
    return this.#started && sequenceNumber === ((this.#highest + this.#calm + 1) & 0xffff)
  }

  /** Lets the express lane go on counting what comes in order. */
  lend({ fields }: LegRecord): void {
    fields[of.calm] = this.#calm
  }

  /** The inverse of {@link lend}. */
  follow({ fields }: LegRecord): void {
    this.#calm = fields[of.calm]!
  }

  /** A packet came too late, or there was no room for it. */
  discarded(sequenceNumber: number): void {
    this.#change(sequenceNumber, arrived, discarded)
  }

  /** A lost packet was made whole. */
  restored(sequenceNumber: number): void {
    if (this.#change(sequenceNumber, missing, restored)) this.#restored++
  }

  /** Another stream begins: what was held counts as it stands. */
  restart(sequenceNumber: number): void {
    this.#settle()
    for (; this.#held > 0; this.#held--) this.#pattern.note(this.#oldest())
    this.#started = true
    this.#highest = (sequenceNumber - 1) & 0xffff
  }

  summary(): ReceptionSummary {
    this.#settle()
    const pattern = this.#pattern.copy()
    for (let n = this.#held - 1; n >= 0; n--) pattern.note(this.#fate(this.#highest - n))
    return { ...pattern.summary(), restored: this.#restored, duplicates: this.#duplicates }
  }

  /** Writes down what came in order. */
  #settle(): void {
    const calm = this.#calm
    this.#calm = 0
    if (calm <= window) {
      for (let n = 0; n < calm; n++) this.#advance(arrived)
      return
    }
    for (; this.#held > 0; this.#held--) this.#pattern.note(this.#oldest())
    this.#pattern.played(calm - window)
    this.#highest = (this.#highest + calm) & 0xffff
    this.#fates.fill(arrived)
    this.#held = window
  }

  #advance(fate: number): void {
    if (this.#held === window) {
      this.#pattern.note(this.#oldest())
      this.#held--
    }
    this.#highest = (this.#highest + 1) & 0xffff
    this.#fates[this.#highest & (window - 1)] = fate
    this.#held++
  }

  #oldest(): Outcome {
    return this.#fate(this.#highest - this.#held + 1)
  }

  #fate(sequenceNumber: number): Outcome {
    return outcomes[this.#fates[sequenceNumber & (window - 1)]!]!
  }

  #holds(sequenceNumber: number): boolean {
    const behind = -sequenceDistance(sequenceNumber, this.#highest)
    return behind >= 0 && behind < this.#held
  }

  #change(sequenceNumber: number, from: number, to: number): boolean {
    this.#settle()
    const at = sequenceNumber & (window - 1)
    if (!this.#holds(sequenceNumber) || this.#fates[at] !== from) return false
    this.#fates[at] = to
    return true
  }
}
