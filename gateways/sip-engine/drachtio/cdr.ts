/** Call records: attempts, starts and stops of calls, told in turn to the applications that route them. */
import { randomUUID } from 'node:crypto'
import type { Routes } from './application.ts'
import { callRecord } from './server-message.ts'

/** Which side of the call this engine is. */
export type CallRole = 'uac' | 'uas' | 'proxy-uac' | 'proxy-uas'

export type StopReason =
  | 'call-rejected'
  | 'call-canceled'
  | 'normal-release'
  | 'session-expired'
  /** The engine ended the call: its ACK never came, its application went away. */
  | 'system-initiated-termination'

/** Whether the message of a record came off the wire or was sent by us. */
export type RecordSource = 'network' | 'application'

export interface CallRecords {
  /** False where nobody wants records: their messages need not be made. */
  readonly on: boolean
  readonly attempt: (source: RecordSource, invite: Uint8Array) => void
  readonly start: (source: RecordSource, role: CallRole, success: Uint8Array) => void
  readonly stop: (source: RecordSource, reason: StopReason, message: Uint8Array) => void
}

export function createCallRecords(on: boolean, routes: Routes, time: () => string): CallRecords {
  const tell = (kind: 'attempt' | 'start' | 'stop', source: RecordSource, detail: string | null, message: Uint8Array) => {
    if (!on) return
    routes.next(`cdr:${kind}`)?.send(callRecord(randomUUID(), kind, source, time(), detail), message)
  }
  return {
    on,
    attempt: (source, invite) => tell('attempt', source, null, invite),
    start: (source, role, success) => tell('start', source, role, success),
    stop: (source, reason, message) => tell('stop', source, reason, message)
  }
}

/** Reason of a stop by the final response that refused the call. */
export function refusalReason(status: number): StopReason {
  return status === 487 ? 'call-canceled' : 'call-rejected'
}
