/** Stored octets read as an entry. */
import { canonicalize } from '../../log/canonical.ts'
import type { LedgerEntry } from '../../log/entry.ts'
import { fromUtf8 } from './octets.ts'

export interface ReadEntry {
  readonly text: string
  readonly entry: LedgerEntry
  /** What is wrong with its form; null when nothing is. */
  readonly problem: string | null
}

const texts = ['time', 'event', 'component', 'trace_id', 'prev'] as const
const optionalTexts = ['parent_trace_id', 'cost', 'model'] as const
const optionalCounts = ['tokens_in', 'tokens_out'] as const
const known = new Set<string>([...texts, ...optionalTexts, ...optionalCounts, 'v', 'index', 'payload'])
const decimal = /^(?:0|[1-9]\d{0,17})(?:\.\d{1,18})?$/
const noPrevious = '0'.repeat(64)

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Reads an entry that should be leaf `index`. One that cannot be read stands in the list by what can be said of it. */
export function readEntry(octets: Uint8Array, index: number): ReadEntry {
  let text: string
  try {
    text = fromUtf8(octets)
  } catch {
    return unreadable(new TextDecoder().decode(octets), index, 'it is not UTF-8')
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return unreadable(text, index, 'it is not JSON')
  }
  if (!isRecord(value)) return unreadable(text, index, 'it is no object')
  const wrong = problemOf(value)
  if (wrong !== null) return unreadable(text, index, wrong)
  const entry = value as unknown as LedgerEntry
  if (entry.index !== index) return { text, entry: { ...entry, index }, problem: `it says that it is entry ${entry.index}` }
  return { text, entry, problem: isCanonical(text, entry) ? null : 'it is not canonical JSON (RFC 8785)' }
}

function problemOf(value: Record<string, unknown>): string | null {
  if (value.v !== 1) return 'it is not of version 1'
  if (!isCount(value.index)) return 'it has no index'
  for (const name of texts) if (typeof value[name] !== 'string') return `it has no ${name}`
  if (!isRecord(value.payload)) return 'its payload is no object'
  for (const name of optionalTexts)
    if (value[name] !== undefined && typeof value[name] !== 'string') return `its ${name} is no text`
  for (const name of optionalCounts) if (value[name] !== undefined && !isCount(value[name])) return `its ${name} is no count`
  if (value.cost !== undefined && !decimal.test(value.cost as string)) return 'its cost is no decimal'
  if (Number.isNaN(Date.parse(value.time as string))) return 'its time is no time'
  for (const name of Object.keys(value)) if (!known.has(name)) return 'it has a member that no entry has'
  return null
}

function isCanonical(text: string, entry: LedgerEntry): boolean {
  try {
    return canonicalize({ ...entry }) === text
  } catch {
    return false
  }
}

function unreadable(text: string, index: number, problem: string): ReadEntry {
  const entry: LedgerEntry = {
    v: 1,
    index,
    time: new Date(0).toISOString(),
    event: 'unreadable',
    component: 'unreadable',
    trace_id: 'unreadable',
    payload: { problem },
    prev: noPrevious
  }
  return { text, entry, problem }
}

/** Entries of a bundle, each behind its length in two octets; null when one of them ends behind the bundle. @see C2SP tlog-tiles */
export function readBundle(data: Uint8Array): Uint8Array[] | null {
  const entries: Uint8Array[] = []
  for (let at = 0; at < data.length; ) {
    const start = at + 2
    const end = start + ((data[at]! << 8) | (data[at + 1] ?? 0))
    if (end > data.length) return null
    entries.push(data.subarray(start, end))
    at = end
  }
  return entries
}
