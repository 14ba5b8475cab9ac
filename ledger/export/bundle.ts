/**
 * Evidence bundles: one zip file that holds entries, proofs, heads and keys, and how to check them.
 *
 * Of a whole log: a folder in the layout of C2SP tlog-tiles (`checkpoint`, `tile/…`), and the heads that were published. Of a selection: each entry with
 * its tlog-proof under one head, and the proofs by which keys took over.
 *
 *     README.md               what it is and how to check it
 *     bundle.json             what was exported: name of the log, head, filter
 *     checkpoint              head that covers everything, with its cosignatures
 *     checkpoints.log         whole: published heads, a JSON string a line
 *     entries/<12 digits>.json, proofs/<12 digits>.tlog-proof         selection
 *     index.html              the auditor's page with all of it inside, for bundles that are not too large for it
 *     payloads.jsonl          payloads beside the log and their salts, when asked for
 *     policy                  witnesses and quorum, where the log has a policy
 *     rates.yaml              what models cost
 *     rotations/<12 digits>.json, rotations/<12 digits>.tlog-proof    selection: entries by which keys took over
 *     tile/…                  whole: hashes and entries
 *     vkeys                   public keys of the log, one a line, oldest first
 *
 * @see C2SP tlog-tiles, tlog-proof, tlog-checkpoint
 */
import type { FileHandle } from 'node:fs/promises'
import { InfraFabricError } from '#kernel'
import { listRates, type Rates } from '../audit/rates.ts'
import { canonicalize } from '../log/canonical.ts'
import { parseCheckpoint } from '../log/note.ts'
import { proveInclusion } from '../log/prover.ts'
import { formatTlogProof } from '../log/tlog-proof.ts'
import { tileHashes, tileWidth } from '../log/tree.ts'
import { tilesOf } from '../read/tiles.ts'
import { formatTilePath } from '../service/tile-path.ts'
import { readTile } from '../service/tiles.ts'
import { bundleReadme } from './bundle-readme.ts'
import { filterJson } from './filter-json.ts'
import type { OfflineData, OfflineRate } from './offline-data.ts'
import { type ExportView, keyBroughtBy, type Rotation } from './view.ts'
import { createZip, type ZipWriter } from './zip.ts'

/** Entries of a selection, at most: each costs two files. */
const mostSelected = 100_000

/** A page is made of bundles whose entries, proofs and heads come to no more octets. */
export const mostPageOctets = 32 << 20

/** Payloads of a bundle altogether: whoever verifies it holds them in memory. */
const mostPayloadOctets = 1 << 28

export interface BundleOptions {
  readonly rates: Rates
  /** Makes the page. */
  readonly page: (data: OfflineData) => Promise<string>
}

export interface WrittenBundle {
  readonly entries: number
  /** Whether the page is in it. */
  readonly page: boolean
}

/** Name of an entry's files. */
const nameOf = (index: number): string => String(index).padStart(12, '0')

/** What the page needs, kept while it is not too much. */
class PageContent {
  readonly entries: { index: number; bytes: string }[] = []
  readonly proofs: string[] = []
  readonly payloads: { index: number; salt: string; payload: string }[] = []
  readonly checkpoints: string[] = []
  #octets = 0

  get fits(): boolean {
    return this.#octets <= mostPageOctets
  }

  #keep<T>(list: T[], item: T, octets: number): void {
    this.#octets += octets
    if (this.fits) list.push(item)
    else for (const kept of [this.entries, this.proofs, this.payloads, this.checkpoints]) kept.length = 0
  }

  entry(index: number, bytes: Uint8Array): void {
    this.#keep(this.entries, { index, bytes: this.fits ? Buffer.from(bytes).toString('utf8') : '' }, bytes.length)
  }

  proof(text: string): void {
    this.#keep(this.proofs, text, text.length)
  }

  payload(index: number, salt: string, payload: string): void {
    this.#keep(this.payloads, { index, salt, payload }, payload.length)
  }

  checkpoint(note: string): void {
    if (note !== this.checkpoints.at(-1)) this.#keep(this.checkpoints, note, note.length)
  }
}

