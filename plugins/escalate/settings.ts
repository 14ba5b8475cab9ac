import { defaultRetryPolicy, type RetryPolicy } from './retry.ts'

/** How experts are called. */
export interface EscalateSettings {
  /** Conferences into which experts may be brought, null for any name. */
  readonly conferences: readonly string[] | null
  /** `required`: over TLS only. Default `required`. */
  readonly tls: 'required' | 'preferred'
  /** Default `on-request`. */
  readonly contrarian: 'on-request' | 'always' | 'never'
  /** Whether media before the answer is heard in the conference. Default `ignored`. */
  readonly earlyMedia: 'heard' | 'ignored'
  /** Who describes the session first. Default `early`: the suite. */
  readonly offer: 'early' | 'late'
  /** How long an expert is rung. Default 30,000 ms. */
  readonly ringTimeoutMs: number
  /** Experts rung at once in parallel hunting. Default 5. */
  readonly mostParallel: number
  readonly retry: RetryPolicy
  /** Escalations at a time. Default 100. */
  readonly mostOpen: number
  /** Ended escalations, and idempotency keys, that are remembered. Default 1000. */
  readonly remembered: number
  /** Events that are remembered for those who follow. Default 10,000. */
  readonly rememberedEvents: number
}

export const defaultEscalateSettings: EscalateSettings = {
  conferences: ['council'],
  tls: 'required',
  contrarian: 'on-request',
  earlyMedia: 'ignored',
  offer: 'early',
  ringTimeoutMs: 30_000,
  mostParallel: 5,
  retry: defaultRetryPolicy,
  mostOpen: 100,
  remembered: 1000,
  rememberedEvents: 10_000
}
