/** From what was read of a log to the word for it. */
import type { KnownHead } from './heads.ts'
import type { KeyChain } from './keys.ts'
import { type CheckpointNote, claimsSignatureOf, type VerifierKey, whyUnsigned } from './notes.ts'
import { cosignersOf, meetsQuorum, newestCosignature, type QuorumPolicy } from './policy.ts'
import type { Scan } from './scan.ts'
import type { OwnHead } from './sources.ts'
import { countOf } from './words.ts'

/**
 * What became of the log:
 *
 * - `valid`: every entry is in its place and covered by a signature of the key.
 * - `truncated`: entries that a signed head counts are missing from the end.
 * - `altered`: an entry was changed, moved, removed from the middle, or the whole was computed anew.
 * - `forked`: two heads with good signatures tell different stories.
 * - `unwitnessed`: the entries agree with one another, but no good signature of the key covers them (all), or not as many witnesses as the policy asks for.
 * - `incomplete`: the log is valid, but something that happened does not stand in it.
 */
export type Verdict = 'valid' | 'truncated' | 'altered' | 'forked' | 'unwitnessed' | 'incomplete'

export interface Facts {
  readonly head: OwnHead | null
  /** The checkpoint of the head; null when it is none. */
  readonly own: CheckpointNote | null
  /** Every head known, the log's own among them, before their signatures were looked at. */
  readonly heads: readonly KnownHead[]
  /** Lines of the published heads that are no checkpoint. */
  readonly spoiled: number
  readonly scanned: Scan
  readonly chain: KeyChain
  readonly policy: QuorumPolicy | null
  /** Whether the signature of each head is checked: one that says the same as the entries tells nothing of them by being signed. */
  readonly everyHead: boolean
}

export interface Judgement {
  readonly verdict: Verdict
  readonly explanation: string
  readonly index: number | null
  /** Heads that were held against the log. */
  readonly heads: number
  readonly notes: readonly string[]
}

