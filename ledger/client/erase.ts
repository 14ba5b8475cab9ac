/** Erases payloads that lie beside the log, and looks whether a copy stays somewhere. */
import { createReadStream, existsSync, readdirSync } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InfraFabricError } from '#kernel'
import type { Ledger } from '../ledger.ts'
import { commitmentOf } from '../log/commitment.ts'
import type { LedgerReader } from '../read/reader.ts'
import type { Place } from '../store/store.ts'
import { spoiledSpool } from './spool.ts'

export interface Erasure {
  /** The entry `payload_erased` that tells of it. */
  readonly place: Place
  /** Files that still hold the payload: a spool that is being delivered, a journal that somebody reads. Erasing again later clears them. */
  readonly remains: readonly string[]
}

export interface ErasureConfig {
  readonly reader: Pick<LedgerReader, 'query' | 'log'>
  readonly erase: Ledger['erase']
  /** Folders whose files are looked through: of the ledger, of the spool. */
  readonly dirs: readonly string[]
}

/**
 * Removes payload and salt of entry `index`, and tells of it in the log with `reason`. In the log the entry, its hash and every proof stay. Erasing
 * again is told again, and clears what was left.
 *
 * @throws {InfraFabricError} `ledger.erase.absent`, `ledger.erase.not-erasable`
 */
export async function eraseEntry({ reader, erase, dirs }: ErasureConfig, index: number, reason: string): Promise<Erasure> {
  const [stored] = await reader.query({ afterIndex: index - 1, limit: 1 })
  if (stored?.entry.index !== index) throw new InfraFabricError('ledger.erase.absent', `there is no entry ${index}`)
  const commitment = commitmentOf(stored.entry.payload)
  if (commitment === null) {
    throw new InfraFabricError(
      'ledger.erase.not-erasable',
      `entry ${index} has no payload beside the log: what it says is in the log for good`
    )
  }
  const salt = (await reader.log.erasable([index])).get(index)?.salt
  const place = await erase({ entry: index, commitment: commitment.hash, reason, traceId: stored.entry.trace_id })
  const remains: string[] = []
  for (const path of dirs.flatMap(filesIn)) {
    if (spoiledSpool(path)) await blankLines(path, commitment.hash)
    // in a spool entry and payload stand together; elsewhere the salt goes with the payload
    const sign = path.endsWith('.spool') ? commitment.hash : salt
    if (sign !== undefined && (await holds(path, sign))) remains.push(path)
  }
  return { place, remains }
}

function filesIn(dir: string): string[] {
  if (!existsSync(dir)) return []
  return readdirSync(dir, { withFileTypes: true })
    .filter((file) => file.isFile())
    .map(({ name }) => join(dir, name))
}

/** Whether a file holds this ASCII text. */
async function holds(path: string, text: string): Promise<boolean> {
  let before = Buffer.alloc(0)
  try {
    for await (const part of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
      const window = Buffer.concat([before, part])
      if (window.includes(text)) return true
      before = window.subarray(-text.length)
    }
  } catch {
    // gone since: a spool that was delivered
  }
  return false
}

/** Overwrites the lines with this text in a spool that was put aside: nothing reads it again. */
async function blankLines(path: string, text: string): Promise<void> {
  const content = await readFile(path)
  let changed = false
  for (let at = content.indexOf(text); at >= 0; at = content.indexOf(text, at)) {
    const start = content.lastIndexOf(10, at) + 1
    const end = content.indexOf(10, at)
    content.fill('#', start, end < 0 ? content.length : end)
    changed = true
  }
  if (!changed) return
  const file = await open(path, 'r+')
  try {
    await file.write(content, 0, content.length, 0)
    await file.sync()
  } finally {
    await file.close()
  }
}
