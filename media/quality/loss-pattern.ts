/**
 * Tells bursts of loss from stray ones: a burst begins and ends with a loss and has fewer than `gmin` packets in a row within it; the rest is gap.
 *
 * @see RFC 3611 §4.7.2, appendix A.2
 */

/** Packets in a row between two losses that end a burst. @see RFC 3611 §4.7.2 */
export const gmin = 16

export interface LossSummary {
  /** Packets that should have come. */
  readonly expected: number
  readonly lost: number
  /** Came, and were too late or too many to be played. */
  readonly discarded: number
  /** Share of packets lost or discarded within bursts, 0 to 1. */
  readonly burstDensity: number
  /** The same within gaps. */
  readonly gapDensity: number
  /** Mean length of bursts and of gaps, in packets. */
  readonly burstPackets: number
  readonly gapPackets: number
  /** Mean run of losses, to that of random loss at the same rate; at least 1. @see ITU-T G.107 clause 7.5 */
  readonly burstRatio: number
}

export type Outcome = 'played' | 'lost' | 'discarded'

export class LossPattern {
  #expected = 0
  #lost = 0
  #discarded = 0
  /** Losses in a row, and how many such runs there were. */
  #run = 0
  #runs = 0
  /** Packets played since the last loss. */
  #playedSince = 0
  /** Losses of what is a burst when a second follows, and its length until the last of them. */
  #pendingLosses = 0
  #pendingPackets = 0
  #bursts = 0
  #burstPackets = 0
  #burstLosses = 0

  /** Notes packets in a row that were played. */
  played(packets: number): void {
    this.#expected += packets
    this.#playedSince += packets
    this.#run = 0
  }

  /** Notes what became of the next packet, in order of sequence numbers. */
  note(outcome: Outcome): void {
    if (outcome === 'played') {
      this.played(1)
      return
    }
    this.#expected++
    if (outcome === 'lost') this.#lost++
    else this.#discarded++
    if (this.#run++ === 0) this.#runs++
    if (this.#pendingLosses > 0 && this.#playedSince < gmin) this.#pendingPackets += this.#playedSince + 1
    else {
      this.#endBurst()
      this.#pendingPackets = 1
    }
    this.#pendingLosses++
    this.#playedSince = 0
  }

  /** A loss by itself belongs to the gap around it. */
  #endBurst(): void {
    if (this.#pendingLosses > 1) {
      this.#bursts++
      this.#burstPackets += this.#pendingPackets
      this.#burstLosses += this.#pendingLosses
    }
    this.#pendingLosses = this.#pendingPackets = 0
  }

  /** The same so far, to be counted on apart. */
  copy(): LossPattern {
    const copy = new LossPattern()
    copy.#expected = this.#expected
    copy.#lost = this.#lost
    copy.#discarded = this.#discarded
    copy.#run = this.#run
    copy.#runs = this.#runs
    copy.#playedSince = this.#playedSince
    copy.#pendingLosses = this.#pendingLosses
    copy.#pendingPackets = this.#pendingPackets
    copy.#bursts = this.#bursts
    copy.#burstPackets = this.#burstPackets
    copy.#burstLosses = this.#burstLosses
    return copy
  }

  summary(): LossSummary {
    const open = this.#pendingLosses > 1
    const bursts = this.#bursts + (open ? 1 : 0)
    const burstPackets = this.#burstPackets + (open ? this.#pendingPackets : 0)
    const burstLosses = this.#burstLosses + (open ? this.#pendingLosses : 0)
    const losses = this.#lost + this.#discarded
    const gapPackets = this.#expected - burstPackets
    const rate = losses / Math.max(1, this.#expected)
    const randomRun = 1 / Math.max(1 - rate, 1 / Math.max(1, losses))
    return {
      expected: this.#expected,
      lost: this.#lost,
      discarded: this.#discarded,
      burstDensity: burstPackets === 0 ? 0 : burstLosses / burstPackets,
      gapDensity: gapPackets === 0 ? 0 : (losses - burstLosses) / gapPackets,
      burstPackets: bursts === 0 ? 0 : burstPackets / bursts,
      gapPackets: gapPackets / (bursts + 1),
      burstRatio: this.#runs === 0 ? 1 : Math.max(1, losses / this.#runs / randomRun)
    }
  }
}
