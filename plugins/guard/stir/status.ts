/** A final status and its phrase. */
export interface IdentityStatus {
  readonly status: number
  readonly phrase: string
}

const stale: IdentityStatus = { status: 403, phrase: 'Stale Date' }
const useIdentity: IdentityStatus = { status: 428, phrase: 'Use Identity Header' }
const badInfo: IdentityStatus = { status: 436, phrase: 'Bad Identity Info' }
const unsupportedCredential: IdentityStatus = { status: 437, phrase: 'Unsupported Credential' }
const invalid: IdentityStatus = { status: 438, phrase: 'Invalid Identity Header' }

const statuses: Readonly<Record<string, IdentityStatus>> = {
  'guard.identity.missing': useIdentity,
  'guard.identity.stale': stale,
  'guard.identity.future': stale,
  'guard.identity.fetch': badInfo,
  'guard.identity.certificate': unsupportedCredential,
  'guard.identity.certificate-dates': unsupportedCredential,
  'guard.identity.certificate-scope': unsupportedCredential,
  'guard.identity.untrusted': unsupportedCredential
}

/**
 * How a refusal for an Identity header is told to the caller; null for codes of other things. A rule that demands an Identity header has the code
 * `guard.identity.missing`.
 *
 * @see RFC 8224 §6.2.2
 */
export function identityStatus(code: string): IdentityStatus | null {
  return code.startsWith('guard.identity.') ? (statuses[code] ?? invalid) : null
}
