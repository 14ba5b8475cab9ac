import { createPrivateKey, type KeyObject, randomUUID } from 'node:crypto'
import { InfraFabricError } from '#kernel'
import { formatIdentity } from './identity-header.ts'
import { stirName } from './number.ts'
import { type Attestation, isP256, signPassport } from './passport.ts'

/** With what outbound calls are vouched for. */
export interface IdentitySigner {
  /** Private key on P-256. */
  readonly key: KeyObject
  /** Where verifiers find its certificate and those above it. */
  readonly certificateUrl: string
}

/** A private key for PASSporTs. @throws {InfraFabricError} `guard.key.malformed` */
export function readIdentityKey(pem: string): KeyObject {
  try {
    const key = createPrivateKey(pem)
    if (isP256(key)) return key
  } catch {
    // said below, without a word of the key
  }
  throw new InfraFabricError('guard.key.malformed', 'expected a private key on P-256, PEM')
}

export interface VouchedCall {
  readonly fromUri: string
  readonly toUri: string
  /** Null for a plain PASSporT, which says who calls whom and no more. */
  readonly attestation: Attestation | null
  /** UUID of where the call came in; a fresh one when left out. */
  readonly originId?: string
}

/**
 * Makes the value of an Identity header for a call about to be sent. Where From and To hold numbers they are named by number, else by URI.
 *
 * @param nowMs wall clock, milliseconds since 1970.
 * @throws {InfraFabricError} `guard.identity.unsignable` when From or To names nobody, and for an attestation without a calling number (RFC 8588 §4)
 * @see RFC 8224 §6.1
 */
export function signIdentity({ key, certificateUrl }: IdentitySigner, call: VouchedCall, nowMs: number): string {
  const from = stirName(call.fromUri)
  const to = stirName(call.toUri)
  const orig = from.number !== null ? { tn: from.number } : from.uri !== null ? { uri: `sip:${from.uri}` } : null
  const isNamed = to.number !== null || to.uri !== null
  if (orig === null || !isNamed) throw new InfraFabricError('guard.identity.unsignable', 'From or To names nobody')
  if (call.attestation !== null && !('tn' in orig))
    throw new InfraFabricError('guard.identity.unsignable', 'an attestation is for a telephone number, and From has none')
  const token = signPassport(
    key,
    {
      orig,
      dest: to.number !== null ? { tn: [to.number], uri: [] } : { tn: [], uri: [`sip:${to.uri}`] },
      issuedAt: Math.floor(nowMs / 1000),
      attestation: call.attestation,
      originId: call.attestation === null ? null : (call.originId ?? randomUUID())
    },
    certificateUrl
  )
  return formatIdentity({ token, info: certificateUrl, algorithm: 'ES256', type: call.attestation === null ? null : 'shaken' })
}
