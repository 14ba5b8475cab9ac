/**
 * Call progress from one side to the other, before the answer.
 *
 * @see RFC 4123 §4.1; RFC 3398 §7.2.5, §8.2.3 for what has sound
 */

/** What H.323 says before CONNECT. `inBand`: there is sound already (progress indicator 1 or 8, or media agreed on). */
export type H323Progress =
  | { readonly type: 'proceeding' }
  | { readonly type: 'alerting'; readonly inBand: boolean }
  | { readonly type: 'progress'; readonly inBand: boolean }

/** Provisional response. A session description comes with it only where there is sound. */
export interface SipProgress {
  readonly status: 100 | 180 | 183
  readonly sdp: boolean
}

/** Null for what SIP has no word for: a PROGRESS without sound tells the caller nothing. */
export function sipOfH323(progress: H323Progress): SipProgress | null {
  switch (progress.type) {
    case 'proceeding':
      return { status: 100, sdp: false }
    case 'alerting':
      return progress.inBand ? { status: 183, sdp: true } : { status: 180, sdp: false }
    case 'progress':
      return progress.inBand ? { status: 183, sdp: true } : null
  }
}

/** A provisional status of SIP as H.323 says it. 181 and 182 ring nobody: the caller waits. */
export function h323OfSip({ status, sdp }: { readonly status: number; readonly sdp: boolean }): H323Progress | null {
  if (status === 100) return { type: 'proceeding' }
  if (status === 180) return { type: 'alerting', inBand: sdp }
  if (status === 183 && sdp) return { type: 'progress', inBand: true }
  return null
}
