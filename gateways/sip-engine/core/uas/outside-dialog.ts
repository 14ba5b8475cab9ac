/** Requests outside any dialog: whose they are, and what they may begin. @see RFC 3261 §8.2 */
import type { HeaderLine } from '../../codec/serialize.ts'
import { ownContact } from '../../common/own-address.ts'
import { isDialogTag, newToken } from '../../common/tokens.ts'
import { dialogId, retainDialog, serverDialog } from '../../dialog/dialog.ts'
import { newSession, type Session } from '../../dialog/sessions.ts'
import type { Application } from '../../drachtio/application.ts'
import type { Asked } from '../../transaction/asked.ts'
import { type ReceivedRequest, shownBytes } from '../../transaction/received.ts'
import type { Core } from '../core.ts'
import { answer } from './answer.ts'
import { allowsUpdate } from './reading.ts'
import type { ShownRequests } from './shown.ts'

/** Methods that may begin something. */
const initialMethods = ['INVITE', 'REGISTER', 'MESSAGE', 'OPTIONS', 'INFO', 'NOTIFY', 'SUBSCRIBE', 'PUBLISH', 'REFER'] as const
const initial = new Set<string>(initialMethods)
/** Methods that mean nothing without a dialog. */
const dialogOnly = new Set(['BYE', 'UPDATE', 'PRACK'])
const dialogMakers = new Set<string>(['INVITE', 'SUBSCRIBE', 'REFER'])
/** With an unknown To tag these are delivered as new requests: some peers put a tag where none belongs. */
const tagTolerant = new Set(['INFO', 'OPTIONS', 'NOTIFY', 'MESSAGE', 'REGISTER', 'PUBLISH'])
const allow: HeaderLine = [
  'Allow',
  'INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, MESSAGE, NOTIFY, PRACK, PUBLISH, REFER, REGISTER, SUBSCRIBE, UPDATE'
]

/** @returns deals with a request that belongs to no dialog of ours. */
export function createOutsideDialog(core: Core, { show, showNew }: ShownRequests): (asked: Asked) => void {
  const { sessions, counters } = core

  const outsideDialog = (asked: Asked) => {
    const { transaction, received } = asked
    const { method } = received.message
    const tag = received.toTag === '' ? newToken() : received.toTag
    const verdict = core.screening.verdict(received.message)
    if (verdict !== null) return answer(core, asked, verdict, tag)
    // A tag of ours: the dialog is over, or a NOTIFY comes from another fork of a SUBSCRIBE than the one that made it (RFC 6665 §4.1.2.4).
    const strayed = received.toTag !== '' && (!tagTolerant.has(method) || isDialogTag(received.toTag))
    if (dialogOnly.has(method) || strayed) return answer(core, asked, 481, tag)
    if (!initial.has(method)) return answer(core, asked, 405, tag, { headers: [allow] })
    const id = dialogId(received.callId, received.fromTag)
    const creating = dialogMakers.has(method)
    if (creating) {
      const existing = sessions.get(id)
      if (existing !== undefined) return answer(core, asked, clashStatus(existing, received), tag)
    }
    const holder = core.outbound.holder(method)
    const application = holder ?? core.routes.next(method)
    if (application === undefined) {
      if (method === 'REFER') return answer(core, asked, 405, tag, { headers: [allow] })
      counters.unhandled++
      return answer(core, asked, 503, tag)
    }
    const session = creating ? openSession(received, method as Session['method'], application) : null
    if (session !== null && method === 'INVITE') {
      session.inviteServer = transaction
      if (received.message.body.length > 0) session.offer = 'remote'
    }
    show({ ...asked, application, session, creating, dialogId: session === null ? '' : id })
    if (method === 'INVITE' && core.records.on) core.records.attempt('network', shownBytes(received))
    if (holder === undefined) showNew(asked, application)
    else core.outbound.decide(asked, holder)
  }

  const openSession = (received: ReceivedRequest, method: Session['method'], application: Application): Session => {
    const dialog = retainDialog(serverDialog(received.message, '', received.cseq.number))
    const session = newSession({
      side: 'uas',
      method,
      dialog,
      creatorTag: dialog.remoteTag,
      application,
      listener: received.flow.listener,
      contact: ownContact(received.flow.listener),
      // More than one Via: a proxy that leaves the path was in between, and the flow is the proxy's.
      peerFlow: dialog.routeSet.length === 0 && isDirect(received) ? received.flow : null
    })
    session.peerUpdates = allowsUpdate(received.message)
    sessions.add(session)
    return session
  }

  return outsideDialog
}

/** A request that would create a dialog that exists: a copy that came another way (RFC 3261 §8.2.2.2), or one in the way of the first. */
function clashStatus(existing: Session, received: ReceivedRequest): number {
  return existing.side === 'uac' || existing.dialog.remoteCSeq === received.cseq.number ? 482 : 491
}

function isDirect({ vias }: ReceivedRequest): boolean {
  return vias.length === 1 && !vias[0]!.includes(',')
}
