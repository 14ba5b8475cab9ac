import { defaultHazards } from '#kernel'
import type { Credentials } from '#suite'
import type { LoadUser } from './load-phone.ts'

/**
 * A registry of experts for all hazards who need no signature.
 *
 * @param signer public key of one more, `signer`, who needs one
 */
export function loadRegistry(experts: number, signer: string | null = null): string {
  const expert = (id: string, publicKey: string | null) =>
    [
      `  - id: ${id}`,
      `    uri: sip:${id}@external.advisor`,
      '    organisation: Load',
      `    specialisations: [${defaultHazards.join(', ')}]`,
      `    publicKey: ${publicKey}`,
      '    certificateIdentity: null',
      `    digestUser: ${id}`,
      `    signature: ${publicKey === null ? 'optional' : 'required'}`
    ].join('\n')
  const all = Array.from({ length: experts }, (_, n) => expert(`expert-${n}`, null))
  if (signer !== null) all.push(expert('signer', signer))
  return `experts:\n${all.join('\n')}\nguardians: []\n`
}

/** Everybody with a password, half of them by MD5. */
export const loadUsers = (users: Credentials['users']): LoadUser[] =>
  Object.entries(users).map(([name, { password }], n) => ({
    name,
    password: password!,
    algorithm: n % 2 === 0 ? ('SHA-256' as const) : ('MD5' as const)
  }))
