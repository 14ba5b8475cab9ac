/** Where registrations outlive the process, and where several gatekeepers share them. */
import type { Registration } from '../tables/registrations.ts'

export type Claim =
  | { readonly state: 'claimed' }
  /** Alias keys that other endpoints hold. Nothing was written. */
  | { readonly state: 'taken'; readonly aliases: readonly string[] }

/** What another gatekeeper wrote. */
export interface StoreChange {
  readonly endpointId: string
  /** Null: gone. */
  readonly registration: Registration | null
}

/**
 * An alias belongs to one endpoint at a time. `claim` is atomic over all gatekeepers that share the store, and what it wrote outlives `kill -9` of
 * this process. Registrations that have expired hold nothing.
 */
export interface RegistrationStore {
  /** Writes a registration, in the place of the one with its endpoint identifier. */
  readonly claim: (registration: Registration, now: number) => Promise<Claim>
  /** Nothing when the endpoint is not there. */
  readonly renew: (endpointId: string, expiresAt: number) => Promise<void>
  /** With `expiredAt` only when it had expired by then: another gatekeeper may have renewed it meanwhile. */
  readonly forget: (endpointId: string, expiredAt?: number) => Promise<void>
  /** Those not expired; the expired ones are removed. */
  readonly load: (now: number) => Promise<readonly Registration[]>
  /** Tells what other gatekeepers write, from now on. */
  readonly watch: (changed: (change: StoreChange) => void) => Promise<void>
  readonly close: () => Promise<void>
}
