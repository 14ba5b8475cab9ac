/** What participants do by keys of their telephone, and how presses make it up. */

export const consentKeys = {
  /** Answers to the announcement. */
  yes: '1',
  no: '0',
  /** Starts the recording, and ends it: who may. */
  record: '*3',
  /** Takes consent back, and gives it again. */
  consent: '*4'
} as const

const longestPauseMs = 3000

/** Presses of one participant: a key stands for itself, behind `*` the two stand together. */
export class KeySequence {
  #pressed = ''
  #pressedMs = 0

  /**
   * @param nowMs monotonic
   * @returns what stands by now: `1`, `*`, `*4`
   */
  press(digit: string, nowMs: number): string {
    if (digit === '*' || nowMs - this.#pressedMs > longestPauseMs) this.#pressed = ''
    this.#pressedMs = nowMs
    const pressed = this.#pressed + digit
    this.#pressed = pressed === '*' ? pressed : ''
    return pressed
  }
}
