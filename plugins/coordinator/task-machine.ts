import type { JsonObject, Table } from '#kernel'
import type { TaskState } from './task.ts'

/**
 * States of a task. The caller has checked what the table cannot know: dependencies, fencing tokens, attempts left.
 */
export type TaskEvent =
  | { readonly type: 'claim'; readonly swarm: string; readonly leaseUntil: number }
  | { readonly type: 'renew'; readonly leaseUntil: number }
  | { readonly type: 'release' }
  | { readonly type: 'leaseExpired' }
  | { readonly type: 'complete'; readonly outcome: JsonObject }
  /** The swarm could not do it; another attempt is left. */
  | { readonly type: 'retry'; readonly reason: string }
  | { readonly type: 'fail'; readonly reason: string }
  | { readonly type: 'deadlinePassed' }
  | { readonly type: 'cancel'; readonly reason: string }

/** What a transition sets in the record. */
export interface TaskEffect {
  readonly swarm?: string | null
  readonly leaseUntil?: number | null
  readonly outcome?: JsonObject
  readonly reason?: string | null
}

const free = { swarm: null, leaseUntil: null } as const

export const taskMachine = {
  pending: {
    claim: ['claimed', ({ swarm, leaseUntil }) => [{ swarm, leaseUntil, reason: null }]],
    deadlinePassed: ['failed', () => [{ reason: 'deadline-passed' }]],
    cancel: ['cancelled', ({ reason }) => [{ reason }]]
  },
  claimed: {
    renew: ['claimed', ({ leaseUntil }) => [{ leaseUntil }]],
    release: ['pending', () => [free]],
    leaseExpired: ['pending', () => [{ ...free, reason: 'lease-expired' }]],
    complete: ['complete', ({ outcome }) => [{ ...free, outcome }]],
    retry: ['pending', ({ reason }) => [{ ...free, reason }]],
    fail: ['failed', ({ reason }) => [{ ...free, reason }]],
    deadlinePassed: ['failed', () => [{ ...free, reason: 'deadline-passed' }]],
    cancel: ['cancelled', ({ reason }) => [{ ...free, reason }]]
  },
  complete: {},
  failed: {},
  cancelled: {}
} satisfies Table<TaskState, TaskEvent, TaskEffect>

/** Names of the entries that transitions make in the ledger. */
export const witnessNames: Readonly<Record<TaskEvent['type'], string>> = {
  claim: 'task_claimed',
  renew: 'task_lease_renewed',
  release: 'task_released',
  leaseExpired: 'task_lease_expired',
  complete: 'task_completed',
  retry: 'task_retried',
  fail: 'task_failed',
  deadlinePassed: 'task_deadline_passed',
  cancel: 'task_cancelled'
}
