/** Arithmetic of session timers. All intervals in seconds, as on the wire. @see RFC 4028 */
import { parseParameters } from '../codec/text.ts'

export type Refresher = 'uac' | 'uas'

export interface SessionExpires {
  readonly intervalS: number
  readonly refresher: Refresher | null
}

/** RFC 4028 §4: nothing shorter is accepted. */
export const minimumSessionS = 90

/** Reads `1800;refresher=uac`; undefined where it is malformed. */
export function parseSessionExpires(value: string): SessionExpires | undefined {
  const match = /^(\d{1,9})[ \t]*(;.*)?$/.exec(value)
  if (match === null) return undefined
  const refresher = match[2] === undefined ? null : parseParameters(match[2])?.get('refresher')?.toLowerCase()
  return { intervalS: Number(match[1]), refresher: refresher === 'uac' || refresher === 'uas' ? refresher : null }
}

export interface ArmedTimer {
  readonly intervalS: number
  /** Who sends the refresh: this side or the peer. */
  readonly refresher: 'local' | 'remote'
}

/**
 * What a 2xx agrees on.
 *
 * @param weSentRequest whether this side sent the request that the 2xx answers: `uac` is then this side.
 */
export function armedBy(agreed: SessionExpires, weSentRequest: boolean): ArmedTimer {
  const uacIsLocal = weSentRequest
  const refresher = agreed.refresher ?? 'uac'
  return { intervalS: agreed.intervalS, refresher: (refresher === 'uac') === uacIsLocal ? 'local' : 'remote' }
}

/**
 * What the server side puts into its 2xx: the application's wish; else what the peer asked for, when it also named the refresher; else nothing.
 * An interval below the minimum is raised to it.
 */
export function answerTo(offered: SessionExpires | undefined, wished: SessionExpires | undefined): SessionExpires | undefined {
  if (wished !== undefined) return { ...wished, intervalS: Math.max(wished.intervalS, minimumSessionS) }
  if (offered === undefined || offered.refresher === null) return undefined
  return { ...offered, intervalS: Math.max(offered.intervalS, minimumSessionS) }
}

export function formatSessionExpires(timer: SessionExpires): string {
  return timer.refresher === null ? `${timer.intervalS}` : `${timer.intervalS};refresher=${timer.refresher}`
}

/** When this side refreshes: half the interval, moved by up to 5 s either way by `spread` in 0…1, so that many calls do not refresh at once. */
export function refreshAfterMs(intervalS: number, spread: number): number {
  return intervalS * 500 + (spread * 2 - 1) * 5000
}

/** When a session that the peer should have refreshed is given up: the full interval. */
export function expireAfterMs(intervalS: number): number {
  return intervalS * 1000
}
