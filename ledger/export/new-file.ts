/** Files that take their name when they are whole and on disk. */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { type FileHandle, link, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errorCode, InfraFabricError } from '#kernel'
import { syncPath } from '../store/durable-file.ts'

/**
 * Makes a file at `path`: written beside it under another name, renamed when `write` has ended. When it fails, nothing is left.
 *
 * @param replace whether a file that is there may be replaced
 * @throws {InfraFabricError} `ledger.export.exists`, `ledger.export.unwritable`; what `write` throws
 */
export async function writeNewFile(path: string, replace: boolean, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const exists = () => new InfraFabricError('ledger.export.exists', `${path} is there already and is not overwritten unasked`)
  if (!replace && existsSync(path)) throw exists()
  const draft = `${path}.${randomBytes(4).toString('hex')}.part`
  let file: FileHandle
  try {
    file = await open(draft, 'wx', 0o640)
  } catch (cause) {
    throw new InfraFabricError('ledger.export.unwritable', `${path} cannot be written (${errorCode(cause)})`, { cause })
  }
  try {
    try {
      await write(file)
      await file.sync()
    } finally {
      await file.close()
    }
    if (replace) await rename(draft, path)
    else {
      // unlike a rename, a link never replaces what somebody put there meanwhile; some file systems (FAT) have none
      await link(draft, path).catch((error: unknown) => {
        if (errorCode(error) === 'EEXIST') throw exists()
        return rename(draft, path)
      })
    }
    syncPath(dirname(path))
  } catch (cause) {
    if (!(cause instanceof Error && 'syscall' in cause)) throw cause
    throw new InfraFabricError('ledger.export.unwritable', `${path} cannot be written (${errorCode(cause)})`, { cause })
  } finally {
    await rm(draft, { force: true })
  }
}
