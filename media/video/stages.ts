/** The stages of a plane's conferences, one for people and one for content each: whoever brings or takes pictures meets the others there. */
import { type Clock, type PictureKind, systemClock } from '#kernel'
import type { MediaPlane } from '../media.ts'
import { Stage } from './stage.ts'

/** A stage for as long as it is held. */
export interface HeldStage {
  readonly stage: Stage
  /** Idempotent. */
  readonly release: () => void
}

export interface Stages {
  readonly clock: Clock
  /** The stage, made where it is not there. It stays while somebody holds it, or the conference lasts. */
  readonly hold: (conference: string, kind: PictureKind) => HeldStage
  /** Null before anybody held it. */
  readonly at: (conference: string, kind: PictureKind) => Stage | null
  /** Shows who leads the talk, where that one has begun to show its picture later. */
  readonly showLeading: (conference: string) => void
  readonly close: () => void
}

/** Between two looks at who waits for a key frame. */
const tickMs = 250

export function createStages(plane: Pick<MediaPlane, 'conferences' | 'onConferenceEvent'>, clock: Clock = systemClock): Stages {
  const stages = new Map<string, { readonly conference: string; readonly stage: Stage; holds: number }>()
  const leading = new Map<string, string>()
  const keyOf = (conference: string, kind: PictureKind): string => `${conference}\n${kind}`
  const at = (conference: string, kind: PictureKind): Stage | null => stages.get(keyOf(conference, kind))?.stage ?? null

  const sweep = (): void => {
    const open = plane.conferences()
    for (const [key, { conference, holds }] of stages) if (holds === 0 && !open.includes(conference)) stages.delete(key)
  }
  const showLeading = (conference: string): void => {
    const participant = leading.get(conference)
    if (participant !== undefined) at(conference, 'people')?.speaks(participant, clock.monotonicMs())
  }
  plane.onConferenceEvent((event) => {
    if (event.type === 'dominant') {
      leading.set(event.conference, event.participant)
      showLeading(event.conference)
    } else if (event.type === 'left' && !plane.conferences().includes(event.conference)) {
      leading.delete(event.conference)
      sweep()
    }
  })
  let stopTicking = (): void => {}
  const tick = (): void => {
    stopTicking = clock.after(tickMs, () => {
      for (const { stage } of stages.values()) stage.tick(clock.monotonicMs())
      tick()
    })
  }
  tick()

  return {
    clock,
    hold: (conference, kind) => {
      const key = keyOf(conference, kind)
      const held = stages.get(key) ?? { conference, stage: new Stage(), holds: 0 }
      stages.set(key, held)
      held.holds++
      let isHeld = true
      return {
        stage: held.stage,
        release: () => {
          if (!isHeld) return
          isHeld = false
          held.holds--
          sweep()
        }
      }
    },
    at,
    showLeading,
    close: () => {
      stopTicking()
      stages.clear()
    }
  }
}
