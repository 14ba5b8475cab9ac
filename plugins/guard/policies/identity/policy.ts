import type { JsonObject } from '#kernel'
import { abstain, deny, denyAttack, type Policy, pass } from '../policy.ts'

const unvouched = { attestation: 'none', originId: '', providers: [] } as const satisfies JsonObject

/**
 * Whether a PASSporT vouches for the caller's number (STIR/SHAKEN). None needs to be there: what is demanded is up to the rules, which read `attestation`.
 */
export const policy: Policy = {
  name: 'identity',
  facts: { attestation: 'string', originId: 'string', providers: { set: 'string' } },
  noFacts: unvouched,
  open:
    ({ identities }) =>
    ({ identities: headers = [], fromUri, toUri, receivedAt }) => {
      if (headers.length === 0) return abstain('guard.identity.absent', 'no Identity header')
      if (identities === null)
        return abstain('guard.identity.not-configured', 'no authorities are configured for Identity headers')
      return identities.verify(headers, { fromUri, toUri }, receivedAt).then((outcome) => {
        // a provider's server may be down; everything else was made to look like what it is not
        if (outcome.state === 'refused')
          return (outcome.code === 'guard.identity.fetch' ? deny : denyAttack)(outcome.code, outcome.reason)
        if (outcome.state === 'unknown-kind')
          return abstain('guard.identity.unknown-kind', 'only PASSporTs of kinds that are not known here')
        const { attestation, originId, providers } = outcome
        const facts = { attestation: attestation ?? 'none', originId: originId ?? '', providers: [...providers] }
        const by = attestation === null ? 'a plain PASSporT' : `attestation ${attestation}`
        return { ...pass('guard.identity.verified', `${by}, of ${providers.join(', ') || 'a holder of the number'}`), facts }
      })
    }
}
