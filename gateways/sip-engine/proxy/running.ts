/** A request on its way through the proxy. */
import type { Clock, Log } from '#kernel'
import type { SipResponse } from '../codec/message.ts'
import type { HeaderLine } from '../codec/serialize.ts'
import type { EngineCounters } from '../common/stats.ts'
import type { EngineTimers } from '../common/timers.ts'
import type { CallRecords } from '../drachtio/cdr.ts'
import type { Path, Paths } from '../next-hop/paths.ts'
import type { AnswerOptions, Asked } from '../transaction/asked.ts'
import type { ReceivedRequest } from '../transaction/received.ts'
import type { ClientTransaction } from '../transaction/transaction.ts'
import type { Transactions } from '../transaction/transactions.ts'
import type { TransportPort } from '../transport/port.ts'
import type { SentBranch } from './forward.ts'
import type { ContextInput, ResponseContext } from './response-context.ts'
import type { Routing } from './routing.ts'
import type { RSeqNumbering } from './rseq.ts'

export interface ProxyOrder {
  /** URIs to send to, at least one. They take the place of the Request-URI where that is one of ours. */
  readonly destinations: readonly string[]
  /** Whether to stay in the path of later requests: Record-Route, or Path for REGISTER. */
  readonly remainInDialog: boolean
  readonly followRedirects: boolean
  /** All destinations at once, or one after the other. */
  readonly simultaneous: boolean
  /** A destination is given up when no response came so soon; null: only when its transaction ends. */
  readonly provisionalTimeoutMs: number | null
  /** … no final response. */
  readonly finalTimeoutMs: number | null
  /** Header fields to add. */
  readonly extra: readonly HeaderLine[]
}

/** Is told how the request fares. `done` or `failed` comes last, and once. */
export interface ProxyObserver {
  readonly finalResponse: (response: SipResponse, path: Path) => void
  readonly done: () => void
  /** @param text why nothing was sent, as an application is told. */
  readonly failed: (text: string) => void
}

/** A branch that has its path. */
export interface Sent extends SentBranch {
  readonly path: Path
  readonly branchId: string
  readonly transaction: ClientTransaction
}

export interface Running {
  readonly asked: Asked
  readonly order: ProxyOrder
  readonly observer: ProxyObserver
  /** Null for what an application sends on. */
  readonly routing: Routing | null
  readonly routed: string
  readonly context: ResponseContext
  readonly pins: ReadonlyMap<string, Path>
  readonly sent: Map<number, Sent>
  readonly timers: Map<string, () => void>
  readonly inputs: ContextInput[]
  readonly numbering: RSeqNumbering
  readonly sinceMs: number
  busy: boolean
  told: boolean
  /** Reason values of the caller's CANCEL. */
  reasons: readonly string[]
}

/** What the proxy is made of. */
export interface ProxyParts {
  readonly transactions: Transactions
  readonly paths: Paths
  readonly transport: TransportPort
  readonly clock: Clock
  readonly timers: EngineTimers
  readonly counters: EngineCounters
  readonly log: Log
  readonly records: CallRecords
  /** Answers what is not sent on. */
  readonly uas: { readonly answer: (asked: Asked, status: number, tag: string, options?: AnswerOptions) => Buffer }
}

/** Whether a request is to set up a call, which call records are about. */
export function isCall({ message, toTag }: ReceivedRequest): boolean {
  return message.method === 'INVITE' && toTag === ''
}
