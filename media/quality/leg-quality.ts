/** How the sound of one leg has come in: reckoned from what became of its packets and from its delays. */
import type { LegQuality, PeerQuality } from '#kernel'
import type { VoipMetrics } from '../rtp/rtcp-xr.ts'
import { meanOpinionScore, transmissionRating } from './e-model.ts'
import type { ReceptionSummary } from './reception.ts'

export interface LegFacts {
  readonly codec: string
  readonly reception: ReceptionSummary
  /** Sound in a packet. */
  readonly packetMs: number
  readonly jitterMaxMs: number
  /** In the jitter buffer and the mix. */
  readonly endSystemDelayMs: number
  /** Null where it is not known: the network is taken to have none then. */
  readonly roundTripMs: number | null
  /** Mean of what our encoder saved, null where it cannot. */
  readonly economy: number | null
  readonly peer: PeerQuality | null
}

const rounded = (value: number, places: number) => Math.round(value * 10 ** places) / 10 ** places

/** @returns null where nothing has come in */
export function assessLeg(facts: LegFacts): LegQuality | null {
  const { codec, reception, packetMs, endSystemDelayMs, roundTripMs } = facts
  const { expected, lost, discarded, restored, duplicates, burstRatio } = reception
  if (expected === 0) return null
  const lossRatio = (lost + discarded) / expected
  const delayMs = (roundTripMs ?? 0) / 2 + packetMs + endSystemDelayMs
  const rFactor = transmissionRating({ codec, lossRatio, burstRatio, delayMs })
  const listening = transmissionRating({ codec, lossRatio, burstRatio, delayMs: 0 })
  return {
    expected,
    lost,
    discarded,
    restored,
    duplicates,
    burstDensity: rounded(reception.burstDensity, 4),
    gapDensity: rounded(reception.gapDensity, 4),
    burstMs: Math.round(reception.burstPackets * packetMs),
    gapMs: Math.round(reception.gapPackets * packetMs),
    jitterMaxMs: rounded(facts.jitterMaxMs, 2),
    endSystemDelayMs: Math.round(endSystemDelayMs),
    rFactor: rounded(rFactor, 1),
    mosListening: rounded(meanOpinionScore(listening), 2),
    mosConversational: rounded(meanOpinionScore(rFactor), 2),
    economy: facts.economy === null ? null : rounded(facts.economy, 2),
    peer: facts.peer
  }
}

/** The same as it is told to the peer. @param ssrc of the stream that came in */
export function voipMetricsOf(
  quality: LegQuality,
  ssrc: number,
  roundTripMs: number | null,
  buffer: { readonly nominalMs: number; readonly maximumMs: number }
): VoipMetrics {
  const { expected, lost, discarded, burstDensity, gapDensity, burstMs, gapMs, endSystemDelayMs } = quality
  return {
    ssrc,
    lossRate: lost / expected,
    discardRate: discarded / expected,
    burstDensity,
    gapDensity,
    burstDurationMs: burstMs,
    gapDurationMs: gapMs,
    roundTripMs: roundTripMs ?? 0,
    endSystemDelayMs,
    rFactor: quality.rFactor,
    mosListening: quality.mosListening,
    mosConversational: quality.mosConversational,
    jitterBuffer: {
      adaptive: true,
      nominalMs: buffer.nominalMs,
      maximumMs: buffer.maximumMs,
      absoluteMaximumMs: buffer.maximumMs
    }
  }
}
