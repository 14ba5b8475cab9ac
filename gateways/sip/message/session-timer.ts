import type { EdgeFacts } from '#kernel'
import { readTokens } from './headers.ts'

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

/** Who refreshes the session, as the request that is answered has it: its sender (`uac`), or we. */
export type Refresher = 'uac' | 'uas'

/** Over a connection only the phone that opened it can open another: some close it in the middle of a call (PJSIP after 33 s without a request), and a refresh of ours would end the call. */
export const refresherOver = (transport: EdgeFacts['transport']): Refresher => (transport === 'udp' ? 'uas' : 'uac')

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
 * @param usual who refreshes where the request does not say it.
 * @see RFC 4028 §9
 */
export function answerSessionTimer(
  get: (name: string) => string | undefined,
  config: SessionTimerConfig,
  usual: Refresher
): SessionTimerAnswer {
  const supported = readTokens(get('Supported')).has('timer') || readTokens(get('Require')).has('timer')
  const value = get('Session-Expires') ?? get('x')
  const asked = deltaSeconds(value)
  // 422 is only for those who know it (§9)
  if (!supported) return { ok: true, headers: {} }
  if (asked !== null && asked < config.minSessionExpiresSeconds) return { ok: false, minSeconds: config.minSessionExpiresSeconds }
  const minimum = Math.max(config.minSessionExpiresSeconds, deltaSeconds(get('Min-SE')) ?? 0)
  const interval = Math.max(minimum, Math.min(asked ?? config.sessionExpiresSeconds, config.sessionExpiresSeconds))
  const refresher = /;\s*refresher\s*=\s*(uac|uas)\b/i.exec(value ?? '')?.[1]?.toLowerCase() ?? usual
  return {
    ok: true,
    headers: {
      'Session-Expires': `${interval};refresher=${refresher}`,
      ...(refresher === 'uac' ? { Require: 'timer' } : {})
    }
  }
}
