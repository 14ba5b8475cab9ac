import type { JsonObject, Table } from '#kernel'

/** States of a circuit breaker: whoever failed too often is given nothing for a while, then one task to try. */
const circuitStates = ['closed', 'open', 'halfOpen'] as const
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
  /** How long it stays open, milliseconds; twice as long each time that it opens anew without a success between, up to an hour. */
  readonly coolMs: number
  /** Whether threshold and time were set for it; what was not takes those of its swarm. */
  readonly configured: boolean
  /** How often it has opened since it was closed. */
  readonly opens: number
  /** A task is under way to try with; only in halfOpen. */
  readonly trying: boolean
}

export const newCircuit: Circuit = {
  state: 'closed',
  failures: 0,
  openedAt: null,
  threshold: 3,
  coolMs: 60_000,
  configured: false,
  opens: 0,
  trying: false
}

const longestCoolMs = 3_600_000

/** Whether an open circuit has been open for long enough. */
export function isCool({ openedAt, coolMs, opens }: Circuit, at: number): boolean {
  const wait = Math.min(coolMs * 2 ** Math.max(0, opens - 1), Math.max(coolMs, longestCoolMs))
  return openedAt === null || at - openedAt >= wait
}

type Change = Partial<Pick<Circuit, 'failures' | 'openedAt' | 'opens' | 'trying'>>
const whole: Change = { failures: 0, openedAt: null, opens: 0, trying: false }

const reopened = (at: number, { failures, opens }: Circuit): Change => ({
  failures: failures + 1,
  openedAt: at,
  opens: opens + 1,
  trying: false
})

export const circuitMachine = {
  closed: {
    succeeded: ['closed', () => [whole]],
    failed: ['closed', (_event, { failures }) => [{ failures: failures + 1 }]],
    failedTooOften: ['open', ({ at }, { failures, opens }) => [{ failures: failures + 1, openedAt: at, opens: opens + 1 }]],
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
    failed: ['open', ({ at }, before) => [reopened(at, before)]],
    failedTooOften: ['open', ({ at }, before) => [reopened(at, before)]],
    cooled: ['halfOpen', () => [{ trying: true }]],
    untried: ['halfOpen', () => [{ trying: false }]],
    reset: ['closed', () => [whole]]
  }
} satisfies Table<CircuitState, CircuitEvent, Change, Circuit>
