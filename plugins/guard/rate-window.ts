/**
 * Counts calls of each party over a sliding window: at most `limit` in any `windowMs`. Refused calls do not count.
 *
 * Memory is bounded by parties × limit; a party whose calls all left the window is dropped. `nowMs` is monotonic.
 */
export class RateWindow {
  readonly #limit: number
  readonly #windowMs: number
  readonly #taken = new Map<string, number[]>()
  #sweptMs = 0

  constructor(limit: number, windowMs: number) {
    this.#limit = limit
    this.#windowMs = windowMs
  }

  /** Takes one place, or says in how many milliseconds one is free. */
  take(
    party: string,
    nowMs: number
  ): { readonly ok: true; readonly left: number } | { readonly ok: false; readonly retryInMs: number } {
    this.#sweep(nowMs)
    const since = nowMs - this.#windowMs
    const recent = (this.#taken.get(party) ?? []).filter((at) => at > since)
    if (recent.length >= this.#limit) {
      this.#taken.set(party, recent)
      return { ok: false, retryInMs: recent[0]! - since }
    }
    recent.push(nowMs)
    this.#taken.set(party, recent)
    return { ok: true, left: this.#limit - recent.length }
  }

  /** Parties held now. */
  get size(): number {
    return this.#taken.size
  }

  #sweep(nowMs: number): void {
    if (nowMs - this.#sweptMs < this.#windowMs) return
    this.#sweptMs = nowMs
    for (const [party, taken] of this.#taken) if (taken.at(-1)! <= nowMs - this.#windowMs) this.#taken.delete(party)
  }
}
