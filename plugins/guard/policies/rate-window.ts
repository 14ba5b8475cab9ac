/** A place that is free, and how many are left behind it; or when the next one is. */
export type Place = { readonly ok: true; readonly left: number } | { readonly ok: false; readonly retryInMs: number }

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
  take(party: string, nowMs: number): Place {
    const place = this.look(party, nowMs)
    if (place.ok) {
      const taken = this.#taken.get(party)
      if (taken === undefined) this.#taken.set(party, [nowMs])
      else taken.push(nowMs)
    }
    return place
  }

  /** What {@link take} would say. */
  look(party: string, nowMs: number): Place {
    this.#sweep(nowMs)
    const since = nowMs - this.#windowMs
    const taken = this.#taken.get(party) ?? []
    const gone = taken.findIndex((at) => at > since)
    taken.splice(0, gone < 0 ? taken.length : gone)
    const left = this.#limit - taken.length
    return left > 0 ? { ok: true, left: left - 1 } : { ok: false, retryInMs: taken[0]! - since }
  }

  /** Parties held now. */
  get size(): number {
    return this.#taken.size
  }

  #sweep(nowMs: number): void {
    if (nowMs - this.#sweptMs < this.#windowMs) return
    this.#sweptMs = nowMs
    for (const [party, taken] of this.#taken)
      if (taken.length === 0 || taken.at(-1)! <= nowMs - this.#windowMs) this.#taken.delete(party)
  }
}
