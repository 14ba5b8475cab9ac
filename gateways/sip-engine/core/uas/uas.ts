/** Server side: requests off the wire, what the engine answers by itself, and the responses of applications. */

import { randomBytes } from 'node:crypto'
import { parseAddress, tagOf } from '../../codec/address.ts'
import { header, headerLines, type SipRequest } from '../../codec/message.ts'
import { reasonPhrases } from '../../codec/reasons.ts'
import { requestInsanity } from '../../codec/sanity.ts'
import { emptyBody, encodeRequest, encodeResponse, type HeaderLine } from '../../codec/serialize.ts'
import { newId } from '../../common/ids.ts'
import { hostPort, ownContact } from '../../common/own-address.ts'
import { retainBody } from '../../common/retained.ts'
import { isDialogTag, newToken } from '../../common/tokens.ts'
import { dialogId, inOrder, isTargetRefresh, refreshedBy, retainDialog, serverDialog, withTag } from '../../dialog/dialog.ts'
import {
  answerTo,
  armedBy,
  formatSessionExpires,
  minimumSessionS,
  parseSessionExpires,
  type SessionExpires
} from '../../dialog/session-timer.ts'
import { armSessionTimer, disarmSessionTimer } from '../../dialog/session-timers.ts'
import { ensureLocalTag, newSession, type Session, sendHeldBye, turnTo } from '../../dialog/sessions.ts'
import type { ReadHeader } from '../../dialog/subscriptions.ts'
import type { Application } from '../../drachtio/application.ts'
import { refusalReason } from '../../drachtio/cdr.ts'
import type { ClientMessage } from '../../drachtio/client-message.ts'
import { contentType, type Draft, readDraft, wireContact, wireOthers } from '../../drachtio/header-rules.ts'
import { networkMessage, newRequest, nokReply, responseSent, type WireFacts } from '../../drachtio/server-message.ts'
import { registerFlow } from '../../next-hop/registered-flow.ts'
import { createStateless, type Stateless } from '../../overload/stateless.ts'
import type { AnswerOptions, Asked } from '../../transaction/asked.ts'
import { serverKey } from '../../transaction/key.ts'
import { tryingDelayMs } from '../../transaction/non-invite-server.ts'
import { type ReceivedRequest, receivedRequest, shownBytes } from '../../transaction/received.ts'
import { type Flow, transportTraits } from '../../transport/port.ts'
import type { Core } from '../core.ts'
import { createAcknowledgements } from './acknowledgements.ts'

export interface UserAgentServer {
  readonly request: (message: SipRequest, flow: Flow) => void
  readonly stateless: Stateless
  readonly respond: (application: Application, message: Extract<ClientMessage, { kind: 'response' }>) => void
  readonly applicationGone: (application: Application) => void
  /** Sends a response the engine makes by itself. @returns it. */
  readonly answer: (asked: Asked, status: number, tag: string, options?: AnswerOptions) => Buffer
  /** An unanswered request that this application was shown. */
  readonly find: (transactionId: string, application: Application) => Asked | undefined
  /** Gives such a request to another application, which is shown it. @returns false when it is not there any more. */
  readonly handOver: (transactionId: string, from: Application, to: Application) => boolean
  /** Refuses such a request in place of its application. */
  readonly refuseShown: (transactionId: string, application: Application, status: number, options?: AnswerOptions) => void
  /** Takes such a request away from its application: the proxy answers it. */
  readonly release: (transactionId: string) => void
  /** Answers the peer's unanswered INVITE of a session that ends. */
  readonly terminateInvite: (session: Session) => void
  readonly close: () => void
}

/** A request an application has been shown and has not finally answered. */
interface Shown extends Asked {
  application: Application
  readonly session: Session | null
  /** Whether the request creates its session. */
  readonly creating: boolean
  readonly dialogId: string
  localTag: string
  /** Whether the application has sent any response. */
  answered: boolean
  /** Whether it is counted as waiting for the application. */
  waits: boolean
  /** Its 2xx waits for a PRACK: the application has nothing more to say. */
  held: boolean
  cancelTimer: (() => void) | null
}

