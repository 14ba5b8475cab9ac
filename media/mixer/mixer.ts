/** Loudest sum that is passed on as it is; above it the mix is bent toward full scale, so that several loud voices do not crackle. */
const knee = 24_576
const fullScale = 32_767

/** Bends a sum into 16 bits: linear up to the knee, then ever flatter, never beyond full scale. */
export function limit(sum: number): number {
  const magnitude = sum < 0 ? -sum : sum
  if (magnitude <= knee) return sum
  const over = magnitude - knee
  const room = fullScale - knee
  const bent = knee + (room * over) / (over + room)
  return sum < 0 ? -bent : bent
}

/**
 * One conference's sum of a frame. Each participant hears the sum less its own part (N−1).
 *
 * Cost is one pass to add and one to subtract for each participant; nothing is allocated.
 */
export class Mix {
  readonly #sum: Int32Array
  #voices = 0

  constructor(frameSamples: number) {
    this.#sum = new Int32Array(frameSamples)
  }

  clear(): void {
    this.#sum.fill(0)
    this.#voices = 0
  }

  add(frame: Int16Array): void {
    this.#voices++
    for (let i = 0; i < this.#sum.length; i++) this.#sum[i]! += frame[i]!
  }

  /** Parts added since `clear`. */
  get voices(): number {
    return this.#voices
  }

  /** Writes what a participant hears. @param own its own part, null when it was not added */
  without(own: Int16Array | null, out: Int16Array): void {
    if (own === null) for (let i = 0; i < out.length; i++) out[i] = limit(this.#sum[i]!)
    else for (let i = 0; i < out.length; i++) out[i] = limit(this.#sum[i]! - own[i]!)
  }
}
