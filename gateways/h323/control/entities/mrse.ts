/** H.245 §C.9: mode request signalling entity, by which a receiver asks the sender for another mode. Timers arrive as events. */
import type { Table } from '#kernel'
import type { ModeDescription, RequestModeReject } from '../../h245/h245.ts'
import { type EntityEffect, indication, request, response, send, start, stop, tell } from './entity.ts'

export type OutgoingMrseState = 'idle' | 'awaitingResponse'

export type OutgoingMrseEvent =
  | { readonly type: 'transferRequest'; readonly modes: readonly ModeDescription[] }
  | { readonly type: 'requestModeAck' }
  | { readonly type: 'requestModeReject' }
  | { readonly type: 'T109' }

export type OutgoingMrseTold = { readonly type: 'modeTaken' } | { readonly type: 'modeRefused'; readonly by: 'peer' | 'T109' }

/** out_SQ, in_SQ. */
export interface Mrse {
  sequenceNumber: number
}

type Out = EntityEffect<OutgoingMrseTold>

const ask = ({ modes }: { readonly modes: readonly ModeDescription[] }, context: Mrse): Out[] => {
  context.sequenceNumber = (context.sequenceNumber + 1) & 0xff
  const { sequenceNumber } = context
  return [send(request({ type: 'requestMode', value: { sequenceNumber, requestedModes: [...modes] } })), start('T109')]
}

export const outgoingMrse = {
  idle: { transferRequest: ['awaitingResponse', ask] },
  awaitingResponse: {
    transferRequest: ['awaitingResponse', (event, context) => [stop('T109'), ...ask(event, context)]],
    requestModeAck: ['idle', () => [stop('T109'), tell({ type: 'modeTaken' })]],
    requestModeReject: ['idle', () => [stop('T109'), tell({ type: 'modeRefused', by: 'peer' })]],
    T109: ['idle', () => [send(indication({ type: 'requestModeRelease', value: {} })), tell({ type: 'modeRefused', by: 'T109' })]]
  }
} satisfies Table<OutgoingMrseState, OutgoingMrseEvent, Out, Mrse>

export type IncomingMrseState = 'idle' | 'awaitingResponse'

export type IncomingMrseEvent =
  | { readonly type: 'requestMode'; readonly sequenceNumber: number; readonly modes: readonly ModeDescription[] }
  | { readonly type: 'transferResponse'; readonly mostPreferred: boolean }
  | { readonly type: 'rejectRequest'; readonly cause: Exclude<RequestModeReject['cause']['type'], 'unknownExtension'> }
  | { readonly type: 'requestModeRelease' }

export type IncomingMrseTold =
  | { readonly type: 'modeAsked'; readonly modes: readonly ModeDescription[] }
  | { readonly type: 'modeWithdrawn' }

type In = EntityEffect<IncomingMrseTold>

const take = (
  { sequenceNumber, modes }: { readonly sequenceNumber: number; readonly modes: readonly ModeDescription[] },
  context: Mrse
): In[] => {
  context.sequenceNumber = sequenceNumber
  return [tell({ type: 'modeAsked', modes })]
}

export const incomingMrse = {
  idle: { requestMode: ['awaitingResponse', take] },
  awaitingResponse: {
    requestMode: ['awaitingResponse', take],
    transferResponse: [
      'idle',
      ({ mostPreferred }, { sequenceNumber }) => [
        send(
          response({
            type: 'requestModeAck',
            value: {
              sequenceNumber,
              response: { type: mostPreferred ? 'willTransmitMostPreferredMode' : 'willTransmitLessPreferredMode' }
            }
          })
        )
      ]
    ],
    rejectRequest: [
      'idle',
      ({ cause }, { sequenceNumber }) => [
        send(response({ type: 'requestModeReject', value: { sequenceNumber, cause: { type: cause } } }))
      ]
    ],
    requestModeRelease: ['idle', () => [tell({ type: 'modeWithdrawn' })]]
  }
} satisfies Table<IncomingMrseState, IncomingMrseEvent, In, Mrse>
