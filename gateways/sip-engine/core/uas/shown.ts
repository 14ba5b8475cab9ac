/** Requests that wait for their applications. */
import { emptyBody, encodeRequest } from '../../codec/serialize.ts'
import { newId } from '../../common/ids.ts'
import { newToken } from '../../common/tokens.ts'
import { ensureLocalTag, type Session } from '../../dialog/sessions.ts'
import type { Application } from '../../drachtio/application.ts'
import { refusalReason } from '../../drachtio/cdr.ts'
import { networkMessage, newRequest } from '../../drachtio/server-message.ts'
import type { AnswerOptions, Asked } from '../../transaction/asked.ts'
import { tryingDelayMs } from '../../transaction/non-invite-server.ts'
import { shownBytes } from '../../transaction/received.ts'
import type { Core } from '../core.ts'
import { type Acknowledgements, createAcknowledgements } from './acknowledgements.ts'
import { answer, answerHeaders, made, wireFacts } from './answer.ts'

/** A request an application has been shown and has not finally answered. */
export interface Shown extends Asked {
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

/** Requests that applications have been shown and have not finally answered. */
export interface ShownRequests extends Iterable<Shown> {
  /** Those to which no application has said anything. */
  readonly waiting: () => number
  readonly get: (transactionId: string) => Shown | undefined
  /** 2xx and reliable provisional responses to them, until they are acknowledged. */
  readonly acknowledgements: Acknowledgements
  /** Counts a request as shown, and waits for its application. */
  readonly show: (what: Pick<Shown, keyof Asked | 'application' | 'session' | 'creating' | 'dialogId'>) => void
  /** Shows a request outside any dialog. */
  readonly showNew: (asked: Asked, application: Application) => void
  /** The application has said something, or will not. */
  readonly noted: (shown: Shown) => void
  /** It has its final response. */
  readonly settle: (shown: Shown) => void
  /** A final answer by the engine in place of the application. */
  readonly settleWith: (shown: Shown, status: number, options?: AnswerOptions) => void
  /** No answer came in time. */
  readonly unanswered: (shown: Shown) => void
  /** Lets a request go without an answer. */
  readonly abandon: (shown: Shown) => void
  readonly localTagOf: (shown: Shown) => string
  readonly endSession: (session: Session) => void
  readonly endCall: (session: Session) => void
  readonly terminateInvite: (session: Session) => void
  readonly close: () => void
}

export function createShownRequests(core: Core): ShownRequests {
  const { transactions, sessions, clock, counters, log, timers } = core
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

  const showNew = ({ transaction, received }: Asked, application: Application) => {
    const { flow, message } = received
    application.send(
      newRequest(newId(), wireFacts(core, message.bytes.length, flow), transaction.id, flow.listener),
      shownBytes(received)
    )
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
        if (transaction.status === 0) answer(core, shown, 100, '')
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
    const bytes = made(core, shown, status, localTagOf(shown), options)
    if (shown.creating && shown.transaction.method === 'INVITE') core.records.stop('application', refusalReason(status), bytes)
    if (shown.session !== null && shown.creating) endSession(shown.session)
  }

  /** Tells the application that its INVITE was answered without it, in the way it knows: by a CANCEL that no peer sent. */
  const tellCancelled = (
    { application, transaction, received, creating, answered, dialogId }: Shown,
    cause: number,
    why: string
  ) => {
    const headers = answerHeaders(received, '').filter(([name]) => name !== 'CSeq')
    headers.push(['CSeq', `${received.cseq.number} CANCEL`], ['Reason', `SIP ;cause=${cause} ;text="${why}"`])
    const cancel = encodeRequest({ method: 'CANCEL', uri: received.message.uri, headers, body: emptyBody })
    application.send(
      networkMessage(newId(), wireFacts(core, 0, received.flow), transaction.id, answered || !creating ? dialogId : ''),
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

  return {
    waiting: () => waiting,
    get: (transactionId) => pending.get(transactionId),
    [Symbol.iterator]: () => pending.values(),
    acknowledgements,
    show,
    showNew,
    noted,
    settle,
    settleWith,
    unanswered,
    abandon,
    localTagOf,
    endSession,
    endCall,
    terminateInvite,
    close: () => {
      for (const shown of pending.values()) shown.cancelTimer?.()
      pending.clear()
    }
  }
}
