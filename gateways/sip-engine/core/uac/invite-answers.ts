/** 2xx to an INVITE: from one fork or several, each again and again until its ACK arrives. @see RFC 3261 §13.2.2.4 */
import { tagOf } from '../../codec/address.ts'
import { isCutDown } from '../../codec/essentials.ts'
import type { SipResponse } from '../../codec/message.ts'
import { reasonPhrases } from '../../codec/reasons.ts'
import { commonHeaders } from '../../codec/sanity.ts'
import { formedBy, refreshedBy } from '../../dialog/dialog.ts'
import { type AnsweredInvite, maxForks, newSession, type Session, setAside, turnTo } from '../../dialog/sessions.ts'
import type { Core } from '../core.ts'
import { sendAck } from './ack.ts'
import { armFrom, branchOf, directFlow, learn, rememberBody } from './learned.ts'
import type { Outgoing, Outgoings } from './outgoing.ts'
import type { OwnRequests } from './own-requests.ts'
import type { Showing } from './showing.ts'

/** @returns takes a 2xx to an INVITE. */
export function createInviteAnswers(
  core: Core,
  outgoings: Outgoings,
  showing: Showing,
  own: OwnRequests
): (item: Outgoing, response: SipResponse) => void {
  const { sessions, counters, records } = core

  /** A 2xx to INVITE. It can come again until timer M, and from more than one fork. */
  const answered = (item: Outgoing, response: SipResponse) => {
    const { session } = item
    if (session === null) return
    const tag = tagOf(commonHeaders(response).to)
    const cseq = commonHeaders(response).cseq.number
    const known = item.answers?.get(tag)
    if (known !== undefined) {
      counters.retransmissionsReceived++
      known.transmitAck?.()
      return
    }
    item.answers ??= new Map()
    if (item.answers.size > maxForks || (item.answers.size > 0 && !item.creating)) {
      counters.stray++
      return
    }
    // A re-INVITE that could not be cancelled has taken place; the call goes on (RFC 3261 §9.1).
    const cancelled = item.creating && item.cancel !== 'none'
    const waiting: AnsweredInvite = { cseq, transactionId: item.transaction.id, ack: null, transmitAck: null, cancelled }
    const first = item.answers.size === 0
    item.answers.set(tag, waiting)
    if (!first) return dismissFork(item, session, response, waiting)
    outgoings.remove(item)
    if (session.inviteClient === item.transaction) session.inviteClient = null
    if (session.state === 'ended' || !session.call) {
      if (item.creating) dismissFork(item, session, response, waiting)
      else sendAck(core, session, waiting, null)
      showing.showMadeUp(item, 487, reasonPhrases[487]!)
      item.done?.(null)
      return
    }
    if (isCutDown(response)) return unusable(item, session, response, waiting)
    if (item.creating) {
      if (!turnTo(session, tag)) {
        setAside(session)
        session.dialog = branchOf(item, session)
      }
      session.dialog = formedBy(session.dialog, response)
      session.peerFlow = directFlow(session, showing.flow())
      item.forks = session.forks
      session.forks = null
    } else session.dialog = refreshedBy(session.dialog, response)
    learn(session, response)
    session.offer = 'none'
    session.answered = waiting
    if (item.creating) sessions.confirm(session)
    rememberBody(session, item.request)
    armFrom(core, item, session, response)
    if (item.done !== null) {
      sendAck(core, session, waiting, null)
      item.done(response)
      return
    }
    if (item.creating) records.start('network', 'uac', response.bytes)
    if (item.application === null) {
      sendAck(core, session, waiting, null)
      return own.bye(session, 'SIP ;cause=200 ;text="application gone"')
    }
    showing.show(item, response)
  }

  /** A 2xx that is larger than allowed is acknowledged, and what it set up or changed is ended: nobody knows what it says. */
  const unusable = (item: Outgoing, session: Session, response: SipResponse, waiting: AnsweredInvite) => {
    const reason = `SIP ;cause=513 ;text="${reasonPhrases[513]}"`
    if (item.creating) {
      dismissFork(item, session, response, waiting, reason)
      sessions.end(session)
      records.stop('application', 'call-rejected', response.bytes)
    } else {
      sendAck(core, session, waiting, null)
      own.bye(session, reason)
    }
    showing.showMadeUp(item, 513, reasonPhrases[513]!)
    item.done?.(null)
  }

  /** A fork answered that is not wanted: another did before, or the call is over. It is acknowledged and ended (RFC 3261 §13.2.2.4). */
  const dismissFork = (
    item: Outgoing,
    session: Session,
    response: SipResponse,
    waiting: AnsweredInvite,
    reason = 'SIP ;cause=200 ;text="answered elsewhere"'
  ) => {
    const known = item.forks?.get(tagOf(commonHeaders(response).to))
    const dialog = formedBy(known?.dialog ?? branchOf(item, session), response)
    const fork: Session = {
      ...newSession({ ...session, dialog, creatorTag: session.dialog.localTag, application: null }),
      state: 'confirmed'
    }
    fork.peerFlow = directFlow(fork, showing.flow())
    sendAck(core, fork, waiting, null)
    own.bye(fork, reason)
  }

  return answered
}
