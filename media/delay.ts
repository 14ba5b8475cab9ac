import { setTimeout as sleep } from 'node:timers/promises'
import { type CallContext, newTraceId, silentLog } from '#kernel'
import type { MediaPlane } from './media.ts'
import { frameMs } from './mixer/lane.ts'
import { RtpPhone } from './rtp-phone.ts'

/** All in milliseconds. */
export interface MediaDelay {
  readonly samples: number
  /**
   * From the moment a talker's packet is handed to the network to the moment the mixed packet with its sound has arrived at a listener, less the jitter
   * buffer's target: what the mixer adds, with twice the loopback.
   */
  readonly addedP50Ms: number
  readonly addedP99Ms: number
  /**
   * From the first sample of a frame at the mouth (one frame before its packet is sent) to the arrival of its sound at the ear: packetisation, loopback,
   * jitter buffer, mixer, loopback. The listener's own buffer is not in it.
   */
  readonly mouthToEarP50Ms: number
  readonly mouthToEarP99Ms: number
}

/** Frames between two clicks: far more than any delay measured. */
const clickEvery = 10
const clickLevel = 20_000
/** Clicks of one talker: the next one's frames begin at another moment between two ticks of the mixer. */
const clicksPerTalker = 50
/** The golden section spreads any number of talkers evenly over a frame. */
const phaseStep = 0.618

/**
 * Measures delay through a running plane: one participant clicks, another listens, the rest send silence. Talkers take turns, each at another phase against the
 * mixer's tick, because what the mixer adds lies between nothing and a frame depending on that.
 *
 * @param participants at least 2
 * @param clicks how many to measure
 * @param jitterTargetMs the plane's jitter buffer target
 */
export async function measureMediaDelay(
  plane: MediaPlane,
  participants: number,
  clicks: number,
  jitterTargetMs: number
): Promise<MediaDelay> {
  const conference = `delay-${newTraceId().slice(0, 8)}`
  const context: CallContext = { traceId: newTraceId(), log: silentLog, signal: new AbortController().signal, now: Date.now }
  let sentMs = Number.NaN
  let frameBeganMs = Number.NaN
  const added: number[] = []
  const mouthToEar: number[] = []
  const join = async (participant: string, phone: RtpPhone) => {
    const joined = await plane.join(context, { conference, participant, role: 'expert', offer: phone.sdp() })
    if (!joined.ok) throw new TypeError(joined.reason)
    phone.talkTo(joined.sdp)
    return joined.leg
  }
  const listener = await RtpPhone.open({
    onReceive: (samples) => {
      if (Number.isNaN(sentMs) || samples[samples.length >> 1]! < clickLevel / 2) return
      const now = performance.now()
      added.push(now - sentMs - jitterTargetMs)
      mouthToEar.push(now - frameBeganMs)
      sentMs = Number.NaN
    }
  })
  const phones = [listener, ...(await Promise.all(Array.from({ length: participants - 2 }, () => RtpPhone.open())))]
  const legs = await Promise.all(phones.map((phone, n) => join(`p${n}`, phone)))
  for (let turn = 0; added.length < clicks && turn < 2 * Math.ceil(clicks / clicksPerTalker); turn++) {
    const enough = Math.min(clicks, added.length + clicksPerTalker)
    let previousSendMs = performance.now()
    const talker = await RtpPhone.open({
      onSend: (samples, frame) => {
        const now = performance.now()
        if (frame > clickEvery && frame % clickEvery === 0 && added.length < enough) {
          samples.fill(clickLevel)
          sentMs = now
          frameBeganMs = previousSendMs
        }
        previousSendMs = now
      }
    })
    await sleep(frameMs * ((turn * phaseStep) % 1))
    const leg = await join(`talker${turn}`, talker)
    const deadline = performance.now() + clicksPerTalker * clickEvery * frameMs * 1.5 + 1000
    while (added.length < enough && performance.now() < deadline) await sleep(50)
    await leg.leave()
    talker.close()
    sentMs = Number.NaN
  }
  await Promise.all(legs.map((leg) => leg.leave()))
  for (const phone of phones) phone.close()
  const quantile = (values: readonly number[], q: number) =>
    [...values].sort((a, b) => a - b)[Math.floor(q * (values.length - 1))] ?? Number.NaN
  return {
    samples: added.length,
    addedP50Ms: quantile(added, 0.5),
    addedP99Ms: quantile(added, 0.99),
    mouthToEarP50Ms: quantile(mouthToEar, 0.5),
    mouthToEarP99Ms: quantile(mouthToEar, 0.99)
  }
}
