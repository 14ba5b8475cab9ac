import { InfraFabricError, type JsonObject, newTraceId, type WitnessEvent } from '#kernel'
import { canonicalize } from './canonical.ts'
import { maxEntryOctets } from './segment.ts'
import { timeText } from './time-text.ts'

/** Largest payload, in octets of its canonical form: leaves room for the other fields. */
export const maxPayloadOctets = maxEntryOctets - 4095

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
const traceId = /^[\x21-\x7e]{1,128}$/
const decimal = /^(?:0|[1-9]\d{0,17})(?:\.\d{1,18})?$/

/** First and last moment whose year has four digits, in milliseconds since 1970. @see RFC 3339 §5.6 */
const [firstTimeMs, lastTimeMs] = [-62_167_219_200_000, 253_402_300_799_999]

const isName = (text: unknown): boolean => typeof text === 'string' && name.test(text)
const isTraceId = (text: unknown): boolean => typeof text === 'string' && traceId.test(text)
const isModel = (model: unknown): boolean =>
  typeof model === 'string' && model.length > 0 && model.length <= 128 && model.isWellFormed()
const isCount = (count: unknown): boolean => Number.isSafeInteger(count) && (count as number) >= 0

/** Canonical JSON of an entry, cut where its leaf number and the hash before it will stand. Those are known when it is sequenced; the rest is not touched again. */
export type EntryDraft = readonly [beforeIndex: string, betweenIndexAndPrev: string, afterPrev: string]

/** Where the time stands in the last part of a draft, in octets: `","time":"2026-01-01T00:00:00.000Z"…`. */
export const [timeFrom, timeTo] = [10, 34] as const

/** Component of what the ledger tells of itself. */
const ledgerComponent = 'IF.witness.ledger'
/** Whether a component, a name, is that one or could be taken for it. No pattern: one for both cases takes V8 0.2 ms to make. */
function isReserved(component: string): boolean {
  if (component.slice(0, ledgerComponent.length).toLowerCase() !== ledgerComponent.toLowerCase()) return false
  const next = component.charAt(ledgerComponent.length).toLowerCase()
  return !((next >= 'a' && next <= 'z') || (next >= '0' && next <= '9'))
}

const reserved = (component: string): InfraFabricError =>
  new InfraFabricError('ledger.entry.reserved', `component: ${component} is the ledger's own`)

