import { InfraFabricError, type Json, type JsonObject, type WitnessEvent } from '#kernel'
import { canonicalize } from './canonical.ts'
import { leafHash } from './merkle.ts'

/** Largest entry, in octets of its canonical form. */
export const maxEntryBytes = 262_144

/** Largest payload: leaves room for the other fields. */
const maxPayloadBytes = maxEntryBytes - 4096

/** `prev` of the first entry. */
export const noPrevious = '0'.repeat(64)

/** One entry as it stands in the log. Field names are those of the stored JSON. */
export interface LedgerEntry {
  readonly v: 1
  /** Leaf number, from 0. */
  readonly index: number
  /** When the event was told, RFC 3339, UTC, milliseconds. */
  readonly time: string
  readonly event: string
  readonly component: string
  readonly trace_id: string
  readonly parent_trace_id?: string
  readonly payload: JsonObject
  readonly tokens_in?: number
  readonly tokens_out?: number
  /** US dollars, exact decimal. */
  readonly cost?: string
  readonly model?: string
  /** Hash of the previous entry, 64 hex digits; zeros in the first. */
  readonly prev: string
}

const name = /^[A-Za-z][A-Za-z0-9_.:-]{0,127}$/
const decimal = /^(?:0|[1-9]\d{0,17})(?:\.\d{1,18})?$/

const isModel = (model: unknown): boolean =>
  typeof model === 'string' && model.length > 0 && model.length <= 128 && model.isWellFormed()

/**
 * Checks what a producer gives: an event that passes can be sealed. The payload is measured and its depth counted as it stands in the entry.
 *
 * @throws {InfraFabricError} `ledger.entry.invalid`, naming the field and what was expected; `ledger.entry.too-large`
 */
export function checkEvent(event: WitnessEvent): void {
  const expect = (ok: boolean, field: string, expected: string) => {
    if (!ok) throw new InfraFabricError('ledger.entry.invalid', `${field}: expected ${expected}`)
  }
  expect(name.test(event.event), 'event', 'a name of letters, digits and _ . : -, at most 128')
  expect(name.test(event.component), 'component', 'a name of letters, digits and _ . : -, at most 128')
  for (const [field, id] of [
    ['traceId', event.traceId],
    ['parentTraceId', event.parentTraceId ?? 'none']
  ] as const) {
    expect(typeof id === 'string' && /^[\x21-\x7e]{1,128}$/.test(id), field, '1 to 128 printable ASCII characters')
  }
  for (const [field, count] of [
    ['tokensIn', event.tokensIn ?? 0],
    ['tokensOut', event.tokensOut ?? 0]
  ] as const) {
    expect(Number.isSafeInteger(count) && count >= 0, field, 'a whole number, not negative')
  }
  expect(
    event.cost === undefined || (typeof event.cost === 'string' && decimal.test(event.cost)),
    'cost',
    'a decimal such as 0.09095, as text'
  )
  expect(event.model === undefined || isModel(event.model), 'model', '1 to 128 characters, without unpaired surrogates')
  expect(typeof event.payload === 'object' && event.payload !== null && !Array.isArray(event.payload), 'payload', 'an object')
  const payloadBytes = Buffer.byteLength(canonicalize({ payload: event.payload }))
  if (payloadBytes > maxPayloadBytes) {
    throw new InfraFabricError(
      'ledger.entry.too-large',
      `a payload has at most ${maxPayloadBytes} octets, this one ${payloadBytes}`
    )
  }
}

export interface SealedEntry {
  /** Canonical JSON (RFC 8785), UTF-8: what is stored, hashed and exported. */
  readonly bytes: Buffer
  /** RFC 6962 leaf hash of `bytes`; the next entry's `prev`. */
  readonly hash: Buffer
}

/**
 * Puts an event, checked by {@link checkEvent}, in its place in the log.
 *
 * @param timeMs when the event was told, milliseconds since 1970
 * @param prev hash of the entry before it, 64 hex digits
 */
export function sealEntry(event: WitnessEvent, timeMs: number, index: number, prev: string): SealedEntry {
  const entry: Record<string, Json> = {
    v: 1,
    index,
    time: new Date(timeMs).toISOString(),
    event: event.event,
    component: event.component,
    trace_id: event.traceId,
    payload: event.payload,
    prev
  }
  if (event.parentTraceId !== undefined) entry.parent_trace_id = event.parentTraceId
  if (event.tokensIn !== undefined) entry.tokens_in = event.tokensIn
  if (event.tokensOut !== undefined) entry.tokens_out = event.tokensOut
  if (event.cost !== undefined) entry.cost = event.cost
  if (event.model !== undefined) entry.model = event.model
  const bytes = Buffer.from(canonicalize(entry), 'utf8')
  return { bytes, hash: leafHash(bytes) }
}

/** Reads a stored entry. @throws {InfraFabricError} `ledger.entry.malformed` when it is not the JSON of an entry */
export function openEntry(bytes: Uint8Array): LedgerEntry {
  try {
    const entry: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'))
    if (typeof entry === 'object' && entry !== null && 'v' in entry && entry.v === 1) return entry as LedgerEntry
  } catch (error) {
    throw new InfraFabricError('ledger.entry.malformed', 'a stored entry is not JSON', { cause: error })
  }
  throw new InfraFabricError('ledger.entry.malformed', 'a stored entry is not of version 1')
}
