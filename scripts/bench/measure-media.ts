import { type MediaDelay, type MediaPlane, measureMediaDelay } from '#media'

export const smallConference = 3
export const largeConference = 50
/** The large conference is only shown: fewer clicks do. */
const largeSamples = 200

export interface MediaFigures {
  readonly small: MediaDelay
  readonly large: MediaDelay
}

/** @param samples clicks by which the delay is measured, each 200 ms after the last */
export async function measureMedia(
  plane: MediaPlane,
  samples: number,
  jitterTargetMs: number,
  say: (text: string) => void
): Promise<MediaFigures> {
  const measure = (participants: number, clicks: number) => {
    say(`sound: ${clicks} clicks among ${participants} participants`)
    return measureMediaDelay(plane, participants, clicks, jitterTargetMs)
  }
  return {
    small: await measure(smallConference, samples),
    large: await measure(largeConference, Math.min(samples, largeSamples))
  }
}
