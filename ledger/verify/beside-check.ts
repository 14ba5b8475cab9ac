/**
 * What lies beside the entries, held against them: tiles of hashes, erasable payloads, hashes of the frames of batches. Nothing of it is under a
 * signature of its own; all of it follows from what is.
 *
 * @see C2SP tlog-tiles; RFC 6962 §2.1
 */
import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { hashLength, leafHash, nodeHash, sha256 } from '../log/merkle.ts'
import { type Producers, producerCheck } from './producers.ts'
import { type BesidePayload, type EntrySource, expectFile, SourceDamaged } from './sources.ts'
import { countOf } from './words.ts'

export interface BesideFault {
  readonly verdict: 'altered' | 'incomplete'
  readonly index: number
  readonly problem: string
}

export interface Beside {
  /** The first thing that was changed, else the first that is missing. */
  readonly fault: BesideFault | null
  readonly notes: readonly string[]
}

const tileWidth = 256
/** Commitments looked up in one go. */
const lookUp = 256
/** Leaf numbers named in one sentence. */
const mostNamed = 20

/** Root of a tree over hashes that lie one behind the other. */
function rootOver(hashes: Uint8Array, from: number, to: number): Uint8Array {
  if (to - from === 1) return hashes.subarray(from * hashLength, to * hashLength)
  let split = 1
  while (2 * split < to - from) split *= 2
  return nodeHash(rootOver(hashes, from, from + split), rootOver(hashes, from + split, to))
}

/** Holds the stored tiles against the leaves, given one after another. */
function tileCheck({ beside }: EntrySource) {
  const levels: Buffer[] = []
  const counts: number[] = []
  const compare = async (level: number, position: number, width: number): Promise<string | null> => {
    const expected = levels[level]!.subarray(0, width * hashLength)
    const stored = await beside.tile(level, position, width)
    if (stored === null) return `tile ${position} of level ${level} is missing`
    return stored.length >= expected.length && Buffer.compare(stored.subarray(0, expected.length), expected) === 0
      ? null
      : `tile ${position} of level ${level} does not hold the hashes of the entries: proofs made of it are bad`
  }
  const put = async (level: number, leaf: Uint8Array): Promise<string | null> => {
    levels[level] ??= Buffer.alloc(tileWidth * hashLength)
    const count = counts[level] ?? 0
    const at = count % tileWidth
    levels[level].set(leaf, at * hashLength)
    counts[level] = count + 1
    if (at < tileWidth - 1) return null
    const problem = await compare(level, Math.floor(count / tileWidth), tileWidth)
    return problem ?? put(level + 1, Buffer.from(rootOver(levels[level], 0, tileWidth)))
  }
  return {
    put: (leaf: Uint8Array) => put(0, leaf),
    /** The unfinished tiles; that of leaves need not be stored. */
    end: async (): Promise<string | null> => {
      for (let level = 0; level < counts.length; level++) {
        const width = counts[level]! % tileWidth
        const position = Math.floor(counts[level]! / tileWidth)
        if (width === 0 || (level === 0 && (await beside.tile(level, position, width)) === null)) continue
        const problem = await compare(level, position, width)
        if (problem !== null) return problem
      }
      return null
    }
  }
}

const isHash = (value: unknown): value is string => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
type Members = Record<string, unknown>
const isObject = (value: unknown): value is Members => typeof value === 'object' && value !== null && !Array.isArray(value)

/** The hash by which an entry commits to a payload, hex; null for a salt that is none. */
function commitmentTo({ salt: text, payload }: BesidePayload): string | null {
  const salt = Buffer.from(text, 'base64')
  return salt.length === hashLength ? sha256(Buffer.concat([salt, Buffer.from(payload)])).toString('hex') : null
}

/** Commitments whose payload is not there: not yet erased, as far as the log was read. */
function payloadCheck({ beside }: EntrySource) {
  let waiting = new Map<number, string>()
  const absent = new Map<number, string>()
  const erased = new Map<number, string>()
  let present = 0
  let hasPlace = true

  const lookAt = async (): Promise<BesideFault | null> => {
    const asked = waiting
    waiting = new Map()
    const found = await beside.erasable([...asked.keys()])
    hasPlace = found !== null
    if (found === null) return null
    for (const [index, commitment] of asked) {
      const payload = found.get(index)
      if (payload === undefined) {
        absent.set(index, commitment)
        continue
      }
      present++
      if (commitmentTo(payload) !== commitment)
        return { verdict: 'altered', index, problem: `the payload beside entry ${index} is not the one it committed to` }
    }
    return null
  }

  return {
    take: async (index: number, { component, event, payload }: Members): Promise<BesideFault | null> => {
      if (!isObject(payload)) return null
      const { commitment, entry } = payload
      if (component === 'IF.witness.ledger' && event === 'payload_erased') {
        erased.set(Number(entry), String(commitment))
        return null
      }
      if (!isObject(commitment) || commitment.alg !== 'sha256' || !isHash(commitment.hash)) return null
      waiting.set(index, commitment.hash)
      return waiting.size < lookUp ? null : lookAt()
    },
    lookAt,
    /** Leaf numbers of payloads that are there though an entry tells that they were erased. */
    returned: async (): Promise<number[]> => {
      const told = [...erased.keys()].filter((index) => Number.isSafeInteger(index) && !absent.has(index))
      const there: number[] = []
      for (let from = 0; from < told.length; from += lookUp) {
        const found = await beside.erasable(told.slice(from, from + lookUp))
        for (const [index, payload] of found ?? []) if (commitmentTo(payload) === erased.get(index)) there.push(index)
      }
      return there.sort((a, b) => a - b)
    },
    /** Leaf numbers of payloads that are gone though nothing tells of it. */
    untold: (): number[] =>
      hasPlace ? [...absent].filter(([index, commitment]) => erased.get(index) !== commitment).map(([index]) => index) : [],
    counts: () => ({ present, gone: absent.size })
  }
}

