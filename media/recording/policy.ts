/** Which conferences are recorded, under which conditions: data. */
import type { ParticipantRole } from '#kernel'
import { soundProblem } from '../config.ts'
import type { Sound } from '../mixer/sounds.ts'
import { sine } from '../tone.ts'

export interface RecordingPolicy {
  /** Name of the conference; `*` for all that have no policy of their own. */
  readonly conference: string
  /**
   * `off`: never recorded. `announce`: who has heard the announcement to its end is recorded. `key`: who has pressed the key for yes after it.
   */
  readonly consent: 'off' | 'announce' | 'key'
  /** `automatic`: as soon as somebody is there. `manual`: when one of `startedBy` wants it. */
  readonly start: 'automatic' | 'manual'
  readonly startedBy: readonly ParticipantRole[]
  /** Played to each participant, alone, before anything of it is recorded. */
  readonly announcement: Sound
  /** Without an answer for so long after the announcement, a participant is not recorded. */
  readonly answerWithinMs: number
  /** Days after which recordings are deleted; null for never. */
  readonly retentionDays: number | null
}

const toneRateHz = 16_000
const toneMs = 400

/** The tone of recording machines, twice: 1400 Hz. @see 47 CFR 64.501 */
const recordingTone: Sound = (() => {
  const tone = sine(toneRateHz, 1400, -18, (toneRateHz * toneMs) / 1000)
  const samples = new Int16Array(4 * tone.length)
  samples.set(tone, tone.length)
  samples.set(tone, 3 * tone.length)
  return { samples, sampleRateHz: toneRateHz }
})()

export const defaultPolicy = {
  start: 'automatic',
  startedBy: ['guardian'],
  announcement: recordingTone,
  answerWithinMs: 15_000,
  retentionDays: 90
} as const

/** The policy of a conference; null where nothing is recorded. */
export function policyOf(policies: readonly RecordingPolicy[], conference: string): RecordingPolicy | null {
  const policy =
    policies.find((each) => each.conference === conference) ?? policies.find((each) => each.conference === '*') ?? null
  return policy === null || policy.consent === 'off' ? null : policy
}

/** What is wrong with policies: nothing when the list is empty. */
export function policyProblems(policies: readonly RecordingPolicy[]): string[] {
  return policies.flatMap(({ conference, announcement, answerWithinMs, retentionDays, consent }, n) => {
    const sound = soundProblem(announcement)
    return [
      ...(policies.findIndex((other) => other.conference === conference) < n ? [`${conference}: has two policies`] : []),
      ...(sound === null ? [] : [`${conference}: announcement: ${sound}`]),
      ...(consent !== 'off' && announcement.samples.length === 0 ? [`${conference}: announcement: is empty`] : []),
      ...(Number.isFinite(answerWithinMs) && answerWithinMs >= 0 ? [] : [`${conference}: answerWithinMs: expected milliseconds`]),
      ...(retentionDays === null || (Number.isFinite(retentionDays) && retentionDays > 0)
        ? []
        : [`${conference}: retentionDays: expected days`])
    ]
  })
}
