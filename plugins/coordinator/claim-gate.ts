import type { JsonObject } from '#kernel'
import type { WitnessedTransaction } from '#store'
import type { Swarm, Task } from './task.ts'

/** What became of a claim. */
export type ClaimEnd = 'complete' | 'failed' | 'released' | 'lease-expired' | 'retried' | 'cancelled' | 'deadline-passed'

/**
 * Has a say in each claim, in its transaction: what it writes takes effect with the claim, or not at all. The governor keeps capabilities, budgets and
 * circuits by it.
 */
export interface ClaimGate {
  /** @returns facts for the record of the claim, or why it is refused (`code` dotted and stable, as in errors) */
  readonly admit: (
    transaction: WitnessedTransaction,
    task: Task,
    swarm: Swarm
  ) => Promise<
    { readonly ok: true; readonly facts: JsonObject } | { readonly ok: false; readonly code: string; readonly reason: string }
  >
  /** Settles what was reserved. @param cost US dollars as an exact decimal; null when the swarm did not tell */
  readonly settle: (
    transaction: WitnessedTransaction,
    task: Task,
    swarm: string,
    end: ClaimEnd,
    cost: string | null
  ) => Promise<void>
}
