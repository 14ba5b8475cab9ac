import { createHash, randomBytes } from 'node:crypto'
import { readdirSync, renameSync, rmSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, processStart } from '#kernel'
import { commitmentOf, isCommittedTo } from '../log/commitment.ts'
import { type EntryDraft, expectDraft } from '../log/entry.ts'
import { isKey } from '../store/keys.ts'
import type { AppendItem } from '../store/store.ts'

/** A line that cannot be read: where, and the hash of what stands there. */
export interface SpoiledLine {
  readonly file: string
  readonly offset: number
  readonly sha256: string
  /** Whether it is the end of the file, without its line feed: a crash cut it short before it was acknowledged, or something cut the file afterwards. */
  readonly torn: boolean
}

/** What one read of the spool gave. */
export interface SpoolBatch {
  readonly items: readonly AppendItem[]
  readonly spoiled: readonly SpoiledLine[]
  /** Offset behind the last line read. */
  readonly end: number
}

/**
 * Entries that wait on disk until the ledger can be reached: one file, lines of `<first 16 hex digits of SHA-256> <JSON>`, each on disk before it is
 * acknowledged.
 *
 * A spoiled line is reported, and the file is kept when everything else in it has been delivered. So is a torn last line: a crash leaves one that was never
 * acknowledged, and nothing tells it from one that was. A file that has one is only read.
 */
export class SpoolFile {
  readonly path: string
  readonly torn: SpoiledLine | null
  readonly #file: FileHandle
  #size: number
  #tail: Promise<unknown> = Promise.resolve()

  private constructor(path: string, file: FileHandle, size: number, torn: SpoiledLine | null) {
    this.path = path
    this.torn = torn
    this.#file = file
    this.#size = size
  }

