/** Client side: requests on their way, what comes of them, and the requests the engine makes by itself. */

import { isIP } from 'node:net'
import { tagOf } from '../../codec/address.ts'
import { parseCSeq, parseRAck } from '../../codec/cseq.ts'
import { isCutDown } from '../../codec/essentials.ts'
import { header, headerLines, type SipResponse } from '../../codec/message.ts'
import { reasonPhrases } from '../../codec/reasons.ts'
import { commonHeaders, responseInsanity } from '../../codec/sanity.ts'
import { emptyBody, encodeRequest, type HeaderLine, type OutgoingRequest } from '../../codec/serialize.ts'
import { parseSipUri } from '../../codec/uri.ts'
import { parseVia } from '../../codec/via.ts'
import { newId } from '../../common/ids.ts'
import { hostPort } from '../../common/own-address.ts'
import { retainBody } from '../../common/retained.ts'
import { newBranch } from '../../common/tokens.ts'
import { type Dialog, formedBy, isTargetRefresh, refreshedBy, requestTarget } from '../../dialog/dialog.ts'
import { ackFor, cancelFor, dialogLines, madeUpResponse, readdressed } from '../../dialog/outgoing-messages.ts'
import { armedBy, expireAfterMs, minimumSessionS, parseSessionExpires } from '../../dialog/session-timer.ts'
import { armSessionTimer, disarmSessionTimer } from '../../dialog/session-timers.ts'
import {
  type AnsweredInvite,
  type Fork,
  maxForks,
  newSession,
  nextCSeq,
  type Session,
  setAside,
  turnTo
} from '../../dialog/sessions.ts'
import type { ReadHeader } from '../../dialog/subscriptions.ts'
import type { Application } from '../../drachtio/application.ts'
import { refusalReason, type StopReason } from '../../drachtio/cdr.ts'
import { contentType, type Draft, wireOthers } from '../../drachtio/header-rules.ts'
import { networkMessage, unsolicited, type WireFacts } from '../../drachtio/server-message.ts'
import { isBehindNat, type Path, type PathFailure } from '../../next-hop/paths.ts'
import type { ClientTransaction, Told } from '../../transaction/transactions.ts'
import type { Flow } from '../../transport/port.ts'
import { type Core, sentFacts } from '../core.ts'

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

export interface NewOutgoing {
  readonly request: OutgoingRequest
  readonly branch: string
  readonly path: Path
  /** Null for requests of the engine. */
  readonly application: Application | null
  readonly session: Session | null
  /** Whether the request creates its session. */
  readonly creating: boolean
  /** As shown with its responses. */
  readonly dialogId: string
  /** Told the final response of a request of the engine, or null when there will be none. */
  readonly done?: (response: SipResponse | null) => void
}

/** A request on its way, until its final response. */
export interface Outgoing extends Omit<NewOutgoing, 'branch' | 'application' | 'done' | 'request' | 'path'> {
  /** These three change when the request goes to another address. */
  request: OutgoingRequest
  path: Path
  transaction: ClientTransaction
  /** Null for requests of the engine, and once the application is gone. */
  application: Application | null
  /** `held`: waits for the first provisional response (RFC 3261 §9.1). */
  cancel: 'none' | 'held' | 'sent'
  cancelBytes: Buffer | null
  cancelTimer: (() => void) | null
  /** When it was made, by the monotonic clock. */
  readonly sinceMs: number
  /** The 2xx of an INVITE by the tag in To, and the ACK of each: every one comes again until its ACK arrives. */
  answers: Map<string, AnsweredInvite> | null
  /** The early dialogs that were there when the INVITE was answered. */
  forks: Map<string, Fork> | null
  readonly done: ((response: SipResponse | null) => void) | null
}

