/**
 * Checks a ledger from its octets, trusting nobody who keeps it. Shares no code with what writes a ledger but the two hash functions of the tree.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { InfraFabricError } from '#kernel'
import { type Accounting, readAccounting } from './accounting.ts'
import { type Beside, checkBeside } from './beside-check.ts'
import type { Bundle } from './bundle.ts'
import { CompactRange } from './compact-range.ts'
import { type Completeness, judgeCompleteness } from './completeness.ts'
import { type KnownHead, readPublishedHeads, tryCheckpoint } from './heads.ts'
import { type Judgement, judge, type Verdict } from './judge.ts'
import { followKeys } from './keys.ts'
import { type CheckpointNote, readCheckpoint, readVerifierKey, type VerifierKey } from './notes.ts'
import { type QuorumPolicy, readPolicy } from './policy.ts'
import { readProducers } from './producers.ts'
import { type Depth, noPrevious } from './ranges.ts'
import { scan } from './scan.ts'
import { type EntrySource, looksLikeArchive, openSource, SourceCutShort, SourceDamaged } from './sources.ts'
import { readTrusted, type TrustedState } from './trusted.ts'
import { countOf } from './words.ts'

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
  /** Heads that were held against the log. */
  readonly heads: number
  /** What is no fault but worth knowing, a sentence each. */
  readonly notes: readonly string[]
  /** What is missing; null when it was not asked for, or the log is not valid. */
  readonly completeness: Completeness | null
  /** From where the next verification may go on; null unless the log is in order. */
  readonly state: TrustedState | null
}

export interface VerifyOptions {
  /** The key that must have signed, as `name+hash+base64`; changes of key that stand in the log are followed from here. */
  readonly vkey: string
  /** Checkpoint notes kept from earlier or elsewhere. */
  readonly pinned?: readonly string[]
  /** File of published heads beside the log; left out when there is none. */
  readonly publishedPath?: string
  /** Text of a policy (C2SP tlog-policy): every entry must stand under a checkpoint that its quorum of witnesses cosigned. */
  readonly policy?: string
  /** State of an earlier verification: what it covers is not read again. */
  readonly from?: TrustedState
  /** `form` also holds every entry against the form of an entry, and checks the signature of each head that agrees. Default `place`. */
  readonly depth?: Depth
  /** Threads; chosen by the length of the log when left out. */
  readonly threads?: number
  /** Asks whether the log is complete, too; with a file of the edge's accounting, also whether each call is in it. */
  readonly completeness?: { readonly accountingPath?: string }
  /**
   * Holds what is kept beside the entries against them, too: tiles, erasable payloads, and the frames of batches where a database of them is named; with
   * `producers`, a text as producers.ts reads it, also the signatures of producers on their entries.
   */
  readonly beside?: { readonly framesPath?: string; readonly producers?: string }
  readonly onProgress?: (entries: number, of: number) => void
}

/**
 * Reads every entry once and holds it against the chain, the tree and every signed head known.
 *
 * A log that is being appended to is judged as it was when the reading began.
 *
 * Of an evidence bundle that holds a selection, each entry's proof is checked.
 *
 * @param path the database of an embedded ledger, a folder in the layout of C2SP tlog-tiles, an evidence bundle, or the URL of a Redis server; only read
 * @throws {InfraFabricError} `ledger.vkey.malformed`, `ledger.checkpoint.malformed`, `ledger.policy.malformed`, `ledger.producers.malformed`, `ledger.state.malformed`, `ledger.state.key` for what the caller
 * gave; `ledger.unreadable` when the log is not there, not allowed or busy: that is no verdict on it
 */
