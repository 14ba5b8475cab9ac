import {
  closeSync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  writeSync
} from 'node:fs'
import { InfraFabricError } from '#kernel'
import { type Checkpoint, type CheckpointNote, isSignedBy, type NoteVerifier, parseCheckpoint } from '../log/note.ts'
import { judgeCheckpoint, type Policy } from '../log/policy.ts'
import { replaceFile } from './durable-file.ts'

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
  return [...publishedBackward(path)].map(({ note }) => note).reverse()
}

const octetsAtOnce = 16_384
/** Octets of a line at most: a checkpoint with its signatures. What is longer is passed over as spoiled. */
const longestLine = 140_000

/** A line of the file. */
interface PublishedLine {
  /** Null for a line that is no head. */
  readonly note: string | null
  /** Where it begins. */
  readonly at: number
}

/** Octets of a file from `at` on; fewer when it ends before. */
function readAt(file: number, at: number, length: number): Buffer {
  const part = Buffer.alloc(Math.max(0, length))
  let filled = 0
  while (filled < part.length) {
    const read = readSync(file, part, filled, part.length - filled, at + filled)
    if (read === 0) break
    filled += read
  }
  return part.subarray(0, filled)
}

/** Opens the file for reading; what there is to tell of a file that is not there is nothing. */
function* opened<T>(path: string, use: (file: number) => Generator<T>): Generator<T> {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return
  }
  try {
    yield* use(file)
  } finally {
    closeSync(file)
  }
}

/**
 * Lines of the file, newest first, read from its end: whoever wants the last ones need not read them all, and none of the file is kept.
 *
 * @param before only lines that begin before this octet
 */
export const publishedBackward = (path: string, before = Number.POSITIVE_INFINITY): Generator<PublishedLine> =>
  opened(path, function* (file) {
    let at = Math.min(before, fstatSync(file).size)
    let text: Buffer = Buffer.alloc(0)
    /** Whether the end of `text` is the end of a whole line. */
    let whole = false
    let passedOver = false
    while (at > 0) {
      const part = readAt(file, Math.max(0, at - octetsAtOnce), Math.min(octetsAtOnce, at))
      at = Math.max(0, at - octetsAtOnce)
      text = Buffer.concat([part, text])
      for (let feed = text.lastIndexOf(10); feed >= 0; feed = text.lastIndexOf(10)) {
        if (whole) yield { note: passedOver ? null : readLine(text.toString('utf8', feed + 1)), at: at + feed + 1 }
        whole = true
        passedOver = false
        text = text.subarray(0, feed)
      }
      if (text.length > longestLine) {
        passedOver = true
        text = Buffer.alloc(0)
      }
    }
    if (whole) yield { note: passedOver ? null : readLine(text.toString('utf8')), at: 0 }
  })

/** The first whole line that begins at `from` or later. */
function lineFrom(file: number, from: number, fileSize: number): (PublishedLine & { readonly end: number }) | null {
  const read = (at: number): { text: Buffer; end: number } | null => {
    for (let from = at; from < fileSize; from += longestLine) {
      const text = readAt(file, from, Math.min(longestLine, fileSize - from))
      const feed = text.indexOf(10)
      // a line that goes on behind what was read is too long to be a head
      if (feed >= 0) return { text: from === at ? text.subarray(0, feed) : Buffer.alloc(0), end: from + feed + 1 }
    }
    return null
  }
  const before = from === 0 ? { end: 0 } : read(from - 1)
  const line = before === null ? null : read(before.end)
  return line === null ? null : { note: readLine(line.text.toString('utf8')), at: before!.end, end: line.end }
}

const sizeOf = (note: string): number => Number(note.split('\n', 2)[1])

/** The published head of exactly `size` entries, found by halving, since heads only grow; null when there is none. */
export function publishedOf(path: string, size: number): string | null {
  const search = opened(path, function* (file) {
    const fileSize = fstatSync(file).size
    let [low, high] = [0, fileSize]
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      let line = lineFrom(file, middle, fileSize)
      while (line !== null && line.note === null) line = lineFrom(file, line.end, fileSize)
      if (line === null || sizeOf(line.note!) >= size) high = middle
      else low = line.end
    }
    let found = lineFrom(file, low, fileSize)
    while (found !== null && found.note === null) found = lineFrom(file, found.end, fileSize)
    if (found !== null && sizeOf(found.note!) === size) yield found.note!
  })
  const [note] = search
  return note ?? null
}

