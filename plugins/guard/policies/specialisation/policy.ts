import { abstain, deny, type Policy, pass } from '../policy.ts'

/** The hazard of the call is known and is one the expert is called for. Guardians are there for every hazard and need not name one. */
export const policy: Policy = {
  name: 'specialisation',
  open:
    () =>
    (request, { party, hazards }) => {
      if (party?.role === 'guardian') return abstain('guard.specialisation.guardian', 'Guardians deliberate on every hazard')
      if (request.hazard === null) return deny('guard.specialisation.missing-hazard', 'the call names no hazard')
      if (!hazards.includes(request.hazard))
        return deny('guard.specialisation.unknown-hazard', 'the call names a hazard that is not configured')
      if (party === null || !party.specialisations.includes(request.hazard)) {
        return deny('guard.specialisation.mismatch', `${party?.id ?? 'the caller'} is not called for ${request.hazard}`)
      }
      return pass('guard.specialisation.matched', `${party.id} is called for ${request.hazard}`)
    }
}
