import { powerOfLevel } from './kernel.ts'

/** A voice as the choice of speakers sees it; the fields below `power` are the choice's own. */
export interface Voice {
  /** Whether there is sound of it in this frame, and it may be heard. */
  readonly sounding: boolean
  /** Mean square of this frame. */
  readonly power: number
  /** In the mix. */
  selected: boolean
  /** Peak power, falling slowly: a breath between two words costs nobody the place. */
  score: number
  /** Power over some seconds: who leads the talk. */
  activity: number
  /** Says something now. */
  speaking: boolean
  /** Frames in a row that differ from `speaking`. */
  turning: number
}

export const newVoice = { selected: false, score: 0, activity: 0, speaking: false, turning: 0 }

/** Below this nobody speaks. */
export const gate = powerOfLevel(-50)
/** Fall of `score` in a frame: 1 dB. */
export const release = 10 ** (-1 / 10)
/** A newcomer takes a place when it is 3 dB above the softest that has one. */
const lead = 2
/** Part of a frame in `activity`: a time constant of half a second. */
const share = 0.04
/** Frames of speech before somebody counts as speaking, and of silence before no longer. */
const onset = 3
const hangover = 30
/** Frames that somebody must lead before being told as the dominant speaker. */
const dominance = 15

/** What one frame has changed. Filled anew by each {@link SpeakerChoice.choose}; `turned` voices have begun or ended to speak. */
export interface SpeakerChanges<V> {
  dominant: boolean
  readonly turned: V[]
}

export interface Standing<V> {
  readonly dominant: V | null
  readonly challenger: V | null
  /** Frames that the challenger has led. */
  readonly challengedFor: number
}

/**
 * Which voices are mixed: all of them up to a number, and beyond that the loudest, with hysteresis so that places do not change hands at every word; and who
 * of them speaks, and leads.
 */
export class SpeakerChoice<V extends Voice> {
  readonly #places: number
  readonly changes: SpeakerChanges<V> = { dominant: false, turned: [] }
  #dominant: V | null = null
  #challenger: V | null = null
  #challengedFor = 0

  /** @param places voices mixed at most */
  constructor(places: number) {
    this.#places = places
  }

  /** Who leads the talk, also through silence; null before anybody has spoken, or when who led has gone. */
  get dominant(): V | null {
    return this.#dominant
  }

  /** Who leads, and who is about to: what the express lane goes on with. */
  get standing(): Standing<V> {
    return { dominant: this.#dominant, challenger: this.#challenger, challengedFor: this.#challengedFor }
  }

  set standing({ dominant, challenger, challengedFor }: Standing<V>) {
    this.#dominant = dominant
    this.#challenger = challenger
    this.#challengedFor = challengedFor
  }

  forget(voice: V): void {
    if (this.#challenger === voice) this.#challenger = null
    if (this.#dominant === voice) this.#dominant = null
  }

  choose(voices: readonly V[]): SpeakerChanges<V> {
    let sounding = 0
    let taken = 0
    for (let n = 0; n < voices.length; n++) {
      const voice = voices[n]!
      const power = voice.sounding ? voice.power : 0
      voice.score = Math.max(power, voice.score * release)
      if (!voice.sounding) voice.selected = false
      else {
        sounding++
        if (voice.selected) taken++
      }
    }
    if (sounding <= this.#places) for (let n = 0; n < voices.length; n++) voices[n]!.selected = voices[n]!.sounding
    else this.#contend(voices, taken)
    this.#watch(voices)
    return this.changes
  }

  #contend(voices: readonly V[], already: number): void {
    let taken = already
    let softest: V | null = null
    for (let n = 0; n < voices.length; n++) {
      const voice = voices[n]!
      if (!voice.sounding || voice.selected || voice.score < gate) continue
      if (taken < this.#places) {
        voice.selected = true
        taken++
        softest = null
        continue
      }
      softest ??= softestOf(voices)
      if (voice.score <= softest.score * lead) continue
      softest.selected = false
      voice.selected = true
      softest = null
    }
  }

  #watch(voices: readonly V[]): void {
    const { changes } = this
    changes.turned.length = 0
    changes.dominant = false
    let leader: V | null = null
    for (let n = 0; n < voices.length; n++) {
      const voice = voices[n]!
      voice.activity += ((voice.selected ? voice.power : 0) - voice.activity) * share
      const speaks = voice.selected && voice.score >= gate
      voice.turning = speaks === voice.speaking ? 0 : voice.turning + 1
      if (voice.turning >= (voice.speaking ? hangover : onset)) {
        voice.speaking = speaks
        voice.turning = 0
        changes.turned.push(voice)
      }
      if (voice.speaking && (leader === null || voice.activity > leader.activity)) leader = voice
    }
    this.#crown(leader)
  }

  #crown(leader: V | null): void {
    const dominant = this.#dominant
    if (leader === null || leader === dominant || leader.activity < gate) return
    if (dominant !== null && leader.activity < dominant.activity * lead) return
    if (leader !== this.#challenger) {
      this.#challenger = leader
      this.#challengedFor = 0
    }
    if (++this.#challengedFor < dominance && dominant !== null) return
    this.#dominant = leader
    this.#challenger = null
    this.changes.dominant = true
  }
}

/** Of those that have a place. */
function softestOf<V extends Voice>(voices: readonly V[]): V {
  let softest: V | null = null
  for (let n = 0; n < voices.length; n++) {
    const voice = voices[n]!
    if (voice.selected && (softest === null || voice.score < softest.score)) softest = voice
  }
  return softest!
}
