/** Entries on paper: a cover sheet that says under which head they stand, and a table. */
import PDFDocument from 'pdfkit'
import encodeQR from 'qr'
import { InfraFabricError, type JsonObject } from '#kernel'
import { canonicalize } from '../log/canonical.ts'
import { cosignedAt } from '../log/cosignature.ts'
import { type LedgerEntry, openEntry } from '../log/entry.ts'
import { leafHash } from '../log/merkle.ts'
import { type CheckpointNote, parseVerifierKey } from '../log/note.ts'
import { nameText, noPolicy, parsePolicy } from '../log/policy.ts'
import { filterJson } from './filter-json.ts'
import type { ExportedEntry, ExportView } from './view.ts'

/** What a document holds, at most: beyond this, paper serves nobody. */
export const mostPdfEntries = 5000
export const mostPdfPages = 1000

const page = { width: 595.28, height: 841.89, margin: 36 }
const fontSize = 7
/** All characters of Courier are 0.6 of its size wide. */
const characters = Math.floor((page.width - 2 * page.margin) / (fontSize * 0.6))
const lineHeight = 9
const tableTop = page.margin + 22
const linesOfPage = Math.floor((page.height - page.margin - 16 - tableTop) / lineHeight)

/** Characters that the fonts of every reader have. */
const undrawable = /[^\u0020-\u007e\u00a1-\u00ac\u00ae-\u00ff\u2014]/g

/** Text as it can be drawn: every other character as JSON would escape it, a code unit at a time, so that none is lost and none moves what stands beside it. */
export const drawable = (text: string): string =>
  text.replace(undrawable, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)

function* wrapped(text: string, width: number): Generator<string> {
  for (let at = 0; at === 0 || at < text.length; at += width) yield text.slice(at, at + width)
}

const columns = [
  { name: 'entry', width: 8 },
  { name: 'time', width: 25 },
  { name: 'component', width: 24 },
  { name: 'event', width: 28 },
  { name: 'trace', width: 0 }
]
const indent = ' '.repeat(columns[0]!.width)

/** The lines of one entry; the first ones hold the columns, the others what else it says. */
function linesOf({ bytes, erasable }: ExportedEntry): string[] {
  const entry = openEntry(bytes)
  const cells = [String(entry.index), entry.time, entry.component, entry.event, entry.trace_id].map((text, at) => {
    const { width } = columns[at]!
    const taken = columns.slice(0, at).reduce((sum, column) => sum + column.width, 0)
    return [...wrapped(drawable(text), width === 0 ? characters - taken : width - 1)]
  })
  const rows = Math.max(...cells.map(({ length }) => length))
  const head = Array.from({ length: rows }, (_, row) =>
    cells
      .map((lines, at) => (lines[row] ?? '').padEnd(columns[at]!.width))
      .join('')
      .trimEnd()
  )
  const facts = [
    ...detailsOf(entry),
    `payload ${canonicalize(entry.payload)}`,
    ...(erasable === undefined
      ? []
      : [erasable === null ? 'beside it: erased' : `beside it ${erasable.payload} salt ${erasable.salt}`]),
    `hash ${leafHash(bytes).toString('hex')}`
  ]
  const width = characters - indent.length
  return [...head, ...facts.flatMap((fact) => [...wrapped(drawable(fact), width)].map((line) => indent + line))]
}

