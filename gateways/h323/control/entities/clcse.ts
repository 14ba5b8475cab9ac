/** H.245 §C.6: close logical channel signalling entity, by which a receiver asks the sender to close. Timers arrive as events. */
import type { Table } from '#kernel'
import { type EntityEffect, indication, request, response, send, start, stop, tell } from './entity.ts'

export type OutgoingClcseState = 'idle' | 'awaitingResponse'

export type OutgoingClcseEvent =
  | { readonly type: 'closeRequest' }
  | { readonly type: 'requestChannelCloseAck' }
  | { readonly type: 'requestChannelCloseReject' }
  | { readonly type: 'T108' }

export type OutgoingClcseTold = { readonly type: 'closing' } | { readonly type: 'closeRefused'; readonly by: 'peer' | 'T108' }

export interface Clcse {
  readonly number: number
}

type Out = EntityEffect<OutgoingClcseTold>

export const outgoingClcse = {
  idle: {
    closeRequest: [
      'awaitingResponse',
      (_, { number }) => [
        send(
          request({ type: 'requestChannelClose', value: { forwardLogicalChannelNumber: number, reason: { type: 'normal' } } })
        ),
        start('T108')
      ]
    ]
  },
  awaitingResponse: {
    requestChannelCloseAck: ['idle', () => [stop('T108'), tell({ type: 'closing' })]],
    requestChannelCloseReject: ['idle', () => [stop('T108'), tell({ type: 'closeRefused', by: 'peer' })]],
    T108: [
      'idle',
      (_, { number }) => [
        send(indication({ type: 'requestChannelCloseRelease', value: { forwardLogicalChannelNumber: number } })),
        tell({ type: 'closeRefused', by: 'T108' })
      ]
    ]
  }
} satisfies Table<OutgoingClcseState, OutgoingClcseEvent, Out, Clcse>

export type IncomingClcseState = 'idle' | 'awaitingResponse'

export type IncomingClcseEvent =
  | { readonly type: 'requestChannelClose' }
  | { readonly type: 'closeResponse' }
  | { readonly type: 'rejectRequest' }
  | { readonly type: 'requestChannelCloseRelease' }

export type IncomingClcseTold = { readonly type: 'closeAsked' } | { readonly type: 'closeWithdrawn' }

type In = EntityEffect<IncomingClcseTold>

const asked = (): In[] => [tell({ type: 'closeAsked' })]

export const incomingClcse = {
  idle: { requestChannelClose: ['awaitingResponse', asked] },
  awaitingResponse: {
    requestChannelClose: ['awaitingResponse', asked],
    closeResponse: [
      'idle',
      (_, { number }) => [send(response({ type: 'requestChannelCloseAck', value: { forwardLogicalChannelNumber: number } }))]
    ],
    rejectRequest: [
      'idle',
      (_, { number }) => [
        send(
          response({
            type: 'requestChannelCloseReject',
            value: { forwardLogicalChannelNumber: number, cause: { type: 'unspecified' } }
          })
        )
      ]
    ],
    requestChannelCloseRelease: ['idle', () => [tell({ type: 'closeWithdrawn' })]]
  }
} satisfies Table<IncomingClcseState, IncomingClcseEvent, In, Clcse>
