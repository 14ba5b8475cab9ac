/**
 * Samples between two clocks: those who bring them and those who take them both count 48,000 a second, but never the same ones. What is missing is silence;
 * what is too much is left out, down to the depth that is wanted.
 */
export interface SampleQueue {
  readonly push: (samples: Int16Array) => void
  /** Fills `out`: with silence until as many samples wait as are wanted, and where they have run out. */
  readonly pull: (out: Int16Array) => void
  readonly waiting: () => number
}

/** @param wanted samples that wait before the first is given @param most samples that wait at most */
export function createSampleQueue(wanted: number, most: number): SampleQueue {
  const ring = new Int16Array(most)
  let first = 0
  let count = 0
  let isFilling = true
  return {
    push: (samples) => {
      const all = samples.length > most ? samples.subarray(samples.length - most) : samples
      if (count + all.length > most) {
        const left = Math.max(0, Math.min(count, count + all.length - wanted))
        first = (first + left) % most
        count -= left
      }
      for (let at = 0; at < all.length; at++) ring[(first + count + at) % most] = all[at]!
      count += all.length
      if (count >= wanted) isFilling = false
    },
    pull: (out) => {
      if (isFilling || count < out.length) {
        isFilling = true
        out.fill(0)
        return
      }
      for (let at = 0; at < out.length; at++) out[at] = ring[(first + at) % most]!
      first = (first + out.length) % most
      count -= out.length
    },
    waiting: () => count
  }
}
