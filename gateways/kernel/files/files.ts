/** Folders and files that only their owner may look into, and whether a file has changed. */
import { chmodSync, closeSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { errorCode, InfraFabricError } from '../errors.ts'

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'not allowed',
  EEXIST: 'something that is no folder has its name',
  ELOOP: 'its links lead round in a circle',
  ENAMETOOLONG: 'the name is too long',
  ENOENT: 'no folder can be made there',
  ENOSPC: 'the disk is full',
  ENOTDIR: 'a part of its path is no folder',
  EPERM: 'not allowed',
  EROFS: 'the file system is read-only'
}

/**
 * Makes a folder, and those above it, where they are not there. One that is there keeps its mode.
 *
 * Step by step, since Node's own way of doing so never ends where a file system makes no folders (`/proc`).
 *
 * @throws {InfraFabricError} `files.folder`
 */
export function makeFolder(path: string, mode = 0o700): void {
  const wanted = resolve(path)
  try {
    const missing: string[] = []
    for (let at = wanted; ; at = dirname(at)) {
      const found = statSync(at, { throwIfNoEntry: false })
      if (found === undefined) missing.push(at)
      else if (found.isDirectory()) break
      else throw Object.assign(new Error(`${at} is no folder`), { code: 'ENOTDIR' })
    }
    for (const folder of missing.reverse()) makeOne(folder, mode)
  } catch (cause) {
    const code = errorCode(cause)
    throw new InfraFabricError('files.folder', `the folder ${wanted} cannot be made: ${reasons[code] ?? 'it failed'} (${code})`, {
      cause
    })
  }
}

/**
 * How a file looks from outside: another text whenever the file at this path was written, replaced or given other rights. `absent` while there is none, or
 * none that may be looked at. Symbolic links are followed.
 */
export function fileVersion(path: string): string {
  try {
    const { dev, ino, mode, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true })
    return `${dev} ${ino} ${mode} ${size} ${mtimeNs} ${ctimeNs}`
  } catch {
    return 'absent'
  }
}

function makeOne(folder: string, mode: number): void {
  try {
    mkdirSync(folder, { mode })
  } catch (error) {
    // another process may have been quicker
    if (errorCode(error) !== 'EEXIST' || statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) throw error
  }
}

/**
 * Sees to it that only its owner can read an SQLite database that is about to be opened: a new one is made so, whatever the umask, and its journals take the
 * same mode from it. One that everybody could read is closed to them. A mode that lets a group in was given by somebody, and stays. One in memory
 * (`:memory:`) has no file.
 *
 * @throws what the file system throws when it cannot be made
 */
export function keepDatabasePrivate(path: string): void {
  if (path === ':memory:') return
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) {
    closeSync(openSync(path, 'a', 0o600))
    return
  }
  if (!found.isFile() || (found.mode & 0o007) === 0) return
  for (const file of [path, `${path}-wal`, `${path}-shm`]) {
    try {
      chmodSync(file, 0o600)
    } catch {
      // no such journal; or it belongs to somebody else, who alone may change that
    }
  }
}
