/** Client side: requests on their way, what comes of them, and the requests the engine makes by itself. */
import { randomUUID } from 'node:crypto'
import { parseAddress, tagOf } from '../codec/address.ts'
import { parseCSeq } from '../codec/cseq.ts'
import { header, headerLines, type SipResponse } from '../codec/message.ts'
import { reasonPhrases } from '../codec/reasons.ts'
import { responseInsanity } from '../codec/sanity.ts'
import { emptyBody, encodeRequest, type HeaderLine, type OutgoingRequest } from '../codec/serialize.ts'
import { firstVia, parseVia } from '../codec/via.ts'
import { formedBy, isTargetRefresh, refreshedBy, requestTarget } from '../dialog/dialog.ts'
import { armedBy, minimumSessionS, parseSessionExpires } from '../dialog/session-timer.ts'
import { contentType, type Draft, wireOthers } from '../protocol/header-rules.ts'
import { networkMessage, unsolicited, type WireFacts } from '../protocol/server-message.ts'
import type { Flow } from '../transport/port.ts'
import type { Application } from './application.ts'
import { type Core, hostPort, newBranch, nextCSeq, sentFacts } from './core.ts'
import { ackFor, cancelFor, dialogLines, madeUpResponse } from './outgoing-messages.ts'
import type { Path } from './paths.ts'
import { armSessionTimer } from './session-timers.ts'
import type { AnsweredInvite, Session } from './sessions.ts'
import type { ClientTransaction, Told } from './transactions.ts'

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
  readonly response: (response: SipResponse, flow: Flow) => void
  /** Ends a session from this side: BYE with that Reason, shown to its application as unsolicited. */
  readonly bye: (session: Session, reason: string) => void
  /** Refreshes a session that this side must refresh. */
  readonly refresh: (session: Session) => void
  readonly applicationGone: (application: Application) => void
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
export interface Outgoing extends Omit<NewOutgoing, 'branch' | 'application' | 'done'> {
  readonly transaction: ClientTransaction
  /** Null for requests of the engine, and once the application is gone. */
  application: Application | null
  /** `held`: waits for the first provisional response (RFC 3261 §9.1). */
  cancel: 'none' | 'held' | 'sent'
  cancelBytes: Buffer | null
  cancelTimer: (() => void) | null
  readonly done: ((response: SipResponse | null) => void) | null
}

