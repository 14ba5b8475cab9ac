/** Takes an evidence bundle in, after all of it was checked. */
import { randomBytes } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { copyFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { errorCode, InfraFabricError, makeFolder } from '#kernel'
import { importedBundle } from '../read/open-reader.ts'
import { syncPath } from '../store/durable-file.ts'
import type { ArchivedFile } from '../verify/archive.ts'
import { openBundle } from '../verify/bundle.ts'
import { type Verification, verifyLedger } from '../verify/verify.ts'

export interface ImportRequest {
  readonly bundle: string
  /** Folder that is not there yet, or empty. */
  readonly into: string
  /** Public key of the log. */
  readonly vkey: string
  /** Text of a policy whose quorum must have cosigned. */
  readonly policy?: string
  /** Checkpoint notes kept from elsewhere. */
  readonly pinned?: readonly string[]
  readonly onProgress?: (entries: number, of: number) => void
}

const largestText = 1 << 20

/**
 * Verifies a copy of the bundle, every entry in full and all that lies beside, and puts it in place when it is valid; otherwise nothing is left.
 *
 *     evidence.zip            the bundle
 *     checkpoint, vkey        its head; the key it was verified with
 *     checkpoints.log         published heads, of a whole log
 *     policy, rates.yaml      where it has them
 *
 * @throws {InfraFabricError} `ledger.import.exists`, `ledger.import.unreadable`; as verifyLedger
 */
export async function importBundle({ bundle, into, vkey, onProgress, ...trust }: ImportRequest): Promise<Verification> {
  const exists = () => new InfraFabricError('ledger.import.exists', `${into} is there already and is not empty`)
  if (!(await isFree(into))) throw exists()
  const parent = dirname(resolve(into))
  const draft = join(parent, `.import-${randomBytes(6).toString('hex')}`)
  try {
    makeFolder(draft)
    const copy = join(draft, importedBundle)
    await copyFile(bundle, copy)
    const verification = await verifyLedger(copy, {
      vkey,
      depth: 'form',
      beside: {},
      ...trust,
      ...(onProgress === undefined ? {} : { onProgress })
    })
    if (verification.verdict !== 'valid') return verification
    const { archive, checkpoint } = openBundle(copy)
    try {
      await writeFile(join(draft, 'checkpoint'), checkpoint, { flush: true })
      await writeFile(join(draft, 'vkey'), `${vkey.trim()}\n`, { flush: true })
      for (const name of ['policy', 'rates.yaml']) {
        if (archive.files.has(name)) await writeFile(join(draft, name), archive.read(name, largestText), { flush: true })
      }
      const heads = archive.files.get('checkpoints.log')
      if (heads !== undefined) await copyPart(copy, heads, join(draft, 'checkpoints.log'))
    } finally {
      archive.close()
    }
    syncPath(copy)
    syncPath(draft)
    await rename(draft, into)
    syncPath(parent)
    return verification
  } catch (cause) {
    if (!(cause instanceof Error && 'syscall' in cause)) throw cause
    if (['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(errorCode(cause))) throw exists()
    throw new InfraFabricError('ledger.import.unreadable', `${bundle} cannot be taken into ${into} (${errorCode(cause)})`, {
      cause
    })
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

/** Copies a file of the bundle, however large. */
async function copyPart(bundle: string, { at, size }: ArchivedFile, path: string): Promise<void> {
  if (size === 0) return writeFile(path, '', { flush: true })
  await pipeline(createReadStream(bundle, { start: at, end: at + size - 1 }), createWriteStream(path, { flush: true }))
}

/** Whether a folder can be put there. */
async function isFree(path: string): Promise<boolean> {
  try {
    return (await readdir(path)).length === 0
  } catch (error) {
    return errorCode(error) === 'ENOENT'
  }
}
