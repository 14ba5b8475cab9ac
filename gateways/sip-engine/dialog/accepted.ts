import type { Table } from '#kernel'

/** Server side of an INVITE that was answered with 2xx, until its ACK: retransmission is the task of the UAS core. */
export type AcceptedState = 'initial' | 'awaitingAck' | 'confirmed' | 'failed'

export type AcceptedEvent =
  | { readonly type: 'answered' }
  | { readonly type: 'ack' }
  /** Time to send the 2xx again. */
  | { readonly type: 'retransmit' }
  /** 64·T1 without an ACK. */
  | { readonly type: 'ackTimeout' }

export type AcceptedEffect =
  | { readonly type: 'startTimer'; readonly timer: 'retransmit' | 'ackTimeout'; readonly delayMs: number }
  | { readonly type: 'stopTimers' }
  | { readonly type: 'sendResponse' }
  | { readonly type: 'tell'; readonly what: 'ack' | 'ackTimeout' }

export interface AcceptedContext {
  readonly t1Ms: number
  readonly t2Ms: number
  intervalMs: number
}

/** Over reliable transports too, since a hop further on may be none (RFC 3261 §13.3.1.4). */
export const accepted = {
  initial: {
    answered: [
      'awaitingAck',
      (_, context) => {
        context.intervalMs = context.t1Ms
        return [
          { type: 'startTimer', timer: 'ackTimeout', delayMs: 64 * context.t1Ms },
          { type: 'startTimer', timer: 'retransmit', delayMs: context.t1Ms }
        ]
      }
    ]
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
    ackTimeout: ['failed', () => [{ type: 'stopTimers' }, { type: 'tell', what: 'ackTimeout' }]]
  },
  confirmed: {},
  failed: {}
} satisfies Table<AcceptedState, AcceptedEvent, AcceptedEffect, AcceptedContext>