/** Holds the frames kept of a batch against its entry. */
function openFrames(path: string | undefined) {
  if (path === undefined || !existsSync(path)) return null
  expectFile(path)
  const database = new DatabaseSync(path, { readOnly: true, timeout: 2000 })
  database.exec('PRAGMA trusted_schema = OFF')
  const read = database.prepare('SELECT hashes FROM batch WHERE root = ?')
  return {
    /** Null where none are kept; else whether they are the batch's. */
    agree: ({ count, root, first, last }: Members): boolean | null => {
      const hashes = read.get(String(root))?.hashes
      if (hashes === undefined) return null
      if (!(hashes instanceof Uint8Array) || hashes.length === 0 || hashes.length !== Number(count) * hashLength) return false
      const hex = (octets: Uint8Array) => Buffer.from(octets).toString('hex')
      const ends = hex(hashes.subarray(0, hashLength)) === first && hex(hashes.subarray(-hashLength)) === last
      return ends && hex(rootOver(hashes, 0, hashes.length / hashLength)) === root
    },
    close: () => database.close()
  }
}

/**
 * Reads every entry once more.
 *
 * @param end entries that were found to be in order
 * @param more `framesPath`: database of the frames' hashes; left out, or not there: no frames are kept. `producers`: whose signatures on entries are checked
 * @throws {SourceDamaged} @throws {Error} when something cannot be read
 */
export async function checkBeside(
  source: EntrySource,
  end: number,
  more: { readonly framesPath?: string; readonly producers?: Producers } = {}
): Promise<Beside> {
  const tiles = source.beside.hasTiles ? tileCheck(source) : null
  const payloads = payloadCheck(source)
  const frames = openFrames(more.framesPath)
  const producers = more.producers === undefined ? null : producerCheck(more.producers)
  const batches = { kept: 0, gone: 0 }
  const ofTile = (problem: string, index: number): BesideFault => ({ verdict: 'altered', index, problem })

  const take = async (data: Uint8Array, index: number): Promise<BesideFault | null> => {
    if (index < end && tiles !== null) {
      const problem = await tiles.put(leafHash(data))
      if (problem !== null) return ofTile(problem, index)
    }
    const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    const forged = producers?.take(index, text.toString('utf8')) ?? null
    if (forged !== null) return { verdict: 'altered', index, problem: forged }
    // looked for before it is parsed: most entries have nothing beside them
    if (!text.includes('"commitment":') && !text.includes('"batch":')) return null
    const entry: unknown = JSON.parse(text.toString('utf8'))
    if (!isObject(entry) || !isObject(entry.payload)) return null
    const { batch } = entry.payload
    if (frames !== null && isObject(batch) && isHash(batch.root)) {
      const agree = frames.agree(batch)
      if (agree === false)
        return { verdict: 'altered', index, problem: `the frames kept of entry ${index} are not those of its batch` }
      if (agree === true) batches.kept++
      else batches.gone++
    }
    return payloads.take(index, entry)
  }

  const walk = async (from: number, to: number): Promise<BesideFault | null> => {
    for await (const { first, data } of source.runs(from, to)) {
      let index = first
      for (let at = 0; at + 2 <= data.length; index++) {
        const start = at + 2
        at = start + ((data[at]! << 8) | data[at + 1]!)
        const fault = index < from || index >= to ? null : await take(data.subarray(start, at), index)
        if (fault !== null) return fault
      }
    }
    return payloads.lookAt()
  }

  try {
    let fault = await walk(0, end)
    const problem = fault === null ? ((await tiles?.end()) ?? null) : null
    if (problem !== null) fault = ofTile(problem, end - 1)
    // what was erased since the log was opened is told by entries that came since
    if (fault === null && payloads.untold().length > 0) fault = await walk(end, Number.MAX_SAFE_INTEGER)
    const untold = payloads.untold()
    if (fault === null && untold.length > 0) {
      const named = untold.slice(0, mostNamed).join(', ')
      fault = {
        verdict: 'incomplete',
        index: untold[0]!,
        problem: `${countOf(untold.length, 'payload beside the log is gone, and no entry tells that it was', 'payloads beside the log are gone, and no entry tells that they were')} erased: ${named}`
      }
    }
    const returned = fault === null ? await payloads.returned() : []
    if (returned.length > 0)
      fault = {
        verdict: 'altered',
        index: returned[0]!,
        problem: `${countOf(returned.length, 'payload lies beside the log though an entry tells that it was', 'payloads lie beside the log though entries tell that they were')} erased: ${returned.slice(0, mostNamed).join(', ')}`
      }
    const { present, gone } = payloads.counts()
    const notes: string[] = producers === null ? [] : [producers.note()]
    if (present + gone > 0)
      notes.push(
        `${countOf(present, 'payload beside the log is as', 'payloads beside the log are as')} committed to, ${gone} erased`
      )
    const stray = (await source.beside.erasables()) - present
    if (fault === null && stray > 0)
      notes.push(`${countOf(stray, 'payload lies', 'payloads lie')} beside the log to which no entry commits`)
    if (batches.kept + batches.gone > 0)
      notes.push(`of ${countOf(batches.kept, 'batch', 'batches')} the frames kept are theirs; of ${batches.gone} none are kept`)
    return { fault, notes }
  } catch (error) {
    if (error instanceof SyntaxError) throw new SourceDamaged(`an entry is not JSON: ${error.message}`, { cause: error })
    throw error
  } finally {
    frames?.close()
  }
}
