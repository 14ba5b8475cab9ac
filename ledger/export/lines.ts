/** Entries as lines of text: JSON Lines and CSV. */
import { canonicalize } from '../log/canonical.ts'
import type { Erasable } from '../log/commitment.ts'
import { openEntry } from '../log/entry.ts'
import { leafHash } from '../log/merkle.ts'
import type { ExportedEntry, ExportView } from './view.ts'

/** Given in pieces of about so many octets. */
const piece = 1 << 18

/** Joins lines; each piece given holds whole ones. */
async function* inPieces(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let waiting: Uint8Array[] = []
  let held = 0
  for await (const part of parts) {
    waiting.push(part)
    held += part.length
    if (held < piece) continue
    yield Buffer.concat(waiting)
    waiting = []
    held = 0
  }
  if (held > 0) yield Buffer.concat(waiting)
}

const lineFeed = Buffer.from('\n')
const before = Buffer.from('{"entry":')

/**
 * JSON Lines: each line is an entry, octet by octet as it is stored, so that SHA-256(0x00 ‖ line) is its hash. Canonical JSON holds no line feed.
 *
 * With payloads each line is `{"entry":…,"erasable":…}` instead: the entry as stored, and `{"payload":…,"salt":"…"}` of what lies beside it; null where
 * nothing does, `"erased"` where it was erased.
 */
export function jsonLines(view: ExportView): AsyncGenerator<Buffer> {
  return inPieces(
    (async function* () {
      for await (const entry of view.entries()) {
        yield view.withPayloads
          ? Buffer.concat([before, entry.bytes, Buffer.from(`,"erasable":${erasableText(entry.erasable)}}\n`)])
          : Buffer.concat([entry.bytes, lineFeed])
      }
    })()
  )
}

function erasableText(erasable: Erasable | null | undefined): string {
  if (erasable === undefined) return 'null'
  return erasable === null ? '"erased"' : `{"payload":${erasable.payload},"salt":${JSON.stringify(erasable.salt)}}`
}

const columns = [
  'index',
  'time',
  'event',
  'component',
  'trace_id',
  'parent_trace_id',
  'tokens_in',
  'tokens_out',
  'cost',
  'model',
  'payload',
  'prev',
  'hash'
] as const
const erasableColumns = ['erasable', 'erasable_salt'] as const

/**
 * CSV with a header, UTF-8, lines end in CR LF.
 *
 * Text that a spreadsheet would take for a formula has an apostrophe before it, and so has text that begins with one: taking one leading apostrophe
 * off gives the text back.
 *
 * @see RFC 4180
 */
export function csvLines(view: ExportView): AsyncGenerator<Buffer> {
  const names: readonly string[] = view.withPayloads ? [...columns, ...erasableColumns] : columns
  return inPieces(
    (async function* () {
      yield Buffer.from(`${names.join(',')}\r\n`)
      for await (const entry of view.entries()) yield Buffer.from(`${row(entry, view.withPayloads)}\r\n`)
    })()
  )
}

function row({ bytes, erasable }: ExportedEntry, withPayloads: boolean): string {
  const entry = openEntry(bytes)
  const values = columns.map((name) => {
    if (name === 'hash') return leafHash(bytes).toString('hex')
    return name === 'payload' ? canonicalize(entry.payload) : entry[name]
  })
  if (withPayloads) values.push(erasable === null ? 'erased' : erasable?.payload, erasable?.salt)
  return values.map((value) => (value === undefined ? '' : typeof value === 'number' ? String(value) : field(value))).join(',')
}

/** Text of nothing but these is no formula and needs no quotes under any separator that spreadsheets use. */
const plain = /^[A-Za-z0-9][A-Za-z0-9_.:-]*$/

/** One field of text. */
export function field(text: string): string {
  if (plain.test(text)) return text
  return `"${/^[=+\-@\t\r\n'＝＋－＠]/.test(text) ? "'" : ''}${text.replaceAll('"', '""')}"`
}
