import type { HeaderLine } from '../codec/serialize.ts'
import type { ReceivedRequest } from './received.ts'
import type { ServerTransaction } from './transaction.ts'

/** What a response that the engine makes by itself has besides. */
export interface AnswerOptions {
  readonly reason?: string
  readonly headers?: readonly HeaderLine[]
}

/** A request to be answered. */
export interface Asked {
  readonly transaction: ServerTransaction
  readonly received: ReceivedRequest
}
