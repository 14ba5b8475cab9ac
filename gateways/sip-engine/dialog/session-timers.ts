/** Keeps session timers: refreshes, or ends sessions that were not refreshed. @see RFC 4028 */
import type { Clock } from '#kernel'
import type { EngineCounters } from '../common/stats.ts'
import { type ArmedTimer, expireAfterMs, refreshAfterMs } from './session-timer.ts'
import type { Session } from './sessions.ts'

/** What a timer does when it runs out. */
export interface SessionTimerParts {
  readonly clock: Clock
  readonly counters: EngineCounters
  readonly uac: {
    readonly refresh: (session: Session) => void
    readonly bye: (session: Session, reason: string) => void
  }
}

/**
 * Starts the timer of a session anew: a 2xx to INVITE or UPDATE, in either direction, agreed on it.
 *
 * @param elapsedMs how long our request was under way: the peer counts from its first 2xx, which may have been lost many times.
 */
export function armSessionTimer(parts: SessionTimerParts, session: Session, timer: ArmedTimer, elapsedMs = 0): void {
  if (session.state === 'ended') return
  session.cancelTimer?.()
  session.timer = timer
  if (timer.refresher === 'local') {
    session.cancelTimer = parts.clock.after(Math.max(0, refreshAfterMs(timer.intervalS, Math.random()) - elapsedMs), () =>
      parts.uac.refresh(session)
    )
    return
  }
  session.cancelTimer = parts.clock.after(expireAfterMs(timer.intervalS), () => {
    parts.counters.sessionsExpired++
    parts.uac.bye(session, 'SIP ;cause=200 ;text="Session timer expired"')
  })
}

/** The latest exchange agreed on no timer. */
export function disarmSessionTimer(session: Session): void {
  session.cancelTimer?.()
  session.cancelTimer = null
  session.timer = null
}