function detailsOf({ parent_trace_id, model, tokens_in, tokens_out, cost }: LedgerEntry): string[] {
  const facts = Object.entries({
    under: parent_trace_id,
    model,
    'tokens in': tokens_in,
    'tokens out': tokens_out,
    'cost USD': cost
  })
  const told = facts.flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${value}`]))
  return told.length === 0 ? [] : [told.join('  ')]
}

interface Row {
  readonly lines: readonly string[]
  readonly shaded: boolean
}

/** Rows put on pages; a row goes over to the next page where it does not fit. */
function* pagesOf(rows: readonly Row[]): Generator<Row[]> {
  let current: Row[] = []
  let left = linesOfPage
  for (const { lines, shaded } of rows) {
    for (let at = 0; at < lines.length; ) {
      // what would fit on one page is not torn
      if (left === 0 || (at === 0 && lines.length > left && lines.length <= linesOfPage)) {
        yield current
        current = []
        left = linesOfPage
      }
      const part = lines.slice(at, at + left)
      current.push({ lines: part, shaded })
      at += part.length
      left -= part.length
    }
  }
  if (current.length > 0) yield current
}

/**
 * The document, piece by piece. Its date is that of the newest entry in it, and its identifier follows from that: the same entries under the same head give the same octets. Nothing is compressed,
 * since what a compressor gives differs between machines.
 *
 * @throws {InfraFabricError} `ledger.export.too-many`
 */
export async function* writePdf(view: ExportView): AsyncGenerator<Buffer> {
  const tooMany = (limit: string) =>
    new InfraFabricError(
      'ledger.export.too-many',
      `a PDF has at most ${limit}: narrow the filter by trace, call, component, event or time, or take json, csv or bundle`
    )
  const rows: Row[] = []
  let lines = 0
  let first = ''
  let last = ''
  for await (const entry of view.entries()) {
    if (rows.length === mostPdfEntries) throw tooMany(`${mostPdfEntries} entries`)
    const row = { lines: linesOf(entry), shaded: rows.length % 2 === 1 }
    lines += row.lines.length
    if (lines > mostPdfPages * linesOfPage) throw tooMany(`${mostPdfPages} pages`)
    rows.push(row)
    const { time } = openEntry(entry.bytes)
    if (first === '' || time < first) first = time
    if (time > last) last = time
  }
  const tables = [...pagesOf(rows)]
  const rotations = await view.rotations()
  const keys = [view.vkey, ...rotations.map(({ vkey }) => vkey)]
  const title = `Entries of the log ${drawable(view.origin)}`
  const document = new PDFDocument({
    size: 'A4',
    margin: 0,
    compress: false,
    autoFirstPage: false,
    // how many pages there are is known at the end
    bufferPages: true,
    lang: 'en',
    displayTitle: true,
    // the library would take the time of day, and make an identifier of it
    info: { Title: title, CreationDate: new Date(last === '' ? 0 : last) }
  })
  cover(document, title, view, keys, { entries: rows.length, first, last })
  for (const table of tables) {
    document.addPage()
    drawTable(document, table)
  }
  const { count } = document.bufferedPageRange()
  for (let number = 0; number < count; number++) {
    document.switchToPage(number)
    footer(document, view, number + 1, count)
  }
  document.end()
  for await (const piece of document) yield piece as Buffer
}

type Document = InstanceType<typeof PDFDocument>

function drawTable(document: Document, rows: readonly Row[]): void {
  const { margin, width } = page
  document.font('Courier-Bold').fontSize(fontSize).fillColor('black')
  const names = columns.map((column) => column.name.padEnd(column.width)).join('')
  document.text(names, margin, margin + 8, { lineBreak: false })
  document
    .moveTo(margin, tableTop - 3)
    .lineTo(width - margin, tableTop - 3)
    .lineWidth(0.5)
    .stroke('black')
  document.font('Courier')
  let y = tableTop
  for (const { lines, shaded } of rows) {
    if (shaded) document.rect(margin - 2, y - 1, width - 2 * margin + 4, lines.length * lineHeight).fill('#eeeeee')
    document.fillColor('black')
    for (const line of lines) {
      document.text(line, margin, y, { lineBreak: false })
      y += lineHeight
    }
  }
}

function footer(document: Document, { root, size }: ExportView, number: number, of: number): void {
  const y = page.height - page.margin - 6
  document.font('Courier').fontSize(fontSize).fillColor('#555555')
  document.text(`head of ${size} entries, root ${root.toString('base64')}`, page.margin, y, { lineBreak: false })
  const text = `page ${number} of ${of}`
  document.text(text, page.width - page.margin - text.length * fontSize * 0.6, y, { lineBreak: false })
}

interface Told {
  readonly entries: number
  /** Earliest and latest time; empty without entries. */
  readonly first: string
  readonly last: string
}

function cover(
  document: Document,
  title: string,
  view: ExportView,
  keys: readonly string[],
  { entries, first, last }: Told
): void {
  const { margin, width } = page
  document.addPage()
  document
    .font('Helvetica-Bold')
    .fontSize(17)
    .fillColor('black')
    .text(title, margin, margin + 10, { width: width - 2 * margin })
  let y = document.y + 14
  const keepFree = (height: number) => {
    if (y + height <= page.height - margin - 20) return
    document.addPage()
    y = margin
  }
  const labelled = (label: string, texts: readonly string[]) => {
    keepFree(11)
    document.font('Helvetica').fontSize(9).fillColor('#555555').text(label, margin, y, { lineBreak: false })
    for (const line of texts.flatMap((text) => [...wrapped(drawable(text), 84)])) {
      keepFree(11)
      document
        .font('Courier')
        .fontSize(8)
        .fillColor('black')
        .text(line, margin + 110, y, { lineBreak: false })
      y += 11
    }
    y += 5
  }
  const filter: JsonObject = filterJson(view.filter)
  labelled('origin', [view.origin])
  labelled('root hash', [view.root.toString('base64'), view.root.toString('hex')])
  labelled('tree size', [`${view.size} entries`])
  labelled('shown here', [`${entries} entries`])
  labelled('times', entries === 0 ? ['-'] : [`${first} to ${last}`])
  labelled('filter', view.whole ? ['none: the whole log'] : Object.entries(filter).map(([name, value]) => `${name} = ${value}`))
  labelled(
    'public key',
    keys.flatMap((key) => [key, `key hash ${parseVerifierKey(key).keyHash.toString('hex')}`])
  )
  labelled('cosignatures', cosignatures(view))
  labelled('checkpoint', view.checkpoint.replace(/\n$/, '').split('\n'))
  const { text, what } = codeText(view)
  keepFree(codeSide + 40)
  y = drawCode(document, text, y)
  document.font('Helvetica').fontSize(9).fillColor('black')
  document.text(
    `The code holds ${what}. Held against the public key that you have from elsewhere, it is the proof: this paper is none. The same entries can be had as ` +
      `an evidence bundle, in which each entry is proved.`,
    margin,
    y + 8,
    { width: width - 2 * margin }
  )
}

function cosignatures({ note, policy, origin }: ExportView): string[] {
  const { witnesses } = policy === null ? noPolicy : parsePolicy(policy)
  const good = witnesses.flatMap(({ name, verifier }) => {
    const timeS = cosignedAt(note, verifier)
    return timeS === null ? [] : [`${nameText(name)} (${verifier.name}) at ${new Date(timeS * 1000).toISOString()}`]
  })
  const others = note.signatures.length - note.signatures.filter(({ name }) => name === origin).length - good.length
  return [
    ...good,
    ...(others > 0 ? [`${others} of witnesses that the policy does not name`] : []),
    ...(good.length + others === 0 ? ['none'] : [])
  ]
}

const codeSide = 200
/** A code of version 30 or so can still be read from paper by a telephone. */
const mostCodeOctets = 1500

/** The checkpoint with as many of its signatures as the code can hold: all of them, else the log's. */
function codeText({ checkpoint, note, origin }: ExportView): { readonly text: string; readonly what: string } {
  if (Buffer.byteLength(checkpoint) <= mostCodeOctets) return { text: checkpoint, what: 'the checkpoint as it stands above' }
  const own = linesBy(checkpoint, note, origin)
  if (Buffer.byteLength(own) <= mostCodeOctets) return { text: own, what: 'the checkpoint with the signature of the log alone' }
  return { text: note.body, what: 'the checkpoint without signatures' }
}

const linesBy = (checkpoint: string, { body }: CheckpointNote, origin: string): string =>
  `${body}\n${checkpoint
    .slice(body.length + 1)
    .split('\n')
    .filter((line) => line.startsWith(`— ${origin} `))
    .map((line) => `${line}\n`)
    .join('')}`

/** A QR code with its quiet zone, row by row; true is dark. */
export const codeOf = (text: string): boolean[][] => encodeQR(text, 'raw', { ecc: 'low', border: 4 })

/** @returns where it ends */
function drawCode(document: Document, text: string, top: number): number {
  const modules = codeOf(text)
  const step = codeSide / modules.length
  document.fillColor('black')
  for (const [row, line] of modules.entries()) {
    for (const [column, dark] of line.entries())
      if (dark) document.rect(page.margin + column * step, top + row * step, step, step)
  }
  document.fill('black')
  return top + codeSide
}