export async function verifyLedger(path: string, options: VerifyOptions): Promise<Verification> {
  const start = options.from === undefined ? null : readTrusted(options.from, options.vkey)
  const trusted = readVerifierKey(start?.vkey ?? options.vkey)
  const policy = options.policy === undefined ? null : readPolicy(options.policy)
  const producers = options.beside?.producers === undefined ? null : readProducers(options.beside.producers)
  const known: KnownHead[] = (options.pinned ?? []).map((text) => ({
    from: 'the checkpoint given',
    note: readCheckpoint(text),
    pinned: true
  }))
  if (start !== null) known.push({ from: 'the head of the last verification', note: start.checkpoint, pinned: true })

  let source: EntrySource | null = null
  try {
    const selection = await openSelection(path)
    if (selection !== null) return await verifySelection(selection, trusted, policy, options)
    // before the log's end is read: what is published meanwhile would stand beyond it
    const published =
      options.publishedPath === undefined
        ? { heads: [], spoiled: 0 }
        : await readPublishedHeads(options.publishedPath, start?.tree.end ?? 0)
    known.push(...published.heads)
    const log = { path, origin: trusted.name }
    source = await openSource(log)
    source.claims?.damage()
    let spoiled = published.spoiled
    if (source.published) {
      const more = await readPublishedHeads(source.published.path, start?.tree.end ?? 0, source.published)
      known.push(...more.heads)
      spoiled += more.spoiled
    }
    const end = source.end()
    const covered = start?.tree.end ?? 0
    if (end < covered) {
      return failure(
        'truncated',
        `${countOf(covered - end, 'entry is missing', 'entries are missing')} from the end: the last verification found ${covered}`,
        end,
        end
      )
    }
    const head = source.head()
    const own = head === null ? null : tryCheckpoint(head.checkpoint)
    const heads: KnownHead[] = own === null ? known : [...known, { from: 'the head of the log', note: own, pinned: false }]
    const scanned = await scan(source, {
      log,
      tree: start?.tree ?? new CompactRange(),
      prev: start?.lastHash ?? noPrevious,
      sizes: heads.map(({ note }) => note.size),
      depth: options.depth ?? 'place',
      calls: options.completeness !== undefined,
      ...(options.threads === undefined ? {} : { threads: options.threads }),
      ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress })
    })
    if (scanned.fault !== null) return failure('altered', scanned.fault.problem, scanned.fault.index, scanned.tree.end)

    const fits = (note: CheckpointNote): boolean => {
      const root = scanned.roots.get(note.size)
      return root !== undefined && Buffer.compare(root, note.root) === 0
    }
    const chain = followKeys(trusted, scanned.rotations, heads, fits)
    if (chain.fault !== null) return failure('altered', chain.fault.problem, chain.fault.index, scanned.tree.end)
    const judged = judge({ head, own, heads, spoiled, scanned, chain, policy, everyHead: options.depth === 'form' })
    const beside =
      options.beside === undefined || judged.verdict !== 'valid'
        ? null
        : await checkBeside(source, scanned.tree.end, {
            ...(options.beside.framesPath === undefined ? {} : { framesPath: options.beside.framesPath }),
            ...(producers === null ? {} : { producers })
          })
    const judgement = beside === null ? judged : withBeside(judged, beside)
    const valid = judgement.verdict === 'valid'
    if (valid && own !== null) source.claims?.facts(own)
    const accounting =
      options.completeness?.accountingPath === undefined ? null : await readAccounting(options.completeness.accountingPath)
    const completeness = options.completeness !== undefined && valid ? judgeCompleteness(scanned.calls, accounting) : null
    return {
      ...judgement,
      ...(completeness === null ? {} : withCompleteness(judgement, completeness, accounting)),
      completeness,
      entries: scanned.tree.end,
      root: Buffer.from(scanned.tree.root()).toString('base64'),
      state:
        valid && head !== null
          ? {
              v: 1,
              vkey: chain.keys.at(-1)!.text,
              given: options.from?.given ?? readVerifierKey(options.vkey).text,
              checkpoint: head.checkpoint,
              lastHash: scanned.last,
              tree: Buffer.from(scanned.tree.state().hashes).toString('base64')
            }
          : null
    }
  } catch (error) {
    return failureOf(error, path)
  } finally {
    source?.close()
  }
}

export type { Verdict } from './judge.ts'
export type { TrustedState } from './trusted.ts'

/**
 * The first public key that a bundle brings: a claim, for whoever has no key from elsewhere. What is wrong, when the bundle is too damaged to bring one.
 *
 * @throws {InfraFabricError} `ledger.unreadable`
 */
export async function claimedKey(path: string): Promise<{ readonly vkey: string } | { readonly failed: Verification }> {
  try {
    if (!looksLikeArchive(path)) throw new SourceDamaged('the file is no evidence bundle')
    const { openBundle } = await import('./bundle.ts')
    const { archive, vkeys } = openBundle(path)
    archive.close()
    if (vkeys[0] === undefined) throw new SourceDamaged('the bundle brings no key')
    return { vkey: readVerifierKey(vkeys[0]).text }
  } catch (error) {
    if (error instanceof InfraFabricError) return { failed: failure('altered', error.message, null, 0) }
    return { failed: failureOf(error, path) }
  }
}

