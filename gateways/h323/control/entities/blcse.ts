/** H.245 §C.5: logical channel signalling entities of bidirectional channels. Timers arrive as events. */
import type { Table } from '#kernel'
import type { OpenLogicalChannel, OpenLogicalChannelAck } from '../../h245/h245.ts'
import { type EntityEffect, indication, request, response, send, start, stop, tell } from './entity.ts'
import type { ChannelTold, IncomingLcseTold, OutgoingLcse, RejectCause, ReleaseSource } from './lcse.ts'

export type OutgoingBlcseState = 'released' | 'awaitingEstablishment' | 'established' | 'awaitingRelease'

export type OutgoingBlcseEvent =
  | { readonly type: 'establishRequest' }
  | { readonly type: 'openLogicalChannelAck'; readonly ack: OpenLogicalChannelAck }
  | { readonly type: 'openLogicalChannelReject'; readonly cause: RejectCause }
  | { readonly type: 'releaseRequest' }
  | { readonly type: 'closeLogicalChannelAck' }
  | { readonly type: 'T103' }

type Out = EntityEffect<ChannelTold>

const close = ({ open }: OutgoingLcse, source: 'user' | 'lcse'): Out =>
  send(
    request({
      type: 'closeLogicalChannel',
      value: {
        forwardLogicalChannelNumber: open.forwardLogicalChannelNumber,
        source: { type: source },
        reason: { type: 'unknown' }
      }
    })
  )
const confirm = ({ open }: OutgoingLcse): Out =>
  send(
    indication({
      type: 'openLogicalChannelConfirm',
      value: { forwardLogicalChannelNumber: open.forwardLogicalChannelNumber }
    })
  )
const released = (by: ReleaseSource, cause?: RejectCause): Out =>
  tell({ type: 'released', by, ...(cause !== undefined && { cause }) })

export const outgoingBlcse = {
  released: {
    establishRequest: [
      'awaitingEstablishment',
      (_, { open }) => [send(request({ type: 'openLogicalChannel', value: open })), start('T103')]
    ]
  },
  awaitingEstablishment: {
    openLogicalChannelAck: [
      'established',
      ({ ack }, context) => [stop('T103'), confirm(context), tell({ type: 'established', ack })]
    ],
    openLogicalChannelReject: ['released', ({ cause }) => [stop('T103'), released('peer', cause)]],
    releaseRequest: ['awaitingRelease', (_, context) => [stop('T103'), close(context, 'user'), start('T103')]],
    T103: ['released', (_, context) => [close(context, 'lcse'), released('T103')]]
  },
  established: {
    openLogicalChannelReject: ['released', ({ cause }) => [released('error', cause)]],
    releaseRequest: ['awaitingRelease', (_, context) => [close(context, 'user'), start('T103')]]
  },
  awaitingRelease: {
    openLogicalChannelAck: ['awaitingRelease', (_, context) => [confirm(context)]],
    openLogicalChannelReject: ['released', () => [stop('T103'), released('user')]],
    closeLogicalChannelAck: ['released', () => [stop('T103'), released('user')]],
    T103: ['released', () => [released('T103')]]
  }
} satisfies Table<OutgoingBlcseState, OutgoingBlcseEvent, Out, OutgoingLcse>

export type IncomingBlcseState = 'released' | 'awaitingEstablishment' | 'awaitingConfirmation' | 'established'

export type IncomingBlcseEvent =
  | { readonly type: 'openLogicalChannel'; readonly open: OpenLogicalChannel }
  | { readonly type: 'establishResponse'; readonly ack: OpenLogicalChannelAck }
  | { readonly type: 'releaseRequest'; readonly cause: RejectCause }
  | { readonly type: 'openLogicalChannelConfirm' }
  | { readonly type: 'closeLogicalChannel' }
  | { readonly type: 'T103' }

export interface IncomingBlcse {
  readonly number: number
}

export type IncomingBlcseTold = IncomingLcseTold | { readonly type: 'confirmed' }

type In = EntityEffect<IncomingBlcseTold>

const closed = ({ number }: IncomingBlcse): In =>
  send(response({ type: 'closeLogicalChannelAck', value: { forwardLogicalChannelNumber: number } }))
const offered = ({ open }: { readonly open: OpenLogicalChannel }): In => tell({ type: 'offered', open })
const gone = (by: ReleaseSource): In => tell({ type: 'released', by })

export const incomingBlcse = {
  released: {
    openLogicalChannel: ['awaitingEstablishment', (event) => [offered(event)]],
    closeLogicalChannel: ['released', (_, context) => [closed(context)]]
  },
  awaitingEstablishment: {
    openLogicalChannel: ['awaitingEstablishment', (event) => [gone('peer'), offered(event)]],
    establishResponse: [
      'awaitingConfirmation',
      ({ ack }) => [send(response({ type: 'openLogicalChannelAck', value: ack })), start('T103')]
    ],
    releaseRequest: [
      'released',
      ({ cause }, { number }) => [
        send(
          response({ type: 'openLogicalChannelReject', value: { forwardLogicalChannelNumber: number, cause: { type: cause } } })
        )
      ]
    ],
    closeLogicalChannel: ['released', (_, context) => [closed(context), gone('peer')]]
  },
  awaitingConfirmation: {
    openLogicalChannel: ['awaitingEstablishment', (event) => [stop('T103'), gone('peer'), offered(event)]],
    openLogicalChannelConfirm: ['established', () => [stop('T103'), tell({ type: 'confirmed' })]],
    closeLogicalChannel: ['released', (_, context) => [stop('T103'), closed(context), gone('peer')]],
    T103: ['released', () => [gone('T103')]]
  },
  established: {
    openLogicalChannel: ['awaitingEstablishment', (event) => [gone('peer'), offered(event)]],
    closeLogicalChannel: ['released', (_, context) => [closed(context), gone('peer')]]
  }
} satisfies Table<IncomingBlcseState, IncomingBlcseEvent, In, IncomingBlcse>
