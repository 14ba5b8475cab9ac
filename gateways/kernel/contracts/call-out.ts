import type { ParticipantRole } from './conference.ts'

/** Somebody who may be called out, as the registry knows them. */
export interface Callee {
  /** Registry id. */
  readonly id: string
  /** Address of record: stands in To, and is what IF.guard is asked about. */
  readonly uri: string
  /** SIP URI at which the party is called: the Request-URI. */
  readonly contact: string
  readonly specialisations: readonly string[]
  /** Speaks against the prevailing view. */
  readonly contrarian: boolean
}

export interface CallOutRequest {
  readonly callee: Callee
  readonly hazard: string
  /** Conference that the callee is brought into. */
  readonly conference: string
  readonly role: ParticipantRole
  /** The escalation's trace: stands in X-IF-Trace-ID, and the call's own trace hangs under it. */
  readonly parentTraceId: string
  /** From the INVITE to its final answer; then CANCEL. */
  readonly ringTimeoutMs: number
  /** Whether media that comes before the answer (183) is heard in the conference. */
  readonly earlyMedia: 'heard' | 'ignored'
  /** `late` sends the INVITE without a session description and answers the callee's. */
  readonly offer: 'early' | 'late'
  /** Value of a Replaces header: the dialog of the callee that this call takes the place of (RFC 3891). */
  readonly replaces?: string
  /** Asked when the callee answers, before anybody hears it: false for a call that another has overtaken. It then ends with ACK and BYE. */
  readonly claim: () => boolean
}

/** What happens before the answer. */
export type CallOutProgress =
  /** IF.guard approved, and every entry without which there is no call is durable: the INVITE goes out. */
  | { readonly type: 'calling' }
  | { readonly type: 'trying' }
  | { readonly type: 'ringing'; readonly status: number; readonly earlyMedia: boolean }

/** Who or what kept a call out from being connected. */
export interface CallOutRefusal {
  readonly ok: false
  /** `guard`, `witness` and `limit` refuse before a packet leaves. */
  readonly by: 'guard' | 'witness' | 'limit' | 'conference' | 'callee' | 'network' | 'caller'
  /** Speaks of an attack. */
  readonly security: boolean
  /** Final SIP status of the callee; null when there is none. */
  readonly status: number | null
  /** Stable: a code of IF.guard or the conference, `sip.486`, `call-out.no-answer`, … */
  readonly code: string
  readonly reason: string
  /** Retry-After of the callee, milliseconds. */
  readonly retryAfterMs: number | null
  /** Reason of the callee's final response, where it has one (RFC 3326, RFC 6432). */
  readonly reasonHeader?: string
}

export type CallOutAnswer =
  | { readonly ok: true; readonly participant: string; readonly codec: string | null; readonly setupMs: number }
  | CallOutRefusal

export interface CallOutEnd {
  readonly by: string
  readonly reason: string
  /** From the answer on; 0 for a call that was never answered. */
  readonly durationMs: number
  /** Reason of the callee's BYE, where it has one (RFC 3326). */
  readonly reasonHeader?: string
}

/** Why a call out is given up before its answer, or hung up after it. */
export type CallOutStop = 'cancelled' | 'no-answer' | 'answered-elsewhere' | 'escalation-ended'

/** One call out. */
export interface CallOut {
  readonly traceId: string
  readonly callId: string
  /** Never rejects. */
  readonly answered: Promise<CallOutAnswer>
  /** Resolves when all that the call held of the council is free. The last answers of the other side, which may never come, are waited for four seconds. Never rejects. */
  readonly ended: Promise<CallOutEnd>
  /** Puts the callee on hold so that neither hears the other, or resumes. */
  readonly hold: (
    on: boolean
  ) => Promise<{ readonly ok: true } | { readonly ok: false; readonly code: string; readonly reason: string }>
  /** CANCEL before the answer, BYE after it. Idempotent. */
  readonly stop: (why: CallOutStop) => void
}

/** The port through which calls out are made. */
export interface CallsOut {
  readonly place: (request: CallOutRequest, onProgress: (progress: CallOutProgress) => void) => CallOut
}

/** What an X-IF-Signature of ours covers, besides its own time and nonce. */
export interface RequestToSign {
  readonly traceId: string
  readonly hazard: string
  readonly fromUri: string
  readonly toUri: string
  readonly callId: string
  readonly cseq: number
  readonly method: string
  readonly body: Uint8Array
}

/** Makes the value of X-IF-Signature for a request about to be sent, with this suite's own key. */
export type RequestSigner = (request: RequestToSign) => string

/** Makes the value of the Identity header for a call about to be sent: who calls whom, vouched for by this suite's certificate. @see RFC 8224 §4.1 */
export type IdentityVoucher = (call: { readonly fromUri: string; readonly toUri: string }) => string