  /** Opens or makes the file. */
  static async open(path: string): Promise<SpoolFile> {
    const file = await open(path, 'a+', 0o600)
    try {
      const { size } = await file.stat()
      const whole = await lastLineEnd(file, size)
      const torn = whole < size ? { file: path, offset: whole, sha256: await hashFrom(file, whole), torn: true } : null
      openHere.add(path)
      return new SpoolFile(path, file, whole, torn)
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** Octets that are on disk and acknowledged. */
  get size(): number {
    return this.#size
  }

  /** Adds items behind what is there; resolves when they are on disk. After a failure the file is as it was before. */
  append(items: readonly AppendItem[]): Promise<void> {
    const added = this.#tail.then(async () => {
      const lines = Buffer.from(items.map(formatLine).join(''), 'utf8')
      try {
        await writeAll(this.#file, lines)
        await this.#file.datasync()
      } catch (error) {
        await this.#file.truncate(this.#size).catch(() => undefined)
        throw error
      }
      this.#size += lines.length
    })
    this.#tail = added.catch(() => undefined)
    return added
  }

  /** Reads whole lines from `offset` on, up to about `maxBytes`. */
  async read(offset: number, maxBytes = 1 << 20): Promise<SpoolBatch> {
    const wanted = Math.min(this.#size - offset, maxBytes)
    let chunk = await readAt(this.#file, offset, wanted)
    let end = chunk.lastIndexOf(10) + 1
    if (end === 0 && wanted < this.#size - offset) {
      chunk = await readAt(this.#file, offset, this.#size - offset)
      end = chunk.indexOf(10) + 1
    }
    const items: AppendItem[] = []
    const spoiled: SpoiledLine[] = []
    for (let at = 0; at < end; ) {
      const lineEnd = chunk.indexOf(10, at)
      const line = chunk.subarray(at, lineEnd)
      const item = parseLine(line)
      if (item === null) spoiled.push({ file: this.path, offset: offset + at, sha256: sha256(line), torn: false })
      else items.push(item)
      at = lineEnd + 1
    }
    return { items, spoiled, end: offset + end }
  }

  /** Empties the file when it holds no more than `size` octets. @returns whether it did */
  clear(size: number): Promise<boolean> {
    const cleared = this.#tail.then(async () => {
      if (this.#size !== size) return false
      await this.#file.truncate(0)
      await this.#file.datasync()
      this.#size = 0
      return true
    })
    this.#tail = cleared.catch(() => undefined)
    return cleared
  }

  /** Closes the file, and removes it when `remove` says so. */
  async close(remove: boolean): Promise<void> {
    await this.#tail
    await this.#file.close()
    openHere.delete(this.path)
    if (remove) rmSync(this.path, { force: true })
  }
}

/** Files that this process has open: its own pid in a name does not tell, where every process of a container is number 1. */
const openHere = new Set<string>()

const sha256 = (data: Uint8Array | string): string => createHash('sha256').update(data).digest('hex')

function formatLine(item: AppendItem): string {
  const json = JSON.stringify(item)
  return `${sha256(json).slice(0, 16)} ${json}\n`
}

function parseLine(line: Buffer): AppendItem | null {
  const json = line.subarray(17)
  if (sha256(json).slice(0, 16) !== line.toString('latin1', 0, 16)) return null
  try {
    return itemOf(JSON.parse(json.toString('utf8')))
  } catch {
    return null
  }
}

/**
 * What a line holds, when it could have been told: whoever can write to the spool can tell no more than a producer can.
 *
 * @throws {Error} when it is no such item
 */
function itemOf({ draft, key, erasable, ...more }: AppendItem): AppendItem | null {
  const isText = (value: unknown): value is string => typeof value === 'string'
  if (Object.keys(more).length > 0 || !isText(key) || !isKey(key)) return null
  if (!Array.isArray(draft) || draft.length !== 3 || !draft.every(isText)) return null
  const commitment = commitmentOf(expectDraft(draft as unknown as EntryDraft).payload)
  if (erasable === undefined) return commitment === null ? { draft, key } : null
  if (!isText(erasable.salt) || !isText(erasable.payload) || Object.keys(erasable).length !== 2) return null
  return commitment !== null && isCommittedTo(commitment, erasable) ? { draft, key, erasable } : null
}

async function writeAll(file: FileHandle, data: Buffer): Promise<void> {
  for (let at = 0; at < data.length; ) at += (await file.write(data, at)).bytesWritten
}

async function readAt(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset)
  return buffer.subarray(0, bytesRead)
}

const step = 65_536

async function hashFrom(file: FileHandle, offset: number): Promise<string> {
  const hash = createHash('sha256')
  for (let at = offset; ; at += step) {
    const part = await readAt(file, at, step)
    hash.update(part)
    if (part.length < step) return hash.digest('hex')
  }
}

async function lastLineEnd(file: FileHandle, size: number): Promise<number> {
  for (let end = size; end > 0; end -= step) {
    const start = Math.max(0, end - step)
    const at = (await readAt(file, start, end - start)).lastIndexOf(10)
    if (at >= 0) return start + at + 1
  }
  return 0
}

/** Time made, pid and start of the process that holds it, eight random digits. */
const fileName = /^\d{13}-(\d+)-(\d+)-[0-9a-f]{8}\.spool$/

/** Files in `dir` that processes which no longer run have left, oldest first. Makes the folder when it is not there. */
export function abandonedSpools(dir: string): string[] {
  makeFolder(dir)
  return readdirSync(dir)
    .sort()
    .filter((name) => {
      const match = fileName.exec(name)
      return match !== null && !isHeld(join(dir, name), Number(match[1]), match[2]!)
    })
    .map((name) => join(dir, name))
}

/** A name for a file of this process. */
export function ownSpoolPath(dir: string, nowMs: number): string {
  return join(
    dir,
    `${String(nowMs).padStart(13, '0')}-${process.pid}-${processStart(process.pid)}-${randomBytes(4).toString('hex')}.spool`
  )
}

/** Puts a file with spoiled lines aside, where nothing delivers it again and nothing removes it. */
export function keepSpoiled(path: string): void {
  renameSync(path, `${path}.spoiled`)
}

/** Whether a file is one that {@link keepSpoiled} put aside. */
export const spoiledSpool = (path: string): boolean => path.endsWith('.spool.spoiled')

function isHeld(path: string, pid: number, start: string): boolean {
  return pid === process.pid ? openHere.has(path) : processStart(pid) === start
}
