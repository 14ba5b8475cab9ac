/** What a response tells of its dialog. */
import { isIP } from 'node:net'
import { parseCSeq } from '../../codec/cseq.ts'
import { header, headerLines, type SipResponse } from '../../codec/message.ts'
import type { OutgoingRequest } from '../../codec/serialize.ts'
import { parseSipUri } from '../../codec/uri.ts'
import { retainBody } from '../../common/retained.ts'
import type { Dialog } from '../../dialog/dialog.ts'
import { armedBy, minimumSessionS, parseSessionExpires } from '../../dialog/session-timer.ts'
import { armSessionTimer, disarmSessionTimer } from '../../dialog/session-timers.ts'
import type { Session } from '../../dialog/sessions.ts'
import { isBehindNat } from '../../next-hop/paths.ts'
import type { Flow } from '../../transport/port.ts'
import type { Core } from '../core.ts'
import type { Outgoing } from './outgoing.ts'

/** State of a new branch of a forked INVITE: what the INVITE itself said. */
export function branchOf(item: Outgoing, session: Session): Dialog {
  const cseq = parseCSeq(item.request.headers.find(([name]) => name === 'CSeq')![1])!.number
  return { ...session.dialog, localCSeq: cseq, remoteCSeq: null, remoteTarget: item.request.uri }
}

/** Whether the peer takes UPDATE. */
export function learn(session: Session, response: SipResponse): void {
  const allow = headerLines(response, 'allow')
  if (allow.length > 0) session.peerUpdates = allow.some((line) => /\bUPDATE\b/.test(line))
}

/** Keeps a description that was accepted, for refreshes. */
export function rememberBody(session: Session, request: OutgoingRequest): void {
  const type = request.headers.find(([name]) => name === 'Content-Type')?.[1]
  if (request.body.length > 0 && type !== undefined) session.localBody = retainBody(type, request.body)
}

/** Begins, or ends, the session timer as a 2xx agreed on it. */
export function armFrom(core: Core, item: Outgoing, session: Session, response: SipResponse): void {
  const agreed = parseSessionExpires(header(response, 'session-expires') ?? '')
  if (agreed !== undefined && agreed.intervalS >= minimumSessionS)
    armSessionTimer(core, session, armedBy(agreed, true), item.creating ? 0 : core.clock.monotonicMs() - item.sinceMs)
  // A peer that was to refresh and no longer agrees to a timer will not (RFC 4028 §7.2); refreshing on from this side does no harm.
  else if (session.timer?.refresher === 'remote') disarmSessionTimer(session)
}

/**
 * The flow of the response at hand, for a peer that is better reached there than at its Contact; else null. Not where a proxy stays in the
 * path, and not where another host than the Contact's sent the response, which is what a proxy does that leaves the path (RFC 3261 §16.6
 * step 4) — unless the Contact cannot be reached from where the response came.
 */
export function directFlow(session: Session, flow: Flow | null): Flow | null {
  if (session.dialog.routeSet.length > 0 || flow === null) return null
  const host = parseSipUri(session.dialog.remoteTarget)?.host ?? ''
  return isIP(host) === 0 || host === flow.remote.address || isBehindNat(host, flow.remote.address) ? flow : null
}