export function createUac(core: Core): UserAgentClient {
  const { transactions, sessions, paths, clock, counters, log, timers, transport } = core
  const { subscriptions, records } = core
  const outgoing = new Map<string, Outgoing>()
  let currentFlow: Flow | null = null

  // Transactions

  const open = (parts: NewOutgoing): Outgoing => {
    const item: Outgoing = {
      ...attempt(parts, (what, response) => told(item, what, response)),
      application: parts.application,
      session: parts.session,
      creating: parts.creating,
      dialogId: parts.dialogId,
      cancel: 'none',
      cancelBytes: null,
      cancelTimer: null,
      sinceMs: clock.monotonicMs(),
      answers: null,
      forks: null,
      done: parts.done ?? null
    }
    const { session, request, transaction } = item
    outgoing.set(transaction.id, item)
    if (session !== null && (request.method === 'INVITE' || request.method === 'UPDATE')) {
      if (request.method === 'INVITE') {
        session.inviteClient = transaction
        session.remoteRSeq = 0
      } else session.updateClient = transaction
      if (request.body.length > 0) session.offer = 'local'
    }
    return item
  }

  /** One transaction of a request, on its path or, where the request is too large for that, on the one beside it. */
  const attempt = (
    { request: asked, path: wanted, branch, id }: Pick<NewOutgoing, 'request' | 'path' | 'branch'> & { readonly id?: string },
    tell: (what: Told, response: SipResponse | null) => void
  ) => {
    const small = encodeRequest(asked)
    const path = paths.fitting(wanted, small.length)
    const request = path === wanted ? asked : readdressed(asked, path.listener, branch)
    const transaction = transactions.openClient({
      ...(id === undefined ? {} : { id }),
      method: request.method,
      branch,
      bytes: path === wanted ? small : encodeRequest(request),
      reliable: path.listener.transport !== 'udp',
      transmit: path.transmit,
      makeAck: (response) => ackFor(request, response),
      tell
    })
    return { request, path, transaction }
  }

  /**
   * Sends a request that failed to the next address of its next hop, as a new transaction that the application knows by the same id.
   *
   * @returns false when there is none, or the request is not wanted any more.
   * @see RFC 3263 §4.3
   */
  const again = (item: Outgoing, cause: PathFailure): boolean => {
    const { session, transaction: before } = item
    if (item.cancel !== 'none' || (session !== null && item.creating && session.dialog.remoteTag !== '')) return false
    const path = paths.after(item.path, cause)
    if (path === null) return false
    const branch = newBranch()
    const request = readdressed(item.request, path.listener, branch)
    Object.assign(
      item,
      attempt({ request, path, branch, id: before.id }, (what, response) => told(item, what, response))
    )
    if (session?.inviteClient === before) session.inviteClient = item.transaction
    if (session?.updateClient === before) session.updateClient = item.transaction
    transactions.start(item.transaction)
    return true
  }

  const show = (item: Outgoing, response: SipResponse) => {
    if (item.application === null) return
    const flow = currentFlow
    const facts: WireFacts = {
      octets: response.bytes.length,
      transport: item.path.listener.transport,
      address: flow?.remote.address ?? '',
      port: flow?.remote.port ?? 0,
      time: core.time()
    }
    item.application.send(networkMessage(newId(), facts, item.transaction.id, item.dialogId), response.bytes)
  }

  const showMadeUp = (item: Outgoing, status: number, reason: string) => {
    const madeUp: WireFacts = { octets: 0, transport: item.path.listener.transport, address: '', port: 0, time: core.time() }
    item.application?.send(
      networkMessage(newId(), madeUp, item.transaction.id, item.dialogId),
      madeUpResponse(item.request, status, reason)
    )
  }

  const told = (item: Outgoing, what: Told, response: SipResponse | null) => {
    switch (what) {
      case 'provisional':
        return provisional(item, response!)
      case 'success':
        return item.request.method === 'INVITE' ? answered(item, response!) : finished(item, response!)
      case 'failure':
        if (response!.status === 503 && again(item, 'unavailable')) return
        return finished(item, response!)
      case 'timeout': {
        if (again(item, 'timeout')) return
        const abandoned = item.cancel === 'sent'
        failed(item, abandoned ? 487 : 408, reasonPhrases[abandoned ? 487 : 408]!)
        return
      }
      case 'transportError':
        if (again(item, 'transportError')) return
        return failed(item, item.path.failure.status, item.path.failure.reason)
      case 'unacknowledged':
        return
    }
  }

  const provisional = (item: Outgoing, response: SipResponse) => {
    const { session } = item
    if (item.cancel === 'held') sendCancel(item)
    if (response.status === 100) return
    if (session !== null && item.request.method === 'INVITE' && session.state !== 'ended' && !heard(item, session, response))
      return
    show(item, response)
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
      session.peerFlow = directFlow(session, currentFlow)
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

  /** State of a new branch of a forked INVITE: what the INVITE itself said. */
  const branchOf = (item: Outgoing, session: Session): Dialog => {
    const cseq = parseCSeq(item.request.headers.find(([name]) => name === 'CSeq')![1])!.number
    return { ...session.dialog, localCSeq: cseq, remoteCSeq: null, remoteTarget: item.request.uri }
  }

  const learn = (session: Session, response: SipResponse) => {
    const allow = headerLines(response, 'allow')
    if (allow.length > 0) session.peerUpdates = allow.some((line) => /\bUPDATE\b/.test(line))
  }

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
    item.cancelTimer?.()
    item.cancelTimer = null
    outgoing.delete(item.transaction.id)
    if (session.inviteClient === item.transaction) session.inviteClient = null
    if (session.state === 'ended' || !session.call) {
      if (item.creating) dismissFork(item, session, response, waiting)
      else sendAck(session, waiting, null)
      showMadeUp(item, 487, reasonPhrases[487]!)
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
      session.peerFlow = directFlow(session, currentFlow)
      item.forks = session.forks
      session.forks = null
    } else session.dialog = refreshedBy(session.dialog, response)
    learn(session, response)
    session.offer = 'none'
    session.answered = waiting
    if (item.creating) sessions.confirm(session)
    rememberBody(session, item.request)
    armFrom(item, session, response)
    if (item.done !== null) {
      sendAck(session, waiting, null)
      item.done(response)
      return
    }
    if (item.creating) records.start('network', 'uac', response.bytes)
    if (item.application === null) {
      sendAck(session, waiting, null)
      return bye(session, 'SIP ;cause=200 ;text="application gone"')
    }
    show(item, response)
  }

  /** A 2xx that is larger than allowed is acknowledged, and what it set up or changed is ended: nobody knows what it says. */
  const unusable = (item: Outgoing, session: Session, response: SipResponse, waiting: AnsweredInvite) => {
    const reason = `SIP ;cause=513 ;text="${reasonPhrases[513]}"`
    if (item.creating) {
      dismissFork(item, session, response, waiting, reason)
      sessions.end(session)
      records.stop('application', 'call-rejected', response.bytes)
    } else {
      sendAck(session, waiting, null)
      bye(session, reason)
    }
    showMadeUp(item, 513, reasonPhrases[513]!)
    item.done?.(null)
  }

  const rememberBody = (session: Session, request: OutgoingRequest) => {
    const type = request.headers.find(([name]) => name === 'Content-Type')?.[1]
    if (request.body.length > 0 && type !== undefined) session.localBody = retainBody(type, request.body)
  }

  const armFrom = (item: Outgoing, session: Session, response: SipResponse) => {
    const agreed = parseSessionExpires(header(response, 'session-expires') ?? '')
    if (agreed !== undefined && agreed.intervalS >= minimumSessionS)
      armSessionTimer(core, session, armedBy(agreed, true), item.creating ? 0 : clock.monotonicMs() - item.sinceMs)
    // A peer that was to refresh and no longer agrees to a timer will not (RFC 4028 §7.2); refreshing on from this side does no harm.
    else if (session.timer?.refresher === 'remote') disarmSessionTimer(session)
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
    fork.peerFlow = directFlow(fork, currentFlow)
    sendAck(fork, waiting, null)
    bye(fork, reason)
  }

  const finished = (item: Outgoing, response: SipResponse) => {
    const { session, request } = item
    const { status } = response
    settle(item)
    if (session !== null && session.state !== 'ended') {
      if (status < 300) {
        if (item.creating) {
          session.dialog = formedBy(session.dialog, response)
          session.peerFlow = directFlow(session, currentFlow)
          sessions.confirm(session)
        } else if (isTargetRefresh(request.method)) session.dialog = refreshedBy(session.dialog, response)
        if (request.method === 'UPDATE') {
          rememberBody(session, request)
          armFrom(item, session, response)
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
    show(item, response)
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
    showMadeUp(item, status, reason)
    item.done?.(null)
  }

  const settle = (item: Outgoing) => {
    outgoing.delete(item.transaction.id)
    item.cancelTimer?.()
    item.cancelTimer = null
    const { session } = item
    if (session === null) return
    const invite = session.inviteClient === item.transaction
    if (!invite && session.updateClient !== item.transaction) return
    if (invite) session.inviteClient = null
    else session.updateClient = null
    if (session.offer === 'local') session.offer = 'none'
  }

  // ACK for 2xx

  const sendAck = (
    session: Session,
    waiting: AnsweredInvite,
    draft: Draft | null,
    sent?: (bytes: Buffer, path: Path) => void
  ) => {
    const target = requestTarget(session.dialog)
    const type = draft === null ? null : (contentType(draft) ?? null)
    paths.inDialog(session, target.nextHop, (path) => {
      if (path === undefined) return void log.warn({ session: session.id }, 'no way to send ACK')
      const headers = dialogLines(
        session.dialog,
        path.listener,
        newBranch(),
        { number: waiting.cseq, method: 'ACK' },
        target.routes
      )
      if (draft !== null) headers.push(...wireOthers(draft, hostPort(path.listener)))
      if (type !== null) headers.push(['Content-Type', type])
      const body = draft?.body ?? emptyBody
      if (body.length > 0 && type !== null) session.localBody = retainBody(type, body)
      const request: OutgoingRequest = { method: 'ACK', uri: target.requestUri, headers, body }
      const transmit = (on: Path, bytes: Buffer) => {
        waiting.ack = bytes
        waiting.transmitAck = () => {
          counters.requestsSent++
          on.transmit(bytes, () => {
            counters.transportErrors++
            const next = paths.after(on, 'transportError')
            if (next !== null && waiting.ack === bytes)
              transmit(next, encodeRequest(readdressed(request, next.listener, newBranch())))
          })
        }
        waiting.transmitAck()
      }
      const small = encodeRequest(request)
      const fit = paths.fitting(path, small.length)
      const bytes = fit === path ? small : encodeRequest(readdressed(request, fit.listener, newBranch()))
      sent?.(bytes, fit)
      transmit(fit, bytes)
    })
  }

  // CANCEL

  const cancelOwn = (transaction: ClientTransaction) => {
    const item = outgoing.get(transaction.id)
    if (item === undefined) return
    item.cancelBytes ??= cancelFor(item.request, [])
    startCancel(item)
  }

  const startCancel = (item: Outgoing) => {
    if (item.cancel !== 'none') return
    item.cancel = 'held'
    if (item.transaction.state === 'proceeding') sendCancel(item)
  }

  /** The CANCEL has a transaction of its own, with the branch of the INVITE. Its response is nobody's concern. */
  const sendCancel = (item: Outgoing) => {
    item.cancel = 'sent'
    const branch = parseVia(item.request.headers.find(([name]) => name === 'Via')![1])!.params.get('branch')!
    const transaction = transactions.openClient({
      method: 'CANCEL',
      branch,
      bytes: item.cancelBytes!,
      reliable: item.path.listener.transport !== 'udp',
      transmit: item.path.transmit,
      makeAck: () => emptyBody,
      tell: () => undefined
    })
    transactions.start(transaction)
    abandonLater(item)
  }

  /** An INVITE that has a provisional response waits for the final one as long as it takes, unless it has no meaning any more. */
  const abandonLater = (item: Outgoing) => {
    item.cancelTimer ??= clock.after(64 * timers.t1Ms, () => {
      item.cancelTimer = null
      transactions.abandon(item.transaction)
    })
  }

  const outlive = (transaction: ClientTransaction) => {
    const item = outgoing.get(transaction.id)
    if (item !== undefined) abandonLater(item)
  }

  // The engine's own requests

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
      const item = open({
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
    if (session.inviteClient !== null) cancelOwn(session.inviteClient)
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

  return {
    open,
    find: (transactionId) => outgoing.get(transactionId),
    sendAck,
    startCancel,
    cancelOwn,
    outlive,
    bye,
    tellGone,
    refresh,
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
      currentFlow = flow
      if (!ours || !transactions.response(response, branch, commonHeaders(response).cseq.method)) counters.stray++
      currentFlow = null
    },
    applicationGone: (application) => {
      for (const item of [...outgoing.values()]) {
        if (item.application !== application) continue
        item.application = null
        if (item.request.method === 'INVITE') cancelOwn(item.transaction)
      }
      const orphans: Session[] = []
      for (const session of sessions.all()) {
        if (session.application !== application) continue
        session.application = null
        session.heldBye = null
        if (session.answered?.ack === null) sendAck(session, session.answered, null)
        if (session.state === 'confirmed') orphans.push(session)
      }
      return orphans
    },
    orphaned: (session) => {
      if (session.call) bye(session, 'SIP ;cause=200 ;text="application gone"')
      else sessions.end(session)
    },
    close: () => {
      for (const item of outgoing.values()) item.cancelTimer?.()
      outgoing.clear()
    }
  }
}

/**
 * The flow of the response at hand, for a peer that is better reached there than at its Contact; else null. Not where a proxy stays in the
 * path, and not where another host than the Contact's sent the response, which is what a proxy does that leaves the path (RFC 3261 §16.6
 * step 4) — unless the Contact cannot be reached from where the response came.
 */
function directFlow(session: Session, flow: Flow | null): Flow | null {
  if (session.dialog.routeSet.length > 0 || flow === null) return null
  const host = parseSipUri(session.dialog.remoteTarget)?.host ?? ''
  return isIP(host) === 0 || host === flow.remote.address || isBehindNat(host, flow.remote.address) ? flow : null
}

function byeReason(reason: string): StopReason {
  return /text="Session (?:timer|refresh) /.test(reason) ? 'session-expired' : 'system-initiated-termination'
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
