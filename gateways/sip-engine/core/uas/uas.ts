/** Server side: requests off the wire, what the engine answers by itself, and the responses of applications. */
import type { SipRequest } from '../../codec/message.ts'
import { requestInsanity } from '../../codec/sanity.ts'
import type { Session } from '../../dialog/sessions.ts'
import type { Application } from '../../drachtio/application.ts'
import type { ClientMessage } from '../../drachtio/client-message.ts'
import { createStateless, type Stateless } from '../../overload/stateless.ts'
import type { AnswerOptions, Asked } from '../../transaction/asked.ts'
import { receivedRequest } from '../../transaction/received.ts'
import type { Flow } from '../../transport/port.ts'
import type { Core } from '../core.ts'
import { createAcknowledged } from './ack.ts'
import { answer, made } from './answer.ts'
import { createCancelled } from './cancel.ts'
import { createInDialog } from './in-dialog.ts'
import { createOutsideDialog } from './outside-dialog.ts'
import { createRespond } from './respond.ts'
import { createShownRequests } from './shown.ts'

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

export function createUas(core: Core): UserAgentServer {
  const { transactions, sessions, counters, log, timers } = core
  const shownRequests = createShownRequests(core)
  const { waiting, settle, settleWith, endSession } = shownRequests
  const stateless = createStateless(core, waiting)
  const outsideDialog = createOutsideDialog(core, shownRequests)
  const inDialog = createInDialog(core, shownRequests)
  const cancelled = createCancelled(core, shownRequests)
  const acknowledged = createAcknowledged(core, shownRequests)

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
    if (full || (received.toTag === '' && !core.overload.admits(received.key, waiting()))) {
      return stateless.overloaded(message, flow, received.key)
    }
    const asked = { transaction: transactions.openServer(received), received }
    if (message.method === 'INVITE' && timers.tryingMs === 0) answer(core, asked, 100, '')
    const session = received.toTag === '' ? undefined : sessions.matching(received.callId, received.fromTag, received.toTag)
    if (core.proxy.onward(asked, session !== undefined)) return
    if (session !== undefined) return inDialog(asked, session)
    outsideDialog(asked)
  }

  return {
    request,
    stateless,
    respond: createRespond(core, shownRequests),
    answer: (asked, status, tag, options) => made(core, asked, status, tag, options),
    find: (transactionId, application) => {
      const shown = shownRequests.get(transactionId)
      return shown?.application === application ? shown : undefined
    },
    handOver: (transactionId, from, to) => {
      const shown = shownRequests.get(transactionId)
      if (shown?.application !== from) return false
      shown.application = to
      if (shown.session !== null) shown.session.application = to
      shownRequests.showNew(shown, to)
      return true
    },
    refuseShown: (transactionId, application, status, options) => {
      const shown = shownRequests.get(transactionId)
      if (shown?.application === application) settleWith(shown, status, options)
    },
    release: (transactionId) => {
      const shown = shownRequests.get(transactionId)
      if (shown === undefined) return
      settle(shown)
      if (shown.session !== null && shown.creating) endSession(shown.session)
    },
    terminateInvite: shownRequests.terminateInvite,
    applicationGone: (application) => {
      for (const shown of [...shownRequests]) {
        if (shown.application !== application) continue
        counters.unanswered++
        settleWith(shown, 503)
      }
    },
    close: shownRequests.close
  }
}
