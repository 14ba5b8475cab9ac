/** Where the entries of a log are read from: an embedded database, a folder in the layout of C2SP tlog-tiles, an evidence bundle, or a Redis server. */
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import type { CheckpointNote } from './notes.ts'

/** Entries one behind the other, each behind its length in two octets. */
export interface Run {
  /** Leaf number of the first. */
  readonly first: number
  /** How many there should be; null where the source does not say. */
  readonly count: number | null
  /** The verifier's own: it may write into it. */
  readonly data: Uint8Array
}

/** What the log says of its own end. All of it is a claim until it was held against the entries. */
export interface OwnHead {
  readonly checkpoint: string
  /** Null where the source keeps none. */
  readonly size: number | null
  readonly lastHash: string | null
}

/** A log as it stood when it was opened; what is appended later is not seen. */
export interface EntrySource {
  readonly head: () => OwnHead | null
  /** Where the entries end, as the source has it. */
  readonly end: () => number
  /** Leaf number at which a run begins, `index` or the next one before it. */
  readonly seam: (index: number) => number | Promise<number>
  /** Runs in order, from the one that holds entry `from` on, up to the one before which `to` stands. */
  readonly runs: (from: number, to: number) => Iterable<Run> | AsyncIterable<Run>
  /** What is kept beside the entries. */
  readonly beside: {
    /** Whether tiles of hashes are kept. */
    readonly hasTiles: boolean
    /** A tile as it is stored, at most `width` hashes of it; null where none is. */
    readonly tile: (level: number, position: number, width: number) => Uint8Array | null | Promise<Uint8Array | null>
    /** Erasable payloads of these entries, as many as there are; null where the source has no place for any. */
    readonly erasable: (
      indexes: readonly number[]
    ) => ReadonlyMap<number, BesidePayload> | null | Promise<ReadonlyMap<number, BesidePayload> | null>
    /** How many there are. */
    readonly erasables: () => number | Promise<number>
  }
  /** Part of a file that holds published heads, where the source brings some. */
  readonly published?: FilePart | null
  /** Of a source that says more of itself than its entries. @throws {SourceDamaged} */
  readonly claims?: {
    /** Looks for damage in what is not hashed. */
    readonly damage: () => void
    /** Holds what is said against a head under which all entries were found to stand. */
    readonly facts: (head: CheckpointNote) => void
  }
  readonly close: () => void
}

export interface FilePart {
  readonly path: string
  readonly start: number
  /** Exclusive. */
  readonly end: number
}

/** An erasable payload as it lies beside the log: a claim, too. */
export interface BesidePayload {
  /** 32 octets, base64. */
  readonly salt: string
  /** Canonical JSON. */
  readonly payload: string
}

/** Where a log is, as one thread tells another. */
export interface LogAddress {
  /** The database of an embedded ledger, a folder of tiles, an evidence bundle, or the URL of a Redis server. */
  readonly path: string
  /** Origin of the log: several share a Redis server. */
  readonly origin: string
}

/** The source's content is at fault, not the way to it. Known inside the verifier only, whose threads start quicker without the kernel. */
export class SourceDamaged extends Error {}

/** The source ends before it says that it does. */
export class SourceCutShort extends SourceDamaged {}

/** @throws {SourceDamaged} @throws {Error} when it cannot be read */
export async function openSource({ path, origin }: LogAddress): Promise<EntrySource> {
  if (/^rediss?[:+]/.test(path)) {
    // the way to Redis takes a tenth of a second to load
    const { openRedis } = await import('./redis-source.ts')
    return openRedis(path, origin)
  }
  const kind = statSync(path)
  if (kind.isDirectory()) return openTiles(path)
  if (!kind.isFile()) throw new Error('neither a file nor a folder')
  if (!looksLikeArchive(path)) return openDatabase(path)
  const { openBundleSource } = await import('./bundle.ts')
  return openBundleSource(path)
}

/** Marks of a zip file's first file, and of the end of its directory. */
const zipMarks = { first: 0x04034b50, end: 0x06054b50, endOctets: 22 }

/** Whether a file is, or was, an evidence bundle and no database. */
export function looksLikeArchive(path: string): boolean {
  // to open a pipe would wait for whoever writes into it
  if (!statSync(path).isFile()) return false
  const file = openSync(path, 'r')
  try {
    const { size } = fstatSync(file)
    const four = Buffer.alloc(4)
    const markAt = (position: number): number =>
      position >= 0 && readSync(file, four, 0, 4, position) === 4 ? four.readUInt32LE() : 0
    return markAt(0) === zipMarks.first || markAt(size - zipMarks.endOctets) === zipMarks.end
  } finally {
    closeSync(file)
  }
}

