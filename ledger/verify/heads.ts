/** The signed heads of a log that somebody kept: what stands in its file of published heads, and notes given by hand. */
import { existsSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { InfraFabricError } from '#kernel'
import { type CheckpointNote, readCheckpoint } from './notes.ts'
import { expectFile, type FilePart } from './sources.ts'

export interface KnownHead {
  /** Where it comes from, in words. */
  readonly from: string
  readonly note: CheckpointNote
  /** Given by the auditor: it must be signed. */
  readonly pinned: boolean
}

/** Longest line: a note with its signatures, escaped. */
const longestLine = 100_000

export interface PublishedHeads {
  readonly heads: readonly KnownHead[]
  /** Lines that are no checkpoint. */
  readonly spoiled: number
}

/**
 * Reads a file of published heads: one checkpoint a line, as JSON text. What stands behind the last line feed was not published.
 *
 * @param above heads of this size and below are left out: they were checked before
 * @param part of the file; the whole of it when left out
 * @throws {InfraFabricError} `ledger.unreadable`
 */
export async function readPublishedHeads(path: string, above: number, part?: Omit<FilePart, 'path'>): Promise<PublishedHeads> {
  const heads: KnownHead[] = []
  let spoiled = 0
  let rest = ''
  let last = ''
  const take = (line: string) => {
    if (line === last) return
    last = line
    const note = readLine(line)
    if (note === null) spoiled++
    else if (note.size > above) heads.push({ from: 'the published head', note, pinned: false })
  }
  if (!existsSync(path)) return { heads, spoiled }
  expectFile(path)
  const file = await open(path).catch((error: unknown) => {
    throw new InfraFabricError('ledger.unreadable', `${path} cannot be read: ${String(error)}`, { cause: error })
  })
  try {
    // a stream's end is inclusive: an empty part cannot be told so
    const range = part === undefined ? {} : { start: part.start, end: part.end - 1 }
    const chunks =
      part?.start === part?.end && part !== undefined
        ? []
        : file.createReadStream({ encoding: 'utf8', autoClose: false, ...range })
    for await (const chunk of chunks) {
      const lines = (rest + (chunk as string)).split('\n')
      rest = lines.pop()!
      for (const line of lines) take(line)
      // a line without an end is no head, however long it gets
      if (rest.length > longestLine) rest = rest.slice(0, longestLine + 1)
    }
  } finally {
    await file.close()
  }
  return { heads, spoiled }
}

function readLine(line: string): CheckpointNote | null {
  try {
    const value: unknown = line.length > longestLine ? null : JSON.parse(line)
    return typeof value === 'string' ? readCheckpoint(value) : null
  } catch {
    return null
  }
}

/** Reads a note; null for text that is none. */
export function tryCheckpoint(text: string): CheckpointNote | null {
  try {
    return readCheckpoint(text)
  } catch {
    return null
  }
}
