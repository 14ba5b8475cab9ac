import { abstain, deny, type Policy, type PolicyVerdict, pass } from '../policy.ts'
import { RateWindow } from '../rate-window.ts'

const windowMs = 60_000

/** At most `callsPerMinute` approved calls of one party in any minute: a place is taken when the call is approved, so that refused calls use nothing up. */
export const policy: Policy = {
  name: 'rate',
  facts: { left: 'long' },
  noFacts: { left: 0 },
  open: ({ limits }) => {
    const calls = new RateWindow(limits.callsPerMinute, windowMs)
    return (_request, { party, monotonicMs }) => {
      if (party === null) return abstain('guard.rate.nobody', 'there is no party to count for')
      const full = (retryInMs: number): PolicyVerdict =>
        deny('guard.rate.exceeded', `${party.id} may call again in ${Math.ceil(retryInMs / 1000)} s`)
      const place = calls.look(party.id, monotonicMs)
      if (!place.ok) return full(place.retryInMs)
      const claim = (): PolicyVerdict | null => {
        const taken = calls.take(party.id, monotonicMs)
        return taken.ok ? null : full(taken.retryInMs)
      }
      return {
        ...pass('guard.rate.within', `${place.left} more calls of ${party.id} this minute`),
        facts: { left: place.left },
        claim
      }
    }
  }
}
