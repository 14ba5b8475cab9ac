/** A line of the house: sound that comes into a conference, or is taken out of it, by this process itself. */
import { type CallContext, type ConferencePort, InfraFabricError, type ParticipantRole } from '#kernel'
import { frameMs } from './mixer/lane.ts'
import { RtpPhone } from './rtp-phone.ts'
import { createSampleQueue } from './sample-queue.ts'
import type { SrtpPolicy } from './srtp/secrecy.ts'

export interface HouseLineConfig {
  readonly conference: string
  /** Unique in the conference. */
  readonly participant: string
  /** `observer` is not heard. */
  readonly role: ParticipantRole
  /** The mix without this line's own sound: 48 kHz, 20 ms at a time. */
  readonly onMix?: (samples: Int16Array) => void
}

export interface HouseLine {
  /** Sound for the conference: one channel, 1.0 is full scale. Left out where there is too much. */
  readonly push: (samples: Float32Array, sampleRateHz: number) => void
  /** From `push` to the mix, in milliseconds: as last measured. */
  readonly delayMs: () => number
  /** Idempotent. */
  readonly close: () => Promise<void>
}

const lineRateHz = 48_000
/** Sound that waits: what one picture of 25 a second brings, twice. */
const queueMs = 60
const mostQueueMs = 160
/** Until it is measured: jitter buffer and mix. */
const usualDelayMs = 60
const measureEveryMs = 1000
/** Pushes over which the wait in the queue is averaged. */
const smoothing = 8

/** @throws {InfraFabricError} the refusal of the conference, and what `join` throws */
export async function openHouseLine(
  plane: ConferencePort & { readonly srtp: SrtpPolicy },
  context: CallContext,
  { conference, participant, role, onMix }: HouseLineConfig
): Promise<HouseLine> {
  const queue = createSampleQueue((queueMs * lineRateHz) / 1000, (mostQueueMs * lineRateHz) / 1000)
  const phone = await RtpPhone.open({
    codec: 'OPUS',
    srtp: plane.srtp === 'required',
    keeps: false,
    onSend: (samples) => queue.pull(samples),
    ...(onMix === undefined ? {} : { onReceive: onMix })
  })
  let joined: Awaited<ReturnType<ConferencePort['join']>>
  try {
    joined = await plane.join(context, { conference, participant, role, offer: phone.sdp() })
  } catch (error) {
    phone.close()
    throw error
  }
  if (!joined.ok) {
    phone.close()
    throw new InfraFabricError(joined.code, joined.reason)
  }
  const { leg, sdp } = joined
  phone.talkTo(sdp)
  let legDelayMs = usualDelayMs
  const measuring = setInterval(() => {
    leg.stats().then(
      ({ quality }) => {
        if (quality !== null) legDelayMs = quality.endSystemDelayMs
      },
      () => undefined
    )
  }, measureEveryMs)
  measuring.unref()
  /** What a sample waits behind those before it. */
  let queuedMs = queueMs
  /** Where the next sample lies behind the last one that came, at the rate it came at. */
  let phase = 0
  let lastSample = 0
  let closed: Promise<void> | null = null

  return {
    push: (samples, sampleRateHz) => {
      // almost all sources have 48 kHz; what others have is interpolated
      const step = sampleRateHz / lineRateHz
      const out = new Int16Array(Math.ceil(samples.length / step) + 1)
      let count = 0
      for (; phase < samples.length; phase += step) {
        const at = Math.floor(phase)
        const before = at === 0 ? lastSample : samples[at - 1]!
        const value = before + (samples[at]! - before) * (phase - at)
        out[count++] = Math.round(Math.max(-1, Math.min(1, value)) * 32_767)
      }
      phase -= samples.length
      queuedMs += (queue.waiting() / (lineRateHz / 1000) - queuedMs) / smoothing
      lastSample = samples.at(-1) ?? lastSample
      queue.push(out.subarray(0, count))
    },
    delayMs: () => queuedMs + frameMs + legDelayMs,
    close: () => {
      closed ??= (async () => {
        clearInterval(measuring)
        await leg.leave()
        phone.close()
      })()
      return closed
    }
  }
}
