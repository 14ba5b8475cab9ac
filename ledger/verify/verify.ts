/** Checks a ledger from its bytes, trusting nobody who keeps it. */
import type { DatabaseSync } from 'node:sqlite'
import { errorCode, InfraFabricError } from '#kernel'
import { type LedgerEntry, noPrevious, openEntry } from '../log/entry.ts'
import { Frontier, leafHash } from '../log/merkle.ts'
import { type Checkpoint, type NoteVerifier, openCheckpoint, parseVerifierKey } from '../log/note.ts'
import { eachEntry } from '../log/segment.ts'
import { readPublished } from '../store/published.ts'
import { isDamage, openForReading } from '../store/read-only.ts'
import type { Segment } from '../store/store.ts'

/**
 * What became of the log:
 *
 * - `valid`: every entry is in its place and covered by a signature of the key.
 * - `truncated`: entries that a signed head counts are missing from the end.
 * - `altered`: an entry was changed, moved, removed from the middle, or the whole was computed anew.
 * - `forked`: two heads with good signatures tell different stories.
 * - `unwitnessed`: the entries agree with one another, but no good signature of the key covers them (all).
 */
export type Verdict = 'valid' | 'truncated' | 'altered' | 'forked' | 'unwitnessed'

export interface Verification {
  readonly verdict: Verdict
  /** What was found, in a sentence. */
  readonly explanation: string
  /** Leaf number at which it shows; null where the log as a whole is meant. */
  readonly index: number | null
  /** Entries present. */
  readonly entries: number
  /** Root over them, base64; null when they do not form a log. */
  readonly root: string | null
  /** Signed heads that were held against the log. */
  readonly heads: number
}

export interface VerifyOptions {
  /** The key that must have signed, as `name+hash+base64`. */
  readonly vkey: string
  /** Checkpoint notes kept from earlier or elsewhere. */
  readonly pinned?: readonly string[]
  /** File of published heads beside the database; left out when there is none. */
  readonly publishedPath?: string
}

interface KnownHead {
  readonly from: string
  readonly checkpoint: Checkpoint
}

/**
 * Reads every entry of the database once and holds it against the chain, the tree and every signed head known.
 *
 * Reads in one transaction: a ledger that is being appended to is judged as it was when the reading began.
 *
 * @throws {InfraFabricError} `ledger.vkey.malformed`, `ledger.checkpoint.malformed` for what the caller gave; `ledger.unreadable` when the file is not there, not
 * allowed or busy: that is no verdict on the log
 */
export function verifyLedger(databasePath: string, options: VerifyOptions): Verification {
  const verifier = parseVerifierKey(options.vkey)
  const heads: KnownHead[] = []
  for (const note of options.pinned ?? []) {
    const { checkpoint, signed } = openCheckpoint(note, verifier)
    if (!signed) return failure('unwitnessed', 'the checkpoint to hold the log against is not signed by this key', null, 0)
    heads.push({ from: 'the checkpoint given', checkpoint })
  }
  let spoiled = 0
  for (const note of options.publishedPath === undefined ? [] : readPublished(options.publishedPath)) {
    const opened = note === null ? null : tryOpen(note, verifier)
    if (opened?.signed) heads.push({ from: 'the published heads', checkpoint: opened.checkpoint })
    else spoiled++
  }
  let database: DatabaseSync | null = null
  try {
    database = openForReading(databasePath)
    database.exec('BEGIN')
    return judge(database, verifier, heads, spoiled)
  } catch (error) {
    if (isDamage(error)) return failure('altered', `the database is damaged (${errorCode(error)})`, null, 0)
    throw new InfraFabricError('ledger.unreadable', `${databasePath} cannot be read: ${String(error)}`, { cause: error })
  } finally {
    database?.close()
  }
}

