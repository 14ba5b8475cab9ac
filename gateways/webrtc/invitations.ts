/** Seats that were given away: a token of 256 bits for each, of which only the SHA-256 is kept, in memory. */
import { createHash, randomBytes } from 'node:crypto'
import type { Clock } from '#kernel'

export interface Invitation {
  /** Party of the registry. */
  readonly id: string
  readonly conference: string
  /** Wall clock. */
  readonly expiresAt: number
}

const hashOf = (token: string): string => createHash('sha256').update(token).digest('base64url')

export class Invitations {
  readonly #byHash = new Map<string, Invitation>()
  readonly #clock: Clock
  readonly #validMs: number
  readonly #most: number

  /** @param most invitations at a time; the oldest goes for one more */
  constructor(clock: Clock, validMs: number, most: number) {
    this.#clock = clock
    this.#validMs = validMs
    this.#most = most
  }

  /** A new one; others of the same party stay good. @returns its token, 43 characters, and until when it is good */
  add(id: string, conference: string): { readonly token: string; readonly expiresAt: number } {
    const now = this.#clock.now()
    for (const [hash, { expiresAt }] of this.#byHash)
      if (expiresAt <= now || this.#byHash.size >= this.#most) this.#byHash.delete(hash)
    const token = randomBytes(32).toString('base64url')
    const expiresAt = now + this.#validMs
    this.#byHash.set(hashOf(token), { id, conference, expiresAt })
    return { token, expiresAt }
  }

  /** @returns the invitation and a name for it that is no secret; null for a token that was never given out, or is too old */
  find(token: string): { readonly key: string; readonly invitation: Invitation } | null {
    const key = hashOf(token)
    const invitation = this.#byHash.get(key)
    return invitation === undefined || invitation.expiresAt <= this.#clock.now() ? null : { key, invitation }
  }
}
