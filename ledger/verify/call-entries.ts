/** What the entries of calls say that is needed to tell whether all of them are there. */
import type { Collected } from './ranges.ts'

export interface CallEntry {
  readonly index: number
  readonly traceId: string
  readonly callId: string
  /** Tag in From of the INVITE that the entry is about; null for every other entry. */
  readonly fromTag: string | null
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
  const { callId, fromTag, seq, entries } = payload as Record<string, unknown>
  if (typeof callId !== 'string') return null
  const tag = typeof fromTag === 'string' && fromTag !== '' ? fromTag : null
  return { index, traceId, callId, fromTag: tag, event, seq: count(seq), entries: count(entries) }
}
