/** What the MCU is given. The media plane of the suite fits `Floor` as it is. */
import type { ParticipantRole } from '#kernel'

/** Somebody in a conference, whichever protocol brought him there. */
export interface FloorMember {
  readonly participant: string
  readonly role: ParticipantRole
  readonly codec: string | null
  readonly held: boolean
  readonly mutedBySelf: boolean
  readonly mutedByChair: boolean
  readonly handRaised: boolean
  readonly speaking: boolean
  readonly dominant: boolean
}

export type FloorEvent =
  | { readonly type: 'joined'; readonly conference: string; readonly participant: string; readonly role: ParticipantRole }
  | { readonly type: 'left'; readonly conference: string; readonly participant: string }
  | { readonly type: 'dominant'; readonly conference: string; readonly participant: string }
  /** Anything else is of no concern here. */
  | {
      readonly type: 'role' | 'muted' | 'volume' | 'hand' | 'speaking' | 'sending' | 'key' | 'locked'
      readonly conference: string
    }

/** The conferences' floor: who is there and who is heard. */
export interface Floor {
  readonly conferences: () => readonly string[]
  readonly roster: (conference: string) => readonly FloorMember[]
  readonly mute: (conference: string, participant: string, muted: boolean, by: 'self' | 'chair') => void
  readonly raiseHand: (conference: string, participant: string, raised: boolean) => void
  /** A key that was pressed outside the sound (H.245 user input). */
  readonly press: (conference: string, participant: string, digit: string) => void
  readonly onConferenceEvent: (listener: (event: FloorEvent) => void) => void
}

/** A caller as the gatekeeper let it in. */
export interface AdmittedCaller {
  /** Name of the registry; begins its name in the conference. */
  readonly name: string
  readonly role: ParticipantRole
}
