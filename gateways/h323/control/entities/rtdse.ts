/** H.245 §C.10: round trip delay signalling entity, here also the sign of life of a call. Timers arrive as events. */
import type { Table } from '#kernel'
import { type EntityEffect, request, send, start, stop, tell } from './entity.ts'

export type RtdseState = 'idle' | 'awaitingResponse'

export type RtdseEvent =
  | { readonly type: 'transferRequest' }
  | { readonly type: 'roundTripDelayResponse' }
  | { readonly type: 'T105' }

export type RtdseTold = { readonly type: 'answered' } | { readonly type: 'unanswered' }

/** out_SQ. */
export interface Rtdse {
  sequenceNumber: number
}

type Out = EntityEffect<RtdseTold>

const ask = (_: unknown, context: Rtdse): Out[] => {
  context.sequenceNumber = (context.sequenceNumber + 1) & 0xff
  return [send(request({ type: 'roundTripDelayRequest', value: { sequenceNumber: context.sequenceNumber } })), start('T105')]
}

export const rtdse = {
  idle: { transferRequest: ['awaitingResponse', ask] },
  awaitingResponse: {
    transferRequest: ['awaitingResponse', (event, context) => [stop('T105'), ...ask(event, context)]],
    roundTripDelayResponse: ['idle', () => [stop('T105'), tell({ type: 'answered' })]],
    T105: ['idle', () => [tell({ type: 'unanswered' })]]
  }
} satisfies Table<RtdseState, RtdseEvent, Out, Rtdse>