function judge(database: DatabaseSync, verifier: NoteVerifier, known: readonly KnownHead[], spoiled: number): Verification {
  const head = database.prepare('SELECT size, last_hash, checkpoint FROM head WHERE id = 0').get() as
    | { size: number; last_hash: string; checkpoint: string }
    | undefined
  const own = head === undefined ? null : tryOpen(head.checkpoint, verifier)
  const heads = own?.signed ? [...known, { from: 'the head of the log', checkpoint: own.checkpoint }] : [...known]
  const sizes = new Set(heads.map(({ checkpoint }) => checkpoint.size))
  const roots = new Map<number, Buffer>([[0, new Frontier().root()]])

  const frontier = new Frontier()
  let prev = noPrevious
  const segments = database.prepare('SELECT first, count, data FROM segment ORDER BY first').iterate()
  for (const { first, count, data } of segments as Iterable<Segment>) {
    if (first !== frontier.size)
      return failure('altered', `entry ${frontier.size} is missing`, frontier.size, frontier.size, heads.length)
    let problem: string | null = null
    const found = eachEntry(data, (_, start, end) => {
      const index = frontier.size
      problem ??= faultOf(data.subarray(start, end), index, prev)
      if (problem !== null) return
      const hash = leafHash(data.subarray(start, end))
      frontier.append(hash)
      prev = hash.toString('hex')
      if (sizes.has(frontier.size)) roots.set(frontier.size, frontier.root())
    })
    if (problem === null && found !== count) problem = `a segment of ${count} entries holds ${found}`
    if (problem !== null) return failure('altered', problem, frontier.size, frontier.size, heads.length)
  }

  const entries = frontier.size
  const root = frontier.root()
  const verdict = (word: Verdict, explanation: string, index: number | null = null): Verification => ({
    verdict: word,
    explanation,
    index,
    entries,
    root: root.toString('base64'),
    heads: heads.length
  })

  const ownGood = own?.signed === true && own.checkpoint.size === entries && own.checkpoint.root.equals(root)
  const longest = heads.reduce((size, { checkpoint }) => Math.max(size, checkpoint.size), head?.size ?? 0)
  for (const { from, checkpoint } of heads) {
    const { size } = checkpoint
    const here = roots.get(size)
    if (here === undefined || here.equals(checkpoint.root)) continue
    return ownGood
      ? verdict('forked', `${from} signs another history of the first ${size} entries than the head of the log does`, size - 1)
      : verdict('altered', `the first ${size} entries are not those that ${from} signs`, size - 1)
  }
  if (longest > entries)
    return verdict('truncated', `${longest - entries} entries are missing from the end: a head of ${longest} is known`, entries)
  if (entries === 0 && head === undefined) return verdict('valid', 'the log is empty')
  if (own === null || !own.signed) return verdict('unwitnessed', 'the head of the log has no good signature of this key')
  if (spoiled > 0) return verdict('altered', `${spoiled} lines of the published heads are not checkpoints signed by this key`)
  if (own.checkpoint.size < entries) {
    return verdict('unwitnessed', `no signature covers the last ${entries - own.checkpoint.size} entries`, own.checkpoint.size)
  }
  if (prev !== head!.last_hash || head!.size !== entries) {
    return verdict('altered', 'what the head keeps of the tree is not what the entries give: the next append would build on it')
  }
  return verdict('valid', `${entries} entries, each in its place, all under one signed root`)
}

/** What is wrong with what should be the entry `index` behind the entry with hash `prev`; null when nothing is. */
function faultOf(bytes: Uint8Array, index: number, prev: string): string | null {
  let entry: LedgerEntry
  try {
    entry = openEntry(bytes)
  } catch {
    return `entry ${index} is not an entry`
  }
  if (entry.index !== index) return `entry ${index} says of itself that it is entry ${String(entry.index)}`
  return entry.prev === prev ? null : `entry ${index} does not follow from the entry before it`
}

function tryOpen(note: string, verifier: NoteVerifier) {
  try {
    return openCheckpoint(note, verifier)
  } catch {
    return null
  }
}

function failure(verdict: Verdict, explanation: string, index: number | null, entries: number, heads = 0): Verification {
  return { verdict, explanation, index, entries, root: null, heads }
}
