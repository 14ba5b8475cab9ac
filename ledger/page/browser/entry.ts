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

const name = /^[A-Za-z][A-Za-z0-9_.:-]{0,127}$/
const identifier = /^[\x21-\x7e]{1,128}$/
const texts = {
  time: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
  event: name,
  component: name,
  trace_id: identifier,
  prev: /^[0-9a-f]{64}$/
} as const
const optionalTexts = {
  parent_trace_id: identifier,
  cost: /^(?:0|[1-9]\d{0,17})(?:\.\d{1,18})?$/,
  model: /^.{1,128}$/s
} as const
const optionalCounts = ['tokens_in', 'tokens_out'] as const
const known = new Set<string>([...Object.keys(texts), ...Object.keys(optionalTexts), ...optionalCounts, 'v', 'index', 'payload'])
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
  for (const [member, form] of Object.entries(texts)) {
    if (typeof value[member] !== 'string') return `it has no ${member}`
    if (!form.test(value[member])) return `its ${member} is not of its form`
  }
  if (!isTime(value.time as string)) return 'its time is no time'
  if (!isRecord(value.payload)) return 'its payload is no object'
  for (const [member, form] of Object.entries(optionalTexts)) {
    if (value[member] === undefined) continue
    if (typeof value[member] !== 'string' || !form.test(value[member])) return `its ${member} is not of its form`
  }
  for (const member of optionalCounts)
    if (value[member] !== undefined && !isCount(value[member])) return `its ${member} is no count`
  for (const member of Object.keys(value)) if (!known.has(member)) return 'it has a member that no entry has'
  return null
}

/** Whether a text of the form of a time is one: no 30th of February. */
function isTime(text: string): boolean {
  const milliseconds = Date.parse(text)
  return !Number.isNaN(milliseconds) && new Date(milliseconds).toISOString() === text
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
