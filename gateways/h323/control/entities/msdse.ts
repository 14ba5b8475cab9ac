/** H.245 §C.2: master-slave determination signalling entity. Timers arrive as events. */
import type { Table } from '#kernel'
import { type EntityEffect, indication, request, response, send, start, stop, tell } from './entity.ts'

export type Status = 'master' | 'slave'

export type MsdseState = 'idle' | 'outgoingAwaitingResponse' | 'incomingAwaitingResponse'

export type MsdseEvent =
  | { readonly type: 'determineRequest' }
  | {
      readonly type: 'masterSlaveDetermination'
      readonly terminalType: number
      readonly statusDeterminationNumber: number
      /** By {@link determine}; part of the event since it decides about the next state. */
      readonly status: Status
    }
  /** The same message where nobody wins. */
  | { readonly type: 'indeterminate' }
  | { readonly type: 'masterSlaveDeterminationAck'; readonly decision: Status }
  /** The ack of a peer that has come to another result than we. */
  | { readonly type: 'contradiction' }
  | { readonly type: 'masterSlaveDeterminationReject' }
  /** The reject after which no other number is tried. */
  | { readonly type: 'exhausted' }
  | { readonly type: 'masterSlaveDeterminationRelease' }
  | { readonly type: 'T106' }

export type MsdseTold =
  | { readonly type: 'determined'; readonly status: Status }
  | { readonly type: 'undetermined'; readonly cause: 'T106' | 'identicalNumbers' | 'inconsistent' | 'release' }

export interface Msdse {
  readonly terminalType: number
  /** Own number, 0–16,777,215. */
  statusDeterminationNumber: number
  /** A new one, for each try. */
  readonly random: () => number
  /** NCOUNT: tries so far. */
  tries: number
  /** Known since a determination of the peer came, until it is confirmed. */
  status: Status | null
}

/** N100: how often identical numbers are tried again. */
export const n100 = 3

const half = 0x80_0000

/**
 * Who is master: the larger terminal type, else the number that is ahead by less than half the circle.
 *
 * @returns what this side is; null where the numbers are the same or half a circle apart
 * @see H.245 §C.2.2
 */
export function determine(
  own: { readonly terminalType: number; readonly statusDeterminationNumber: number },
  peer: { readonly terminalType: number; readonly statusDeterminationNumber: number }
): Status | null {
  if (own.terminalType !== peer.terminalType) return own.terminalType > peer.terminalType ? 'master' : 'slave'
  const difference = (peer.statusDeterminationNumber - own.statusDeterminationNumber) & 0xff_ffff
  if (difference === 0 || difference === half) return null
  return difference < half ? 'master' : 'slave'
}

const opposite: Readonly<Record<Status, Status>> = { master: 'slave', slave: 'master' }

type Out = EntityEffect<MsdseTold>

function propose(context: Msdse): Out[] {
  context.statusDeterminationNumber = context.random() & 0xff_ffff
  const { terminalType, statusDeterminationNumber } = context
  return [send(request({ type: 'masterSlaveDetermination', value: { terminalType, statusDeterminationNumber } })), start('T106')]
}

/** The ack tells the peer what it is. */
const acknowledge = (status: Status): Out =>
  send(response({ type: 'masterSlaveDeterminationAck', value: { decision: { type: opposite[status] } } }))
const rejection: Out = send(response({ type: 'masterSlaveDeterminationReject', value: { cause: { type: 'identicalNumbers' } } }))
const failed = (cause: Extract<MsdseTold, { type: 'undetermined' }>['cause']): Out => tell({ type: 'undetermined', cause })

const take = ({ status }: { readonly status: Status }, context: Msdse): Out[] => {
  context.status = status
  return [acknowledge(status), start('T106')]
}
const again = (_: unknown, context: Msdse): Out[] => {
  context.tries++
  return [stop('T106'), ...propose(context)]
}

export const msdse = {
  idle: {
    determineRequest: [
      'outgoingAwaitingResponse',
      (_, context) => {
        context.tries = 0
        return propose(context)
      }
    ],
    masterSlaveDetermination: ['incomingAwaitingResponse', take],
    indeterminate: ['idle', () => [rejection]]
  },
  outgoingAwaitingResponse: {
    masterSlaveDetermination: ['incomingAwaitingResponse', (event, context) => [stop('T106'), ...take(event, context)]],
    indeterminate: ['outgoingAwaitingResponse', again],
    masterSlaveDeterminationAck: [
      'idle',
      ({ decision }, context) => {
        context.status = decision
        return [stop('T106'), acknowledge(decision), tell({ type: 'determined', status: decision })]
      }
    ],
    masterSlaveDeterminationReject: ['outgoingAwaitingResponse', again],
    exhausted: ['idle', () => [stop('T106'), failed('identicalNumbers')]],
    masterSlaveDeterminationRelease: ['idle', () => [stop('T106'), failed('release')]],
    T106: ['idle', () => [send(indication({ type: 'masterSlaveDeterminationRelease', value: {} })), failed('T106')]]
  },
  incomingAwaitingResponse: {
    // The peer's ack went before a second determination of it: the one that came last holds.
    masterSlaveDetermination: ['incomingAwaitingResponse', (event, context) => [stop('T106'), ...take(event, context)]],
    indeterminate: ['idle', () => [stop('T106'), rejection, failed('identicalNumbers')]],
    masterSlaveDeterminationAck: ['idle', ({ decision }) => [stop('T106'), tell({ type: 'determined', status: decision })]],
    contradiction: ['idle', () => [stop('T106'), failed('inconsistent')]],
    masterSlaveDeterminationReject: ['idle', () => [stop('T106'), failed('identicalNumbers')]],
    exhausted: ['idle', () => [stop('T106'), failed('identicalNumbers')]],
    masterSlaveDeterminationRelease: ['idle', () => [stop('T106'), failed('release')]],
    T106: ['idle', () => [failed('T106')]]
  }
} satisfies Table<MsdseState, MsdseEvent, Out, Msdse>

/** The event that a determination of the peer is, for this context. */
export function determinationEvent(
  context: Msdse,
  state: MsdseState,
  peer: { readonly terminalType: number; readonly statusDeterminationNumber: number }
): MsdseEvent {
  const status = determine(context, peer)
  if (status !== null) return { type: 'masterSlaveDetermination', ...peer, status }
  return state === 'outgoingAwaitingResponse' && context.tries >= n100 ? { type: 'exhausted' } : { type: 'indeterminate' }
}

/** The event that an ack of the peer is: `decision` is what it says we are. */
export const acknowledgementEvent = (context: Msdse, state: MsdseState, decision: Status): MsdseEvent =>
  state === 'incomingAwaitingResponse' && context.status !== decision
    ? { type: 'contradiction' }
    : { type: 'masterSlaveDeterminationAck', decision }

export const rejectionEvent = (context: Msdse): MsdseEvent =>
  context.tries >= n100 ? { type: 'exhausted' } : { type: 'masterSlaveDeterminationReject' }
