/** Files that are whole, on disk and under their name, or not there: whatever stops the process or the machine between two steps. */
import { closeSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { errorCode } from '#kernel'

/** Waits until what was written to a file, or the names in a folder, are on disk. @throws what the file system throws */
export function syncPath(path: string): void {
  const file = openSync(path, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** Puts a new file at `path`; one that is there stays as it is, and of two processes that try, one does. @throws what the file system throws */
export function putNewFile(path: string, text: string, mode: number): void {
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, text, { mode, flush: true })
  try {
    linkSync(draft, path)
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error
  } finally {
    rmSync(draft)
  }
  syncPath(dirname(path))
}

/** Puts `text` in the place of what is at `path`, in one step. @throws what the file system throws; what was there is there then */
export function replaceFile(path: string, text: string, mode: number): void {
  const draft = `${path}.${process.pid}`
  try {
    writeFileSync(draft, text, { mode, flush: true })
    renameSync(draft, path)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
  syncPath(dirname(path))
}
