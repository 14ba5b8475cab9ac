/** Keeps session timers: refreshes, or ends sessions that were not refreshed. @see RFC 4028 */

import type { Core } from '../core/core.ts'
import { type ArmedTimer, expireAfterMs, refreshAfterMs } from './session-timer.ts'
import type { Session } from './sessions.ts'

/**
 * Starts the timer of a session anew: a 2xx to INVITE or UPDATE, in either direction, agreed on it.
 *
 * @param elapsedMs how long our request was under way: the peer counts from its first 2xx, which may have been lost many times.
 */
export function armSessionTimer(core: Core, session: Session, timer: ArmedTimer, elapsedMs = 0): void {
  if (session.state === 'ended') return
  session.cancelTimer?.()
  session.timer = timer
  if (timer.refresher === 'local') {
    session.cancelTimer = core.clock.after(Math.max(0, refreshAfterMs(timer.intervalS, Math.random()) - elapsedMs), () =>
      core.uac.refresh(session)
    )
    return
  }
  session.cancelTimer = core.clock.after(expireAfterMs(timer.intervalS), () => {
    core.counters.sessionsExpired++
    core.uac.bye(session, 'SIP ;cause=200 ;text="Session timer expired"')
  })
}

/** The latest exchange agreed on no timer. */
export function disarmSessionTimer(session: Session): void {
  session.cancelTimer?.()
  session.cancelTimer = null
  session.timer = null
}
