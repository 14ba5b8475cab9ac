import type { Log } from './log.ts'

/** The explicit first parameter of anything done for a call. Never a global. */
export interface CallContext {
  /** 32 lowercase hex digits (see newTraceId), or an acceptable id that the caller brought. */
  readonly traceId: string
  /** The trace under which this one hangs, when the caller brought an id of its own or a call belongs to an escalation. */
  readonly parentTraceId?: string
  /** Bound to the trace id. */
  readonly log: Log
  /** Aborted when the call is over or given up: every wait made for the call ends with it. */
  readonly signal: AbortSignal
  /** Wall clock in milliseconds since 1970. */
  readonly now: () => number
}
