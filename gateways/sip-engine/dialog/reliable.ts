import type { Table } from '#kernel'

/** One reliable provisional response on the server side, until its PRACK. @see RFC 3262 §3 */
export type ReliableState = 'initial' | 'awaitingPrack' | 'acknowledged' | 'failed'

export type ReliableEvent =
  | { readonly type: 'sent' }
  | { readonly type: 'prack' }
  | { readonly type: 'retransmit' }
  /** 64·T1 without a PRACK. */
  | { readonly type: 'prackTimeout' }
  /** A final response was sent, or the INVITE is gone. */
  | { readonly type: 'ended' }

export type ReliableEffect =
  | { readonly type: 'startTimer'; readonly timer: 'retransmit' | 'prackTimeout'; readonly delayMs: number }
  | { readonly type: 'stopTimers' }
  | { readonly type: 'sendResponse' }
  | { readonly type: 'tell'; readonly what: 'prackTimeout' }

export interface ReliableContext {
  readonly t1Ms: number
  intervalMs: number
}

/** The interval doubles without a cap (§3), and on every transport: a proxy between may lose what TCP delivered to it. */
export const reliable = {
  initial: {
    sent: [
      'awaitingPrack',
      (_, context) => {
        context.intervalMs = context.t1Ms
        return [
          { type: 'startTimer', timer: 'retransmit', delayMs: context.t1Ms },
          { type: 'startTimer', timer: 'prackTimeout', delayMs: 64 * context.t1Ms }
        ]
      }
    ]
  },
  awaitingPrack: {
    prack: ['acknowledged', () => [{ type: 'stopTimers' }]],
    retransmit: [
      'awaitingPrack',
      (_, context) => {
        context.intervalMs *= 2
        return [{ type: 'sendResponse' }, { type: 'startTimer', timer: 'retransmit', delayMs: context.intervalMs }]
      }
    ],
    prackTimeout: ['failed', () => [{ type: 'stopTimers' }, { type: 'tell', what: 'prackTimeout' }]],
    ended: ['failed', () => [{ type: 'stopTimers' }]]
  },
  acknowledged: {},
  failed: {}
} satisfies Table<ReliableState, ReliableEvent, ReliableEffect, ReliableContext>
