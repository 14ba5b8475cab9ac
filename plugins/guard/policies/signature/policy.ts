import { type GuardRequest, InfraFabricError } from '#kernel'
import { ReplayCache } from '../../signature/replay-cache.ts'
import { parseSignature, type SignedFields, signatureCovers } from '../../signature/signature.ts'
import { abstain, deny, denyAttack, type Policy, pass } from '../policy.ts'

/**
 * X-IF-Signature is the signer's, covers this very request, is of this minute and was never used before. It may be absent unless the registry
 * requires it; one that is there must be good. A nonce is used up only by a signature that verified, so nobody else can burn it.
 */
export const policy: Policy = {
  name: 'signature',
  open: ({ limits, startedAt }) => {
    const windowMs = limits.signatureWindowMs
    const nonces = new ReplayCache({ keepMs: windowMs * 3, perKey: limits.noncesPerKey }, Math.floor(startedAt / 1000))
    return (request, { signer, monotonicMs }) => {
      if (request.signature === null) {
        return signer?.signature === 'required'
          ? denyAttack('guard.signature.missing', `${signer.id} must sign and did not`)
          : abstain('guard.signature.not-required', 'no signature, and none is required')
      }
      const header = attempt(() => parseSignature(request.signature!))
      if (header instanceof InfraFabricError) return denyAttack(header.code, header.message)
      if (signer?.key == null || signer.key.id !== header.keyId) {
        return denyAttack('guard.signature.unknown-key', 'the key is not one of the party named in From')
      }
      const { key } = signer
      const ageMs = request.receivedAt - header.issuedAt * 1000
      if (ageMs > windowMs) return denyAttack('guard.signature.stale', `made ${seconds(ageMs)} s ago`)
      if (-ageMs > windowMs) return denyAttack('guard.signature.future', `dated ${seconds(-ageMs)} s ahead`)
      // a used nonce needs no second look: a flood of copies costs no verification
      if (nonces.has(header.keyId, header.nonce, monotonicMs))
        return denyAttack('guard.signature.replayed', 'the nonce was used before')
      const covers = attempt(() => signatureCovers(key, header, signedFields(request)))
      if (covers instanceof InfraFabricError) return denyAttack(covers.code, covers.message)
      if (!covers) return denyAttack('guard.signature.invalid', 'it does not verify over this request')
      switch (nonces.admit(header.keyId, header.nonce, header.issuedAt, monotonicMs)) {
        case 'fresh':
          return pass('guard.signature.verified', `signed by key ${header.keyId} of ${signer.id}`)
        case 'replayed':
          return denyAttack('guard.signature.replayed', 'the nonce was used before')
        case 'forgotten':
          return denyAttack('guard.signature.stale', 'older than what this guard can tell from a replay')
        case 'full':
          return deny('guard.signature.cache-full', `key ${header.keyId} signs faster than its nonces may be forgotten`)
      }
    }
  }
}

/** The value, or the error of ours that kept it from being made. */
function attempt<T>(make: () => T): T | InfraFabricError {
  try {
    return make()
  } catch (error) {
    if (error instanceof InfraFabricError) return error
    throw error
  }
}

function signedFields(request: GuardRequest): SignedFields {
  const { claimedTraceId: traceId, hazard, fromUri, toUri, callId, cseq, method, body } = request
  return { traceId, hazard, fromUri, toUri, callId, cseq, method, body }
}

const seconds = (ms: number): string => (ms / 1000).toFixed(0)
