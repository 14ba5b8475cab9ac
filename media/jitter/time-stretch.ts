/**
 * Sound that waits to be played, which can be made a little shorter or longer: one pitch period is left out or said twice, where
 * the sound is most like itself, with a cross-fade (WSOLA).
 *
 * Pitch stays as it is. What was played last is kept, for the sound to be continued from it.
 */

import { type LegRecord, of } from '../express/record.ts'

const shortestShiftMs = 2.5
const longestShiftMs = 12.5
const fadeMs = 5
const pastMs = 15
/** Room at first: frames as they usually come and go use the same memory again and again. */
const usualMs = 80
/**
 * The sound must be this much like itself a shift later, or be this soft (root mean square, −50 dBFS), for the change not to be
 * heard.
 */
const alikeEnough = 0.75
const softLevel = 100

export class StretchQueue {
  readonly #perMs: number
  readonly #past: number
  readonly #longest: number
  #data: Int16Array
  #start: number
  #length = 0
  /** Whether it was soft where the queue was changed last: such changes may follow one another at once. */
  soft = false

  constructor(sampleRateHz: number, longestMs: number) {
    this.#perMs = sampleRateHz / 1000
    this.#past = Math.ceil(pastMs * this.#perMs)
    this.#longest = this.#past + Math.ceil(longestMs * this.#perMs)
    this.#data = new Int16Array(Math.min(this.#longest, this.#past + usualMs * this.#perMs))
    this.#start = this.#past
  }

  /** Whether what was played last and what waits is the end of `sound`. */
  isEndOf(sound: Int16Array): boolean {
    const data = this.#data
    const from = this.#start - this.#past
    const to = this.#start + this.#length
    const shift = sound.length - to
    if (from + shift < 0) return false
    for (let i = from; i < to; i++) if (data[i] !== sound[i + shift]) return false
    return true
  }

  /** Takes the end of `sound`: its last `waiting` samples wait, those before them were played. */
  load(sound: Int16Array, waiting: number): void {
    this.#data.set(sound.subarray(sound.length - waiting - this.#past))
    this.#start = this.#past
    this.#length = waiting
  }

