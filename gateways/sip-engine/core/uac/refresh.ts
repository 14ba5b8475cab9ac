/** Refreshes of sessions. @see RFC 4028 §7.4, §10 */
import { header } from '../../codec/message.ts'
import { emptyBody, type HeaderLine } from '../../codec/serialize.ts'
import { expireAfterMs, minimumSessionS } from '../../dialog/session-timer.ts'
import { armSessionTimer } from '../../dialog/session-timers.ts'
import type { Session } from '../../dialog/sessions.ts'
import type { Core } from '../core.ts'
import type { OwnRequests } from './own-requests.ts'

/** @returns refreshes a session that this side must refresh. */
export function createRefresh(core: Core, { send, bye }: OwnRequests): (session: Session) => void {
  const { clock, counters } = core

  /** UPDATE where the peer takes it, since that cannot disturb the media (RFC 4028 §7.4); else a re-INVITE with the latest description. */
  const refresh = (session: Session) => {
    const { timer, localBody } = session
    if (session.state !== 'confirmed' || timer === null) return
    const again = (waitMs: number) => {
      session.cancelTimer = clock.after(waitMs, () => refresh(session))
    }
    if (
      session.inviteClient !== null ||
      session.inviteServer !== null ||
      session.updateClient !== null ||
      session.updateServer !== null
    ) {
      return again(2000)
    }
    const extra: HeaderLine[] = [
      ['Contact', session.contact],
      ['Supported', 'timer'],
      ['Session-Expires', `${timer.intervalS};refresher=uac`],
      ['Min-SE', `${minimumSessionS}`]
    ]
    const method = localBody === null || session.peerUpdates === true ? 'UPDATE' : 'INVITE'
    let body: Buffer = emptyBody
    if (method === 'INVITE' && localBody !== null) {
      extra.push(['Content-Type', localBody.type])
      body = Buffer.from(localBody.octets, 'latin1')
    }
    send(session, method, extra, body, (response) => {
      // Ended meanwhile, or a BYE is out.
      if (session.state === 'ended' || session.timer === null) return
      if (response !== null && response.status < 300) {
        // A peer that leaves Session-Expires out of its 2xx does no timers any more; refreshing on keeps the session alive all the same.
        if (header(response, 'session-expires') === undefined) armSessionTimer(core, session, timer)
        return
      }
      // RFC 3261 §14.1: the side that owns the Call-ID waits longer, so that the two do not meet again.
      if (response?.status === 491) return again(session.side === 'uac' ? 2100 + Math.random() * 1900 : Math.random() * 2000)
      const retryAfterS = Number(/^\s*(\d{1,3})\b/.exec((response && header(response, 'retry-after')) ?? '')?.[1] ?? Number.NaN)
      if ((response?.status === 500 || response?.status === 503) && retryAfterS * 1000 < expireAfterMs(timer.intervalS) / 2) {
        return again(Math.max(1000, retryAfterS * 1000))
      }
      if (response?.status === 422) {
        const least = Number(/^\s*(\d{1,9})\b/.exec(header(response, 'min-se') ?? '')?.[1] ?? 0)
        if (least > timer.intervalS) {
          session.timer = { ...timer, intervalS: least }
          return again(0)
        }
      }
      if (method === 'UPDATE' && localBody !== null && (response?.status === 405 || response?.status === 501)) {
        session.peerUpdates = false
        return again(0)
      }
      counters.sessionsExpired++
      bye(session, 'SIP ;cause=200 ;text="Session refresh failed"')
    })
  }

  return refresh
}
