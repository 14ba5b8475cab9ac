/** What became of a nonce shown to the cache. */
export type Admission = 'fresh' | 'replayed' | 'full' | 'forgotten'

export interface ReplayCacheLimits {
  /** How long a nonce is kept. More than twice the window of acceptance: a signature dated at the far edge of the future stays good that long. */
  readonly keepMs: number
  /** Nonces kept per key. A signer beyond it is refused until the oldest are due: nothing is pushed out early. */
  readonly perKey: number
}

/**
 * Remembers which nonces were used, so that a signature opens one call only.
 *
 * Time is given by the caller: `nowMs` is monotonic and decides when a nonce is let go. What was let go leaves its date behind as a floor, and nothing dated
 * at or below the floor is admitted again, even when the wall clock is set back. The floor starts at the moment the cache does, so that a restart does not
 * open the window again for what was seen before it.
 */
export class ReplayCache {
  readonly #limits: ReplayCacheLimits
  /** By `<key id>:<nonce>`, in order of arrival and so of expiry. */
  readonly #seen = new Map<string, { keyId: string; issuedAt: number; dueMs: number }>()
  readonly #perKey = new Map<string, number>()
  #floor: number

  /** @param floor Unix seconds: signatures made then or earlier are `forgotten`. */
  constructor(limits: ReplayCacheLimits, floor: number) {
    this.#limits = limits
    this.#floor = floor
  }

  /** Admits a nonce of a signature that verified, and remembers it when it is fresh. */
  admit(keyId: string, nonce: string, issuedAt: number, nowMs: number): Admission {
    this.#letGo(nowMs)
    const name = `${keyId}:${nonce}`
    if (this.#seen.has(name)) return 'replayed'
    if (issuedAt <= this.#floor) return 'forgotten'
    const held = this.#perKey.get(keyId) ?? 0
    if (held >= this.#limits.perKey) return 'full'
    this.#seen.set(name, { keyId, issuedAt, dueMs: nowMs + this.#limits.keepMs })
    this.#perKey.set(keyId, held + 1)
    return 'fresh'
  }

  /** Whether the nonce was used: known without a signature having to be verified. */
  has(keyId: string, nonce: string, nowMs: number): boolean {
    this.#letGo(nowMs)
    return this.#seen.has(`${keyId}:${nonce}`)
  }

  /** Nonces held now. */
  get size(): number {
    return this.#seen.size
  }

  #letGo(nowMs: number): void {
    for (const [name, { keyId, issuedAt, dueMs }] of this.#seen) {
      if (dueMs > nowMs) return
      this.#seen.delete(name)
      this.#floor = Math.max(this.#floor, issuedAt)
      const held = this.#perKey.get(keyId)! - 1
      if (held === 0) this.#perKey.delete(keyId)
      else this.#perKey.set(keyId, held)
    }
  }
}
