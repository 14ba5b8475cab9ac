/** Other gatekeepers that the one asked has named, and whose turn it is. @see H.225.0 §7.2.2 (alternateGatekeeper) */
import { type Address, addressOf } from '../gatekeeper/addresses.ts'
import type { AlternateGK } from '../h225/h225.ts'

export interface AlternateGatekeeper {
  readonly address: Address
  readonly identifier: string | null
}

/** That are remembered. */
const most = 8

export class AlternateGatekeepers {
  /** The best first. */
  #known: readonly AlternateGatekeeper[] = []
  /** Which of them is asked; 0 is the one that was configured or found. */
  #turn = 0

  get isEmpty(): boolean {
    return this.#known.length === 0
  }

  /** It is the turn of the one that was configured or found. */
  get isFirst(): boolean {
    return this.#turn === 0
  }

  /** Whose turn it is; null for the one that was configured or found. */
  get current(): AlternateGatekeeper | null {
    return this.#turn === 0 ? null : (this.#known[this.#turn - 1] ?? null)
  }

  /** Takes those of an answer in place of those before, if it names any. */
  learn(told: readonly AlternateGK[] | undefined): void {
    if (told === undefined || told.length === 0) return
    // 0 is the highest priority
    this.#known = told
      .toSorted((one, other) => one.priority - other.priority)
      .flatMap(({ rasAddress, gatekeeperIdentifier: identifier }) => {
        const address = addressOf(rasAddress)
        return address === null ? [] : [{ address, identifier: identifier ?? null }]
      })
      .slice(0, most)
  }

  /** The next one's turn, round and round. */
  next(): void {
    this.#turn = this.isEmpty ? 0 : (this.#turn + 1) % (this.#known.length + 1)
  }
}
