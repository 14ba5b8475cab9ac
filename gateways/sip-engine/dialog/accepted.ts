import type { Table } from '#kernel'

/** Server side of an INVITE that was answered with 2xx, until its ACK: retransmission is the task of the UAS core, on every transport's clock. */
export type AcceptedState = 'initial' | 'awaitingAck' | 'confirmed' | 'failed'

export type AcceptedEvent =
  | { readonly type: 'answered' }
  | { readonly type: 'ack' }
  /** Time to send the 2xx again. */
  | { readonly type: 'retransmit' }
  /** 64·T1 without an ACK. */
  | { readonly type: 'ackTimeout' }
  /** The dialog ended otherwise. */
  | { readonly type: 'ended' }

export type AcceptedEffect =
  | { readonly type: 'startTimer'; readonly timer: 'retransmit' | 'ackTimeout'; readonly delayMs: number }
  | { readonly type: 'stopTimers' }
  | { readonly type: 'sendResponse' }
  | { readonly type: 'tell'; readonly what: 'ack' | 'ackTimeout' }

export interface AcceptedContext {
  readonly t1Ms: number
  readonly t2Ms: number
  readonly reliable: boolean
  intervalMs: number
}

/**
 * Departure from RFC 3261 §13.3.1.4, which retransmits over reliable transports too: no hop loses a message there, and drachtio-server
 * does not do it either.
 */
export const accepted = {
  initial: {
    answered: [
      'awaitingAck',
      (_, context) => {
        context.intervalMs = context.t1Ms
        const timers: AcceptedEffect[] = [{ type: 'startTimer', timer: 'ackTimeout', delayMs: 64 * context.t1Ms }]
        if (!context.reliable) timers.push({ type: 'startTimer', timer: 'retransmit', delayMs: context.t1Ms })
        return timers
      }
    ],
    ended: ['failed']
  },
  awaitingAck: {
    ack: ['confirmed', () => [{ type: 'stopTimers' }, { type: 'tell', what: 'ack' }]],
    retransmit: [
      'awaitingAck',
      (_, context) => {
        context.intervalMs = Math.min(context.intervalMs * 2, context.t2Ms)
        return [{ type: 'sendResponse' }, { type: 'startTimer', timer: 'retransmit', delayMs: context.intervalMs }]
      }
    ],
    ackTimeout: ['failed', () => [{ type: 'stopTimers' }, { type: 'tell', what: 'ackTimeout' }]],
    ended: ['failed', () => [{ type: 'stopTimers' }]]
  },
  confirmed: { ended: ['failed'] },
  failed: {}
} satisfies Table<AcceptedState, AcceptedEvent, AcceptedEffect, AcceptedContext>
