/** What the media plane and its threads say to each other. */
import type { DirectionStats, LegStats, WayBeyond } from '#kernel'
import type { Economy } from './codec/codec.ts'
import type { EconomyPolicy } from './economy.ts'
import type { MemberControls } from './mixer/conference.ts'
import type { Sound } from './mixer/sounds.ts'
import type { PortRange } from './ports.ts'
import type { AudioTerms, StreamSource } from './sdp.ts'

export interface WorkerSettings {
  /** Of this machine, in the form of `plainAddress` (udp/inet.ts): at most one of each family. */
  readonly addresses: readonly string[]
  /** Shared by all threads. */
  readonly ports: PortRange
  /** Shared by all threads: {@link levelWords} for each pair of ports, written by the thread that has it. */
  readonly levels: Float32Array
  /** Of this thread alone, from 1 on. */
  readonly owner: number
  readonly jitterTargetMs: number
  readonly mediaTimeoutMs: number
  readonly latchWindowMs: number
  readonly reportIntervalMs: number
  readonly autoGain: boolean
  readonly highestRateHz: number
  readonly economy: EconomyPolicy
  readonly udp: 'native' | 'node'
}

/** Mean square of the last frame, then {@link levelFlags}. */
export const levelWords = 2
export const levelFlags = { speaking: 1, mixed: 2 } as const

export type ToWorker =
  /**
   * Takes a pair of ports; the leg hears and is heard when it has terms: these, or what is agreed later. `voices` are mixed in the conference at most, if it
   * begins with this leg.
   */
  | {
      readonly type: 'open'
      readonly leg: number
      /** On which its ports are opened. */
      readonly address: string
      readonly conference: string
      readonly voices: number
      readonly controls: MemberControls
      readonly terms: AudioTerms | null
    }
  | { readonly type: 'agree'; readonly leg: number; readonly terms: AudioTerms }
  | { readonly type: 'control'; readonly leg: number; readonly controls: MemberControls }
  /** Sends a digit to the participant, as telephone-event. */
  | { readonly type: 'press'; readonly leg: number; readonly digit: string; readonly durationMs: number }
  | { readonly type: 'beyond'; readonly leg: number; readonly way: WayBeyond }
  /** Plays a sound to a conference, or to one leg of it. Without a request nobody is told of its end. */
  | {
      readonly type: 'play'
      readonly request: number | null
      readonly conference: string
      readonly leg: number | null
      readonly sound: Sound
    }
  /** Copies what is recorded of a conference into a ring (recording/ring.ts); null ends that. */
  | { readonly type: 'record'; readonly conference: string; readonly ring: SharedArrayBuffer | null }
  /** Number under which a leg is recorded, 0 for not at all. */
  | { readonly type: 'recordLeg'; readonly leg: number; readonly slot: number }
  | { readonly type: 'stats'; readonly leg: number; readonly request: number }
  | { readonly type: 'close'; readonly leg: number; readonly request: number }
  | { readonly type: 'metrics'; readonly request: number }
  | { readonly type: 'shutdown' }

export type FromWorker =
  | { readonly type: 'ready'; readonly descriptor: number }
  | {
      readonly type: 'opened'
      readonly leg: number
      readonly port: number
      readonly index: number
      readonly source: StreamSource
    }
  | { readonly type: 'notOpened'; readonly leg: number; readonly reason: string }
  | { readonly type: 'stats'; readonly request: number; readonly stats: LegStats }
  | { readonly type: 'metrics'; readonly request: number; readonly metrics: WorkerMetrics }
  /** A sound is over; `whole`: all of it was played. */
  | { readonly type: 'played'; readonly request: number; readonly whole: boolean }
  | { readonly type: 'dtmf'; readonly leg: number; readonly digit: string; readonly durationMs: number }
  | { readonly type: 'mediaTimeout'; readonly leg: number; readonly silentMs: number }
  | { readonly type: 'strangers'; readonly leg: number; readonly packets: number }
  | { readonly type: 'speaking'; readonly leg: number; readonly speaking: boolean }
  | { readonly type: 'dominant'; readonly leg: number }
  /** The first packet of the participant has come: the way is open. */
  | { readonly type: 'sending'; readonly leg: number }
  /** The leg cannot be carried on: its codec has failed. */
  | { readonly type: 'failed'; readonly leg: number; readonly reason: string }

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
  /** Processor time of the thread since its start, in milliseconds. */
  readonly cpuMs: number
  /** Longest pause for garbage collection since metrics were last asked for, and how many there were since the start. */
  readonly gcMaxMs: number
  readonly gcPauses: number
  /** Legs that the express lane carries. */
  readonly express: number
  /** How much time encoders save now. */
  readonly economy: Economy
  /** What carries the packets, and what mixes. */
  readonly udp: 'io_uring' | 'native' | 'node'
  readonly kernel: 'plain' | 'simd'
}
