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

export interface TimerAnswer {
  /** What the request asked for. */
  readonly offered: SessionExpires | undefined
  /** What the application put into its response. */
  readonly wished: SessionExpires | undefined
  /** Whether the peer lists the option `timer`. */
  readonly peerSupports: boolean
  /** Min-SE of the request; 0 where it has none. */
  readonly peerMinimumS: number
}

/**
 * What the server side puts into its 2xx: the application's wish; else what the peer asked for, when it also named the refresher; else nothing.
 * The refresher a peer names stands, a peer without session timers does not refresh, and an interval is shortened only down to the minimum
 * and never made longer than asked.
 *
 * @see RFC 4028 §9, Table 2
 */
export function answerTo({ offered, wished, peerSupports, peerMinimumS }: TimerAnswer): SessionExpires | undefined {
  const least = Math.max(minimumSessionS, peerMinimumS)
  if (wished !== undefined) {
    const refresher = peerSupports ? (offered?.refresher ?? wished.refresher ?? 'uac') : 'uas'
    const most = offered === undefined ? wished.intervalS : Math.min(wished.intervalS, offered.intervalS)
    return { refresher, intervalS: Math.max(most, least) }
  }
  if (offered === undefined || offered.refresher === null) return undefined
  return { ...offered, intervalS: Math.max(offered.intervalS, least) }
}

export function formatSessionExpires(timer: SessionExpires): string {
  return timer.refresher === null ? `${timer.intervalS}` : `${timer.intervalS};refresher=${timer.refresher}`
}

/** When this side refreshes: half the interval, moved by up to 5 s either way by `spread` in 0…1, so that many calls do not refresh at once. */
export function refreshAfterMs(intervalS: number, spread: number): number {
  return intervalS * 500 + (spread * 2 - 1) * 5000
}

/**
 * When a session that the peer should have refreshed is given up: before the interval is over by a third of it, but at most by 32 s, so that
 * proxies still know the call when BYE passes.
 *
 * @see RFC 4028 §10
 */
export function expireAfterMs(intervalS: number): number {
  return (intervalS - Math.min(32, intervalS / 3)) * 1000
}
