/** Exports of a ledger, in the forms there are. */
import type { FileHandle } from 'node:fs/promises'
import type { Rates } from '../audit/rates.ts'
import { writeBundle } from './bundle.ts'
import { csvLines, jsonLines } from './lines.ts'
import { writeNewFile } from './new-file.ts'
import type { OfflineData } from './offline-data.ts'
import { type ExportSelection, type ExportSource, type ExportView, openExport } from './view.ts'

export { importBundle } from './import.ts'

export const exportFormats = ['json', 'csv', 'pdf', 'bundle'] as const
export type ExportFormat = (typeof exportFormats)[number]

export interface ExportRequest extends ExportSelection {
  readonly format: ExportFormat
  /** Path of the new file; or, of lines, what takes them piece by piece, each of whole lines. */
  readonly out: string | ((piece: Buffer) => Promise<void>)
  /** Whether a file that is there may be replaced. Default false. */
  readonly replace?: boolean
  /** What models cost. */
  readonly rates: Rates
  /** Told how far the reading came: leaf number of so many. */
  readonly onProgress?: (index: number, of: number) => void
}

export interface ExportSummary {
  readonly origin: string
  /** Entries under the head that the export stands for. */
  readonly size: number
  /** Base64. */
  readonly root: string
  /** Entries exported. */
  readonly entries: number
  readonly whole: boolean
  /** Entries of the log behind that head, which no quorum has cosigned yet: not exported. */
  readonly leftOut: number
  /** Of a bundle: whether the page is in it, which is made up to a size. */
  readonly page?: boolean
}

/**
 * Exports a ledger as of its newest head; with a policy, of the newest one that the quorum cosigned.
 *
 * @throws {InfraFabricError} `ledger.export.*`
 */
export async function exportLedger(source: ExportSource, request: ExportRequest): Promise<ExportSummary> {
  const opened = await openExport(source, request)
  const { onProgress } = request
  let entries = 0
  const view: ExportView = {
    ...opened,
    entries: async function* () {
      entries = 0
      for await (const entry of opened.entries()) {
        yield entry
        entries++
        if (entries % progressStep === 0) onProgress?.(entry.index, opened.size)
      }
    }
  }
  const { origin, size, root, whole, leftOut } = view
  const page = await write(view, request)
  onProgress?.(size, size)
  return { origin, size, root: root.toString('base64'), entries, whole, leftOut, ...(page === null ? {} : { page }) }
}

const progressStep = 1000

/** @returns whether a bundle has its page; null for other forms */
async function write(view: ExportView, { format, out, replace = false, rates }: ExportRequest): Promise<boolean | null> {
  if (format === 'json' || format === 'csv') {
    const pieces = format === 'json' ? jsonLines(view) : csvLines(view)
    if (typeof out !== 'string') for await (const piece of pieces) await out(piece)
    else await writeNewFile(out, replace, async (file) => writeAll(file, pieces))
    return null
  }
  if (typeof out !== 'string') throw new TypeError(`a ${format} is written to a file`)
  if (format === 'pdf') {
    const { writePdf } = await import('./pdf.ts')
    await writeNewFile(out, replace, async (file) => writeAll(file, writePdf(view)))
    return null
  }
  let page = false
  await writeNewFile(out, replace, async (file) => {
    page = (await writeBundle(view, file, { rates, page: makePage })).page
  })
  return page
}

/** The page and its compiler are loaded only here. */
async function makePage(data: OfflineData): Promise<string> {
  const { offlinePage } = await import('../page/offline.ts')
  return offlinePage(data)
}

async function writeAll(file: FileHandle, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const piece of pieces) await file.writeFile(piece)
}
