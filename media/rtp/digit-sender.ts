import { encodeTelephoneEvent, eventOfDigit, longestSegment } from './telephone-event.ts'

/** An event's end is told so often, in case packets are lost. @see RFC 4733 §2.5.1.4 */
const ends = 3
const volume = 10
const mostWaiting = 64

export interface DigitFrame {
  /** First packet of the event: has the marker. */
  first: boolean
  /** Frames since the event began: its RTP timestamp is that of so many frames ago. */
  age: number
  /** Of an event longer than a packet can tell: where the segment begins that is told, in units of the event's clock after the beginning of the event. */
  segment: number
}

/**
 * Digits as telephone-events, one packet a frame, in place of sound. One that outlasts what a packet can tell goes on in another segment.
 *
 * @see RFC 4733 §2.5.1, §2.5.1.3
 */
export class DigitSender {
  readonly #waiting: { readonly event: number; readonly frames: number }[] = []
  #age = 0
  #endsSent = 0
  #segment = 0

  /** @param frames how long, at least 2. @returns false for what is no digit, and when too many wait */
  press(digit: string, frames: number): boolean {
    const event = eventOfDigit(digit)
    if (event < 0 || this.#waiting.length === mostWaiting) return false
    this.#waiting.push({ event, frames: Math.max(2, frames) })
    return true
  }

  get idle(): boolean {
    return this.#waiting.length === 0
  }

  /**
   * Writes the payload of the next frame at `at`; to be called once a frame unless {@link idle}. After an event one frame is left to sound.
   *
   * @param frameClock units of the event's clock in a frame
   * @returns octets written, 0 for the frame between two events
   */
  write(packet: Buffer, at: number, frameClock: number, out: DigitFrame): number {
    const { event, frames } = this.#waiting[0]!
    if (this.#endsSent === ends) {
      this.#waiting.shift()
      this.#endsSent = 0
      this.#age = 0
      this.#segment = 0
      return 0
    }
    out.first = this.#age === 0
    out.age = this.#age
    out.segment = this.#segment
    const duration = Math.min(frames, this.#age + 1) * frameClock - this.#segment
    const goesOn = duration > longestSegment
    const end = !goesOn && this.#age >= frames - 1
    if (goesOn) this.#segment += longestSegment
    if (end) this.#endsSent++
    this.#age++
    return encodeTelephoneEvent({ event, end, volume, duration: goesOn ? longestSegment : duration }, packet, at)
  }
}
