import type { Table } from '#kernel'
import { backOff, type Effect, sendAck, sendRequest, startTimer, stopTimer, type TransactionContext, tell } from './effects.ts'

export type InviteClientState = 'initial' | 'calling' | 'proceeding' | 'completed' | 'accepted' | 'terminated'

export type InviteClientEvent =
  | { readonly type: 'start' }
  | { readonly type: 'provisional' }
  | { readonly type: 'success' }
  | { readonly type: 'failure' }
  | { readonly type: 'A' }
  | { readonly type: 'B' }
  | { readonly type: 'D' }
  | { readonly type: 'M' }
  | { readonly type: 'transportError' }
  /** The transaction user gives up waiting for a final response (after a CANCEL). */
  | { readonly type: 'abandon' }

const timerD = (context: TransactionContext): number => Math.max(32_000, 64 * context.t1Ms)

/** INVITE client transaction. @see RFC 3261 §17.1.1, RFC 6026 §8.4 */
export const inviteClient = {
  initial: {
    start: [
      'calling',
      (_, context) => {
        context.intervalMs = context.t1Ms
        const timers = [startTimer('B', 64 * context.t1Ms)]
        return context.reliable ? [sendRequest, ...timers] : [sendRequest, startTimer('A', context.t1Ms), ...timers]
      }
    ]
  },
  calling: {
    A: ['calling', (_, context) => [sendRequest, backOff('A', context, Number.POSITIVE_INFINITY)]],
    B: ['terminated', () => [stopTimer('A'), tell('timeout')]],
    provisional: ['proceeding', () => [stopTimer('A'), stopTimer('B'), tell('provisional')]],
    success: ['accepted', (_, context) => [stopTimer('A'), stopTimer('B'), startTimer('M', 64 * context.t1Ms), tell('success')]],
    failure: ['completed', (_, context) => [stopTimer('A'), stopTimer('B'), ...fail(context)]],
    transportError: ['terminated', () => [stopTimer('A'), stopTimer('B'), tell('transportError')]]
  },
  proceeding: {
    provisional: ['proceeding', () => [tell('provisional')]],
    success: ['accepted', (_, context) => [startTimer('M', 64 * context.t1Ms), tell('success')]],
    failure: ['completed', (_, context) => fail(context)],
    transportError: ['terminated', () => [tell('transportError')]],
    abandon: ['terminated', () => [tell('timeout')]]
  },
  completed: {
    failure: ['completed', () => [sendAck]],
    D: ['terminated']
  },
  accepted: {
    success: ['accepted', () => [tell('success')]],
    M: ['terminated']
  },
  terminated: {}
} satisfies Table<InviteClientState, InviteClientEvent, Effect, TransactionContext>

/** Over a reliable transport timer D is zero; it still passes through the clock, so that the ACK is out before the state is gone. */
function fail(context: TransactionContext): Effect[] {
  return [sendAck, startTimer('D', context.reliable ? 0 : timerD(context)), tell('failure')]
}
