import type { MessageLimits } from '../codec/limits.ts'
import type { OverloadLimits } from '../overload/overload.ts'
import type { TransportLimits } from '../transport/port.ts'
import type { OutboundRoute } from './outbound.ts'
import type { SpamFilter } from './screening.ts'

export interface EngineLimits {
  readonly message: MessageLimits
  readonly transport: TransportLimits
  /** Octets of one frame from an application. */
  readonly frame: number
  readonly applications: number
  /** Requests without a final response, or without the ACK for it; more are refused with 503. */
  readonly serverTransactions: number
  readonly overload: OverloadLimits
}

/** What the engine does beside routing to applications that connected. Everything is off by default. */
export interface EngineOptions {
  /** Services that are asked, and applications that are connected to, for new requests. They go before applications that connected. */
  readonly outbound: readonly OutboundRoute[]
  /** Whether attempts, starts and stops of calls are told to applications that route `cdr:attempt`, `cdr:start`, `cdr:stop`. */
  readonly cdrs: boolean
  /** Requests that get 603 Decline. */
  readonly spam: SpamFilter
  /** An OPTIONS whose User-Agent contains one of these (any case) gets 200 from the engine and is shown to no application. */
  readonly answerOptionsOf: readonly string[]
  /** Names of header fields, unknown to the standards, that go out in the spelling the application used. */
  readonly preserveNames: readonly string[]
}

export const defaultOptions: EngineOptions = {
  outbound: [],
  cdrs: false,
  spam: { userAgents: [], toUsers: [], fromUsers: [] },
  answerOptionsOf: [],
  preserveNames: []
}
