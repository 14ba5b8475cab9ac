import type { BridgeState, Layer, LegStats, PolicyFinding } from '#kernel'
import type { EdgeReport } from '../edge/report.ts'

/** What a live view of a call shows. The ledger's entries say more and are the record; these are told at the same moments. */
export type CallTimelineEvent = {
  /** Wall clock, milliseconds since 1970. */
  readonly at: number
  readonly traceId: string
  /** The trace under which the call hangs: of an escalation, or one that the caller brought. */
  readonly parentTraceId?: string
  readonly callId: string
} & (
  | {
      readonly type: 'received'
      readonly fromUri: string
      readonly toUri: string
      readonly conference: string | null
      readonly hazard: string | null
    }
  | {
      readonly type: 'calling'
      readonly fromUri: string
      readonly toUri: string
      readonly conference: string
      readonly hazard: string
      readonly expertId: string
    }
  | {
      readonly type: 'decided'
      readonly verdict: 'approve' | 'reject'
      readonly code: string
      readonly expertId: string | null
      /** Without their reasons, which are for operators. */
      readonly findings: readonly Omit<PolicyFinding, 'reason'>[]
    }
  | { readonly type: 'ringing' }
  | { readonly type: 'answered'; readonly setupMs: number }
  | { readonly type: 'established'; readonly conference: string; readonly participant: string; readonly codec: string | null }
  | { readonly type: 'bridge'; readonly previous: BridgeState; readonly state: BridgeState }
  | { readonly type: 'key'; readonly digit: string }
  | { readonly type: 'strangers'; readonly packets: number }
  | {
      readonly type: 'rejected'
      readonly status: number
      readonly code: string
      readonly layer: Layer | null
      readonly security: boolean
    }
  | {
      readonly type: 'ended'
      readonly by: string
      readonly reason: string
      /** From the 200 on; 0 for a call that was never answered. */
      readonly durationMs: number
      readonly stats: LegStats | null
    }
)

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never
/** An event of a call as the call tells it; what all its events say is added. */
export type CallTimelineEventBody = DistributiveOmit<CallTimelineEvent, 'at' | 'traceId' | 'parentTraceId' | 'callId'>

/** Everything the application tells about. */
export type SipApplicationEvent =
  | CallTimelineEvent
  | ({ readonly type: 'edge-refused'; readonly at: number } & EdgeReport)
  | { readonly type: 'signalling'; readonly at: number; readonly state: 'connected' | 'lost' }

/** A call as it stands. */
export interface CallSnapshot {
  readonly traceId: string
  readonly callId: string
  readonly direction: 'inbound' | 'outbound'
  readonly state: string
  readonly bridge: BridgeState
  readonly fromUri: string
  readonly conference: string | null
  readonly hazard: string | null
  readonly expertId: string | null
  /** Trace of the call of an earlier run that goes on in this one. */
  readonly takesUp?: string
  /** Wall clock at which the INVITE came, or the call out was asked for. */
  readonly receivedAt: number
}