/** Methods that may begin something. */
const initialMethods = ['INVITE', 'REGISTER', 'MESSAGE', 'OPTIONS', 'INFO', 'NOTIFY', 'SUBSCRIBE', 'PUBLISH', 'REFER'] as const
const initial = new Set<string>(initialMethods)
/** Methods that mean nothing without a dialog. */
const dialogOnly = new Set(['BYE', 'UPDATE', 'PRACK'])
/** Methods that mean nothing in a dialog without a call. */
const callOnly = new Set(['INVITE', 'BYE', 'UPDATE', 'PRACK', 'INFO'])
const dialogMakers = new Set<string>(['INVITE', 'SUBSCRIBE', 'REFER'])
/** With an unknown To tag these are delivered as new requests: some peers put a tag where none belongs. */
const tagTolerant = new Set(['INFO', 'OPTIONS', 'NOTIFY', 'MESSAGE', 'REGISTER', 'PUBLISH'])
const cancelAfterAnswer = 'SIP ;cause=200 ;text="CANCEL after 200 OK"'
const allow: HeaderLine = [
  'Allow',
  'INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, MESSAGE, NOTIFY, PRACK, PUBLISH, REFER, REGISTER, SUBSCRIBE, UPDATE'
]

export function createUas(core: Core): UserAgentServer {
  const { transactions, sessions, subscriptions, clock, counters, log, timers } = core
  const pending = new Map<string, Shown>()
  /** Those of them to which no application has said anything. */
  let waiting = 0
  const acknowledgements = createAcknowledgements(core, (invite) => {
    const shown = pending.get(invite.id)
    if (shown === undefined) return
    if (shown.held) core.uac.tellGone(shown.session!, 'SIP ;cause=504 ;text="PRACK timeout"')
    else tellCancelled(shown, 504, 'PRACK timeout')
    settleWith(shown, 504, { reason: 'PRACK Timeout' })
  })

  const stateless = createStateless(core, () => waiting)

  const wire = (octets: number, flow: Flow): WireFacts => ({
    octets,
    transport: flow.listener.transport,
    address: flow.remote.address,
    port: flow.remote.port,
    time: core.time()
  })

  /** A response the engine makes by itself. @returns it, as sent. */
  const made = ({ transaction, received }: Asked, status: number, tag: string, options: AnswerOptions = {}): Buffer => {
    const headers = commonHeaders(received, status === 100 ? '' : tag)
    if (options.headers !== undefined) headers.push(...options.headers)
    if (core.userAgent !== null && status !== 100) headers.push(['Server', core.userAgent])
    const bytes = encodeResponse({ status, reason: options.reason ?? reasonPhrases[status] ?? '', headers, body: emptyBody })
    transactions.respond(transaction, status, bytes)
    return bytes
  }

  const answer = (...args: Parameters<typeof made>) => void made(...args)

  const request = (message: SipRequest, flow: Flow) => {
    counters.requestsReceived++
    const insanity = requestInsanity(message)
    if (insanity !== undefined) {
      counters.malformed++
      log.debug({ code: insanity.error.code, error: insanity.error.message, source: flow.remote }, 'request refused as malformed')
      return stateless.refuse(message, flow, insanity.status, insanity.reason)
    }
    const received = receivedRequest(message, flow)
    if (message.method === 'ACK') return acknowledged(received)
    const again = transactions.findServer(received.key, received)
    if (again !== undefined) return transactions.requestAgain(again)
    if (message.method === 'CANCEL') return cancelled(received)
    const full = transactions.unfinished() >= core.limits.serverTransactions
    if (full || (received.toTag === '' && !core.overload.admits(received.key, waiting))) {
      return stateless.overloaded(message, flow, received.key)
    }
    const asked = { transaction: transactions.openServer(received), received }
    if (message.method === 'INVITE' && timers.tryingMs === 0) answer(asked, 100, '')
    const session = received.toTag === '' ? undefined : sessions.matching(received.callId, received.fromTag, received.toTag)
    if (core.proxy.onward(asked, session !== undefined)) return
    if (session !== undefined) return inDialog(asked, session)
    outsideDialog(asked)
  }

  const outsideDialog = (asked: Asked) => {
    const { transaction, received } = asked
    const { method } = received.message
    const tag = received.toTag === '' ? newToken() : received.toTag
    const verdict = core.screening.verdict(received.message)
    if (verdict !== null) return answer(asked, verdict, tag)
    // A tag of ours: the dialog is over, or a NOTIFY comes from another fork of a SUBSCRIBE than the one that made it (RFC 6665 §4.1.2.4).
    const strayed = received.toTag !== '' && (!tagTolerant.has(method) || isDialogTag(received.toTag))
    if (dialogOnly.has(method) || strayed) return answer(asked, 481, tag)
    if (!initial.has(method)) return answer(asked, 405, tag, { headers: [allow] })
    const id = dialogId(received.callId, received.fromTag)
    const creating = dialogMakers.has(method)
    if (creating) {
      const existing = sessions.get(id)
      if (existing !== undefined) return answer(asked, clashStatus(existing, received), tag)
    }
    const holder = core.outbound.holder(method)
    const application = holder ?? core.routes.next(method)
    if (application === undefined) {
      if (method === 'REFER') return answer(asked, 405, tag, { headers: [allow] })
      counters.unhandled++
      return answer(asked, 503, tag)
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

  const showNew = ({ transaction, received }: Asked, application: Application) => {
    const { flow, message } = received
    application.send(newRequest(newId(), wire(message.bytes.length, flow), transaction.id, flow.listener), shownBytes(received))
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

  const show = (what: Pick<Shown, keyof Asked | 'application' | 'session' | 'creating' | 'dialogId'>) => {
    const { transaction, received } = what
    const shown: Shown = { ...what, localTag: received.toTag, answered: false, waits: true, held: false, cancelTimer: null }
    pending.set(transaction.id, shown)
    waiting++
    const isInvite = transaction.method === 'INVITE'
    const tryingMs = isInvite ? timers.tryingMs : tryingDelayMs(timers)
    const longestMs = isInvite ? timers.applicationMs : 64 * timers.t1Ms
    const wait = () => clock.after(longestMs - tryingMs, () => unanswered(shown))
    if (tryingMs === 0) shown.cancelTimer = wait()
    else
      shown.cancelTimer = clock.after(tryingMs, () => {
        if (transaction.status === 0) answer(shown, 100, '')
        shown.cancelTimer = wait()
      })
  }

  /** The application has said something, or will not. */
  const noted = (shown: Shown) => {
    if (shown.waits) waiting--
    shown.waits = false
  }

  const settle = (shown: Shown) => {
    noted(shown)
    pending.delete(shown.transaction.id)
    shown.cancelTimer?.()
    shown.cancelTimer = null
    const { session, transaction } = shown
    if (session === null) return
    const invite = session.inviteServer === transaction
    if (!invite && session.updateServer !== transaction) return
    if (invite) {
      session.inviteServer = null
      session.heldAnswer = null
    } else session.updateServer = null
    if (session.offer === 'remote') session.offer = 'none'
  }

  /** A final answer by the engine in place of the application. */
  const settleWith = (shown: Shown, status: number, options: AnswerOptions = {}) => {
    settle(shown)
    const bytes = made(shown, status, localTagOf(shown), options)
    if (shown.creating && shown.transaction.method === 'INVITE') core.records.stop('application', refusalReason(status), bytes)
    if (shown.session !== null && shown.creating) endSession(shown.session)
  }

  /** Tells the application that its INVITE was answered without it, in the way it knows: by a CANCEL that no peer sent. */
  const tellCancelled = (
    { application, transaction, received, creating, answered, dialogId }: Shown,
    cause: number,
    why: string
  ) => {
    const headers = commonHeaders(received, '').filter(([name]) => name !== 'CSeq')
    headers.push(['CSeq', `${received.cseq.number} CANCEL`], ['Reason', `SIP ;cause=${cause} ;text="${why}"`])
    const cancel = encodeRequest({ method: 'CANCEL', uri: received.message.uri, headers, body: emptyBody })
    application.send(
      networkMessage(newId(), wire(0, received.flow), transaction.id, answered || !creating ? dialogId : ''),
      cancel
    )
  }

  /** RFC 4320 §4.2: a non-INVITE request that was not answered in time gets no answer, its sender has given up. */
  const unanswered = (shown: Shown) => {
    shown.cancelTimer = null
    counters.unanswered++
    log.warn({ transaction: shown.transaction.id, method: shown.transaction.method }, 'application did not answer')
    if (shown.transaction.method === 'INVITE') {
      tellCancelled(shown, 480, 'no answer')
      return settleWith(shown, 480)
    }
    abandon(shown)
  }

  /** Lets a request go without an answer. */
  const abandon = (shown: Shown) => {
    settle(shown)
    transactions.forget(shown.transaction)
    if (shown.session !== null && shown.creating) endSession(shown.session)
  }

  const localTagOf = (shown: Shown): string => {
    if (shown.session !== null) return ensureLocalTag(shown.session, '')
    if (shown.localTag === '') shown.localTag = newToken()
    return shown.localTag
  }

  const inDialog = (asked: Asked, session: Session) => {
    const { transaction, received } = asked
    const { message, cseq } = received
    const { method } = message
    const tag = received.toTag
    if (session.dialog.remoteTag !== '') turnTo(session, received.fromTag)
    if (!inOrder(session.dialog, cseq.number)) return answer(asked, 500, tag, { reason: 'CSeq Out Of Order' })
    const { application } = session
    if (application === null || !application.open) {
      answer(asked, 481, tag)
      if (method === 'BYE') endCall(session)
      return
    }
    session.dialog = { ...session.dialog, remoteCSeq: cseq.number, remoteTag: session.dialog.remoteTag || received.fromTag }
    if (!session.call && callOnly.has(method)) return answer(asked, 481, tag)
    if (method === 'BYE' && session.side === 'uac' && session.state === 'early') return earlyBye(asked, session)
    const described = message.body.length > 0
    if (method === 'INVITE' || method === 'UPDATE') {
      const status = clashInDialog(session, method, described)
      if (status === 491) return answer(asked, 491, tag)
      if (status === 500) return answer(asked, 500, tag, { headers: [retryAfter()] })
      const interval = tooShort(received)
      if (interval !== null) return answer(asked, 422, tag, { headers: [interval] })
      session.peerUpdates = allowsUpdate(message) ?? session.peerUpdates
    }
    if (method === 'PRACK') {
      const meant = acknowledgements.prack(session, message)
      if (meant === 'none') return answer(asked, 481, tag)
      if (described && session.offer === 'local') session.offer = 'none'
      if (meant === 'late') {
        // drachtio-srf answers 501 to a PRACK once it has made its dialog, so it gets none to answer.
        answer(asked, 200, tag)
        return acknowledgements.release(session)
      }
    }
    if (method === 'INVITE') session.inviteServer = transaction
    if (method === 'UPDATE') session.updateServer = transaction
    if (described && (method === 'INVITE' || method === 'UPDATE')) session.offer = 'remote'
    show({ ...asked, application, session, creating: false, dialogId: session.id })
    application.send(
      networkMessage(newId(), wire(message.bytes.length, received.flow), transaction.id, session.id),
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
    answer(asked, 200, asked.received.toTag)
    const other = session.forks?.keys().next().value
    if (other === undefined) {
      if (session.inviteClient !== null) core.uac.cancelOwn(session.inviteClient)
      return
    }
    const gone = session.dialog.remoteTag
    turnTo(session, other)
    session.forks!.delete(gone)
  }

  const terminateInvite = (session: Session) => {
    const shown = session.inviteServer === null ? undefined : pending.get(session.inviteServer.id)
    if (shown !== undefined) settleWith(shown, 487)
  }

  const endSession = (session: Session) => {
    acknowledgements.endReliable(session)
    sessions.end(session)
  }

  const endCall = (session: Session) => {
    acknowledgements.endReliable(session)
    sessions.endCall(session)
  }

  const cancelled = (received: ReceivedRequest) => {
    const cancel = { transaction: transactions.openServer(received), received }
    const invite = transactions.findServer(serverKey(received.message, received.via, 'INVITE'), received)
    if (invite === undefined) return answer(cancel, 481, newToken())
    if (core.proxy.cancel(invite.id, received.message)) return answer(cancel, 200, newToken())
    const shown = pending.get(invite.id)
    if (shown !== undefined) {
      const tag = localTagOf(shown)
      const shownDialog = shown.answered || !shown.creating ? shown.dialogId : ''
      answer(cancel, 200, tag)
      if (shown.held) {
        core.uac.tellGone(shown.session!, cancelAfterAnswer)
        return settleWith(shown, 487)
      }
      settleWith(shown, 487)
      shown.application.send(
        networkMessage(newId(), wire(received.message.bytes.length, received.flow), invite.id, shownDialog),
        shownBytes(received)
      )
      return
    }
    const session = sessions.get(dialogId(received.callId, received.fromTag))
    const answered = session?.accepted.some(({ transactionId, creating }) => creating && transactionId === invite.id)
    if (session === undefined || !answered) return answer(cancel, 200, received.toTag || newToken())
    // Departure from RFC 3261 §9.2 and §15 as drachtio-server does it: the caller gave up, so the call is ended without waiting for its ACK.
    answer(cancel, 481, session.dialog.localTag)
    core.uac.bye(session, cancelAfterAnswer)
  }

  const acknowledged = (received: ReceivedRequest) => {
    const transaction = transactions.findServer(received.key, received)
    if (transaction !== undefined && transaction.status >= 300) return transactions.acknowledge(transaction)
    const session = sessions.matching(received.callId, received.fromTag, received.toTag)
    if (core.proxy.acknowledged(received, session !== undefined)) return
    if (session === undefined) {
      counters.stray++
      return
    }
    const waiting = acknowledgements.acknowledge(session, received.cseq.number)
    if (waiting === undefined) return
    if (session.offer === 'local') session.offer = 'none'
    session.application?.send(
      networkMessage(newId(), wire(received.message.bytes.length, received.flow), waiting.transactionId, session.id),
      shownBytes(received)
    )
    sendHeldBye(session)
  }

  const respond = (application: Application, message: Extract<ClientMessage, { kind: 'response' }>) => {
    const fail = (text: string): void => application.send(nokReply(newId(), message.id, text))
    let draft: Draft
    try {
      draft = readDraft(message.sip, core.limits.message, core.preserved)
    } catch {
      return fail('Unknown server error sending response')
    }
    if (draft.message.kind !== 'response') return fail('Unknown server error sending response')
    if (/\bCANCEL$/.test(draft.placed.get('cseq') ?? '')) {
      return fail('200 OK to incoming CANCEL is automatically generated by the stack')
    }
    const shown = pending.get(message.transactionId)
    if (shown === undefined || shown.application !== application || shown.held) {
      return fail('Response not sent due to unknown transaction')
    }
    const { transaction, received, session } = shown
    const { status } = draft.message
    const { method } = received.message
    const { listener } = received.flow
    const type = contentType(draft)
    if (type === undefined) return fail('missing content-type')
    if (!transportTraits[listener.transport].dialled && !core.transport.isOpen(received.flow)) {
      // RFC 7118 §5: the client alone opens the connection. Others are opened again for a response.
      if (status >= 200) abandon(shown)
      return fail('transport for response has been shutdown or closed')
    }

    if (method !== 'INVITE' && ((status > 100 && status < 200) || status === 408)) {
      // RFC 4320 §4.1, §4.2: neither says anything to the sender of a non-INVITE request; one that must not be answered is let go.
      if (status === 408) unanswered(shown)
      return fail(`${status} is no response to a ${method} request`)
    }
    // RFC 3262 §3: what the peer requires is done, whether the application asks for it or not.
    const required = headerLines(received.message, 'require').some((value) => hasOption(value, '100rel'))
    const asksReliable = draft.others.some(lists('Require', '100rel'))
    const isReliable = method === 'INVITE' && status > 100 && status < 200 && (asksReliable || required)
    if (isReliable && !supports(received.message, '100rel')) return fail('Remote endpoint does not support 100rel')

    const wanted = parseAddress(draft.placed.get('to') ?? '')
    const wantedTag = wanted === undefined ? '' : tagOf(wanted)
    if (session === null && shown.localTag === '') shown.localTag = wantedTag || newToken()
    const tag = session === null ? shown.localTag : ensureLocalTag(session, wantedTag)

    const formsDialog = shown.creating && status > 100 && status < 300
    const headers = commonHeaders(received, status === 100 ? '' : tag)
    if (formsDialog) for (const value of headerLines(received.message, 'record-route')) headers.push(['Record-Route', value])
    const givenContact = draft.placed.get('contact')
    if (givenContact !== undefined) {
      const contact = wireContact(givenContact, hostPort(listener))
      if (contact === undefined) return fail('Unknown server error sending response')
      headers.push(['Contact', contact])
      if (session !== null && status > 100 && status < 300) session.contact = contact
    } else if (session !== null && needsContact(method) && status > 100 && status < 300) {
      headers.push(['Contact', session.contact])
    }
    let rseq = 0
    if (isReliable && session !== null) {
      rseq = session.nextRSeq++
      headers.push(['RSeq', `${rseq}`])
      if (!asksReliable) headers.push(['Require', '100rel'])
    }
    const success = status >= 200 && status < 300
    const timer =
      success && (method === 'INVITE' || method === 'UPDATE') && session !== null
        ? answerTo({
            offered: offeredTimer(session, received),
            wished: parseSessionExpires(draft.others.find(([name]) => name === 'Session-Expires')?.[1] ?? ''),
            peerSupports: supports(received.message, 'timer'),
            peerMinimumS: Number(/^\d{1,9}/.exec(header(received.message, 'min-se') ?? '')?.[0] ?? 0)
          })
        : undefined
    for (const [name, value] of wireOthers(draft, hostPort(listener)))
      if (timer === undefined || name !== 'Session-Expires') headers.push([name, value])
    if (timer !== undefined) {
      headers.push(['Session-Expires', formatSessionExpires(timer)])
      if (timer.refresher === 'uac' && !draft.others.some(lists('Require', 'timer'))) headers.push(['Require', 'timer'])
    }
    if (type !== null) headers.push(['Content-Type', type])
    const bytes = encodeResponse({ status, reason: draft.message.reason, headers, body: draft.body })

    shown.answered = true
    noted(shown)
    if (session !== null && draft.body.length > 0 && method === 'INVITE') {
      const offers = received.message.body.length === 0 && (success || isReliable)
      if (session.offer === 'remote') session.offer = 'none'
      else if (offers && session.offer === 'none') session.offer = 'local'
    }
    shown.held = success && method === 'INVITE' && session?.reliable.some(({ described }) => described) === true
    if (status >= 200 && !shown.held) settle(shown)
    else if (method === 'INVITE') {
      shown.cancelTimer?.()
      shown.cancelTimer = shown.held ? null : clock.after(timers.ringingMs, () => unanswered(shown))
    }
    application.send(responseSent(newId(), message.id, wire(bytes.length, received.flow), transaction.id, shown.dialogId), bytes)

    if (isReliable && session !== null) {
      const described = draft.body.length > 0
      acknowledgements.provide(session, transaction, { rseq, cseq: received.cseq.number, status, bytes, described })
      return
    }
    const send = () => {
      if (session !== null && status >= 200 && method === 'INVITE') acknowledgements.endReliable(session)
      transactions.respond(transaction, status, bytes)
      if (success && (method === 'REGISTER' || method === 'SUBSCRIBE')) registerFlow(core.paths, received, bytes)
      if (session === null || session.state === 'ended') return
      if (success) {
        if (!shown.creating && isTargetRefresh(method)) session.dialog = refreshedBy(session.dialog, received.message)
        if (shown.creating) sessions.confirm(session)
        if (method === 'INVITE' || method === 'UPDATE') {
          if (!session.call) return
          if (draft.body.length > 0 && type !== null) session.localBody = retainBody(type, draft.body)
          if (timer === undefined) disarmSessionTimer(session)
          else armSessionTimer(core, session, armedBy(timer, false))
        }
        if (method === 'INVITE') {
          acknowledgements.accept(session, transaction, { cseq: received.cseq.number, bytes, creating: shown.creating })
        } else if (method === 'SUBSCRIBE' || method === 'REFER') {
          const ours: ReadHeader = (wanted) => headers.find(([name]) => name === wanted)?.[1]
          subscriptions.accepted(session, 'local', method, receivedHeader(received.message), ours)
        }
        if (shown.creating && method === 'INVITE') core.records.start('application', 'uas', bytes)
      } else if (status >= 300 && shown.creating) {
        if (method === 'INVITE') core.records.stop('application', 'call-rejected', bytes)
        endSession(session)
      }
    }
    if (!shown.held || session === null) return send()
    session.heldAnswer = () => {
      settle(shown)
      send()
    }
  }

  return {
    request,
    stateless,
    respond,
    answer: made,
    find: (transactionId, application) => {
      const shown = pending.get(transactionId)
      return shown?.application === application ? shown : undefined
    },
    handOver: (transactionId, from, to) => {
      const shown = pending.get(transactionId)
      if (shown?.application !== from) return false
      shown.application = to
      if (shown.session !== null) shown.session.application = to
      showNew(shown, to)
      return true
    },
    refuseShown: (transactionId, application, status, options) => {
      const shown = pending.get(transactionId)
      if (shown?.application === application) settleWith(shown, status, options)
    },
    release: (transactionId) => {
      const shown = pending.get(transactionId)
      if (shown === undefined) return
      settle(shown)
      if (shown.session !== null && shown.creating) endSession(shown.session)
    },
    terminateInvite,
    applicationGone: (application) => {
      for (const shown of [...pending.values()]) {
        if (shown.application !== application) continue
        counters.unanswered++
        settleWith(shown, 503)
      }
    },
    close: () => {
      for (const shown of pending.values()) shown.cancelTimer?.()
      pending.clear()
    }
  }
}

function commonHeaders(received: ReceivedRequest, toTag: string): HeaderLine[] {
  const headers: HeaderLine[] = received.vias.map((value) => ['Via', value])
  headers.push(
    ['From', header(received.message, 'from')!],
    ['To', withTag(header(received.message, 'to')!, toTag)],
    ['Call-ID', received.callId],
    ['CSeq', `${received.cseq.number} ${received.cseq.method}`]
  )
  return headers
}

/** What the peer asks for; a refresh that leaves the refresher open means the one there is. */
function offeredTimer(session: Session, received: ReceivedRequest): SessionExpires | undefined {
  const offered = parseSessionExpires(header(received.message, 'session-expires') ?? '')
  if (offered === undefined || offered.refresher !== null || session.timer === null) return offered
  return { ...offered, refresher: session.timer.refresher === 'remote' ? 'uac' : 'uas' }
}

/** A request that would create a dialog that exists: a copy that came another way (RFC 3261 §8.2.2.2), or one in the way of the first. */
function clashStatus(existing: Session, received: ReceivedRequest): number {
  return existing.side === 'uac' || existing.dialog.remoteCSeq === received.cseq.number ? 482 : 491
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

/** Whether Allow names UPDATE; null where there is none. */
function allowsUpdate(message: SipRequest): boolean | null {
  const allowed = headerLines(message, 'allow')
  return allowed.length === 0 ? null : allowed.some((line) => hasOption(line, 'update'))
}

function isDirect({ vias }: ReceivedRequest): boolean {
  return vias.length === 1 && !vias[0]!.includes(',')
}

function needsContact(method: string): boolean {
  return method === 'INVITE' || method === 'SUBSCRIBE' || method === 'UPDATE' || method === 'REFER'
}

function lists(name: string, option: string): (line: HeaderLine) => boolean {
  return ([each, value]) => each === name && hasOption(value, option)
}

function hasOption(value: string, option: string): boolean {
  return value.split(',').some((each) => each.trim().toLowerCase() === option)
}

function supports(message: SipRequest, option: string): boolean {
  return [...headerLines(message, 'supported'), ...headerLines(message, 'require')].some((value) => hasOption(value, option))
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

/** Reads header fields by the names that subscriptions use. */
const receivedHeader =
  (message: SipRequest): ReadHeader =>
  (name) =>
    header(message, name.toLowerCase())
