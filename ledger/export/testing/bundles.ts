/** Logs to export, and bundles to spoil. */
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { defaultRates, draftEntry, type Ledger, ledgerFiles } from '#ledger'
import { appendItem } from '../../client/append-item.ts'
import { openTestLedger } from '../../testing/fixtures.ts'
import { openArchive } from '../../verify/archive.ts'
import { type ExportRequest, type ExportSummary, exportLedger } from '../export.ts'
import { createZip } from '../zip.ts'

export const firstTime = Date.UTC(2026, 0, 1)

/** An entry that callers tried to make trouble with. */
export const nasty = '=HYPERLINK("http://x")\u202e</script>\u0000,\'"\r\n\u{1f600}é'

/** A log of `count` entries in traces t0, t1 and t2; every tenth brings an erasable payload. */
export async function sampleLog(t: ExecutionContext, count: number): Promise<Ledger & { readonly dir: string }> {
  const ledger = await openTestLedger(t)
  await fill(ledger, 0, count)
  return ledger
}

export async function fill(ledger: Pick<Ledger, 'append'>, from: number, count: number): Promise<void> {
  const items = Array.from({ length: count }, (_, i) => {
    const n = from + i
    const told = {
      event: `event_${n % 4}`,
      component: 'IF.test',
      traceId: `t${n % 3}`,
      payload: { n, callId: `call-${n % 5}`, ...(n % 7 === 0 ? { note: nasty } : {}) },
      ...(n % 6 === 0 ? { model: '=cmd|x', tokensIn: 5, cost: '0.05' } : {})
    }
    return n % 10 === 9
      ? appendItem({ ...told, payload: { n }, erasable: { name: `person ${n}` } }, firstTime + n, `k${n}`)
      : { draft: draftEntry(told, firstTime + n), key: `k${n}` }
  })
  for (let at = 0; at < items.length; at += 100) await ledger.append(items.slice(at, at + 100), 1)
}

export function exported(
  ledger: Pick<Ledger, 'reader'> & { readonly dir: string },
  request: Partial<ExportRequest> & Pick<ExportRequest, 'format' | 'out'>
): Promise<ExportSummary> {
  const { reader, dir } = ledger
  return exportLedger({ reader, files: ledgerFiles(dir) }, { filter: {}, rates: defaultRates, ...request })
}

/** The lines of an export. */
export async function exportedText(
  ledger: Pick<Ledger, 'reader'> & { readonly dir: string },
  request: Partial<ExportRequest> & Pick<ExportRequest, 'format'>
): Promise<string> {
  const pieces: Buffer[] = []
  await exported(ledger, { ...request, out: async (piece) => void pieces.push(piece) })
  return Buffer.concat(pieces).toString('utf8')
}

let number = 0

/** Exports a bundle into the ledger's folder. @returns its path */
export async function bundleOf(
  ledger: Pick<Ledger, 'reader'> & { readonly dir: string },
  request: Partial<ExportRequest> = {}
): Promise<string> {
  const out = join(ledger.dir, `bundle-${number++}.zip`)
  await exported(ledger, { ...request, format: 'bundle', out })
  return out
}

/** Content of every file of a bundle, by name. */
export function contentOf(path: string): Map<string, Buffer> {
  const archive = openArchive(path)
  try {
    return new Map([...archive.files.keys()].map((name) => [name, archive.raw(name, 1 << 30)]))
  } finally {
    archive.close()
  }
}

/** Writes a bundle anew, with right checksums, after `change` had its way with the files. @returns its path */
export async function rewritten(path: string, change: (files: Map<string, Buffer>) => void): Promise<string> {
  const files = contentOf(path)
  change(files)
  const out = `${path}.${number++}.zip`
  const file = await open(out, 'wx')
  try {
    const zip = createZip(file)
    for (const [name, content] of files) await zip.add(name, content)
    await zip.finish()
  } finally {
    await file.close()
  }
  return out
}

export const octetsOf = (path: string): Promise<Buffer> => readFile(path)
