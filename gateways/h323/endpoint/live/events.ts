/** Events of a call to its listeners; the first listener is told what came before it too. */
import type { CallEvent } from '../endpoint.ts'

export class CallEvents {
  readonly #listeners: ((event: CallEvent) => void)[] = []
  readonly #early: CallEvent[] = []

  emit(event: CallEvent): void {
    if (this.#listeners.length === 0) this.#early.push(event)
    for (const listener of this.#listeners) listener(event)
  }

  listen(listener: (event: CallEvent) => void): void {
    this.#listeners.push(listener)
    const early = this.#early.splice(0)
    for (const event of early) queueMicrotask(() => listener(event))
  }
}
