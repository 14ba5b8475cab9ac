import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { parseCheckpoint } from '../log/note.ts'

/** Newest heads that are kept at hand. */
const mostNewest = 200
/** Heads kept under which one key handed over to another. */
const mostHandovers = 100
const readOctets = 1 << 20

/** Heads published so far, as the service gives them: oldest first. */
export interface History {
  /** The newest ones, and before them each that more than one key of the log signed: by those changes of key are followed. */
  readonly heads: () => readonly string[]
}

/**
 * Follows the file of published heads. It grows by up to a line a second, so each call reads only what was added since.
 *
 * @param path a JSON string a line; need not be there yet
 */
export function publishedHistory(path: string): History {
  let inode = 0
  let offset = 0
  let rest = Buffer.alloc(0)
  let newest: string[] = []
  let handovers: string[] = []

  const take = (line: string): void => {
    try {
      const note: unknown = JSON.parse(line)
      if (typeof note !== 'string') return
      const { checkpoint, signatures } = parseCheckpoint(note)
      newest.push(note)
      if (signatures.filter(({ name }) => name === checkpoint.origin).length > 1) handovers.push(note)
    } catch {
      // a line cut short by a crash: nothing stands on it
    }
  }

  const readOn = (): void => {
    const file = openSync(path, 'r')
    try {
      const { size } = fstatSync(file)
      while (offset < size) {
        const part = Buffer.alloc(Math.min(readOctets, size - offset))
        const read = readSync(file, part, 0, part.length, offset)
        if (read === 0) break
        offset += read
        const lines = Buffer.concat([rest, part.subarray(0, read)])
        const end = lines.lastIndexOf('\n') + 1
        rest = Buffer.from(lines.subarray(end))
        for (const line of lines.subarray(0, end).toString('utf8').split('\n')) if (line !== '') take(line)
        newest = newest.slice(-mostNewest)
        handovers = handovers.slice(-mostHandovers)
      }
    } finally {
      closeSync(file)
    }
  }

  return {
    heads: () => {
      const stat = statSync(path, { throwIfNoEntry: false })
      if (stat === undefined) return []
      if (stat.ino !== inode || stat.size < offset) {
        inode = stat.ino
        offset = 0
        rest = Buffer.alloc(0)
        newest = []
        handovers = []
      }
      readOn()
      return [...handovers.filter((note) => !newest.includes(note)), ...newest]
    }
  }
}
