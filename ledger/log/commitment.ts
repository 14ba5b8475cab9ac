/**
 * Payloads that may have to be erased: the log holds a salted hash, the payload and its salt lie beside it. With both gone the hash says nothing about
 * them, and every proof of the log stays as it was.
 *
 *     hash = SHA-256( salt (32 octets) ‖ canonical JSON of the payload )
 *
 * @see RFC 8785
 */
import { createHash, randomBytes } from 'node:crypto'
import type { JsonObject } from '#kernel'
import { canonicalize } from './canonical.ts'

const saltOctets = 32

/** What the log holds: `commitment` in the payload of the entry. */
export interface Commitment extends JsonObject {
  readonly alg: 'sha256'
  /** 64 hex digits. */
  readonly hash: string
}

/** What lies beside the log until it is erased. */
export interface Erasable {
  /** 32 octets, base64. */
  readonly salt: string
  /** Canonical JSON of an object. */
  readonly payload: string
}

const hashOf = ({ salt, payload }: Erasable): string =>
  createHash('sha256').update(Buffer.from(salt, 'base64')).update(payload, 'utf8').digest('hex')

/** Commits to a payload under a fresh salt. */
export function commitTo(payload: JsonObject): { readonly commitment: Commitment; readonly erasable: Erasable } {
  const erasable = { salt: randomBytes(saltOctets).toString('base64'), payload: canonicalize(payload) }
  return { commitment: { alg: 'sha256', hash: hashOf(erasable) }, erasable }
}

/** The commitment in the payload of an entry; null when it has none. */
export function commitmentOf(payload: JsonObject): Commitment | null {
  const { commitment } = payload
  if (typeof commitment !== 'object' || commitment === null || Array.isArray(commitment)) return null
  const { alg, hash } = commitment as JsonObject
  return alg === 'sha256' && typeof hash === 'string' && /^[0-9a-f]{64}$/.test(hash) ? { alg, hash } : null
}

/** Whether what lies beside the log is what the entry committed to. */
export function isCommittedTo(commitment: Commitment, erasable: Erasable): boolean {
  return Buffer.from(erasable.salt, 'base64').length === saltOctets && hashOf(erasable) === commitment.hash
}
