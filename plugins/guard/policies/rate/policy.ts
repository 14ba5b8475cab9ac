import { abstain, deny, type Policy, pass } from '../../policy.ts'
import { RateWindow } from '../../rate-window.ts'

const windowMs = 60_000

/** At most `callsPerMinute` approved calls of one party in any minute. Asked last, so that refused calls use nothing up. */
export const policy: Policy = {
  name: 'rate',
  open: ({ limits }) => {
    const calls = new RateWindow(limits.callsPerMinute, windowMs)
    return (_request, { party, monotonicMs }) => {
      if (party === null) return abstain('guard.rate.nobody', 'there is no party to count for')
      const place = calls.take(party.id, monotonicMs)
      return place.ok
        ? pass('guard.rate.within', `${place.left} more calls of ${party.id} this minute`)
        : deny('guard.rate.exceeded', `${party.id} may call again in ${Math.ceil(place.retryInMs / 1000)} s`)
    }
  }
}
