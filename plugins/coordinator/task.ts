import type { JsonObject } from '#kernel'

/** States of a task. What waits for others is `pending` too; see {@link Task.dependsOn}. */
export const taskStates = ['pending', 'claimed', 'complete', 'failed', 'cancelled'] as const
export type TaskState = (typeof taskStates)[number]

/** A capability with the least level that is asked for, or the level that a swarm has: 0 to 1. */
export type Capabilities = Readonly<Record<string, number>>

export interface Task extends JsonObject {
  readonly id: string
  readonly title: string
  readonly state: TaskState
  /** 0 (may wait) to 9 (first). */
  readonly priority: number
  readonly requires: Capabilities
  /** Tasks that must be complete before this one may be claimed. */
  readonly dependsOn: readonly string[]
  /** Tasks that wait for this one. */
  readonly dependents: readonly string[]
  /** Milliseconds since 1970: not complete then, it has failed. Null for none. */
  readonly deadlineAt: number | null
  /** What it is expected to cost, US dollars as an exact decimal; null when nobody knows. */
  readonly estimate: string | null
  /** What its hazard is, when it raises one. */
  readonly hazard: string | null
  readonly input: JsonObject
  readonly traceId: string
  readonly parentTraceId: string | null
  /** Claims so far, and how many there may be. */
  readonly attempts: number
  readonly mostAttempts: number
  /** Fencing token of the newest claim: every write of an owner must bear it. */
  readonly fence: number
  readonly swarm: string | null
  readonly leaseUntil: number | null
  readonly outcome: JsonObject | null
  readonly reason: string | null
  readonly createdAt: number
  readonly changedAt: number
}

/** What is asked for; the rest has defaults. */
export interface NewTask {
  readonly id: string
  readonly title?: string
  readonly priority?: number
  readonly requires?: Capabilities
  readonly dependsOn?: readonly string[]
  readonly deadlineAt?: number
  readonly estimate?: string
  readonly hazard?: string
  readonly input?: JsonObject
  readonly traceId?: string
  readonly parentTraceId?: string
  readonly mostAttempts?: number
}

export interface Swarm extends JsonObject {
  readonly id: string
  readonly capabilities: Capabilities
  /** How often it promises to be heard of. */
  readonly heartbeatMs: number
  readonly heardAt: number
  readonly registeredAt: number
}

/** Swarms that missed so many heartbeats are not active. */
const missedHeartbeats = 3

export const isActive = ({ heardAt, heartbeatMs }: Swarm, at: number): boolean => at - heardAt <= missedHeartbeats * heartbeatMs

export interface Claim {
  readonly task: Task
  readonly swarm: string
  /** Every write of the owner bears it; refused once a later claim was made. */
  readonly fence: number
  readonly leaseUntil: number
}