/** The part of a draft before the leaf number, as it is written below. */
const draftBegin =
  /^\{"component":"([A-Za-z][A-Za-z0-9_.:-]{0,127})"(?:,"cost":"[\d.]{1,40}")?,"event":"[A-Za-z][A-Za-z0-9_.:-]{0,127}","index":$/

/**
 * The first part of a draft that came from a producer: nothing that could be taken for the ledger's own word.
 *
 * @throws {InfraFabricError} `ledger.entry.reserved`; `ledger.entry.invalid` for what is no draft
 */
export function expectBeginFromProducer(begin: string): void {
  const component = draftBegin.exec(begin)?.[1]
  if (component === undefined) throw new InfraFabricError('ledger.entry.invalid', 'a draft that is none')
  if (isReserved(component)) throw reserved(component)
}

const expect = (ok: boolean, field: string, expected: string): void => {
  if (!ok) throw new InfraFabricError('ledger.entry.invalid', `${field}: expected ${expected}`)
}

/**
 * Checks what a producer gives and writes down all of it that does not depend on its place in the log.
 *
 * @param timeMs when the event was told, milliseconds since 1970
 * @throws {InfraFabricError} `ledger.entry.invalid`, naming the field and what was expected; `ledger.entry.too-large`; `ledger.entry.reserved` for the
 *   component of the ledger itself
 */
export function draftEntry(told: WitnessEvent, timeMs: number): EntryDraft {
  const draft = draftAny(told, timeMs)
  if (isReserved(told.component)) throw reserved(told.component)
  return draft
}

/** What the ledger tells of itself. @throws as {@link draftEntry} */
export function draftOwnEntry(told: Omit<WitnessEvent, 'component' | 'traceId'>, timeMs: number): EntryDraft {
  return draftAny({ ...told, component: ledgerComponent, traceId: newTraceId() }, timeMs)
}

function draftAny(told: WitnessEvent, timeMs: number): EntryDraft {
  const { event, component, parentTraceId, payload, tokensIn, tokensOut, cost, model } = told
  expect(isName(event), 'event', 'a name of letters, digits and _ . : -, at most 128')
  expect(isName(component), 'component', 'a name of letters, digits and _ . : -, at most 128')
  expect(isTraceId(told.traceId), 'traceId', '1 to 128 printable ASCII characters')
  expect(parentTraceId === undefined || isTraceId(parentTraceId), 'parentTraceId', '1 to 128 printable ASCII characters')
  expect(tokensIn === undefined || isCount(tokensIn), 'tokensIn', 'a whole number, not negative')
  expect(tokensOut === undefined || isCount(tokensOut), 'tokensOut', 'a whole number, not negative')
  expect(cost === undefined || (typeof cost === 'string' && decimal.test(cost)), 'cost', 'a decimal such as 0.09095, as text')
  expect(model === undefined || isModel(model), 'model', '1 to 128 characters, without unpaired surrogates')
  expect(typeof payload === 'object' && payload !== null && !Array.isArray(payload), 'payload', 'an object')
  expect(timeMs >= firstTimeMs && timeMs <= lastTimeMs, 'time', 'a moment of the years 0 to 9999')
  expect(told.erasable === undefined, 'erasable', 'nothing: an entry holds only a commitment to it')
  const payloadText = canonicalize(payload)
  const octets = payloadText.length * 3 <= maxPayloadOctets ? 0 : Buffer.byteLength(payloadText)
  if (octets > maxPayloadOctets) {
    throw new InfraFabricError('ledger.entry.too-large', `a payload has at most ${maxPayloadOctets} octets, this one ${octets}`)
  }
  // members in the order RFC 8785 §3.2.3 puts them in
  const begin = `{"component":"${component}"${cost === undefined ? '' : `,"cost":"${cost}"`},"event":"${event}","index":`
  const between = `${model === undefined ? '' : `,"model":${JSON.stringify(model)}`}${parentTraceId === undefined ? '' : `,"parent_trace_id":${JSON.stringify(parentTraceId)}`},"payload":${payloadText},"prev":"`
  const behind = `","time":"${timeText(timeMs)}"${tokensIn === undefined ? '' : `,"tokens_in":${tokensIn}`}${tokensOut === undefined ? '' : `,"tokens_out":${tokensOut}`},"trace_id":${JSON.stringify(told.traceId)},"v":1}`
  return cut(begin, between, behind)
}

/**
 * The three parts, cut out of one text. V8 keeps what was put together of many texts as those many until somebody cuts or reads it: three times the memory, and a dozen places of
 * it to be read when it is sent.
 */
function cut(begin: string, between: string, behind: string): EntryDraft {
  const whole = begin + between + behind
  const prev = begin.length + between.length
  return [whole.slice(0, begin.length), whole.slice(begin.length, prev), whole.slice(prev)]
}

/** The entry that a draft becomes at `index`, behind the entry with hash `prev`. */
export function finishDraft(draft: EntryDraft, index: number, prev: string): string {
  return `${draft[0]}${index}${draft[1]}${prev}${draft[2]}`
}

/**
 * A draft from outside this process, held against what {@link draftEntry} would make of the same entry.
 *
 * @throws {InfraFabricError} as {@link draftEntry}; `ledger.entry.malformed`, `ledger.entry.invalid`
 */
export function expectDraft(draft: EntryDraft): LedgerEntry {
  const entry = openEntry(Buffer.from(finishDraft(draft, 0, noPrevious)))
  const { event, component, payload, time } = entry
  const told: WitnessEvent = {
    event,
    component,
    traceId: entry.trace_id,
    payload,
    ...(entry.parent_trace_id === undefined ? {} : { parentTraceId: entry.parent_trace_id }),
    ...(entry.tokens_in === undefined ? {} : { tokensIn: entry.tokens_in }),
    ...(entry.tokens_out === undefined ? {} : { tokensOut: entry.tokens_out }),
    ...(entry.cost === undefined ? {} : { cost: entry.cost }),
    ...(entry.model === undefined ? {} : { model: entry.model })
  }
  const timeMs = typeof time === 'string' ? Date.parse(time) : Number.NaN
  expect(!Number.isNaN(timeMs), 'time', 'a time')
  expect(
    draftEntry(told, timeMs).every((part, at) => part === draft[at]),
    'draft',
    'the one way to write it'
  )
  return entry
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
