import type { Table } from '#kernel'
import { type Effect, sendResponse, startTimer, type TransactionContext, tell } from './effects.ts'

export type NonInviteServerState = 'trying' | 'proceeding' | 'completed' | 'terminated'

export type NonInviteServerEvent =
  /** The request came again. */
  | { readonly type: 'request' }
  | { readonly type: 'sendProvisional' }
  | { readonly type: 'sendFinal' }
  | { readonly type: 'J' }
  | { readonly type: 'transportError' }

const final = (_: unknown, context: TransactionContext) => [
  sendResponse,
  startTimer('J', context.reliable ? 0 : 64 * context.t1Ms)
]

/** Non-INVITE server transaction. @see RFC 3261 §17.2.2 */
export const nonInviteServer = {
  trying: {
    request: ['trying'],
    sendProvisional: ['proceeding', () => [sendResponse]],
    sendFinal: ['completed', final],
    transportError: ['trying', () => [tell('transportError')]]
  },
  proceeding: {
    request: ['proceeding', () => [sendResponse]],
    sendProvisional: ['proceeding', () => [sendResponse]],
    sendFinal: ['completed', final],
    transportError: ['proceeding', () => [tell('transportError')]]
  },
  completed: {
    request: ['completed', () => [sendResponse]],
    J: ['terminated'],
    transportError: ['terminated', () => [tell('transportError')]]
  },
  terminated: {}
} satisfies Table<NonInviteServerState, NonInviteServerEvent, Effect, TransactionContext>

/**
 * When a request that has no answer yet gets its 100: as soon as the repeats of its sender have slowed down to T2, and not before.
 *
 * @see RFC 4320 §4.1
 */
export function tryingDelayMs({ t1Ms, t2Ms }: Pick<TransactionContext, 't1Ms' | 't2Ms'>): number {
  let waited = 0
  for (let intervalMs = t1Ms; intervalMs < t2Ms; intervalMs *= 2) waited += intervalMs
  return Math.min(waited, 32 * t1Ms)
}
