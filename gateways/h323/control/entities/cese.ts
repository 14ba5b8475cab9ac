/** H.245 §C.3: capability exchange signalling entity. Timers arrive as events. */
import type { Table } from '#kernel'
import type { TerminalCapabilitySet, TerminalCapabilitySetReject } from '../../h245/h245.ts'
import { type EntityEffect, indication, request, response, send, start, stop, tell } from './entity.ts'

export type OutgoingCeseState = 'idle' | 'awaitingResponse'

export type OutgoingCeseEvent =
  | { readonly type: 'transferRequest'; readonly set: TerminalCapabilitySet }
  | { readonly type: 'terminalCapabilitySetAck'; readonly sequenceNumber: number }
  | {
      readonly type: 'terminalCapabilitySetReject'
      readonly sequenceNumber: number
      readonly cause: TerminalCapabilitySetReject['cause']
    }
  | { readonly type: 'T101' }

export type OutgoingCeseTold =
  | { readonly type: 'capabilitiesTaken' }
  | { readonly type: 'capabilitiesRefused'; readonly cause: TerminalCapabilitySetReject['cause']['type'] | 'T101' }

/** out_SQ of the last TCS: an answer to an older one means nothing. */
export interface OutgoingCese {
  sequenceNumber: number
}

type Out = EntityEffect<OutgoingCeseTold>

const transfer = ({ set }: { readonly set: TerminalCapabilitySet }, context: OutgoingCese): Out[] => {
  context.sequenceNumber = (context.sequenceNumber + 1) & 0xff
  const value = { ...set, sequenceNumber: context.sequenceNumber }
  return [send(request({ type: 'terminalCapabilitySet', value })), start('T101')]
}

/** @remarks A TCS may replace one that is not answered yet (hold and retrieve in quick succession): answers are told apart by their number. */
export const outgoingCese = {
  idle: { transferRequest: ['awaitingResponse', transfer] },
  awaitingResponse: {
    transferRequest: ['awaitingResponse', (event, context) => [stop('T101'), ...transfer(event, context)]],
    terminalCapabilitySetAck: ['idle', () => [stop('T101'), tell({ type: 'capabilitiesTaken' })]],
    terminalCapabilitySetReject: [
      'idle',
      ({ cause }) => [stop('T101'), tell({ type: 'capabilitiesRefused', cause: cause.type as 'unspecified' })]
    ],
    T101: [
      'idle',
      () => [
        send(indication({ type: 'terminalCapabilitySetRelease', value: {} })),
        tell({ type: 'capabilitiesRefused', cause: 'T101' })
      ]
    ]
  }
} satisfies Table<OutgoingCeseState, OutgoingCeseEvent, Out, OutgoingCese>

export type IncomingCeseState = 'idle' | 'awaitingResponse'

export type IncomingCeseEvent =
  | { readonly type: 'terminalCapabilitySet'; readonly set: TerminalCapabilitySet }
  | { readonly type: 'transferResponse' }
  | { readonly type: 'rejectRequest'; readonly cause: TerminalCapabilitySetReject['cause'] }
  | { readonly type: 'terminalCapabilitySetRelease' }

export type IncomingCeseTold =
  | { readonly type: 'capabilitiesCame'; readonly set: TerminalCapabilitySet }
  | { readonly type: 'capabilitiesWithdrawn' }

/** in_SQ. */
export interface IncomingCese {
  sequenceNumber: number
}

type In = EntityEffect<IncomingCeseTold>

const take = ({ set }: { readonly set: TerminalCapabilitySet }, context: IncomingCese): In[] => {
  context.sequenceNumber = set.sequenceNumber
  return [tell({ type: 'capabilitiesCame', set })]
}

export const incomingCese = {
  idle: { terminalCapabilitySet: ['awaitingResponse', take] },
  awaitingResponse: {
    terminalCapabilitySet: ['awaitingResponse', take],
    transferResponse: [
      'idle',
      (_, { sequenceNumber }) => [send(response({ type: 'terminalCapabilitySetAck', value: { sequenceNumber } }))]
    ],
    rejectRequest: [
      'idle',
      ({ cause }, { sequenceNumber }) => [
        send(response({ type: 'terminalCapabilitySetReject', value: { sequenceNumber, cause } }))
      ]
    ],
    terminalCapabilitySetRelease: ['idle', () => [tell({ type: 'capabilitiesWithdrawn' })]]
  }
} satisfies Table<IncomingCeseState, IncomingCeseEvent, In, IncomingCese>