  /** Lets the express lane go on, at 8 kHz. */
  lend({ sound }: LegRecord): void {
    sound.waiting.set(this.#data.subarray(this.#start - this.#past, this.#start + this.#length))
  }

  /** The inverse of {@link lend}. */
  follow({ fields, sound }: LegRecord): void {
    this.#start = this.#past
    this.#length = fields[of.left]!
    this.#data.set(sound.waiting.subarray(0, this.#past + this.#length))
  }

  get length(): number {
    return this.#length
  }

  /** Appends samples, as many as there is room for. */
  push(samples: Int16Array, from: number, to: number): void {
    this.#makeRoom(to - from)
    const data = this.#data
    const at = this.#start + this.#length
    const count = Math.min(to - from, data.length - at)
    for (let i = 0; i < count; i++) data[at + i] = samples[from + i]!
    this.#length += count
  }

  /** Moves the first samples to `out`. @returns how many */
  take(out: Int16Array): number {
    const count = Math.min(out.length, this.#length)
    const data = this.#data
    const start = this.#start
    for (let i = 0; i < count; i++) out[i] = data[start + i]!
    this.#start += count
    this.#length -= count
    return count
  }

  /** Leaves out the first samples. @returns how many */
  drop(count: number): number {
    const left = Math.min(count, this.#length)
    this.#start += left
    this.#length -= left
    return left
  }

  clear(): void {
    this.#length = 0
  }

  reset(): void {
    this.#data.fill(0)
    this.#start = this.#past
    this.#length = 0
  }

  #makeRoom(count: number): void {
    if (this.#start + this.#length + count <= this.#data.length) return
    const keepFrom = this.#start - this.#past
    const needed = this.#past + this.#length + count
    if (needed > this.#data.length && this.#data.length < this.#longest) {
      const before = this.#data
      this.#data = new Int16Array(Math.min(this.#longest, Math.max(needed, 2 * before.length)))
      this.#data.set(before.subarray(keepFrom, this.#start + this.#length))
    } else this.#data.copyWithin(0, keepFrom, this.#start + this.#length)
    this.#start = this.#past
  }

  /** Samples that must wait for {@link StretchQueue.shorten}. */
  get needed(): number {
    return Math.ceil((longestShiftMs + fadeMs) * this.#perMs)
  }

  /**
   * Leaves out one period, 2.5 to 12.5 ms.
   *
   * @param force even where it will be heard. @returns samples less; 0 when there are too few or none can be left out unheard
   */
  shorten(force: boolean): number {
    if (this.#length < this.needed) return 0
    const shift = this.#chooseShift(1, force)
    if (shift === 0) return 0
    const data = this.#data
    const start = this.#start
    const fade = Math.floor(fadeMs * this.#perMs)
    // The kept end moves back to the fade's start: what was played before stays just before it.
    for (let i = 0; i < fade; i++) {
      const share = (i + 1) / (fade + 1)
      data[start + i] = Math.round(data[start + i]! * (1 - share) + data[start + shift + i]! * share)
    }
    data.copyWithin(start + fade, start + shift + fade, start + this.#length)
    this.#length -= shift
    return shift
  }

  /** Says one period twice. @returns samples more; 0 when none can be repeated unheard */
  lengthen(force: boolean): number {
    const fade = Math.floor(fadeMs * this.#perMs)
    if (this.#length < fade) return 0
    const shift = this.#chooseShift(-1, force)
    if (shift === 0) return 0
    this.#makeRoom(shift)
    const data = this.#data
    const start = this.#start
    if (start + this.#length + shift > data.length) return 0
    data.copyWithin(start + fade + shift, start + fade, start + this.#length)
    // Backwards, so that samples are read before they are written over: [start − shift, start + fade) is read, [start, start +
    // fade + shift) is written.
    for (let i = fade + shift - 1; i >= fade; i--) data[start + i] = data[start + i - shift]!
    for (let i = fade - 1; i >= 0; i--) {
      const share = (i + 1) / (fade + 1)
      data[start + i] = Math.round(data[start + i]! * (1 - share) + data[start + i - shift]! * share)
    }
    this.#length += shift
    return shift
  }

  /** Shift at which the sound at the start is most like the sound that many samples later (direction 1) or earlier (−1). */
  #bestShift(direction: 1 | -1): number {
    const step = Math.max(1, this.#perMs >> 3)
    const shortest = Math.ceil(shortestShiftMs * this.#perMs)
    const longest = Math.floor(longestShiftMs * this.#perMs)
    let best = this.#search(shortest, longest, step, direction)
    if (step > 1) best = this.#search(Math.max(shortest, best - step), Math.min(longest, best + step), 1, direction)
    return best
  }

  #search(from: number, to: number, step: number, direction: 1 | -1): number {
    let best = from
    let bestScore = Number.NEGATIVE_INFINITY
    for (let shift = from; shift <= to; shift += step) {
      const score = this.#likeness(shift * direction, step)
      if (score > bestScore) {
        bestScore = score
        best = shift
      }
    }
    return best
  }

  #likeness(shift: number, step: number): number {
    const data = this.#data
    const start = this.#start
    const end = start + Math.floor(fadeMs * this.#perMs)
    let product = 0
    let power = 1
    let otherPower = 1
    for (let i = start; i < end; i += step) {
      const a = data[i]!
      const b = data[i + shift]!
      product += a * b
      power += a * a
      otherPower += b * b
    }
    return product / Math.sqrt(power * otherPower)
  }

  /** The longest shift where it is soft, else the one at which the sound is most like itself; 0 where that would be heard. */
  #chooseShift(direction: 1 | -1, force: boolean): number {
    this.soft = this.#isSoft(direction)
    if (this.soft) return Math.floor(longestShiftMs * this.#perMs)
    const shift = this.#bestShift(direction)
    return force || this.#likeness(shift * direction, 1) >= alikeEnough ? shift : 0
  }

  /** Whether all that a change would touch is soft. */
  #isSoft(direction: 1 | -1): boolean {
    const data = this.#data
    const shift = Math.floor(longestShiftMs * this.#perMs)
    const from = this.#start - (direction < 0 ? shift : 0)
    const to = from + shift + Math.floor(fadeMs * this.#perMs)
    let power = 0
    for (let i = from; i < to; i++) power += data[i]! * data[i]!
    return power < softLevel * softLevel * (to - from)
  }
}