/** The bundle at `path` when it holds a selection; null for anything else. @throws {InfraFabricError} `ledger.bundle.selection` for one that was unpacked */
async function openSelection(path: string): Promise<Bundle | null> {
  if (existsSync(join(path, 'proofs')) && !existsSync(join(path, 'tile')))
    throw new InfraFabricError(
      'ledger.bundle.selection',
      'the folder holds a selection of entries, no log: verify the bundle as it came, or each proof by itself'
    )
  if (!existsSync(path) || !looksLikeArchive(path)) return null
  const { openBundle } = await import('./bundle.ts')
  const bundle = openBundle(path)
  if (bundle.facts.filter !== null) return bundle
  bundle.archive.close()
  return null
}

async function verifySelection(
  bundle: Bundle,
  trusted: VerifierKey,
  policy: QuorumPolicy | null,
  options: VerifyOptions
): Promise<Verification> {
  try {
    if (options.from !== undefined || options.completeness?.accountingPath !== undefined) {
      throw new InfraFabricError(
        'ledger.bundle.selection',
        'the bundle holds a selection of entries: neither a state nor an accounting can be held against it'
      )
    }
    const { judgeSelection } = await import('./selection.ts')
    const { onProgress } = options
    const pinned = (options.pinned ?? []).map((text) => readCheckpoint(text))
    const judged = judgeSelection(bundle, {
      trusted,
      policy,
      pinned,
      depth: options.depth ?? 'place',
      ...(onProgress === undefined ? {} : { onProgress })
    })
    return { ...judged, completeness: null, state: null }
  } finally {
    bundle.archive.close()
  }
}

/** What a damaged source is. @throws {InfraFabricError} what is no verdict on the log */
function failureOf(error: unknown, path: string): Verification {
  if (error instanceof SourceDamaged)
    return failure(error instanceof SourceCutShort ? 'truncated' : 'altered', error.message, null, 0)
  if (error instanceof InfraFabricError) throw error
  throw new InfraFabricError('ledger.unreadable', `${path.replace(/\/\/[^@/]*@/, '//')} cannot be read: ${String(error)}`, {
    cause: error
  })
}

function failure(verdict: Verdict, explanation: string, index: number | null, entries: number): Verification {
  return { verdict, explanation, index, entries, root: null, heads: 0, notes: [], completeness: null, state: null }
}

/** A valid log, and what lies beside it. */
function withBeside(judgement: Judgement, { fault, notes: more }: Beside): Judgement {
  const notes = [...judgement.notes, ...more]
  if (fault === null) return { ...judgement, notes }
  return { ...judgement, notes, verdict: fault.verdict, explanation: fault.problem, index: fault.index }
}

/** A valid log, and what it says and does not say of the calls. */
function withCompleteness(
  { explanation, notes }: Judgement,
  { calls, open, gaps, doubled, missingCalls, missingRefusals, unknownToEdge }: Completeness,
  accounting: Accounting | null
): Pick<Judgement, 'verdict' | 'explanation' | 'notes'> {
  const more = [...notes]
  const spoiled = accounting?.spoiled ?? 0
  if (open > 0)
    more.push(
      `${open} of ${calls} calls ${open === 1 ? 'has' : 'have'} no last entry: they go on, the application ended before them, or their last entries are missing`
    )
  if (doubled.length > 0)
    more.push(
      `${countOf(doubled.length, 'call has', 'calls have')} two entries of one number: ${doubled.map(({ callId, number }) => `${callId} (${number})`).join(', ')}`
    )
  if (unknownToEdge !== null && unknownToEdge > 0)
    more.push(
      `${countOf(unknownToEdge, 'call of the log is', 'calls of the log are')} not in the accounting, which is no fault of the log`
    )
  const missing = [
    ...(missingCalls.length > 0
      ? [`${countOf(missingCalls.length, 'call that the edge passed on is', 'calls that the edge passed on are')} not in the log`]
      : []),
    ...(missingRefusals.length > 0
      ? [
          `${countOf(missingRefusals.length, 'refusal that the edge reported is', 'refusals that the edge reported are')} not in the log`
        ]
      : []),
    ...(gaps.length > 0 ? [`${countOf(gaps.length, 'call lacks', 'calls lack')} entries`] : []),
    ...(spoiled > 0
      ? [
          `${countOf(spoiled, 'line', 'lines')} of the accounting cannot be read: whether the calls told of there are in the log is not known`
        ]
      : [])
  ]
  return missing.length === 0
    ? { verdict: 'valid', explanation: `${explanation}; ${countOf(calls, 'call', 'calls')} without a gap`, notes: more }
    : { verdict: 'incomplete', explanation: `nothing was changed, but ${missing.join(', and ')}`, notes: more }
}
