import type { GuardRequest } from '#kernel'
import type { Party } from '../../registry/registry.ts'
import { addressKey } from '../../sip-uri.ts'
import { deny, denyAttack, type Policy, type PolicyVerdict, pass } from '../policy.ts'

/**
 * The party is in the registry, and on an inbound call the edge authenticated just the user that belongs to the URI in From: whoever knows one
 * expert's password cannot call as another. Where the registry demands a certificate, the edge verified it too.
 */
export const policy: Policy = {
  name: 'registered',
  open:
    () =>
    (request, { party }) => {
      const uri = request.direction === 'inbound' ? request.fromUri : request.toUri
      if (addressKey(uri) === null) return deny('guard.registered.malformed-uri', 'the URI is not a SIP address')
      if (party === null) return deny('guard.registered.unknown', 'nobody in the registry has this URI')
      const refusal = request.direction === 'inbound' ? identityRefusal(request, party) : null
      return refusal ?? pass(`guard.registered.${party.role}`, `${party.id} is a registered ${party.role}`)
    }
}

function identityRefusal({ edge }: GuardRequest, party: Party): PolicyVerdict | null {
  if (edge.authenticatedUser === null) {
    return denyAttack('guard.registered.unauthenticated', `the edge authenticated nobody for the URI of ${party.id}`)
  }
  if (edge.authenticatedUser !== party.digestUser) {
    return denyAttack('guard.registered.identity-mismatch', `the authenticated user is not the one of ${party.id}`)
  }
  if (party.certificateIdentity === null) return null
  if (edge.certificateIdentity === null) {
    return denyAttack('guard.registered.certificate-missing', `${party.id} must show a client certificate and showed none`)
  }
  if (!sameIdentity(edge.certificateIdentity, party.certificateIdentity)) {
    return denyAttack('guard.registered.certificate-mismatch', `the client certificate is not the one of ${party.id}`)
  }
  return null
}

/** SIP URIs by address of record, any other identity to the letter. */
function sameIdentity(shown: string, demanded: string): boolean {
  const demandedKey = addressKey(demanded)
  return demandedKey === null ? shown === demanded : addressKey(shown) === demandedKey
}