/** The newest head of which `accepts` says so, and which has at least `size` entries; null when there is none. */
function newest(
  path: string,
  accepts: (note: CheckpointNote) => boolean,
  size = 0
): { text: string; note: CheckpointNote } | null {
  for (const { note: text } of publishedBackward(path)) {
    if (text === null) continue
    try {
      const note = parseCheckpoint(text)
      if (note.checkpoint.size < size) return null
      if (accepts(note)) return { text, note }
    } catch {
      // a spoiled line: the verifier tells of it
    }
  }
  return null
}

/**
 * The newest published head with at least `size` entries that meets the policy: heads under which a key changes are published without waiting for a
 * quorum. Null when there is none.
 */
export const latestPublished = (path: string, policy: Policy, size = 0): string | null =>
  newest(path, (note) => judgeCheckpoint(policy, note).quorum, size)?.text ?? null

/** The newest published head with a good signature of one of these keys; null when there is none. */
export const latestSigned = (path: string, keys: readonly NoteVerifier[]): Checkpoint | null =>
  newest(path, (note) => keys.some((key) => isSignedBy(note, key)))?.note.checkpoint ?? null

function readLine(line: string): string | null {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'string' ? value : null
  } catch {
    return null
  }
}

/** Octets beyond which the file is thinned out: about 40,000 heads, half a day at one a second. */
const longestFile = 16 << 20
/** Of the older heads one in so many stays, each time. */
const thinning = 4

/** Whether one key takes over from another under this head: what follows cannot be checked without it. */
const isTakeOver = (note: string): boolean => note.split(`\n— ${note.slice(0, note.indexOf('\n'))} `).length > 2

/**
 * Makes the file shorter: the newest quarter of its lines stays, of those before it every fourth, and all under which a key changed, or that are spoiled. Any head covers
 * what came before it, so that the record grows coarser with age and loses no entry. The new file takes the place of the old one in one step.
 */
function thinOut(path: string): void {
  const lines = readFileSync(path, 'utf8').split('\n')
  const recent = Math.floor((lines.length * 3) / 4)
  const kept = lines.filter((line, at) => {
    if (at >= recent || at % thinning === 0) return true
    const note = readLine(line)
    return note === null || isTakeOver(note)
  })
  replaceFile(path, kept.join('\n'), 0o600)
}

/**
 * Opens the file for appending. Each publication is on disk when `publish` returns. Several processes may append; one whose file was thinned out by another goes on in the
 * new one.
 *
 * @param longest octets beyond which it is thinned out
 * @throws what the file system throws
 */
export function openPublished(path: string, longest = longestFile): PublishedHeads {
  let last: string | null = null
  for (const { note } of publishedBackward(path)) {
    last = note
    break
  }
  let file = openSync(path, 'a+', 0o600)
  let torn = true
  let longestNow = longest
  const goOn = (): void => {
    const { ino, size } = fstatSync(file)
    const isSame = () => ino === statSync(path, { throwIfNoEntry: false })?.ino
    if (isSame()) {
      if (size <= longestNow) return
      try {
        thinOut(path)
      } catch {
        // no room for a second file: the long one goes on
      }
      longestNow = Math.max(longest, 2 * statSync(path).size)
      if (isSame()) return
    }
    closeSync(file)
    file = openSync(path, 'a+', 0o600)
    torn = true
  }
  return {
    publish: (checkpoint) => {
      if (checkpoint === last) return
      goOn()
      if (torn) cutTornLine(file)
      torn = true
      const line = Buffer.from(`${JSON.stringify(checkpoint)}\n`, 'utf8')
      if (writeSync(file, line) < line.length) throw new InfraFabricError('ledger.published.short', 'no room for the whole line')
      torn = false
      fdatasyncSync(file)
      last = checkpoint
    },
    latest: (policy) => (last !== null && meets(policy, last) ? last : latestPublished(path, policy)),
    close: () => closeSync(file)
  }
}

/** Whether a line of the file is a head that the policy takes. */
function meets(policy: Policy, text: string): boolean {
  try {
    return judgeCheckpoint(policy, parseCheckpoint(text)).quorum
  } catch {
    return false
  }
}

/** A crash or a full disk may have cut the last line short: it was not published, and is cut off. */
function cutTornLine(file: number): void {
  const { size } = fstatSync(file)
  let end = size
  while (end > 0) {
    const from = Math.max(0, end - octetsAtOnce)
    const feed = readAt(file, from, end - from).lastIndexOf(10)
    end = feed < 0 ? from : from + feed + 1
    if (feed >= 0) break
  }
  if (end < size) ftruncateSync(file, end)
}