/**
 * Writes a bundle. What is held in memory does not grow with the log, but for a directory of about 100 octets a file and the page's content.
 *
 * @throws {InfraFabricError} `ledger.export.too-many`, `ledger.export.too-large`, as {@link ExportView.entries}
 */
export async function writeBundle(view: ExportView, file: FileHandle, options: BundleOptions): Promise<WrittenBundle> {
  const zip = createZip(file)
  const page = new PageContent()
  const text = (name: string, content: string) => zip.add(name, Buffer.from(content, 'utf8'))
  const { entries: written, keys, rotations, missing } = await (view.whole ? writeWhole : writeSelection)(view, zip, page)
  if (view.withPayloads) await zip.add('payloads.jsonl', payloadLines(view, page))
  page.checkpoint(view.checkpoint)
  await text('checkpoint', view.checkpoint)
  await text('vkeys', `${keys.join('\n')}\n`)
  if (view.policy !== null) await text('policy', view.policy)
  const rates = listRates(options.rates)
  if (rates.length > 0) await text('rates.yaml', ratesYaml(rates))
  const facts = {
    v: 1,
    origin: view.origin,
    size: view.size,
    root: view.root.toString('base64'),
    entries: written,
    payloads: view.withPayloads,
    filter: view.whole ? null : filterJson(view.filter)
  }
  await text('bundle.json', `${canonicalize(facts)}\n`)
  const { fits } = page
  if (fits) {
    const { entries, proofs, payloads, checkpoints } = page
    const data: OfflineData = {
      origin: view.origin,
      keys,
      policy: view.policy,
      checkpoints,
      whole: view.whole,
      entries,
      proofs,
      rotations: rotations.map(({ bytes, proof }) => ({ bytes: Buffer.from(bytes).toString('utf8'), proof })),
      payloads: view.withPayloads ? payloads : null,
      rates
    }
    await text('index.html', await options.page(data))
  }
  await text('README.md', bundleReadme(view, { entries: written, page: fits, keys, rotations: rotations.length, missing }))
  await zip.finish()
  return { entries: written, page: fits }
}

/** What was written of a log. */
interface Written {
  readonly entries: number
  /** Public keys, oldest first. */
  readonly keys: readonly string[]
  /** Of a selection: the changes of key, proved. */
  readonly rotations: readonly ProvedRotation[]
  /** Changes of key for which there is no proof. */
  readonly missing: number
}

async function writeWhole(view: ExportView, zip: ZipWriter, page: PageContent): Promise<Written> {
  await zip.add('checkpoints.log', publishedHeads(view, page))
  const keys = [view.vkey]
  let parts: Uint8Array[] = []
  let width = 0
  let count = 0
  const addBundle = async () => {
    const place = { level: 'entries', index: Math.floor((count - 1) / tileWidth), width } as const
    await zip.add(`tile/${formatTilePath(place)}`, Buffer.concat(parts))
    parts = []
    width = 0
  }
  for await (const { index, bytes } of view.entries()) {
    parts.push(Buffer.of(bytes.length >> 8, bytes.length & 0xff), bytes)
    page.entry(index, bytes)
    const key = keyBroughtBy(bytes)
    if (key !== null) keys.push(key)
    width++
    count++
    if (width < tileWidth) continue
    await addBundle()
  }
  if (width > 0) await addBundle()
  if (count !== view.size) {
    throw new InfraFabricError(
      'ledger.export.head-differs',
      `the head tells of ${view.size} entries, ${count} are there: verify it`
    )
  }
  for (let level = 0; tileHashes(view.size, level) > 0; level++) {
    const hashes = tileHashes(view.size, level)
    for (let index = 0; index * tileWidth < hashes; index++) {
      const place = { level, index, width: Math.min(tileWidth, hashes - index * tileWidth) }
      const tile = await readTile(view.reader.log, place)
      if (tile === null)
        throw new InfraFabricError('ledger.export.tile-missing', `tile ${formatTilePath(place)} is missing: verify the log`)
      await zip.add(`tile/${formatTilePath(place)}`, tile)
    }
  }
  return { entries: count, keys, rotations: [], missing: 0 }
}

