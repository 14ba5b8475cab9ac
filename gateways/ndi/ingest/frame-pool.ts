/** Buffers for pictures, used again: a second of 1080p is 120 MB. */
export class FramePool {
  readonly #free: Uint8Array[] = []
  readonly #most: number

  /** @param most buffers that are kept */
  constructor(most: number) {
    this.#most = most
  }

  readonly take = (octets: number): Uint8Array => {
    const fits = this.#free.findIndex((buffer) => buffer.length === octets)
    if (fits >= 0) return this.#free.splice(fits, 1)[0]!
    this.#free.length = 0
    return new Uint8Array(octets)
  }

  readonly give = (buffer: Uint8Array): void => {
    if (this.#free.length < this.#most) this.#free.push(buffer)
  }
}
