import { readTokens } from './sip-headers.ts'

export interface SessionTimerConfig {
  /** Interval we ask for, seconds. */
  readonly sessionExpiresSeconds: number
  /** Shortest interval we accept, seconds, at least 90 (RFC 4028 §4). */
  readonly minSessionExpiresSeconds: number
}

export type SessionTimerAnswer =
  /** Headers for the 2xx; empty when no session timer runs. */
  | { readonly ok: true; readonly headers: Record<string, string> }
  /** 422 with `Min-SE`. */
  | { readonly ok: false; readonly minSeconds: number }

const deltaSeconds = (value: string | undefined): number | null => {
  const match = /^\s*(\d{1,9})\s*(?:;|$)/.exec(value ?? '')
  return match === null ? null : Number(match[1])
}

/**
 * Answers the session timer part of an INVITE or UPDATE as UAS. The server that owns the dialog does the refreshing and the watching.
 *
 * A caller without `Supported: timer` gets no timer: nobody would refresh, and the media timeout already finds a peer that vanished.
 *
 * @param get header lookup of the request.
 * @see RFC 4028 §9
 */
export function answerSessionTimer(get: (name: string) => string | undefined, config: SessionTimerConfig): SessionTimerAnswer {
  const supported = readTokens(get('Supported')).has('timer') || readTokens(get('Require')).has('timer')
  const value = get('Session-Expires') ?? get('x')
  const asked = deltaSeconds(value)
  // 422 is only for those who know it (§9)
  if (!supported) return { ok: true, headers: {} }
  if (asked !== null && asked < config.minSessionExpiresSeconds) return { ok: false, minSeconds: config.minSessionExpiresSeconds }
  const minimum = Math.max(config.minSessionExpiresSeconds, deltaSeconds(get('Min-SE')) ?? 0)
  const interval = Math.max(minimum, Math.min(asked ?? config.sessionExpiresSeconds, config.sessionExpiresSeconds))
  const refresher = /;\s*refresher\s*=\s*(uac|uas)\b/i.exec(value ?? '')?.[1]?.toLowerCase() ?? 'uas'
  return {
    ok: true,
    headers: {
      'Session-Expires': `${interval};refresher=${refresher}`,
      ...(refresher === 'uac' ? { Require: 'timer' } : {})
    }
  }
}
