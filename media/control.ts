/** What the media plane and its thread say to each other. */
import type { DirectionStats, LegStats } from '#kernel'
import type { AudioTerms } from './sdp.ts'

export interface WorkerSettings {
  readonly address: string
  readonly portRange: readonly [min: number, max: number]
  readonly jitterTargetMs: number
  readonly mediaTimeoutMs: number
  readonly latchWindowMs: number
  readonly reportIntervalMs: number
}

export type ToWorker =
  /** Takes a pair of ports; the leg hears and is heard when it has terms. `speaks`: its sound is mixed. */
  | { readonly type: 'open'; readonly leg: number; readonly conference: string; readonly speaks: boolean }
  | { readonly type: 'agree'; readonly leg: number; readonly terms: AudioTerms }
  | { readonly type: 'stats'; readonly leg: number; readonly request: number }
  | { readonly type: 'close'; readonly leg: number; readonly request: number }
  | { readonly type: 'metrics'; readonly request: number }
  | { readonly type: 'shutdown' }

export type FromWorker =
  | { readonly type: 'ready' }
  | { readonly type: 'opened'; readonly leg: number; readonly port: number }
  | { readonly type: 'notOpened'; readonly leg: number; readonly reason: string }
  | { readonly type: 'stats'; readonly request: number; readonly stats: LegStats }
  | { readonly type: 'metrics'; readonly request: number; readonly metrics: WorkerMetrics }
  | { readonly type: 'dtmf'; readonly leg: number; readonly digit: string; readonly durationMs: number }
  | { readonly type: 'mediaTimeout'; readonly leg: number; readonly silentMs: number }
  | { readonly type: 'strangers'; readonly leg: number; readonly packets: number }

export interface WorkerMetrics {
  readonly legs: number
  readonly conferences: number
  readonly ticks: number
  /** Ticks that began more than one frame late; the frames they stand for were not mixed in time. */
  readonly overruns: number
  /** Lateness of ticks in milliseconds, over the last 1024. */
  readonly lateP50Ms: number
  readonly lateP99Ms: number
  /** Time a tick took in milliseconds, over the last 1024. */
  readonly workP99Ms: number
  readonly received: DirectionStats
  readonly sent: DirectionStats
  /** Packets from sources that are no participants. */
  readonly strangers: number
}
