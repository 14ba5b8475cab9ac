import { closeSync, fdatasyncSync, fstatSync, ftruncateSync, openSync, readFileSync, readSync, writeSync } from 'node:fs'
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

const octetsAtOnce = 16_384

/** The same, newest first, read from the end of the file: whoever wants the last one need not read them all. */
function* publishedBackward(path: string): Generator<string | null> {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return
  }
  try {
    let at = fstatSync(file).size
    let text: Buffer = Buffer.alloc(0)
    /** Where the line that is yielded next ends; -1 until the line feed of the last whole line was found. */
    let end = -1
    while (at > 0) {
      const part = Buffer.alloc(Math.min(octetsAtOnce, at))
      at -= part.length
      for (let filled = 0; filled < part.length; ) {
        const read = readSync(file, part, filled, part.length - filled, at + filled)
        if (read === 0) return
        filled += read
      }
      text = Buffer.concat([part, text])
      if (end >= 0) end += part.length
      for (let feed = text.lastIndexOf(10, end < 0 ? undefined : end - 1); feed >= 0; feed = text.lastIndexOf(10, end - 1)) {
        if (end >= 0) yield readLine(text.toString('utf8', feed + 1, end))
        end = feed
        if (feed === 0) break
      }
      if (end >= 0) text = text.subarray(0, end + 1)
    }
    if (end >= 0) yield readLine(text.toString('utf8', 0, end))
  } finally {
    closeSync(file)
  }
}

/**
 * The newest published head with at least `size` entries that meets the policy: heads under which a key changes are published without waiting for a
 * quorum. Null when there is none.
 */
export function latestPublished(path: string, policy: Policy, size = 0): string | null {
  for (const note of publishedBackward(path)) {
    if (note === null) continue
    try {
      const parsed = parseCheckpoint(note)
      if (parsed.checkpoint.size >= size && judgeCheckpoint(policy, parsed).quorum) return note
    } catch {
      // a spoiled line: the verifier tells of it
    }
  }
  return null
}

/** The newest published head with a good signature of one of these keys; null when there is none. */
export function latestSigned(path: string, keys: readonly NoteVerifier[]): Checkpoint | null {
  for (const note of publishedBackward(path)) {
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
  let last = publishedBackward(path).next().value ?? null
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
