/** Client side: requests on their way, what comes of them, and the requests the engine makes by itself. */
import type { SipResponse } from '../../codec/message.ts'
import { commonHeaders, responseInsanity } from '../../codec/sanity.ts'
import type { AnsweredInvite, Session } from '../../dialog/sessions.ts'
import type { Application } from '../../drachtio/application.ts'
import type { Draft } from '../../drachtio/header-rules.ts'
import type { Path } from '../../next-hop/paths.ts'
import type { ClientTransaction } from '../../transaction/transaction.ts'
import type { Flow } from '../../transport/port.ts'
import type { Core } from '../core.ts'
import { sendAck } from './ack.ts'
import { createCancels } from './cancels.ts'
import { createInviteAnswers } from './invite-answers.ts'
import { createOutgoings, type NewOutgoing, type Outgoing, type Outgoings } from './outgoing.ts'
import { createOwnRequests } from './own-requests.ts'
import { createRefresh } from './refresh.ts'
import { createResponses } from './responses.ts'
import { createShowing } from './showing.ts'

export interface UserAgentClient {
  /** Makes the transaction of a request; it is sent by `transactions.start`, so that a reply to the application can go before. */
  readonly open: (request: NewOutgoing) => Outgoing
  /** A request that has no final response yet. */
  readonly find: (transactionId: string) => Outgoing | undefined
  /** Sends the ACK for a 2xx, with what the application puts into it; `sent` is called before it goes out. */
  readonly sendAck: (
    session: Session,
    waiting: AnsweredInvite,
    draft: Draft | null,
    sent?: (bytes: Buffer, path: Path) => void
  ) => void
  /** Sends the CANCEL of a request now, or as soon as a provisional response allows it. */
  readonly startCancel: (item: Outgoing) => void
  /** Cancels an INVITE for the engine's own reasons. */
  readonly cancelOwn: (transaction: ClientTransaction) => void
  /** The call of a re-INVITE is over: its final response must come soon. */
  readonly outlive: (transaction: ClientTransaction) => void
  readonly response: (response: SipResponse, flow: Flow) => void
  /** Ends a session from this side: BYE with that Reason, shown to its application as unsolicited. */
  readonly bye: (session: Session, reason: string) => void
  /** Tells the application that its call is gone where there is no dialog yet to send BYE in: with a BYE that no peer gets. */
  readonly tellGone: (session: Session, reason: string) => void
  /** Refreshes a session that this side must refresh. */
  readonly refresh: (session: Session) => void
  /** @returns the confirmed dialogs it leaves behind. */
  readonly applicationGone: (application: Application) => readonly Session[]
  /** Ends a dialog that no application has taken over. */
  readonly orphaned: (session: Session) => void
  readonly close: () => void
}

export function createUac(core: Core): UserAgentClient {
  const { transactions, sessions, counters, log, transport } = core
  const outgoings: Outgoings = createOutgoings(core, (item, what, response) => told(item, what, response))
  const showing = createShowing(core)
  const cancels = createCancels(core, outgoings)
  const own = createOwnRequests(core, outgoings, cancels)
  const told = createResponses(core, outgoings, showing, cancels, createInviteAnswers(core, outgoings, showing, own))

  return {
    open: outgoings.open,
    find: outgoings.get,
    sendAck: (session, waiting, draft, sent) => sendAck(core, session, waiting, draft, sent),
    startCancel: cancels.startCancel,
    cancelOwn: cancels.cancelOwn,
    outlive: cancels.outlive,
    bye: own.bye,
    tellGone: own.tellGone,
    refresh: createRefresh(core, own),
    response: (response, flow) => {
      counters.responsesReceived++
      const insanity = responseInsanity(response)
      if (insanity !== undefined) {
        counters.malformed++
        log.debug({ code: insanity.error.code, error: insanity.error.message }, 'response dropped as malformed')
        return
      }
      const top = commonHeaders(response).via
      const branch = top.params.get('branch') ?? ''
      const ours = transport.listeners.some((each) => each.address.toLowerCase() === top.host && each.port === (top.port ?? 5060))
      const { method } = commonHeaders(response).cseq
      if (!ours || !showing.during(flow, () => transactions.response(response, branch, method))) counters.stray++
    },
    applicationGone: (application) => {
      for (const item of [...outgoings]) {
        if (item.application !== application) continue
        item.application = null
        if (item.request.method === 'INVITE') cancels.cancelOwn(item.transaction)
      }
      const orphans: Session[] = []
      for (const session of sessions.all()) {
        if (session.application !== application) continue
        session.application = null
        session.heldBye = null
        if (session.answered?.ack === null) sendAck(core, session, session.answered, null)
        if (session.state === 'confirmed') orphans.push(session)
      }
      return orphans
    },
    orphaned: (session) => {
      if (session.call) own.bye(session, 'SIP ;cause=200 ;text="application gone"')
      else sessions.end(session)
    },
    close: outgoings.close
  }
}