/** @throws {SourceDamaged} for a pipe, which would be waited for, or a device, which never ends: whoever gives a log away may put such a thing in its place */
export function expectFile(path: string): void {
  if (!statSync(path).isFile()) throw new SourceDamaged(`${path} is no file`)
}

/** @throws {SourceDamaged} */
function readSmall(path: string, most: number): Buffer {
  expectFile(path)
  if (statSync(path).size > most) throw new SourceDamaged(`${path} is too large`)
  return readFileSync(path)
}

/** SQLite's primary result codes. @see sqlite.org/rescode.html */
const sqlite = { error: 1, readOnly: 8, corrupt: 11, cantOpen: 14, schema: 17, tooBig: 18, mismatch: 20, notADatabase: 26 }
const damageCodes: readonly number[] = [
  sqlite.error,
  sqlite.corrupt,
  sqlite.schema,
  sqlite.tooBig,
  sqlite.mismatch,
  sqlite.notADatabase
]
const codeOf = (error: unknown): number => (error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0)

/** SQLITE_IOERR_SHORT_READ: the file ends before the page that it says it has. */
const isShort = (error: unknown): boolean => error instanceof Error && 'errcode' in error && error.errcode === 522

function reading<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    // a number beyond what JavaScript counts is no leaf number
    const outOfRange = error instanceof Error && 'code' in error && error.code === 'ERR_OUT_OF_RANGE'
    if (outOfRange || isShort(error) || damageCodes.includes(codeOf(error)))
      throw new SourceDamaged(`the database is damaged: ${String(error)}`, { cause: error })
    throw error
  }
}

/** A database in WAL mode wants files beside it even to be read. Where none can be made and none is there, it does not change while we read. */
function openReadOnly(path: string): DatabaseSync {
  const attempt = (location: string | URL): DatabaseSync => {
    const database = new DatabaseSync(location, { readOnly: true, timeout: 2000, allowExtension: false })
    try {
      // what a schema made by somebody else computes is not to be trusted, nor is a page that says more than it holds
      database.exec('PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA query_only = ON; BEGIN;')
      database.prepare('SELECT count(*) FROM sqlite_schema').get()
      return database
    } catch (error) {
      database.close()
      throw error
    }
  }
  try {
    return attempt(path)
  } catch (error) {
    const shut = codeOf(error) === sqlite.cantOpen || codeOf(error) === sqlite.readOnly
    if (!shut || existsSync(`${path}-wal`)) throw error
    const location = pathToFileURL(path)
    location.searchParams.set('immutable', '1')
    return attempt(location)
  }
}

/** An entry behind its length. */
const largestEntry = 2 + 65_535
/** More than any checkpoint has with all its cosignatures. */
const largestCheckpoint = 1 << 20
/** More than any commit holds. */
export const largestRun = 64 * 2 ** 20
export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

function openDatabase(path: string): EntrySource {
  const database = reading(() => openReadOnly(path))
  try {
    const tables = reading(() =>
      database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name IN ('segment', 'head')").all()
    )
    if (tables.length !== 2) throw new SourceDamaged('the database has not the tables of a ledger')
    if (reading(() => database.prepare('SELECT first FROM segment WHERE first < 0 LIMIT 1').get()) !== undefined)
      throw new SourceDamaged('a segment stands before the first entry')
    return reading(() => sourceOf(database))
  } catch (error) {
    database.close()
    throw error
  }
}

function sourceOf(database: DatabaseSync): EntrySource {
  const last = database.prepare('SELECT first, count FROM segment ORDER BY first DESC LIMIT 1')
  const before = database.prepare('SELECT first FROM segment WHERE first <= ? ORDER BY first DESC LIMIT 1')
  const rows = database.prepare(
    `SELECT first, count, CASE WHEN length(data) <= ${largestRun} THEN data END AS data FROM segment WHERE first >= ? AND first < ? ORDER BY first`
  )
  const numbers = (row: Record<string, unknown> | undefined, name: string): number => {
    const value = row?.[name]
    if (!isCount(value)) throw new SourceDamaged(`a segment whose ${name} is no number of entries`)
    return value
  }
  const seam = (index: number): number => {
    const row = reading(() => before.get(index))
    return row === undefined ? 0 : numbers(row, 'first')
  }
  return {
    head: () => {
      const found = reading(() => database.prepare('SELECT size, last_hash, checkpoint FROM head LIMIT 2').all())
      if (found.length === 0) return null
      const { size, last_hash: lastHash, checkpoint } = found[0]!
      if (found.length > 1 || !isCount(size) || typeof lastHash !== 'string' || typeof checkpoint !== 'string') {
        throw new SourceDamaged('the database has not one head')
      }
      return { size, lastHash, checkpoint }
    },
    end: () => {
      const row = reading(() => last.get())
      return row === undefined ? 0 : numbers(row, 'first') + numbers(row, 'count')
    },
    seam,
    runs: function* (from, to) {
      const iterator = reading(() => rows.iterate(seam(from), to))
      for (;;) {
        const step = reading(() => iterator.next())
        if (step.done === true) return
        const { data } = step.value
        if (!(data instanceof Uint8Array)) throw new SourceDamaged('a segment that is none')
        yield { first: numbers(step.value, 'first'), count: numbers(step.value, 'count'), data }
      }
    },
    beside: besideOf(database),
    close: () => database.close()
  }
}

