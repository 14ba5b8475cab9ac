/** Answers to INVITE that must be acknowledged: 2xx until their ACK, reliable provisional responses until their PRACK. */
import { type Step, step } from '#kernel'
import { parseRAck } from '../../codec/cseq.ts'
import { header, type SipRequest } from '../../codec/message.ts'
import { type AcceptedEffect, type AcceptedEvent, type AcceptedState, accepted } from '../../dialog/accepted.ts'
import { type ReliableEffect, type ReliableEvent, type ReliableState, reliable } from '../../dialog/reliable.ts'
import { type AcceptedInvite, type ReliableProvisional, type Session, sendHeldBye } from '../../dialog/sessions.ts'
import type { ServerTransaction } from '../../transaction/transaction.ts'
import type { Core } from '../core.ts'

export interface Acknowledgements {
  /** A 2xx was sent to an INVITE: it is repeated until its ACK, without which the session is ended. */
  readonly accept: (
    session: Session,
    transaction: ServerTransaction,
    answer: Pick<AcceptedInvite, 'cseq' | 'bytes' | 'creating'>
  ) => void
  /** An ACK came: the 2xx it is for, when it is the first one. */
  readonly acknowledge: (session: Session, cseq: number) => AcceptedInvite | undefined
  /** Sends a provisional response reliably, as soon as the ones before it are acknowledged (RFC 3262 §3). */
  readonly provide: (
    session: Session,
    transaction: ServerTransaction,
    response: Pick<ReliableProvisional, 'rseq' | 'cseq' | 'status' | 'bytes' | 'described'>
  ) => void
  /**
   * What a PRACK is for: `wanted` the reliable response on the wire, whose successor then goes out; `late` one behind which the application has
   * answered already; or none.
   */
  readonly prack: (session: Session, message: SipRequest) => 'wanted' | 'late' | 'none'
  /** Sends the 2xx that waited, once no description lacks its PRACK. */
  readonly release: (session: Session) => void
  /** A final response was sent: no PRACK is needed any more. */
  readonly endReliable: (session: Session) => void
}

/** @param unacknowledged called when the PRACK of an INVITE's reliable response did not come in 64·T1. */
export function createAcknowledgements(core: Core, unacknowledged: (invite: ServerTransaction) => void): Acknowledgements {
  const { transactions, clock, counters, timers, transport } = core

  const driveAccepted = (session: Session, waiting: AcceptedInvite, event: AcceptedEvent) => {
    const taken: Step<AcceptedState, AcceptedEffect> = step(accepted, waiting.state, event, waiting.context)
    waiting.state = taken.state
    for (const effect of taken.effects) {
      if (effect.type === 'startTimer') {
        waiting.cancelTimers.push(clock.after(effect.delayMs, () => driveAccepted(session, waiting, { type: effect.timer })))
      } else if (effect.type === 'stopTimers') {
        for (const cancel of waiting.cancelTimers) cancel()
        waiting.cancelTimers = []
      } else if (effect.type === 'sendResponse') {
        counters.retransmissionsSent++
        const { flow, fallback } = waiting.back
        transport.reply(flow, fallback, waiting.bytes, () => counters.transportErrors++)
      } else {
        session.accepted.splice(session.accepted.indexOf(waiting), 1)
        if (effect.what === 'ack') return
        counters.ackTimeouts++
        if (!sendHeldBye(session)) core.uac.bye(session, 'SIP;cause=200;text="ACK timeout"')
      }
    }
  }

  const driveReliable = (provisional: ReliableProvisional, event: ReliableEvent) => {
    const taken: Step<ReliableState, ReliableEffect> = step(reliable, provisional.state, event, provisional.context)
    provisional.state = taken.state
    for (const effect of taken.effects) {
      if (effect.type === 'startTimer') {
        provisional.cancelTimers.push(clock.after(effect.delayMs, () => driveReliable(provisional, { type: effect.timer })))
      } else if (effect.type === 'stopTimers') {
        for (const cancel of provisional.cancelTimers) cancel()
        provisional.cancelTimers = []
      } else if (effect.type === 'sendResponse') {
        counters.retransmissionsSent++
        const { flow, fallback } = provisional.invite.back
        transport.reply(flow, fallback, provisional.bytes, () => counters.transportErrors++)
      } else unacknowledged(provisional.invite)
    }
  }

  const sendReliable = (provisional: ReliableProvisional) => {
    transactions.respond(provisional.invite, provisional.status, provisional.bytes)
    driveReliable(provisional, { type: 'sent' })
  }

  return {
    accept: (session, transaction, answer) => {
      const waiting: AcceptedInvite = {
        ...answer,
        state: 'initial',
        context: { t1Ms: timers.t1Ms, t2Ms: timers.t2Ms, intervalMs: timers.t1Ms },
        transactionId: transaction.id,
        back: transaction.back,
        cancelTimers: []
      }
      session.accepted.push(waiting)
      driveAccepted(session, waiting, { type: 'answered' })
    },
    acknowledge: (session, cseq) => {
      const waiting = session.accepted.find((each) => each.cseq === cseq)
      if (waiting !== undefined) driveAccepted(session, waiting, { type: 'ack' })
      return waiting
    },
    provide: (session, invite, response) => {
      const provisional: ReliableProvisional = {
        ...response,
        state: 'initial',
        context: { t1Ms: timers.t1Ms, intervalMs: timers.t1Ms },
        invite,
        cancelTimers: []
      }
      session.reliable.push(provisional)
      if (session.reliable.length === 1) sendReliable(provisional)
    },
    prack: (session, message) => {
      const rack = parseRAck(header(message, 'rack') ?? '')
      if (rack === undefined || rack.cseq.method !== 'INVITE') return 'none'
      const meant = (each: Pick<ReliableProvisional, 'rseq' | 'cseq'> | null | undefined): boolean =>
        each?.rseq === rack.rseq && each.cseq === rack.cseq.number
      if (meant(session.overtaken)) {
        session.overtaken = null
        return 'late'
      }
      const first = session.reliable[0]
      if (first === undefined || !meant(first)) return 'none'
      driveReliable(first, { type: 'prack' })
      session.reliable.shift()
      const next = session.reliable[0]
      if (next !== undefined) sendReliable(next)
      return session.heldAnswer === null ? 'wanted' : 'late'
    },
    release: (session) => {
      const { heldAnswer } = session
      if (heldAnswer === null || session.reliable.some(({ described }) => described)) return
      session.heldAnswer = null
      heldAnswer()
    },
    endReliable: (session) => {
      session.overtaken = session.reliable[0] ?? null
      for (const provisional of session.reliable.splice(0)) driveReliable(provisional, { type: 'ended' })
    }
  }
}
