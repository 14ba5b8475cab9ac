/** Timers by name: one that is started again begins anew. */
import type { Clock } from '#kernel'

export class CallTimers {
  readonly #clock: Clock
  readonly #running = new Map<string, () => void>()
  #isClosed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  start(timer: string, ms: number, expired: () => void): void {
    if (this.#isClosed) return
    this.stop(timer)
    this.#running.set(
      timer,
      this.#clock.after(ms, () => {
        this.#running.delete(timer)
        expired()
      })
    )
  }

  stop(timer: string): void {
    this.#running.get(timer)?.()
    this.#running.delete(timer)
  }

  /** Stops all; none starts again. */
  close(): void {
    this.#isClosed = true
    for (const cancel of this.#running.values()) cancel()
    this.#running.clear()
  }
}
