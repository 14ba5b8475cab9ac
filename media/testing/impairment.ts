/** What a bad network does to packets, the same for the same seed. */
import { noise } from './signals.ts'

export interface Impairment {
  /** Share of packets lost, 0 to 1, and the mean length of a run of them; 1 for random loss. */
  readonly loss?: number
  readonly burst?: number
  /** Delay, and how much more of it a packet may have, evenly spread. A packet never overtakes the one before. */
  readonly delayMs?: number
  readonly jitterMs?: number
  /** Share of packets that are held back until after the next one. */
  readonly reorder?: number
  /** Share of packets that come twice. */
  readonly duplicate?: number
}

/** Two states, as Gilbert had it. @returns whether the next packet is lost */
function gilbert(share: number, burst: number, seed: number): () => boolean {
  const random = noise(Math.imul(seed, 0x9e3779b1))
  const leave = 1 / burst
  const enter = (leave * share) / (1 - share)
  let bad = false
  return () => {
    const chance = (random() + 1) / 2
    bad = burst === 1 ? chance < share : bad ? chance >= leave : chance < enter
    return bad
  }
}

export function gilbertLosses(packets: number, share: number, burst: number, seed: number): boolean[] {
  const lost = gilbert(share, burst, seed)
  return Array.from({ length: packets }, lost)
}

/** What becomes of one packet: the delays, in milliseconds, after which copies of it arrive; none when it is lost. */
export function impair(impairment: Impairment, seed: number): () => readonly number[] {
  const { loss = 0, burst = 1, delayMs = 0, jitterMs = 0, reorder = 0, duplicate = 0 } = impairment
  const lost = gilbert(loss, burst, seed)
  const random = noise(seed + 1)
  const chance = () => (random() + 1) / 2
  return () => {
    const late = delayMs + jitterMs * chance() + (chance() < reorder ? 25 : 0)
    const twice = chance() < duplicate
    if (lost()) return []
    return twice ? [late, late] : [late]
  }
}
