/** Requests that the engine makes by itself. */
import type { SipResponse } from '../../codec/message.ts'
import { emptyBody, encodeRequest, type HeaderLine, type OutgoingRequest } from '../../codec/serialize.ts'
import { newId } from '../../common/ids.ts'
import { newBranch } from '../../common/tokens.ts'
import { requestTarget } from '../../dialog/dialog.ts'
import { dialogLines } from '../../dialog/outgoing-messages.ts'
import { nextCSeq, type Session } from '../../dialog/sessions.ts'
import type { StopReason } from '../../drachtio/cdr.ts'
import { unsolicited, type WireFacts } from '../../drachtio/server-message.ts'
import type { Path } from '../../next-hop/paths.ts'
import { type Core, sentFacts } from '../core.ts'
import type { Cancels } from './cancels.ts'
import type { Outgoings } from './outgoing.ts'

export interface OwnRequests {
  /** Sends a request in a dialog. @param done told its final response, or null when there will be none. */
  readonly send: (
    session: Session,
    method: string,
    extra: readonly HeaderLine[],
    body: Buffer,
    done: (response: SipResponse | null) => void,
    sent?: (bytes: Buffer, path: Path) => void
  ) => void
  /** Ends a session from this side: BYE with that Reason, shown to its application as unsolicited. */
  readonly bye: (session: Session, reason: string) => void
  /** Tells the application that its call is gone where there is no dialog yet to send BYE in: with a BYE that no peer gets. */
  readonly tellGone: (session: Session, reason: string) => void
}

export function createOwnRequests(core: Core, outgoings: Outgoings, cancels: Cancels): OwnRequests {
  const { transactions, sessions, paths, log, records } = core

  const send = (
    session: Session,
    method: string,
    extra: readonly HeaderLine[],
    body: Buffer,
    done: (response: SipResponse | null) => void,
    sent?: (bytes: Buffer, path: Path) => void
  ) => {
    const target = requestTarget(session.dialog)
    paths.inDialog(session, target.nextHop, (path) => {
      if (path === undefined) {
        log.warn({ session: session.id, method }, 'no way to send request')
        return done(null)
      }
      const branch = newBranch()
      const headers = dialogLines(session.dialog, path.listener, branch, { number: nextCSeq(session), method }, target.routes)
      headers.push(...extra)
      if (core.userAgent !== null) headers.push(['User-Agent', core.userAgent])
      const request: OutgoingRequest = { method, uri: target.requestUri, headers, body }
      const item = outgoings.open({
        request,
        branch,
        path,
        application: null,
        session,
        creating: false,
        dialogId: session.id,
        done
      })
      sent?.(item.transaction.bytes, item.path)
      transactions.start(item.transaction)
    })
  }

  const bye = (session: Session, reason: string) => {
    if (session.state === 'ended') return
    const { application } = session
    const recorded = session.call && sessions.get(session.id) === session
    if (session.inviteClient !== null) cancels.cancelOwn(session.inviteClient)
    core.uas.terminateInvite(session)
    session.heldBye = null
    sessions.endCall(session)
    send(
      session,
      'BYE',
      [['Reason', reason]],
      emptyBody,
      () => undefined,
      (bytes, path) => {
        if (recorded) records.stop('application', byeReason(reason), bytes)
        if (application?.open) application.send(unsolicited(newId(), sentFacts(core, bytes, path), session.id), bytes)
      }
    )
  }

  const tellGone = (session: Session, reason: string) => {
    const { application, dialog } = session
    if (!application?.open) return
    const cseq = { number: nextCSeq(session), method: 'BYE' }
    const headers = dialogLines(dialog, session.listener, newBranch(), cseq, [])
    headers.push(['Reason', reason])
    const bytes = encodeRequest({ method: 'BYE', uri: dialog.remoteTarget, headers, body: emptyBody })
    const facts: WireFacts = {
      octets: 0,
      transport: session.listener.transport,
      address: session.listener.address,
      port: session.listener.port,
      time: core.time()
    }
    application.send(unsolicited(newId(), facts, session.id), bytes)
  }

  return { send, bye, tellGone }
}

function byeReason(reason: string): StopReason {
  return /text="Session (?:timer|refresh) /.test(reason) ? 'session-expired' : 'system-initiated-termination'
}
