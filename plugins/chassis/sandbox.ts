import type { JsonObject, Table } from '#kernel'
import type { Limits } from './run/limits.ts'
import type { Outcome } from './run/run.ts'
import type { ScopedDirectory } from './run/scope.ts'

export type SandboxState = 'created' | 'running' | 'stopped'
export type SandboxEvent = { readonly type: 'start' } | { readonly type: 'ended' } | { readonly type: 'abandoned' }

/** States of a sandbox; a run whose process and owner are gone is abandoned when its time has passed. */
export const sandboxMachine: Table<SandboxState, SandboxEvent, never> = {
  created: { start: ['running'] },
  running: { ended: ['stopped'], abandoned: ['stopped'] },
  stopped: { start: ['running'] }
}

export interface LastRun extends JsonObject {
  readonly outcome: Outcome | 'abandoned'
  readonly code: number | null
  readonly message: string | null
  readonly endedAt: number
}

export interface Totals extends JsonObject {
  readonly runs: number
  readonly cpuMs: number
  readonly wallMs: number
  /** The most pages of 64 KiB that a run had. */
  readonly pages: number
  readonly hostCalls: number
  readonly logOctets: number
  readonly logOctetsDropped: number
}

export interface Sandbox extends JsonObject {
  readonly id: string
  readonly swarm: string
  readonly state: SandboxState
  readonly traceId: string
  /** SHA-256 of its module, 64 hex digits; null while it has none. */
  readonly module: string | null
  readonly limits: Limits
  readonly directories: readonly ScopedDirectory[]
  /** Task that it is for; null for none. */
  readonly task: string | null
  /** Hazards that its runs may raise. */
  readonly hazards: readonly string[]
  readonly createdAt: number
  /** When a run is over at the latest; null when none is under way. */
  readonly runningUntil: number | null
  readonly last: LastRun | null
  readonly totals: Totals
}

/** The right of one sandbox to have one service used. */
export interface Grant extends JsonObject {
  readonly id: string
  readonly sandbox: string
  readonly service: string
  readonly grantedAt: number
  readonly expiresAt: number
  readonly usesLeft: number
  readonly revokedAt: number | null
}

export interface AuditRecord extends JsonObject {
  readonly at: number
  readonly event: string
  readonly traceId: string
  readonly facts: JsonObject
}

export interface LogPart extends JsonObject {
  readonly at: number
  /** 1 is standard output, 2 standard error. */
  readonly stream: number
  readonly text: string
}
