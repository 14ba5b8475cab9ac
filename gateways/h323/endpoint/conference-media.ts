/** The sound of calls in the council's conferences, through the kernel's port. */
import type { ConferenceLeg, ConferencePort, LegEvent, LegStats } from '#kernel'
import type { MediaTerms } from '../control/media.ts'
import { localMediaOf, sdpOf } from '../control/media-terms.ts'
import type { CallMedia, OpenMedia } from './endpoint.ts'

/** Makes of the kernel's conference port what an endpoint opens for each call. */
export const conferenceMedia =
  (port: ConferencePort): OpenMedia =>
  async (context, place) => {
    const joined = await port.join(context, { ...place, offer: null })
    if (!joined.ok) return joined
    const local = localMediaOf(joined.sdp)
    if (local === null) {
      await joined.leg.leave()
      return { ok: false, code: 'sdp.no-audio', reason: 'the media plane offers no audio' }
    }
    return { ok: true, media: mediaOf(joined.leg, local) }
  }

function mediaOf(leg: ConferenceLeg, local: CallMedia['local']): CallMedia {
  let version = 0
  let last: Promise<unknown> = Promise.resolve()
  let left: Promise<LegStats | null> | null = null
  const apply: CallMedia['apply'] = (terms: MediaTerms) => {
    const run = async () => {
      if (left !== null) return { ok: true } as const
      const sdp = sdpOf(terms, local, ++version)
      const agreed = version === 1 ? await leg.answered(sdp) : await leg.offered(sdp)
      return agreed.ok ? ({ ok: true } as const) : agreed
    }
    // one after the other, in the order of the call
    const done = last.then(run)
    last = done.catch(() => {})
    return done
  }
  return {
    local,
    apply,
    ...(leg.sendDigit !== undefined && { sendDigit: leg.sendDigit }),
    onEvent: (listener: (event: LegEvent) => void) => leg.onEvent(listener),
    close: () => {
      left ??= leg.leave()
      return left
    }
  }
}
