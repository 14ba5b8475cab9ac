import type { Table } from '#kernel'
import { backOff, type Effect, sendResponse, startTimer, stopTimer, type TransactionContext, tell } from './effects.ts'

export type InviteServerState = 'proceeding' | 'completed' | 'confirmed' | 'accepted' | 'terminated'

export type InviteServerEvent =
  /** The INVITE came again. */
  | { readonly type: 'request' }
  | { readonly type: 'ack' }
  | { readonly type: 'sendProvisional' }
  | { readonly type: 'sendSuccess' }
  | { readonly type: 'sendFailure' }
  | { readonly type: 'G' }
  | { readonly type: 'H' }
  | { readonly type: 'I' }
  | { readonly type: 'L' }
  | { readonly type: 'transportError' }

/**
 * INVITE server transaction. When 100 is sent is for the transaction user to say, so there is no timer for it; retransmission of a 2xx is its task too
 * (dialog/accepted.ts).
 *
 * @see RFC 3261 §17.2.1, RFC 6026 §8.5
 */
export const inviteServer = {
  proceeding: {
    request: ['proceeding', () => [sendResponse]],
    sendProvisional: ['proceeding', () => [sendResponse]],
    sendSuccess: ['accepted', (_, context) => [sendResponse, startTimer('L', 64 * context.t1Ms)]],
    sendFailure: [
      'completed',
      (_, context) => {
        context.intervalMs = context.t1Ms
        const timers = [startTimer('H', 64 * context.t1Ms)]
        return context.reliable ? [sendResponse, ...timers] : [sendResponse, startTimer('G', context.t1Ms), ...timers]
      }
    ],
    transportError: ['proceeding', () => [tell('transportError')]]
  },
  completed: {
    request: ['completed', () => [sendResponse]],
    ack: ['confirmed', (_, context) => [stopTimer('G'), stopTimer('H'), startTimer('I', context.reliable ? 0 : context.t4Ms)]],
    G: ['completed', (_, context) => [sendResponse, backOff('G', context, context.t2Ms)]],
    H: ['terminated', () => [stopTimer('G'), tell('unacknowledged')]],
    transportError: ['terminated', () => [stopTimer('G'), stopTimer('H'), tell('transportError')]]
  },
  confirmed: {
    request: ['confirmed'],
    ack: ['confirmed'],
    I: ['terminated'],
    transportError: ['confirmed']
  },
  accepted: {
    request: ['accepted'],
    ack: ['accepted'],
    sendSuccess: ['accepted', () => [sendResponse]],
    L: ['terminated'],
    transportError: ['accepted', () => [tell('transportError')]]
  },
  terminated: {}
} satisfies Table<InviteServerState, InviteServerEvent, Effect, TransactionContext>
