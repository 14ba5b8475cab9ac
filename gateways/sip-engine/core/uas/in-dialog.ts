/** Requests in a dialog. @see RFC 3261 §12.2.2 */
import { randomBytes } from 'node:crypto'
import { header } from '../../codec/message.ts'
import type { HeaderLine } from '../../codec/serialize.ts'
import { newId } from '../../common/ids.ts'
import { inOrder } from '../../dialog/dialog.ts'
import { minimumSessionS, parseSessionExpires } from '../../dialog/session-timer.ts'
import { type Session, turnTo } from '../../dialog/sessions.ts'
import { networkMessage } from '../../drachtio/server-message.ts'
import type { Asked } from '../../transaction/asked.ts'
import { type ReceivedRequest, shownBytes } from '../../transaction/received.ts'
import type { Core } from '../core.ts'
import { answer, wireFacts } from './answer.ts'
import { allowsUpdate, receivedHeader, supports } from './reading.ts'
import type { ShownRequests } from './shown.ts'

/** Methods that mean nothing in a dialog without a call. */
const callOnly = new Set(['INVITE', 'BYE', 'UPDATE', 'PRACK', 'INFO'])
/** @returns deals with a request in a dialog of ours. */
export function createInDialog(
  core: Core,
  { acknowledgements, show, endCall, terminateInvite }: ShownRequests
): (asked: Asked, session: Session) => void {
  const { subscriptions } = core

  const inDialog = (asked: Asked, session: Session) => {
    const { transaction, received } = asked
    const { message, cseq } = received
    const { method } = message
    const tag = received.toTag
    if (session.dialog.remoteTag !== '') turnTo(session, received.fromTag)
    if (!inOrder(session.dialog, cseq.number)) return answer(core, asked, 500, tag, { reason: 'CSeq Out Of Order' })
    const { application } = session
    if (application === null || !application.open) {
      answer(core, asked, 481, tag)
      if (method === 'BYE') endCall(session)
      return
    }
    session.dialog = { ...session.dialog, remoteCSeq: cseq.number, remoteTag: session.dialog.remoteTag || received.fromTag }
    if (!session.call && callOnly.has(method)) return answer(core, asked, 481, tag)
    if (method === 'BYE' && session.side === 'uac' && session.state === 'early') return earlyBye(asked, session)
    const described = message.body.length > 0
    if (method === 'INVITE' || method === 'UPDATE') {
      const status = clashInDialog(session, method, described)
      if (status === 491) return answer(core, asked, 491, tag)
      if (status === 500) return answer(core, asked, 500, tag, { headers: [retryAfter()] })
      const interval = tooShort(received)
      if (interval !== null) return answer(core, asked, 422, tag, { headers: [interval] })
      session.peerUpdates = allowsUpdate(message) ?? session.peerUpdates
    }
    if (method === 'PRACK') {
      const meant = acknowledgements.prack(session, message)
      if (meant === 'none') return answer(core, asked, 481, tag)
      if (described && session.offer === 'local') session.offer = 'none'
      if (meant === 'late') {
        // drachtio-srf answers 501 to a PRACK once it has made its dialog, so it gets none to answer.
        answer(core, asked, 200, tag)
        return acknowledgements.release(session)
      }
    }
    if (method === 'INVITE') session.inviteServer = transaction
    if (method === 'UPDATE') session.updateServer = transaction
    if (described && (method === 'INVITE' || method === 'UPDATE')) session.offer = 'remote'
    show({ ...asked, application, session, creating: false, dialogId: session.id })
    application.send(
      networkMessage(newId(), wireFacts(core, message.bytes.length, received.flow), transaction.id, session.id),
      shownBytes(received)
    )
    if (method === 'BYE') {
      if (session.call && core.records.on) core.records.stop('network', 'normal-release', shownBytes(received))
      terminateInvite(session)
      if (session.inviteClient !== null) core.uac.outlive(session.inviteClient)
      endCall(session)
    } else if (method === 'NOTIFY') subscriptions.notified(session, 'remote', receivedHeader(message))
  }

  /**
   * BYE of a callee whose 2xx never arrived: RFC 3261 §15 forbids it in an early dialog, but it says that this fork is gone. The INVITE is
   * cancelled when there is no other.
   */
  const earlyBye = (asked: Asked, session: Session) => {
    answer(core, asked, 200, asked.received.toTag)
    const other = session.forks?.keys().next().value
    if (other === undefined) {
      if (session.inviteClient !== null) core.uac.cancelOwn(session.inviteClient)
      return
    }
    const gone = session.dialog.remoteTag
    turnTo(session, other)
    session.forks!.delete(gone)
  }

  return inDialog
}

/** Min-SE for a request whose session interval is too short, of a peer that knows what 422 means (RFC 4028 §9); else null. */
function tooShort(received: ReceivedRequest): HeaderLine | null {
  if (!supports(received.message, 'timer')) return null
  const wished = parseSessionExpires(header(received.message, 'session-expires') ?? '')
  return wished !== undefined && wished.intervalS < minimumSessionS ? ['Min-SE', `${minimumSessionS}`] : null
}

/** RFC 3261 §14.2: a random wait of 0 to 10 s. */
function retryAfter(): HeaderLine {
  return ['Retry-After', `${randomBytes(1)[0]! % 11}`]
}

/**
 * Status for a re-INVITE or UPDATE in the way of an exchange that is not over, or null: 491 where ours is under way, 500 where the peer's
 * earlier one is unanswered.
 *
 * @see RFC 3261 §14.2, RFC 3311 §5.2, RFC 5407 §3.1.4
 */
function clashInDialog(session: Session, method: string, described: boolean): 491 | 500 | null {
  if (method === 'INVITE' && session.inviteClient !== null) return 491
  if ((method === 'INVITE' || described) && session.offer === 'local') return 491
  if (session.updateServer !== null || (method === 'INVITE' && session.inviteServer !== null)) return 500
  return described && session.offer === 'remote' ? 500 : null
}
