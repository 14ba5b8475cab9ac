/** What a bridge needs of the H.323 side. */
import type { LegStats, ParticipantRole } from '#kernel'
import type { CodecName } from './negotiation.ts'
import type { H323Progress } from './progress.ts'

export interface H323Request {
  /** Alias that is called. */
  readonly target: string
  readonly conference: string
  /** Name in that conference. */
  readonly participant: string
  readonly role: ParticipantRole
  /** Goes with the call. */
  readonly parentTraceId: string
}

export type H323Event =
  | H323Progress
  /** Media are open, both ways where `both`. */
  | { readonly type: 'media'; readonly codec: CodecName; readonly both: boolean }
  | { readonly type: 'held'; readonly held: boolean }
  | { readonly type: 'digit'; readonly digit: string; readonly durationMs: number | null }

/** A call to an H.323 endpoint. */
export interface H323Leg {
  readonly traceId: string
  readonly onEvent: (listener: (event: H323Event) => void) => void
  /** Never rejects. `cause` is one of Q.850. */
  readonly answered: Promise<
    { readonly ok: true } | { readonly ok: false; readonly cause: number; readonly reason: string | null }
  >
  readonly ended: Promise<{ readonly cause: number; readonly stats: LegStats | null }>
  readonly hold: () => void
  readonly retrieve: () => void
  readonly sendDigit: (digit: string, durationMs: number) => void
  /** Idempotent. */
  readonly release: (cause: number) => void
}

export interface H323Side {
  /** @throws {InfraFabricError} when there is no call to be made */
  readonly dial: (request: H323Request) => H323Leg
}
