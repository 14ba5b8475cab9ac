import type { CallContext } from '../context.ts'

/** States of one bridge of a call: what runs beside the sound, and may fail while the call goes on. */
export const callBridgeStates = ['IDLE', 'CONNECTING', 'ACTIVE', 'DEGRADED', 'FAILED', 'CLOSED'] as const
export type CallBridgeState = (typeof callBridgeStates)[number]

export const callBridgeKinds = ['h323', 'webrtc', 'ndi'] as const
export type CallBridgeKind = (typeof callBridgeKinds)[number]

/** The call that a bridge belongs to. */
export interface BridgedCall {
  readonly conference: string
  /** Registry id of the expert. */
  readonly expertId: string
}

/** A change of state. `reason` is a stable code, null where nothing is wrong. */
export interface CallBridgeChange {
  readonly state: CallBridgeState
  readonly previous: CallBridgeState
  readonly reason: string | null
}

/** One bridge of one call. It begins in CONNECTING, or in IDLE while nobody is there yet to connect to, and makes its own attempts; FAILED is its last word before CLOSED. */
export interface CallBridgeSession {
  readonly state: () => CallBridgeState
  /** Told of every change from now on, in order. */
  readonly onChange: (listener: (change: CallBridgeChange) => void) => void
  /** Ends it in whatever state it is; resolves when nothing is left of it. Never rejects. Idempotent. */
  readonly close: (reason: string) => Promise<void>
}

/** The port through which whoever has a call opens a bridge for it. */
export interface CallBridge {
  /** What kind it is, one of {@link callBridgeKinds} in the suite. */
  readonly name: string
  /** Whom it leads to, where a call may have several of a kind. */
  readonly target?: string
  /** Returns at once. `skipped` says, by a stable code, why there is nothing to open here: no error. */
  readonly open: (
    context: CallContext,
    call: BridgedCall
  ) =>
    | { readonly ok: true; readonly session: CallBridgeSession }
    | { readonly ok: false; readonly skipped: string; readonly detail: string }
}