function besideOf(database: DatabaseSync): EntrySource['beside'] {
  const names = reading(() => database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all())
  const has = (table: string) => names.some(({ name }) => name === table)
  const readTile = has('tile') ? database.prepare('SELECT hashes FROM tile WHERE level = ? AND position = ?') : null
  const readErasable = has('erasable') ? database.prepare('SELECT salt, payload FROM erasable WHERE idx = ?') : null
  return {
    hasTiles: readTile !== null,
    tile: (level, position) => {
      const hashes = reading(() => readTile?.get(level, position)?.hashes)
      return hashes instanceof Uint8Array ? hashes : null
    },
    erasable: (indexes) => {
      if (readErasable === null) return null
      const found = new Map<number, BesidePayload>()
      for (const index of indexes) {
        const row = reading(() => readErasable.get(index))
        if (row !== undefined) found.set(index, { salt: String(row.salt), payload: String(row.payload) })
      }
      return found
    },
    erasables: () =>
      readErasable === null ? 0 : Number(reading(() => database.prepare('SELECT count(*) AS rows FROM erasable').get())?.rows)
  }
}

const bundleWidth = 256

/** `x001/x234/067` for 1234067. @see C2SP tlog-tiles */
export function tilePath(number: number): string {
  const digits = String(number).padStart(Math.ceil(String(number).length / 3) * 3, '0')
  const groups = digits.match(/.{3}/g)!
  return groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join('/')
}

/** The width of the widest partial tile beside `path`; 0 when there is none. */
function partialWidth(path: string): number {
  if (!existsSync(`${path}.p`)) return 0
  const widths = readdirSync(`${path}.p`).filter((name) => /^[1-9]\d{0,2}$/.test(name))
  return Math.min(bundleWidth - 1, Math.max(0, ...widths.map(Number)))
}

function openTiles(dir: string): EntrySource {
  const entries = join(dir, 'tile', 'entries')
  const pathOf = (bundle: number) => join(entries, tilePath(bundle))
  const checkpointPath = join(dir, 'checkpoint')
  const publishedPath = join(dir, 'checkpoints.log')
  if (!existsSync(checkpointPath) && !existsSync(entries))
    throw new SourceDamaged('the folder holds neither a checkpoint nor entries')
  /** Full bundles, one behind the other from the first. */
  const full = countWhile((bundle) => existsSync(pathOf(bundle)))
  const width = partialWidth(pathOf(full))
  if (existsSync(pathOf(full + 1))) throw new SourceDamaged(`the bundle of entries from ${full * bundleWidth} on is missing`)
  return {
    head: () =>
      existsSync(checkpointPath)
        ? { checkpoint: readSmall(checkpointPath, largestCheckpoint).toString('utf8'), size: null, lastHash: null }
        : null,
    end: () => full * bundleWidth + width,
    seam: (index) => index - (index % bundleWidth),
    runs: function* (from, to) {
      for (let bundle = Math.floor(from / bundleWidth); bundle * bundleWidth < to; bundle++) {
        if (bundle > full || (bundle === full && width === 0)) return
        const path = bundle < full ? pathOf(bundle) : join(`${pathOf(bundle)}.p`, String(width))
        const data = readSmall(path, bundleWidth * largestEntry)
        yield { first: bundle * bundleWidth, count: bundle < full ? bundleWidth : width, data }
      }
    },
    beside: {
      hasTiles: existsSync(join(dir, 'tile', '0')),
      tile: (level, position, width) => {
        const path = join(dir, 'tile', String(level), tilePath(position))
        const found = [path, join(`${path}.p`, String(width))].find((file) => existsSync(file))
        return found === undefined || statSync(found).size > bundleWidth * 32 ? null : readSmall(found, bundleWidth * 32)
      },
      erasable: () => null,
      erasables: () => 0
    },
    // without the heads under which a key handed over, no later key would be known
    published: existsSync(publishedPath) ? { path: publishedPath, start: 0, end: statSync(publishedPath).size } : null,
    close: () => {}
  }
}

/** The first number that is not there, where all before it are. */
function countWhile(isThere: (number: number) => boolean): number {
  let count = 0
  while (isThere(count)) count++
  return count
}
