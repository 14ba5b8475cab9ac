/** From what was read of a log to the word for it. */
import type { KnownHead } from './heads.ts'
import type { KeyChain } from './keys.ts'
import type { CheckpointNote, VerifierKey } from './notes.ts'
import { meetsQuorum, type QuorumPolicy } from './policy.ts'
import type { Scan } from './scan.ts'
import type { OwnHead } from './sources.ts'

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
    } else if (known.pinned)
      return { verdict: 'unwitnessed', explanation: `${known.from} is not signed by this key`, index: null, heads: 0, notes }
    else bad++
  }
  const verdict = (word: Verdict, explanation: string, index: number | null = null): Judgement => ({
    verdict: word,
    explanation,
    index,
    heads: signed.length + agreeing.length,
    notes
  })
  if (chain.keys.length > 1)
    notes.push(`the key changed ${chain.keys.length - 1} times, each time under a head that the key before it signed`)
  if (older.length > 0)
    notes.push(`${older.length} heads are older than the key given: they agree, but who signed them was not checked`)
  if (scanned.backward > 0)
    notes.push(
      `${scanned.backward} entries have a time before that of the entry before them: a clock was set back, or they were delivered late`
    )

  if (agreeing.length > 0)
    notes.push(`${agreeing.length} heads say the same as the entries: their signatures are checked one by one only with --all`)

  const ownSigned = own !== null && chain.isSigned(own)
  const ownGood = ownSigned && own.size === entries && !disagrees({ from: '', note: own, pinned: false })
  for (const known of [...signed, ...older]) {
    if (!disagrees(known)) continue
    const { size } = known.note
    return ownGood
      ? verdict(
          'forked',
          `${known.from} signs another history of the first ${size} entries than the head of the log does`,
          size - 1
        )
      : verdict('altered', `the first ${size} entries are not those that ${known.from} signs`, size - 1)
  }
  const longest = signed.reduce((size, { note }) => Math.max(size, note.size), head?.size ?? 0)
  if (longest > entries) {
    return verdict('truncated', `${longest - entries} entries are missing from the end: a head of ${longest} is known`, entries)
  }
  if (beyond !== null) {
    return verdict(
      'truncated',
      `${beyond.note.size - entries} entries are missing from the end: ${beyond.from} is of ${beyond.note.size}, signed by a key that took over in them; to check its signature, too, give that key`,
      entries
    )
  }
  if (entries === 0 && head === null) return bad > 0 ? verdict('altered', spoiledText(bad)) : verdict('valid', 'the log is empty')
  if (!ownSigned) {
    const untold = chain.untold
    return untold === null
      ? verdict('unwitnessed', 'the head of the log has no good signature of this key')
      : verdict(
          'unwitnessed',
          `entry ${untold} says that another key takes over, and no head is known that the key before it signed over it`,
          untold
        )
  }
  if (!chain.isSignedByNewest(own)) return verdict('unwitnessed', 'the head of the log is signed by a key that was replaced')
  if (bad > 0) return verdict('altered', spoiledText(bad))
  if (own.size < entries) return verdict('unwitnessed', `no signature covers the last ${entries - own.size} entries`, own.size)
  if ((head!.lastHash ?? scanned.last) !== scanned.last || (head!.size ?? entries) !== entries) {
    return verdict('altered', 'what the head keeps of the tree is not what the entries give: the next append would build on it')
  }
  if (policy !== null) {
    const newestFirst = [...signed, ...agreeing].sort((a, b) => b.note.size - a.note.size)
    const witnessed = newestFirst.find(({ note }) => chain.isSigned(note) && meetsQuorum(note, policy))?.note.size ?? 0
    if (witnessed < entries) {
      return verdict(
        'unwitnessed',
        `the last ${entries - witnessed} entries are under no checkpoint that the quorum cosigned`,
        witnessed
      )
    }
  }
  const since = begin > 0 ? `, ${entries - begin} of them new` : ''
  return verdict('valid', `${entries} entries${since}, each in its place, all under one signed root`)
}

/** Whether a head of this log claims a signature of a key that is none of those known, and none of them. */
function isOfLaterKey(note: CheckpointNote, keys: readonly VerifierKey[]): boolean {
  const { name } = keys[0]!
  const claimed = note.signatures.filter((signature) => signature.name === name)
  return note.origin === name && claimed.length > 0 && keys.every((key) => !claimsSignatureOf(note, key))
}

const claimsSignatureOf = (note: CheckpointNote, { name, id }: VerifierKey): boolean =>
  note.origin === name && note.signatures.some((signature) => signature.name === name && signature.id === id)

const spoiledText = (lines: number): string => `${lines} lines of the published heads are not checkpoints signed by this key`
