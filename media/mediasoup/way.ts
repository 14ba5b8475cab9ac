/** What mediasoup has measured of the way to a browser: it ends the browser's RTCP, so that the leg of the mixer sees none of it. */
import type { PeerQuality, WayBeyond } from '#kernel'

/** As much of the statistics of a consumer's stream as is used. */
export interface StreamStats {
  readonly type: string
  /** Milliseconds; 0 or absent before a receiver report has answered a sender report. @see RFC 3550 §6.4.1 */
  readonly roundTripTime?: number
  /** Of the last receiver report: negative where duplicates outnumber what was lost. */
  readonly packetsLost: number
}

/** @param stats of the consumer of the mix: the stream to the browser (`outbound-rtp`), and the one that it is made of */
export function wayBeyond(stats: readonly StreamStats[]): WayBeyond {
  const sent = stats.find(({ type }) => type === 'outbound-rtp')
  if (sent === undefined || !((sent.roundTripTime ?? 0) > 0)) return { roundTripMs: null, peer: null }
  const peer: PeerQuality = {
    lost: Math.max(0, sent.packetsLost),
    jitterMs: null,
    rFactor: null,
    mosListening: null,
    mosConversational: null
  }
  return { roundTripMs: sent.roundTripTime!, peer }
}