export function createUac(core: Core): UserAgentClient {
  const { transactions, sessions, paths, clock, counters, log, timers, transport } = core
  const outgoing = new Map<string, Outgoing>()
  const waits = new Set<() => void>()
  let currentFlow: Flow | null = null

  const after = (delayMs: number, expired: () => void) => {
    const cancel = clock.after(delayMs, () => {
      waits.delete(cancel)
      expired()
    })
    waits.add(cancel)
  }

  // Transactions

  const open = (parts: NewOutgoing): Outgoing => {
    const { request, path } = parts
    const bytes = encodeRequest(request)
    const transaction = transactions.openClient({
      method: request.method,
      branch: parts.branch,
      bytes,
      reliable: path.listener.transport !== 'udp',
      transmit: path.transmit,
      makeAck: (response) => ackFor(request, response),
      tell: (what, response) => told(item, what, response)
    })
    const item: Outgoing = {
      request,
      transaction,
      path,
      application: parts.application,
      session: parts.session,
      creating: parts.creating,
      dialogId: parts.dialogId,
      cancel: 'none',
      cancelBytes: null,
      cancelTimer: null,
      done: parts.done ?? null
    }
    outgoing.set(transaction.id, item)
    if (request.method === 'INVITE' && item.session !== null) item.session.inviteClient = transaction
    return item
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
    item.application.send(networkMessage(randomUUID(), facts, item.transaction.id, item.dialogId), response.bytes)
  }

  const showMadeUp = (item: Outgoing, status: number, reason: string) => {
    const madeUp: WireFacts = { octets: 0, transport: item.path.listener.transport, address: '', port: 0, time: core.time() }
    item.application?.send(
      networkMessage(randomUUID(), madeUp, item.transaction.id, item.dialogId),
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
        return finished(item, response!)
      case 'timeout': {
        const abandoned = item.cancel === 'sent'
        failed(item, abandoned ? 487 : 408, reasonPhrases[abandoned ? 487 : 408]!)
        return
      }
      case 'transportError':
        return failed(item, 503, item.path.destination === null ? 'DNS Error' : reasonPhrases[503]!)
      case 'unacknowledged':
        return
    }
  }

  const provisional = (item: Outgoing, response: SipResponse) => {
    const { session } = item
    if (item.cancel === 'held') sendCancel(item)
    if (response.status === 100) return
    if (session !== null && item.creating && session.state === 'early') {
      const tag = tagOf(parseAddress(header(response, 'to')!)!)
      const rseq = Number(header(response, 'rseq') ?? 0)
      const newFork = tag !== '' && tag !== session.dialog.remoteTag
      if (rseq > 0 && !newFork && rseq <= session.remoteRSeq) {
        counters.retransmissionsReceived++
        return
      }
      if (newFork || (tag !== '' && rseq > 0)) session.dialog = formedBy(session.dialog, response)
      if (rseq > 0) session.remoteRSeq = rseq
      else if (newFork) session.remoteRSeq = 0
    }
    show(item, response)
  }

  /** A 2xx to INVITE. It can come again until timer M, and from more than one fork. */
  const answered = (item: Outgoing, response: SipResponse) => {
    const { session } = item
    if (session === null) return
    const tag = tagOf(parseAddress(header(response, 'to')!)!)
    const cseq = parseCSeq(header(response, 'cseq')!)!.number
    if (session.answered?.transactionId === item.transaction.id) {
      counters.retransmissionsReceived++
      if (item.creating && tag !== session.dialog.remoteTag) return dismissFork(item, response, cseq)
      session.answered.transmitAck?.()
      return
    }
    if (session.state === 'ended') return dismissFork(item, response, cseq)
    item.cancelTimer?.()
    item.cancelTimer = null
    if (session.inviteClient === item.transaction) session.inviteClient = null
    session.dialog = item.creating ? formedBy(session.dialog, response) : refreshedBy(session.dialog, response)
    if (item.creating) session.peerFlow = directFlow(session, currentFlow)
    const waiting: AnsweredInvite = {
      cseq,
      transactionId: item.transaction.id,
      ack: null,
      transmitAck: null,
      cancelled: item.cancel !== 'none'
    }
    session.answered = waiting
    if (item.creating) sessions.confirm(session)
    rememberBody(session, item.request)
    armFrom(session, response)
    outgoing.delete(item.transaction.id)
    if (item.done !== null) {
      sendAck(session, waiting, null)
      item.done(response)
      return
    }
    if (item.application === null) {
      sendAck(session, waiting, null)
      return bye(session, 'SIP ;cause=200 ;text="application gone"')
    }
    show(item, response)
  }

  const rememberBody = (session: Session, request: OutgoingRequest) => {
    const type = request.headers.find(([name]) => name === 'Content-Type')?.[1]
    if (request.body.length > 0 && type !== undefined) session.localBody = { type, body: Buffer.from(request.body) }
  }

  const armFrom = (session: Session, response: SipResponse) => {
    const agreed = parseSessionExpires(header(response, 'session-expires') ?? '')
    if (agreed !== undefined && agreed.intervalS >= minimumSessionS) armSessionTimer(core, session, armedBy(agreed, true))
  }

  /** A second fork answered: the application has its call, so this one is acknowledged and ended (RFC 3261 §13.2.2.4). */
  const dismissFork = (item: Outgoing, response: SipResponse, cseq: number) => {
    if (item.session === null) return
    const fork: Session = {
      ...item.session,
      dialog: formedBy(item.session.dialog, response),
      state: 'confirmed',
      application: null,
      inviteClient: null,
      inviteServer: null,
      answered: { cseq, transactionId: '', ack: null, transmitAck: null, cancelled: false },
      reliable: [],
      accepted: null,
      cancelTimer: null
    }
    sendAck(fork, fork.answered!, null)
    bye(fork, 'SIP ;cause=200 ;text="answered elsewhere"')
  }

  const finished = (item: Outgoing, response: SipResponse) => {
    const { session, request } = item
    const { status } = response
    settle(item)
    if (session !== null && session.state !== 'ended') {
      if (status < 300) {
        if (isTargetRefresh(request.method)) session.dialog = refreshedBy(session.dialog, response)
        if (item.creating) {
          session.dialog = formedBy(session.dialog, response)
          session.peerFlow = directFlow(session, currentFlow)
          sessions.confirm(session)
        }
        if (request.method === 'UPDATE') {
          rememberBody(session, request)
          armFrom(session, response)
        }
      } else if (item.creating) sessions.end(session)
      if (ends(item, status)) sessions.end(session)
    }
    show(item, response)
    item.done?.(response)
  }

  /** No response will come. */
  const failed = (item: Outgoing, status: number, reason: string) => {
    settle(item)
    if (item.session !== null && (item.creating || item.request.method === 'BYE')) sessions.end(item.session)
    showMadeUp(item, status, reason)
    item.done?.(null)
  }

  const settle = (item: Outgoing) => {
    outgoing.delete(item.transaction.id)
    item.cancelTimer?.()
    item.cancelTimer = null
    if (item.session?.inviteClient === item.transaction) item.session.inviteClient = null
  }

  /** Whether a final response ends the session its request was sent in. */
  const ends = (item: Outgoing, status: number): boolean => {
    if (item.request.method === 'BYE') return status !== 401 && status !== 407
    if (item.request.method !== 'NOTIFY' || item.session?.method !== 'SUBSCRIBE') return false
    if (status === 401 || status === 407) return false
    const state = item.request.headers.find(([name]) => name === 'Subscription-State')?.[1] ?? ''
    return /^terminated\b/i.test(state)
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
      if (body.length > 0 && type !== null) session.localBody = { type, body: Buffer.from(body) }
      const bytes = encodeRequest({ method: 'ACK', uri: target.requestUri, headers, body })
      waiting.ack = bytes
      waiting.transmitAck = () => {
        counters.requestsSent++
        path.transmit(bytes, () => counters.transportErrors++)
      }
      sent?.(bytes, path)
      waiting.transmitAck()
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
    item.cancelTimer = clock.after(64 * timers.t1Ms, () => {
      item.cancelTimer = null
      transactions.abandon(item.transaction)
    })
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
      sent?.(item.transaction.bytes, path)
      transactions.start(item.transaction)
    })
  }

  const bye = (session: Session, reason: string) => {
    if (session.state === 'ended') return
    const { application } = session
    if (session.inviteClient !== null) cancelOwn(session.inviteClient)
    core.uas.terminateInvite(session)
    sessions.end(session)
    send(
      session,
      'BYE',
      [['Reason', reason]],
      emptyBody,
      () => undefined,
      (bytes, path) => {
        if (application?.open) application.send(unsolicited(randomUUID(), sentFacts(core, bytes, path), session.id), bytes)
      }
    )
  }

  const refresh = (session: Session) => {
    const { timer, localBody } = session
    if (session.state !== 'confirmed' || timer === null) return
    if (session.inviteClient !== null || session.inviteServer !== null) {
      session.cancelTimer = clock.after(2000, () => refresh(session))
      return
    }
    const extra: HeaderLine[] = [
      ['Contact', session.contact],
      ['Supported', 'timer'],
      ['Session-Expires', `${timer.intervalS};refresher=uac`],
      ['Min-SE', `${minimumSessionS}`]
    ]
    const method = localBody === null ? 'UPDATE' : 'INVITE'
    if (localBody !== null) extra.push(['Content-Type', localBody.type])
    send(session, method, extra, localBody?.body ?? emptyBody, (response) => {
      if (session.state === 'ended') return
      if (response !== null && response.status < 300) {
        // A peer that leaves Session-Expires out of its 2xx does no timers any more; refreshing on keeps the session alive all the same.
        if (header(response, 'session-expires') === undefined) armSessionTimer(core, session, timer)
        return
      }
      if (response?.status === 491) {
        const waitMs = session.side === 'uac' ? 2100 + Math.random() * 1900 : Math.random() * 2000
        session.cancelTimer = clock.after(waitMs, () => refresh(session))
        return
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
    bye,
    refresh,
    response: (response, flow) => {
      counters.responsesReceived++
      const insanity = responseInsanity(response)
      if (insanity !== undefined) {
        counters.malformed++
        log.debug({ code: insanity.error.code, error: insanity.error.message }, 'response dropped as malformed')
        return
      }
      const top = parseVia(firstVia(headerLines(response, 'via')[0]!))!
      const branch = top.params.get('branch') ?? ''
      const ours = transport.listeners.some((each) => each.address.toLowerCase() === top.host && each.port === (top.port ?? 5060))
      currentFlow = flow
      if (!ours || !transactions.response(response, branch, parseCSeq(header(response, 'cseq')!)!.method)) counters.stray++
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
        if (session.answered?.ack === null) sendAck(session, session.answered, null)
        if (session.state === 'confirmed') orphans.push(session)
      }
      if (orphans.length === 0) return
      after(timers.orphanMs, () => {
        for (const session of orphans) {
          if (session.method === 'INVITE') bye(session, 'SIP ;cause=200 ;text="application gone"')
          else sessions.end(session)
        }
      })
    },
    close: () => {
      for (const cancelWait of waits) cancelWait()
      waits.clear()
      for (const item of outgoing.values()) item.cancelTimer?.()
      outgoing.clear()
    }
  }
}

/** The flow of the message at hand where the peer sends without a proxy that stays in the path; else null. */
function directFlow(session: Session, flow: Flow | null): Flow | null {
  return session.dialog.routeSet.length === 0 ? flow : null
}
