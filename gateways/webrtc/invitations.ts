/** Seats that were given away: a token of 256 bits for each, of which only the SHA-256 is kept, in memory. */
import { createHash, randomBytes } from 'node:crypto'
import type { Clock } from '#kernel'
import type { SeatKind } from './ports.ts'

/** What a seat is given for. */
export interface SeatTerms {
  /** Party of the registry: for an agent, whom it acts for. */
  readonly id: string
  readonly conference: string
  readonly kind: SeatKind
  /** Whether an agent has the party's vote. */
  readonly mayVote: boolean
  /** What an expert is called for; null for a Guardian. */
  readonly hazard: string | null
}

export interface Invitation extends SeatTerms {
  /** Wall clock. */
  readonly expiresAt: number
}

/** Name of an invitation for people: the beginning of its key, by which nobody joins. */
export const seatName = (key: string): string => key.slice(0, 12)

const hashOf = (token: string): string => createHash('sha256').update(token).digest('base64url')

/** User by whom the holder of a seat proves itself to the edge; the token is the password. */
export const seatUser = (digestUser: string, seat: string): string => `${digestUser}~${seat}`

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

  /** A new one; others of the same party stay good. @returns its token, 43 characters, its key, and until when it is good */
  add(terms: SeatTerms): { readonly token: string; readonly key: string; readonly expiresAt: number } {
    const now = this.#clock.now()
    for (const [hash, { expiresAt }] of this.#byHash)
      if (expiresAt <= now || this.#byHash.size >= this.#most) this.#byHash.delete(hash)
    const token = randomBytes(32).toString('base64url')
    const expiresAt = now + this.#validMs
    const key = hashOf(token)
    this.#byHash.set(key, { ...terms, expiresAt })
    return { token, key, expiresAt }
  }

  /** Those that are good, oldest first, by key. */
  all(): readonly (readonly [key: string, invitation: Invitation])[] {
    const now = this.#clock.now()
    return [...this.#byHash].filter(([, { expiresAt }]) => expiresAt > now)
  }

  /** From now on nobody joins by it. */
  revoke(key: string): void {
    this.#byHash.delete(key)
  }

  /** @returns the invitation and a name for it that is no secret; null for a token that was never given out, or is too old */
  find(token: string): { readonly key: string; readonly invitation: Invitation } | null {
    const key = hashOf(token)
    const invitation = this.#byHash.get(key)
    return invitation === undefined || invitation.expiresAt <= this.#clock.now() ? null : { key, invitation }
  }
}