export function judge({ head, own, heads, spoiled, scanned, chain, policy, everyHead }: Facts): Judgement {
  const entries = scanned.tree.end
  const begin = Math.min(...scanned.roots.keys())
  const notes: string[] = []
  const signed: KnownHead[] = []
  /** Heads from before the trusted key: nobody vouched for the keys that signed them, so they only have to agree. */
  const older: KnownHead[] = []
  /** Heads that agree with the entries and claim to be signed by a key of the log. */
  const agreeing: KnownHead[] = []
  /** The longest head given, longer than the log, by a key that only a change of key in what is missing would bring. */
  let beyond: KnownHead | null = null
  let bad = spoiled
  const disagrees = ({ note }: KnownHead): boolean => {
    const root = scanned.roots.get(note.size)
    return root !== undefined && Buffer.compare(root, note.root) !== 0
  }
  const mayAgree = (known: KnownHead): boolean =>
    !known.pinned &&
    known.note !== own &&
    scanned.roots.has(known.note.size) &&
    !disagrees(known) &&
    chain.keys.some((key) => claimsSignatureOf(known.note, key))
  for (const known of heads) {
    if (!everyHead && mayAgree(known)) agreeing.push(known)
    else if (chain.isSigned(known.note)) signed.push(known)
    else if (known.note === own) continue
    else if (chain.broughtAt !== null && known.note.size <= chain.broughtAt) older.push(known)
    else if (known.pinned && known.note.size > entries && isOfLaterKey(known.note, chain.keys)) {
      if (beyond === null || known.note.size > beyond.note.size) beyond = known
    } else if (known.pinned) {
      const mayBeOfUntold = chain.untold !== null && isOfLaterKey(known.note, chain.keys)
      const explanation = mayBeOfUntold ? untoldText(chain.untold) : whyUnsigned(known.from, known.note, chain.keys)
      return { verdict: 'unwitnessed', explanation, index: mayBeOfUntold ? chain.untold : null, heads: 0, notes }
    } else bad++
  }
  const verdict = (word: Verdict, explanation: string, index: number | null = null): Judgement => ({
    verdict: word,
    explanation,
    index,
    heads: signed.length + agreeing.length,
    notes
  })
  if (chain.keys.length > 1)
    notes.push(
      `the key changed ${countOf(chain.keys.length - 1, 'time', 'times, each time')} under a head that the key before it signed`
    )
  if (older.length > 0)
    notes.push(
      `${countOf(older.length, 'head is', 'heads are')} older than the key given, and of these entries; who signed them was not checked`
    )
  if (scanned.backward > 0)
    notes.push(
      `${countOf(scanned.backward, 'entry has a time before that of the entry before it', 'entries have a time before that of the entry before them')}: a clock was set back, or what was told arrived late`
    )

  if (agreeing.length > 0)
    notes.push(
      `${countOf(agreeing.length, 'head says', 'heads say')} the same as the entries: with --all their signatures are checked, too`
    )

  const ownSigned = own !== null && chain.isSigned(own)
  const ownGood = ownSigned && own.size === entries && !disagrees({ from: '', note: own, pinned: false })
  const agreed = [...signed, ...agreeing].filter((known) => scanned.roots.has(known.note.size) && !disagrees(known))
  /** The longest head below `size` that is signed, and is of these entries. */
  const longestBelow = (size: number): KnownHead | undefined =>
    agreed
      .filter(({ note }) => note.size < size)
      .sort(longestFirst)
      .find(({ note }) => chain.isSigned(note))
  const other = [...signed, ...older].filter(disagrees).reduce<KnownHead | null>(shorterOf, null)
  if (other !== null) {
    const { size } = other.note
    const good = Math.max(begin, longestBelow(size)?.note.size ?? 0)
    const where = size - good === 1 ? `entry ${good}` : `entries ${good} to ${size - 1}`
    return ownGood
      ? verdict('forked', `${other.from} of ${size} entries and the head of the log tell different stories of ${where}`, size - 1)
      : verdict('altered', `${other.from} of ${size} entries was signed for others than these: they differ in ${where}`, size - 1)
  }
  // what the store says of its end counts as far as its own checkpoint says the same
  const told = head === null || (own !== null && own.size !== head.size) ? 0 : (head.size ?? 0)
  const longest = signed.reduce((size, { note }) => Math.max(size, note.size), told)
  if (longest > entries) {
    return verdict('truncated', `${missing(longest - entries)} from the end: a head of ${longest} is known`, entries)
  }
  if (beyond !== null) {
    return verdict(
      'truncated',
      `${missing(beyond.note.size - entries)} from the end: ${beyond.from} is of ${beyond.note.size}, signed by a key that took over in them; to check its signature, too, give that key`,
      entries
    )
  }
  if (entries === 0 && head === null) return bad > 0 ? verdict('altered', spoiledText(bad)) : verdict('valid', 'the log is empty')
  if (!ownSigned) {
    const { untold } = chain
    if (untold !== null) return verdict('unwitnessed', untoldText(untold), untold)
    if (own === null) return verdict('unwitnessed', 'the head of the log is no checkpoint')
    return verdict('unwitnessed', whyUnsigned('the head of the log', own, chain.keys))
  }
  const covering = longestBelow(entries + 1)
  if (covering !== undefined && covering.note.size > own.size) {
    return verdict(
      'altered',
      `the head of the log was set back to ${own.size} entries: ${covering.from} of ${covering.note.size} is signed, and its entries are there as they were`,
      own.size
    )
  }
  if (!chain.isSignedByNewest(own)) return verdict('unwitnessed', 'the head of the log is signed by a key that was replaced')
  if (bad > 0) return verdict('altered', spoiledText(bad))
  if (own.size < entries) return verdict('unwitnessed', `no signature covers ${lastOf(entries - own.size)}`, own.size)
  if ((head!.lastHash ?? scanned.last) !== scanned.last || (head!.size ?? entries) !== entries) {
    return verdict('altered', 'what the head keeps of the tree is not what the entries give: the next append would build on it')
  }
  if (policy !== null) {
    const newestFirst = agreed.toSorted(longestFirst)
    const witnessed = newestFirst.find(({ note }) => chain.isSigned(note) && meetsQuorum(note, policy))?.note.size ?? 0
    const { missing: lacking, lastS } = cosignersOf(
      newestFirst.filter(({ note }) => note.size === entries).map(({ note }) => note),
      policy
    )
    if (witnessed < entries) {
      return verdict(
        'unwitnessed',
        `the quorum has cosigned no head over ${lastOf(entries - witnessed)}: that of ${entries} lacks the cosignatures of ${lacking.join(' and ')}`,
        witnessed
      )
    }
    if (lastS !== null) notes.push(newestCosignature(lastS))
  }
  const since = begin > 0 ? `, ${entries - begin} of them new` : ''
  return verdict('valid', `${countOf(entries, 'entry', 'entries')}${since}, each in its place, all under one signed root`)
}

/** Whether a head of this log claims a signature of a key that is none of those known, and none of them. */
function isOfLaterKey(note: CheckpointNote, keys: readonly VerifierKey[]): boolean {
  const { name } = keys[0]!
  const claimed = note.signatures.filter((signature) => signature.name === name)
  return note.origin === name && claimed.length > 0 && keys.every((key) => !claimsSignatureOf(note, key))
}

const untoldText = (untold: number): string =>
  `entry ${untold} says that another key takes over, and no head is known that the key before it signed over it`

const shorterOf = (a: KnownHead | null, b: KnownHead): KnownHead => (a === null || b.note.size < a.note.size ? b : a)
const longestFirst = (a: KnownHead, b: KnownHead): number => b.note.size - a.note.size

const missing = (entries: number): string => countOf(entries, 'entry is missing', 'entries are missing')
const lastOf = (entries: number): string => (entries === 1 ? 'the last entry' : `the last ${entries} entries`)
const spoiledText = (lines: number): string =>
  `${countOf(lines, 'line of the published heads is no checkpoint', 'lines of the published heads are no checkpoints')} signed by a key of the log`
