/** What comes of requests: provisional and final responses, and their want. */
import { tagOf } from '../../codec/address.ts'
import { parseRAck } from '../../codec/cseq.ts'
import { header, type SipResponse } from '../../codec/message.ts'
import { reasonPhrases } from '../../codec/reasons.ts'
import { commonHeaders } from '../../codec/sanity.ts'
import type { OutgoingRequest } from '../../codec/serialize.ts'
import { formedBy, isTargetRefresh, refreshedBy } from '../../dialog/dialog.ts'
import { madeUpResponse } from '../../dialog/outgoing-messages.ts'
import { maxForks, type Session, setAside, turnTo } from '../../dialog/sessions.ts'
import type { ReadHeader } from '../../dialog/subscriptions.ts'
import { refusalReason } from '../../drachtio/cdr.ts'
import type { Told } from '../../transaction/transaction.ts'
import type { Core } from '../core.ts'
import type { Cancels } from './cancels.ts'
import { armFrom, branchOf, directFlow, learn, rememberBody } from './learned.ts'
import type { Outgoing, Outgoings } from './outgoing.ts'
import type { Showing } from './showing.ts'

/**
 * @param answered takes a 2xx to an INVITE.
 * @returns takes what the transaction of a request says.
 */
export function createResponses(
  core: Core,
  outgoings: Outgoings,
  showing: Showing,
  cancels: Cancels,
  answered: (item: Outgoing, response: SipResponse) => void
): (item: Outgoing, what: Told, response: SipResponse | null) => void {
  const { sessions, counters, subscriptions, records } = core

  const told = (item: Outgoing, what: Told, response: SipResponse | null) => {
    switch (what) {
      case 'provisional':
        return provisional(item, response!)
      case 'success':
        return item.request.method === 'INVITE' ? answered(item, response!) : finished(item, response!)
      case 'failure':
        if (response!.status === 503 && outgoings.again(item, 'unavailable')) return
        return finished(item, response!)
      case 'timeout': {
        if (outgoings.again(item, 'timeout')) return
        const abandoned = item.cancel === 'sent'
        failed(item, abandoned ? 487 : 408, reasonPhrases[abandoned ? 487 : 408]!)
        return
      }
      case 'transportError':
        if (outgoings.again(item, 'transportError')) return
        return failed(item, item.path.failure.status, item.path.failure.reason)
      case 'unacknowledged':
        return
    }
  }

  const provisional = (item: Outgoing, response: SipResponse) => {
    const { session } = item
    if (item.cancel === 'held') cancels.sendCancel(item)
    if (response.status === 100) return
    if (session !== null && item.request.method === 'INVITE' && session.state !== 'ended' && !heard(item, session, response))
      return
    showing.show(item, response)
  }

  /** Takes early dialog and RSeq from a provisional response; false when it is to be dropped: a repeated one, or one out of turn. */
  const heard = (item: Outgoing, session: Session, response: SipResponse): boolean => {
    const tag = tagOf(commonHeaders(response).to)
    const rseq = Number(header(response, 'rseq') ?? 0)
    if (item.creating && tag !== '') {
      if (!turnTo(session, tag)) {
        if ((session.forks?.size ?? 0) >= maxForks) {
          counters.stray++
          return false
        }
        setAside(session)
        session.dialog = formedBy(branchOf(item, session), response)
        session.remoteRSeq = 0
      } else if (rseq > session.remoteRSeq) session.dialog = formedBy(session.dialog, response)
      session.peerFlow = directFlow(session, showing.flow())
    }
    learn(session, response)
    if (rseq > 0) {
      // RFC 3262 §4: the first may have any number, each later one must follow its predecessor.
      if (session.remoteRSeq !== 0 && rseq !== session.remoteRSeq + 1) {
        if (rseq <= session.remoteRSeq) counters.retransmissionsReceived++
        else counters.stray++
        return false
      }
      session.remoteRSeq = rseq
    }
    // A description in a provisional response is the answer, reliable or not (RFC 3261 §13.2.1).
    if (session.offer === 'local' && response.body.length > 0) session.offer = 'none'
    return true
  }

  const finished = (item: Outgoing, response: SipResponse) => {
    const { session, request } = item
    const { status } = response
    settle(item)
    if (session !== null && session.state !== 'ended') {
      if (status < 300) {
        if (item.creating) {
          session.dialog = formedBy(session.dialog, response)
          session.peerFlow = directFlow(session, showing.flow())
          sessions.confirm(session)
        } else if (isTargetRefresh(request.method)) session.dialog = refreshedBy(session.dialog, response)
        if (request.method === 'UPDATE') {
          rememberBody(session, request)
          armFrom(core, item, session, response)
        }
        if (request.method === 'SUBSCRIBE' || request.method === 'REFER') {
          subscriptions.accepted(session, 'remote', request.method, sentHeader(request), receivedHeader(response))
        } else if (request.method === 'NOTIFY') subscriptions.notified(session, 'local', sentHeader(request))
      } else if (item.creating) sessions.end(session)
      else if (endsSubscription(status)) {
        if (request.method === 'NOTIFY') subscriptions.failed(session, 'local', sentHeader(request))
        else if (request.method === 'SUBSCRIBE') subscriptions.failed(session, 'remote', sentHeader(request))
      } else if (request.method === 'PRACK' && status !== 481) pracked(session, request, response)
      if (request.method === 'BYE' && status !== 401 && status !== 407) hungUp(session)
    }
    if (item.creating && request.method === 'INVITE') {
      records.stop('network', item.cancel === 'none' ? 'call-rejected' : refusalReason(status), response.bytes)
    }
    showing.show(item, response)
    item.done?.(response)
  }

  /** A PRACK that a later request overtook is refused as out of order: the reliable response is shown when it comes again. */
  const pracked = (session: Session, request: OutgoingRequest, response: SipResponse) => {
    const rack = parseRAck(request.headers.find(([name]) => name === 'RAck')?.[1] ?? '')
    if (rack !== undefined && turnTo(session, tagOf(commonHeaders(response).to)) && session.remoteRSeq === rack.rseq)
      session.remoteRSeq--
  }

  /** RFC 3261 §15.1.1: with the BYE answered, a re-INVITE of the peer has nothing left to be about. */
  const hungUp = (session: Session) => {
    core.uas.terminateInvite(session)
    sessions.endCall(session)
  }

  /** No response will come. */
  const failed = (item: Outgoing, status: number, reason: string) => {
    settle(item)
    const { session, request } = item
    if (session !== null && session.state !== 'ended') {
      if (item.creating) sessions.end(session)
      else if (request.method === 'BYE') hungUp(session)
      else if (request.method === 'NOTIFY') subscriptions.failed(session, 'local', sentHeader(request))
    }
    if (item.creating && request.method === 'INVITE' && records.on) {
      records.stop('application', refusalReason(status), madeUpResponse(request, status, reason))
    }
    showing.showMadeUp(item, status, reason)
    item.done?.(null)
  }

  const settle = (item: Outgoing) => {
    outgoings.remove(item)
    const { session } = item
    if (session === null) return
    const invite = session.inviteClient === item.transaction
    if (!invite && session.updateClient !== item.transaction) return
    if (invite) session.inviteClient = null
    else session.updateClient = null
    if (session.offer === 'local') session.offer = 'none'
  }

  return told
}

/** RFC 5057 §5.1: of the failures of a request in a dialog, those that say there is no such subscription, or nobody who has it. */
function endsSubscription(status: number): boolean {
  return [404, 405, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 502, 604].includes(status)
}

const sentHeader =
  (request: OutgoingRequest): ReadHeader =>
  (name) =>
    request.headers.find(([each]) => each === name)?.[1]

const receivedHeader =
  (message: SipResponse): ReadHeader =>
  (name) =>
    header(message, name.toLowerCase())
