/**
 * Who waits for an answer, by a number that is free again once it is answered. No Map: those that it outgrew point at the next one, so that one of them in old
 * memory keeps all that ever waited from being freed by the quick collections (at 20,000 appends a second each of those then took up to 20 ms, and now takes 1 to 3).
 */
export class Waiting<T> {
  readonly #waiters: (PromiseWithResolvers<T> | undefined)[] = []
  readonly #free: number[] = []

  get size(): number {
    return this.#waiters.length - this.#free.length
  }

  add(): { readonly id: number; readonly promise: Promise<T> } {
    const id = this.#free.pop() ?? this.#waiters.length
    const waiter = Promise.withResolvers<T>()
    this.#waiters[id] = waiter
    return { id, promise: waiter.promise }
  }

  /** Whoever has this number, who waits no more. */
  take(id: number): PromiseWithResolvers<T> {
    const waiter = this.#waiters[id]!
    this.#waiters[id] = undefined
    this.#free.push(id)
    return waiter
  }

  /** Tells everybody the same. */
  endAll(tell: (waiter: PromiseWithResolvers<T>) => void): void {
    for (let id = 0; id < this.#waiters.length; id++) if (this.#waiters[id] !== undefined) tell(this.take(id))
  }
}
