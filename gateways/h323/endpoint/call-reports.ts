/** IRRs of calls at the interval that their ACF asks for, for as long as there is the call. @see H.225.0 §7.11.2 (irrFrequency) */
import type { Clock } from '#kernel'
import type { ReportedCall } from './ras-messages.ts'

export class CallReports {
  readonly #clock: Clock
  readonly #calls: () => readonly ReportedCall[]
  readonly #report: (call: ReportedCall) => void
  /** Those that are due, by call identifier. */
  readonly #due = new Map<string, () => void>()

  /** @param calls that are under way */
  constructor(clock: Clock, calls: () => readonly ReportedCall[], report: (call: ReportedCall) => void) {
    this.#clock = clock
    this.#calls = calls
    this.#report = report
  }

  every(seconds: number, callIdentifier: Uint8Array): void {
    const name = Buffer.from(callIdentifier).toString('hex')
    const due = (): void => {
      const call = this.#calls().find((one) => Buffer.compare(one.callIdentifier, callIdentifier) === 0)
      if (call === undefined) {
        this.#due.delete(name)
        return
      }
      this.#report(call)
      this.#due.set(name, this.#clock.after(seconds * 1000, due))
    }
    this.#due.get(name)?.()
    this.#due.set(name, this.#clock.after(seconds * 1000, due))
  }

  close(): void {
    for (const cancel of this.#due.values()) cancel()
    this.#due.clear()
  }
}
