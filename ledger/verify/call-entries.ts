/** What the entries of calls say that is needed to tell whether all of them are there. */
import type { Collected } from './ranges.ts'

export interface CallEntry {
  readonly index: number
  readonly traceId: string
  readonly callId: string
  readonly event: string
  /** Number of the entry in its call, from 0; null where its producer does not number. */
  readonly seq: number | null
  /** How many entries the call has; only its last one says so. */
  readonly entries: number | null
}

const count = (value: unknown): number | null =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : null

/** Null for an entry that belongs to no call. */
export function readCallEntry({ index, text }: Collected): CallEntry | null {
  // looked for before it is parsed: most entries of a large log are of no call
  if (!text.includes('"callId":"')) return null
  const { event, trace_id: traceId, payload } = JSON.parse(text) as Record<string, unknown>
  if (typeof event !== 'string' || typeof traceId !== 'string' || typeof payload !== 'object' || payload === null) return null
  const { callId, seq, entries } = payload as Record<string, unknown>
  return typeof callId === 'string' ? { index, traceId, callId, event, seq: count(seq), entries: count(entries) } : null
}
