import type { Table } from '#kernel'
import { backOff, type Effect, sendRequest, startTimer, stopTimer, type TransactionContext, tell } from './effects.ts'

export type NonInviteClientState = 'initial' | 'trying' | 'proceeding' | 'completed' | 'terminated'

export type NonInviteClientEvent =
  | { readonly type: 'start' }
  | { readonly type: 'provisional' }
  | { readonly type: 'success' }
  | { readonly type: 'failure' }
  | { readonly type: 'E' }
  | { readonly type: 'F' }
  | { readonly type: 'K' }
  | { readonly type: 'transportError' }

const done = (what: 'success' | 'failure') => (_: unknown, context: TransactionContext) => [
  stopTimer('E'),
  stopTimer('F'),
  startTimer('K', context.reliable ? 0 : context.t4Ms),
  tell(what)
]

const expired = () => [stopTimer('E'), tell('timeout')]
const broken = () => [stopTimer('E'), stopTimer('F'), tell('transportError')]

/** Non-INVITE client transaction. @see RFC 3261 §17.1.2 */
export const nonInviteClient = {
  initial: {
    start: [
      'trying',
      (_, context) => {
        context.intervalMs = context.t1Ms
        const timers = [startTimer('F', 64 * context.t1Ms)]
        return context.reliable ? [sendRequest, ...timers] : [sendRequest, startTimer('E', context.t1Ms), ...timers]
      }
    ]
  },
  trying: {
    E: ['trying', (_, context) => [sendRequest, backOff('E', context, context.t2Ms)]],
    F: ['terminated', expired],
    provisional: ['proceeding', () => [tell('provisional')]],
    success: ['completed', done('success')],
    failure: ['completed', done('failure')],
    transportError: ['terminated', broken]
  },
  proceeding: {
    E: ['proceeding', (_, context) => [sendRequest, startTimer('E', context.t2Ms)]],
    F: ['terminated', expired],
    provisional: ['proceeding', () => [tell('provisional')]],
    success: ['completed', done('success')],
    failure: ['completed', done('failure')],
    transportError: ['terminated', broken]
  },
  completed: {
    provisional: ['completed'],
    success: ['completed'],
    failure: ['completed'],
    K: ['terminated'],
    transportError: ['completed']
  },
  terminated: {}
} satisfies Table<NonInviteClientState, NonInviteClientEvent, Effect, TransactionContext>
