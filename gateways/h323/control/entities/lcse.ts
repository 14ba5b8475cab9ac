/** H.245 §C.4: logical channel signalling entities of unidirectional channels. Timers arrive as events. */
import type { Table } from '#kernel'
import type { OpenLogicalChannel, OpenLogicalChannelAck, OpenLogicalChannelReject } from '../../h245/h245.ts'
import { type EntityEffect, request, response, send, start, stop, tell } from './entity.ts'

export type RejectCause = Exclude<OpenLogicalChannelReject['cause']['type'], 'unknownExtension'>

/** Why a channel is not, or not any more. */
export type ReleaseSource = 'user' | 'peer' | 'T103' | 'error'

export type ChannelTold =
  | { readonly type: 'established'; readonly ack: OpenLogicalChannelAck }
  | { readonly type: 'released'; readonly by: ReleaseSource; readonly cause?: RejectCause }

export type OutgoingLcseState = 'released' | 'awaitingEstablishment' | 'established' | 'awaitingRelease'

export type OutgoingLcseEvent =
  | { readonly type: 'establishRequest' }
  | { readonly type: 'openLogicalChannelAck'; readonly ack: OpenLogicalChannelAck }
  | { readonly type: 'openLogicalChannelReject'; readonly cause: RejectCause }
  | { readonly type: 'releaseRequest' }
  | { readonly type: 'closeLogicalChannelAck' }
  | { readonly type: 'T103' }

export interface OutgoingLcse {
  readonly open: OpenLogicalChannel
}

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
const released = (by: ReleaseSource, cause?: RejectCause): Out =>
  tell({ type: 'released', by, ...(cause !== undefined && { cause }) })

export const outgoingLcse = {
  released: {
    establishRequest: [
      'awaitingEstablishment',
      (_, { open }) => [send(request({ type: 'openLogicalChannel', value: open })), start('T103')]
    ]
  },
  awaitingEstablishment: {
    openLogicalChannelAck: ['established', ({ ack }) => [stop('T103'), tell({ type: 'established', ack })]],
    openLogicalChannelReject: ['released', ({ cause }) => [stop('T103'), released('peer', cause)]],
    releaseRequest: ['awaitingRelease', (_, context) => [stop('T103'), close(context, 'user'), start('T103')]],
    T103: ['released', (_, context) => [close(context, 'lcse'), released('T103')]]
  },
  established: {
    openLogicalChannelReject: ['released', ({ cause }) => [released('error', cause)]],
    releaseRequest: ['awaitingRelease', (_, context) => [close(context, 'user'), start('T103')]]
  },
  awaitingRelease: {
    // The ack or reject of the opening has crossed our close.
    openLogicalChannelAck: ['awaitingRelease'],
    openLogicalChannelReject: ['released', () => [stop('T103'), released('user')]],
    closeLogicalChannelAck: ['released', () => [stop('T103'), released('user')]],
    T103: ['released', () => [released('T103')]]
  }
} satisfies Table<OutgoingLcseState, OutgoingLcseEvent, Out, OutgoingLcse>

export type IncomingLcseState = 'released' | 'awaitingEstablishment' | 'established'

export type IncomingLcseEvent =
  | { readonly type: 'openLogicalChannel'; readonly open: OpenLogicalChannel }
  | { readonly type: 'establishResponse'; readonly ack: OpenLogicalChannelAck }
  | { readonly type: 'releaseRequest'; readonly cause: RejectCause }
  | { readonly type: 'closeLogicalChannel' }

export type IncomingLcseTold =
  | { readonly type: 'offered'; readonly open: OpenLogicalChannel }
  | { readonly type: 'released'; readonly by: ReleaseSource }

export interface IncomingLcse {
  readonly number: number
}

type In = EntityEffect<IncomingLcseTold>

const closed = ({ number }: IncomingLcse): In =>
  send(response({ type: 'closeLogicalChannelAck', value: { forwardLogicalChannelNumber: number } }))
const offered = ({ open }: { readonly open: OpenLogicalChannel }): In => tell({ type: 'offered', open })
const gone: In = tell({ type: 'released', by: 'peer' })

export const incomingLcse = {
  released: {
    openLogicalChannel: ['awaitingEstablishment', (event) => [offered(event)]],
    closeLogicalChannel: ['released', (_, context) => [closed(context)]]
  },
  awaitingEstablishment: {
    // The peer has given up the first one (its T103) and tries again.
    openLogicalChannel: ['awaitingEstablishment', (event) => [gone, offered(event)]],
    establishResponse: ['established', ({ ack }) => [send(response({ type: 'openLogicalChannelAck', value: ack }))]],
    releaseRequest: [
      'released',
      ({ cause }, { number }) => [
        send(
          response({ type: 'openLogicalChannelReject', value: { forwardLogicalChannelNumber: number, cause: { type: cause } } })
        )
      ]
    ],
    closeLogicalChannel: ['released', (_, context) => [closed(context), gone]]
  },
  established: {
    openLogicalChannel: ['awaitingEstablishment', (event) => [gone, offered(event)]],
    closeLogicalChannel: ['released', (_, context) => [closed(context), gone]]
  }
} satisfies Table<IncomingLcseState, IncomingLcseEvent, In, IncomingLcse>
