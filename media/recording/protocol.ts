/** What the recorder and the recording thread say to each other. */
import type { RecordingManifest } from './files.ts'
import type { SecondLine } from './second.ts'
import type { RecordingPlan } from './writer.ts'

export type ToRecordingThread =
  | {
      readonly type: 'begin'
      readonly plan: RecordingPlan
      readonly ring: SharedArrayBuffer
      readonly manifest: RecordingManifest
    }
  /** Who is recorded has changed. */
  | { readonly type: 'describe'; readonly manifest: RecordingManifest }
  | { readonly type: 'slot'; readonly recording: string; readonly slot: number; readonly open: boolean }
  | { readonly type: 'witnessed'; readonly recording: string; readonly batch: number; readonly entry: number | null }
  | { readonly type: 'end'; readonly manifest: RecordingManifest }
  /** Looks through the folder of all recordings for what an earlier process left open. */
  | { readonly type: 'recover'; readonly folder: string }
  | { readonly type: 'shutdown' }

export type FromRecordingThread =
  | { readonly type: 'ready' }
  | { readonly type: 'batch'; readonly recording: string; readonly batch: number; readonly seconds: readonly SecondLine[] }
  | { readonly type: 'gap'; readonly recording: string; readonly second: number; readonly milliseconds: number }
  | { readonly type: 'ended'; readonly recording: string; readonly seconds: number }
  /** Files could not be written: nothing more is taken of this recording. `code` is the file system's, as ENOSPC. */
  | { readonly type: 'failed'; readonly recording: string; readonly code: string; readonly seconds: number }
  | { readonly type: 'recovered'; readonly recordings: readonly RecoveredRecording[]; readonly problems: readonly string[] }

export interface RecoveredRecording {
  readonly manifest: RecordingManifest
  /** It was running when its process died. */
  readonly interrupted: boolean
  /** Batches of which nobody has told that the ledger has them. */
  readonly batches: readonly { readonly batch: number; readonly seconds: readonly SecondLine[] }[]
}
