/** SIP timers in milliseconds, and the waits of this engine. */
export interface EngineTimers {
  /** Round-trip estimate (RFC 3261 §17.1.1.1). 64·T1 bounds every transaction. */
  readonly t1Ms: number
  readonly t2Ms: number
  readonly t4Ms: number
  /** An INVITE to which its application has said nothing for so long gets 100, at the latest after {@link longestTryingMs}. 0: at once. */
  readonly tryingMs: number
  /** An application must have given a first response to an INVITE so soon; then the caller gets 480. */
  readonly applicationMs: number
  /** A final response to an INVITE must follow so long after the latest provisional one; then the caller gets 480. */
  readonly ringingMs: number
  /** A proxied INVITE must be answered so long after its latest 101 to 199 (timer C, RFC 3261 §16.6 step 11: more than 3 minutes). */
  readonly timerCMs: number
  /** Calls whose application went away are ended with BYE after so long, if nothing ended them before. */
  readonly orphanMs: number
  /** An application connection must have logged in so soon. */
  readonly loginMs: number
}

/** @see RFC 3261 §17.2.1 */
export const longestTryingMs = 200

export const defaultTimers: EngineTimers = {
  t1Ms: 500,
  t2Ms: 4000,
  t4Ms: 5000,
  tryingMs: 0,
  applicationMs: 64_000,
  ringingMs: 300_000,
  timerCMs: 185_000,
  orphanMs: 32_000,
  loginMs: 5000
}
