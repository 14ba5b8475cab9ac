import type { JsonObject, Table } from '#kernel'

/** States of a circuit breaker: whoever failed too often is given nothing for a while, then one task to try. */
export const circuitStates = ['closed', 'open', 'halfOpen'] as const
export type CircuitState = (typeof circuitStates)[number]

export type CircuitEvent =
  | { readonly type: 'succeeded' }
  | { readonly type: 'failed'; readonly at: number }
  /** The failure that reaches the threshold. */
  | { readonly type: 'failedTooOften'; readonly at: number }
  /** Somebody asks for a task, and the circuit has been open for long enough. */
  | { readonly type: 'cooled' }
  /** The task to try with came back without a result. */
  | { readonly type: 'untried' }
  | { readonly type: 'reset' }

export interface Circuit extends JsonObject {
  readonly state: CircuitState
  /** In a row. */
  readonly failures: number
  readonly openedAt: number | null
  /** Failures in a row that open it; 1–1000. */
  readonly threshold: number
  /** How long it stays open, milliseconds. */
  readonly coolMs: number
  /** A task is under way to try with; only in halfOpen. */
  readonly trying: boolean
}

export const newCircuit: Circuit = { state: 'closed', failures: 0, openedAt: null, threshold: 3, coolMs: 60_000, trying: false }

type Change = Partial<Pick<Circuit, 'failures' | 'openedAt' | 'trying'>>
const whole: Change = { failures: 0, openedAt: null, trying: false }

export const circuitMachine = {
  closed: {
    succeeded: ['closed', () => [whole]],
    failed: ['closed', (_event, { failures }) => [{ failures: failures + 1 }]],
    failedTooOften: ['open', ({ at }, { failures }) => [{ failures: failures + 1, openedAt: at }]],
    reset: ['closed', () => [whole]]
  },
  open: {
    // of a task that was claimed before it opened
    succeeded: ['open'],
    failed: ['open'],
    cooled: ['halfOpen', () => [{ trying: true }]],
    reset: ['closed', () => [whole]]
  },
  halfOpen: {
    succeeded: ['closed', () => [whole]],
    failed: ['open', ({ at }, { failures }) => [{ failures: failures + 1, openedAt: at, trying: false }]],
    failedTooOften: ['open', ({ at }, { failures }) => [{ failures: failures + 1, openedAt: at, trying: false }]],
    cooled: ['halfOpen', () => [{ trying: true }]],
    untried: ['halfOpen', () => [{ trying: false }]],
    reset: ['closed', () => [whole]]
  }
} satisfies Table<CircuitState, CircuitEvent, Change, Circuit>
