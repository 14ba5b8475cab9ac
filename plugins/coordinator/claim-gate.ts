import type { JsonObject } from '#kernel'
import type { WitnessedTransaction } from '#store'
import type { Swarm, Task } from './task.ts'

/** What became of a claim. */
export type ClaimEnd = 'complete' | 'failed' | 'released' | 'lease-expired' | 'retried' | 'cancelled' | 'deadline-passed'

/** An expected no. */
export interface Refusal {
  readonly ok: false
  /** Stable and dotted, as in errors. */
  readonly code: string
  readonly reason: string
  /** When asking again may be of use although nothing else changes, milliseconds since 1970; absent where no time is known. */
  readonly retryAt?: number
}

/** A gate's no, with what is to be written of it all the same. */
export interface GateRefusal extends Refusal {
  readonly record?: (transaction: WitnessedTransaction) => void
}

/**
 * Has a say in each claim, in its transaction: what it writes takes effect with the claim, or not at all. The governor keeps capabilities, budgets and
 * circuits by it.
 */
export interface ClaimGate {
  /**
   * @param readyAt since when nothing but gates hinders the claim, milliseconds since 1970
   * @returns facts for the record of the claim, or why it is refused; what it wrote is undone then
   */
  readonly admit: (
    transaction: WitnessedTransaction,
    task: Task,
    swarm: Swarm,
    readyAt: number
  ) => Promise<{ readonly ok: true; readonly facts: JsonObject } | GateRefusal>
  /** Settles what was reserved. @param cost US dollars as an exact decimal; null when the swarm did not tell */
  readonly settle: (
    transaction: WitnessedTransaction,
    task: Task,
    swarm: string,
    end: ClaimEnd,
    cost: string | null
  ) => Promise<void>
}
