import type { CallContext } from './context.ts'

/**
 * How a bridge of a call is doing: not begun; waits for its first page; every page is served; some of it fails and the rest goes on; all of it has
 * failed; over.
 */
export type EvidenceState = 'IDLE' | 'CONNECTING' | 'ACTIVE' | 'DEGRADED' | 'FAILED' | 'CLOSED'

/** The call that evidence is shared in. Its trace, and the one above it, are those of the context. */
export interface EvidenceCall {
  /** Conference whose pages get the evidence. */
  readonly conference: string
  /** Participant behind the call, where there is one: whoever is told the link of the call's page. */
  readonly participant: string | null
  readonly hazard: string | null
}

export interface EvidenceStateChange {
  readonly state: EvidenceState
  readonly previous: EvidenceState
  /** Stable code, or null where there is nothing to say. */
  readonly reason: string | null
}

/** Evidence of one call. */
export interface EvidenceBridgeSession {
  readonly state: () => EvidenceState
  /** @returns stops it */
  readonly onState: (listener: (change: EvidenceStateChange) => void) => () => void
  /** Tells pages the session ends, and closes their channels. Idempotent; resolves when nothing of it is left. */
  readonly close: (reason: string) => Promise<void>
}

/** The port through which evidence of a call is begun: one session for each call. */
export interface EvidenceBridge {
  /**
   * Opens the session of the context's trace, or gives another hold on the one that is open: it goes when every hold is closed.
   *
   * @throws {InfraFabricError} `evidence.closed`, `evidence.calls` when too many are open
   */
  readonly open: (context: Pick<CallContext, 'traceId' | 'parentTraceId'>, call: EvidenceCall) => EvidenceBridgeSession
}
