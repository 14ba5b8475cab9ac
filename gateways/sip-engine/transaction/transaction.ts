/** Transactions under way: the state of a machine, and what it works on. */
import type { SipResponse } from '../codec/message.ts'
import type { SendFailed } from '../transport/port.ts'
import type { Effect, TimerName, TransactionContext } from './effects.ts'
import type { InviteClientState } from './invite-client.ts'
import type { InviteServerState } from './invite-server.ts'
import type { NonInviteClientState } from './non-invite-client.ts'
import type { NonInviteServerState } from './non-invite-server.ts'
import type { ResponsePath } from './received.ts'
import type { QueuedTimer } from './timer-queue.ts'

/** What a client transaction says of its request. */
export type Told = Extract<Effect, { type: 'tell' }>['what']

/** What both sides have in common. */
export interface Running {
  /** UUID by which the application knows the transaction. */
  readonly id: string
  readonly key: string
  readonly method: string
  readonly context: TransactionContext
  /** Running timers: two at most. */
  timers: readonly QueuedTimer<ServerTransaction | ClientTransaction, TimerName>[]
  /** When it began, monotonic; null where nobody asks, and once its end was told. */
  startedMs: number | null
}

/** Of a transaction that had its final response, or the timeout or transport error that stands for one. */
export interface TransactionEnded {
  readonly role: 'client' | 'server'
  readonly method: string
  /** 0 without a response. */
  readonly status: number
  readonly durationMs: number
}

export interface ServerTransaction extends Running {
  readonly back: ResponsePath
  state: InviteServerState | NonInviteServerState
  /** Latest response, as sent. */
  response: Buffer | null
  /** Status of the latest response; 0 before the first. */
  status: number
}

export interface ClientTransaction extends Running {
  state: InviteClientState | NonInviteClientState
  readonly bytes: Buffer
  readonly transmit: (bytes: Buffer, failed: SendFailed) => void
  /** ACK for a non-2xx final response, once there is one. */
  ack: Buffer | null
  readonly makeAck: (response: SipResponse) => Buffer
  readonly tell: (what: Told, response: SipResponse | null) => void
}
