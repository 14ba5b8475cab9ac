/** Pictures that come from no participant's leg, on the stage of a conference: H.264 in, RTP to everybody who takes their level. */
import { h264Levels } from '#kernel'
import { isKeyUnit } from './nal.ts'
import { createPacketWriter } from './packet-writer.ts'
import type { Stages } from './stages.ts'

export interface PictureFeed {
  /**
   * One picture, as it is to be seen now. The feed is on the stage from its first key frame on.
   *
   * @param units of H.264, without start codes
   * @param capturedMs when it was taken, by any clock that does not step
   */
  readonly picture: (units: readonly Buffer[], capturedMs: number) => void
  /** There are no pictures for now: others are seen instead, until the next key frame. */
  readonly pause: () => void
  /** Idempotent. */
  readonly close: () => void
}

const sequenceParameters = 7

/** Macroblocks of a picture by the level in a sequence parameter set (ITU-T H.264 §7.3.2.1.1: the fourth octet); undefined without one. */
function macroblocksOf(units: readonly Buffer[]): number | undefined {
  const level = units.find((unit) => (unit[0]! & 0x1f) === sequenceParameters)?.[3]
  return level === undefined ? undefined : h264Levels.get(level)?.macroblocks
}

/**
 * Opens a feed that all see, for as long as it has pictures, in place of who speaks.
 *
 * @param name under which the stage knows it: no participant's
 */
export function openPictureFeed(stages: Stages, conference: string, name: string): PictureFeed {
  const { clock } = stages
  const { stage, release } = stages.hold(conference, 'people')
  const packetsOf = createPacketWriter('h264')
  let isShown = false
  let isClosed = false

  const show = (units: readonly Buffer[]): void => {
    isShown = true
    const now = clock.monotonicMs()
    const macroblocks = macroblocksOf(units)
    // a key frame comes with the next second: it need not be asked for
    stage.film(name, { askKeyFrame: () => undefined, ...(macroblocks === undefined ? {} : { macroblocks }) }, now)
    stage.choose(null, name, now)
  }
  const hide = (): void => {
    isShown = false
    const now = clock.monotonicMs()
    stage.film(name, null, now)
    stage.choose(null, null, now)
  }

  return {
    picture: (units, capturedMs) => {
      if (isClosed || units.length === 0) return
      if (!isShown) {
        if (!units.some((unit) => isKeyUnit('h264', unit))) return
        show(units)
      }
      for (const packet of packetsOf(units, capturedMs)) stage.packet(name, packet, clock.monotonicMs())
    },
    pause: () => {
      if (!isClosed && isShown) hide()
    },
    close: () => {
      if (isClosed) return
      if (isShown) hide()
      isClosed = true
      stage.leave(name, clock.monotonicMs())
      release()
    }
  }
}