async function* publishedHeads(view: ExportView, page: PageContent): AsyncGenerator<Uint8Array> {
  for await (const line of view.publishedLines()) {
    try {
      const note = JSON.parse(line)
      parseCheckpoint(note)
      page.checkpoint(note)
    } catch {
      // kept in the file; the page shows heads alone
    }
    yield Buffer.from(`${line}\n`, 'utf8')
  }
}

async function writeSelection(view: ExportView, zip: ZipWriter, page: PageContent): Promise<Written> {
  let count = 0
  for await (const { index, bytes } of view.entries()) {
    if (count === mostSelected) {
      throw new InfraFabricError(
        'ledger.export.too-many',
        `a bundle of a selection holds at most ${mostSelected} entries: narrow the filter, or export the whole log`
      )
    }
    const proof = await proofOf(view, index, view.size, view.checkpoint)
    await zip.add(`entries/${nameOf(index)}.json`, Buffer.from(bytes))
    await zip.add(`proofs/${nameOf(index)}.tlog-proof`, Buffer.from(proof, 'utf8'))
    page.entry(index, bytes)
    page.proof(proof)
    count++
  }
  const changes = await view.rotations()
  const rotations = await rotationProofs(view, changes)
  for (const { index, bytes, proof } of rotations) {
    await zip.add(`rotations/${nameOf(index)}.json`, Buffer.from(bytes))
    await zip.add(`rotations/${nameOf(index)}.tlog-proof`, Buffer.from(proof, 'utf8'))
  }
  const keys = [view.vkey, ...changes.map(({ vkey }) => vkey)]
  return { entries: count, keys, rotations, missing: changes.length - rotations.length }
}

async function proofOf({ reader }: ExportView, index: number, size: number, checkpoint: string): Promise<string> {
  return formatTlogProof({ index, proof: await proveInclusion(tilesOf(reader.log), index, size), checkpoint })
}

type ProvedRotation = Pick<Rotation, 'index' | 'bytes'> & { readonly proof: string }

/** Proofs that the entries by which keys took over stand under heads that the key before signed; those whose head was not published are left out. */
async function rotationProofs(view: ExportView, rotations: readonly Rotation[]): Promise<ProvedRotation[]> {
  const proofs: ProvedRotation[] = []
  for (const { index, bytes, checkpoint } of rotations) {
    if (checkpoint === null) continue
    const { size } = parseCheckpoint(checkpoint).checkpoint
    proofs.push({ index, bytes, proof: await proofOf(view, index, size, checkpoint) })
  }
  return proofs
}

async function* payloadLines(view: ExportView, page: PageContent): AsyncGenerator<Uint8Array> {
  let octets = 0
  for await (const { index, erasable } of view.entries()) {
    if (erasable === undefined || erasable === null) continue
    const { salt, payload } = erasable
    page.payload(index, salt, payload)
    const line = Buffer.from(`${canonicalize({ index, payload, salt })}\n`, 'utf8')
    octets += line.length
    if (octets > mostPayloadOctets) {
      throw new InfraFabricError(
        'ledger.export.too-large',
        `payloads of more than ${mostPayloadOctets} octets in one bundle: narrow the filter, or leave them out`
      )
    }
    yield line
  }
}

/** As a rates file, which `--rates` takes. JSON's texts are YAML's. */
const ratesYaml = (rates: readonly OfflineRate[]): string =>
  `rates:\n${rates
    .map(({ model, from, ...prices }) => {
      const since = from === null ? '' : `, from: ${from}`
      return `  - { model: ${JSON.stringify(model)}, in: ${prices.in}, out: ${prices.out}${since} }\n`
    })
    .join('')}`
