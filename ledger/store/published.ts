import { closeSync, fdatasyncSync, fstatSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { InfraFabricError } from '#kernel'
import { type Checkpoint, isSignedBy, type NoteVerifier, parseCheckpoint } from '../log/note.ts'
import { judgeCheckpoint, type Policy } from '../log/policy.ts'

/**
 * The heads this log has published, in a file of its own beside the database: one JSON string a line, each a signed checkpoint. Whoever cuts the
 * database back has to cut this file too, and every copy of it that was taken away.
 */
export interface PublishedHeads {
  /** Appends a checkpoint unless it is the last one published. */
  readonly publish: (checkpoint: string) => void
  /** As {@link latestPublished}, when the file was opened. */
  readonly latest: (policy: Policy) => string | null
  readonly close: () => void
}

/** Checkpoints published so far, oldest first. A torn last line is left out; any other line that cannot be read is given as null. */
export function readPublished(path: string): (string | null)[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return []
  }
  return text.split('\n').slice(0, -1).map(readLine)
}

/**
 * The newest published head with at least `size` entries that meets the policy: heads under which a key changes are published without waiting for a
 * quorum. Null when there is none.
 */
export function latestPublished(path: string, policy: Policy, size = 0): string | null {
  return (
    readPublished(path).findLast((note) => {
      if (note === null) return false
      try {
        const parsed = parseCheckpoint(note)
        return parsed.checkpoint.size >= size && judgeCheckpoint(policy, parsed).quorum
      } catch {
        return false
      }
    }) ?? null
  )
}

/** The newest published head with a good signature of one of these keys; null when there is none. */
export function latestSigned(path: string, keys: readonly NoteVerifier[]): Checkpoint | null {
  for (const note of readPublished(path).reverse()) {
    if (note === null) continue
    try {
      const parsed = parseCheckpoint(note)
      if (keys.some((key) => isSignedBy(parsed, key))) return parsed.checkpoint
    } catch {
      // a spoiled line: the verifier tells of it
    }
  }
  return null
}

function readLine(line: string): string | null {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'string' ? value : null
  } catch {
    return null
  }
}

/** Opens the file for appending. Each publication is on disk when `publish` returns. @throws what the file system throws */
export function openPublished(path: string): PublishedHeads {
  let last = readPublished(path).at(-1) ?? null
  const file = openSync(path, 'a+', 0o644)
  let torn = true
  return {
    publish: (checkpoint) => {
      if (checkpoint === last) return
      if (torn) cutTornLine(path, file)
      torn = true
      const line = Buffer.from(`${JSON.stringify(checkpoint)}\n`, 'utf8')
      if (writeSync(file, line) < line.length) throw new InfraFabricError('ledger.published.short', 'no room for the whole line')
      torn = false
      fdatasyncSync(file)
      last = checkpoint
    },
    latest: (policy) => latestPublished(path, policy),
    close: () => closeSync(file)
  }
}

/** A crash or a full disk may have cut the last line short: it was not published, and is cut off. */
function cutTornLine(path: string, file: number): void {
  const end = readFileSync(path).lastIndexOf(10) + 1
  if (end < fstatSync(file).size) ftruncateSync(file, end)
}
