import type { CallContext } from '../context.ts'
import type { JsonObject } from '../json.ts'

/** The seven layers of defence, in the order in which a call meets them. */
export const layers = ['pike', 'allowlist', 'tls', 'digest', 'rate', 'policy', 'witness'] as const
export type Layer = (typeof layers)[number]

/** What the edge verified about a request and vouches for, from the headers `X-IF-Edge-*` that only the edge can set. */
export interface EdgeFacts {
  /** Source address as the edge saw it, without port. */
  readonly sourceAddress: string
  readonly transport: 'udp' | 'tcp' | 'tls' | 'ws' | 'wss'
  /** `TLSv1.2`, `TLSv1.3`; null without TLS. */
  readonly tlsVersion: string | null
  readonly tlsCipher: string | null
  /** Common name or SAN URI of a client certificate that the edge verified; null when none was shown. */
  readonly certificateIdentity: string | null
  /** Digest user that the edge authenticated; null when the edge did not ask. */
  readonly authenticatedUser: string | null
  /** `MD5` or `SHA-256`; null without digest. */
  readonly digestAlgorithm: string | null
  /** Seat of the council by whose token that user has proved itself; null or left out where it was by its own password. */
  readonly seat?: string | null
}

/** A request to bring an expert and the council together, in either direction. */
export interface GuardRequest {
  readonly direction: 'inbound' | 'outbound'
  readonly method: string
  readonly callId: string
  readonly cseq: number
  /** URI of the From header, as received, without name and parameters of the header. */
  readonly fromUri: string
  readonly toUri: string
  /** Trace id as it stood in X-IF-Trace-ID (what a signature covers); null when absent. */
  readonly claimedTraceId: string | null
  /** X-IF-Hazard, or the hazard of the dialled address; null when neither names one. */
  readonly hazard: string | null
  /** X-IF-Signature as received; null when absent. */
  readonly signature: string | null
  /** Values of the Identity headers (RFC 8224) as received; left out when there are none. */
  readonly identities?: readonly string[]
  /** Message body, empty when there is none. */
  readonly body: Uint8Array
  readonly edge: EdgeFacts
  /** Wall clock at receipt, milliseconds since 1970. */
  readonly receivedAt: number
}

/** What one policy said. */
export interface PolicyFinding {
  /** Name of the policy (its folder). */
  readonly policy: string
  readonly verdict: 'pass' | 'deny' | 'abstain'
  /** Stable, e.g. `guard.signature.replayed`. Safe for records and metric labels. */
  readonly code: string
  /** For the record and for operators; never sent to the caller. */
  readonly reason: string
}

/** By what a decision was made, so that it can be made again. Holds what callers claim (URIs, addresses), no credentials and no bodies. */
export interface GuardReceipt {
  /** Language and version of the rules' engine, `guard-rules/1`. */
  readonly engine: string
  /** SHA-256 of the rule file, 64 hex digits. */
  readonly policy: string
  /** Rule that decided; null when no rule permits the call, or a fact could not be established. */
  readonly rule: string | null
  /** SHA-256 of the canonical text (RFC 8785) of `facts`, 64 hex digits. */
  readonly input: string
  /** Everything that was established when the decision fell. */
  readonly facts: JsonObject
}

export interface GuardDecision {
  readonly verdict: 'approve' | 'reject'
  /** Layer that decided. */
  readonly layer: Layer
  /** Code of the deciding finding; `guard.approved` on approval. */
  readonly code: string
  readonly reason: string
  /** True where the rejection speaks of an attack (bad signature, replay, identity mismatch) and not of a mistake or a limit. */
  readonly security: boolean
  /** Registry id of the expert, null when unknown. The only expert label that metrics may carry. */
  readonly expertId: string | null
  readonly hazard: string | null
  /** Every policy asked, in order. */
  readonly findings: readonly PolicyFinding[]
  readonly receipt?: GuardReceipt
  /** Final SIP status that a standard has for this very refusal, e.g. 438 Invalid Identity Header (RFC 8224 §6.2.2). */
  readonly answer?: { readonly status: number; readonly phrase: string }
}

/** The port through which gateways ask IF.guard. */
export interface Guard {
  /** Decides; never throws for anything a caller can send. */
  readonly decide: (context: CallContext, request: GuardRequest) => Promise<GuardDecision>
}
