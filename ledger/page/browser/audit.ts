/** What an audit of a whole log and one of a selection have in common: keys, signatures, quorum, memory, and the verdict made of them. */
import { type Checkpoint, isSignedBy, Malformed, parseCheckpoint, parseKey, type VerifierKey } from './note.ts'
import { hex } from './octets.ts'
import { type Judgement, judge, type Policy, parsePolicy } from './policy.ts'
import type { Records } from './records.ts'
import type { Check, CheckState, Fault, Head, Progress, Report, Trust, Verdict } from './verdict.ts'

/** One entry and its way to the root. */
export interface Proof {
  readonly index: number
  /** 64 hex digits. */
  readonly leaf: string
  readonly size: number
  readonly root: string
  /** Hex, the sibling of the leaf first. */
  readonly hashes: readonly string[]
  readonly good: boolean
  /** C2SP tlog-proof with the entry in it. */
  readonly text: string
}

/** A payload that lies beside the log. */
export interface Payload {
  /** Canonical JSON. */
  readonly text: string
  /** Whether it is what the entry committed to. */
  readonly good: boolean
}

/** Checkpoints that were read so far, oldest first. */
export interface History {
  readonly heads: readonly Head[]
  /** Whether the source has older ones. */
  readonly more: boolean
}

export interface Audit {
  readonly records: Records
  /** Reads what is new and judges all of it. @throws {SourceError} where the source does not answer */
  readonly check: (progress: (progress: Progress) => void) => Promise<Report>
  /** @param older whether to read one page more of them from the source */
  readonly heads: (progress: (progress: Progress) => void, older: boolean) => Promise<History>
  /** Null for an entry that is not under the checkpoint. */
  readonly prove: (position: number) => Proof | null
  /** Null where none came with the entries. */
  readonly payload: (index: number) => Payload | null
}

const mostFaults = 100

/** Of what is told of one entry, what says most comes first. */
const ranks: readonly Fault['kind'][] = ['altered', 'form', 'proof', 'payload', 'chain', 'tile']

/** Faults in the order of the log, as many as are told. */
export const firstFaults = (faults: readonly Fault[]): Fault[] =>
  [...faults].sort((a, b) => a.index - b.index || ranks.indexOf(a.kind) - ranks.indexOf(b.kind)).slice(0, mostFaults)

export interface TrustedKeys {
  readonly trusted: VerifierKey
  readonly policy: Policy | null
  readonly seen: Checkpoint | null
}

/** @throws {Malformed} when what was remembered or pasted cannot be read */
export function readTrust({ key, policy, seen }: Trust): TrustedKeys {
  return {
    trusted: parseKey(key),
    policy: policy === null ? null : parsePolicy(policy),
    seen: seen === null ? null : parseCheckpoint(seen)
  }
}

/** What was asked of the checkpoint itself. */
export interface HeadVerdict {
  readonly signed: boolean
  readonly quorum: boolean
  readonly checks: readonly Check[]
}

export async function judgeHead(
  checkpoint: Checkpoint,
  keys: readonly VerifierKey[],
  { policy, trusted }: TrustedKeys,
  { pinned, sinceMs }: Trust
): Promise<HeadVerdict> {
  const newest = keys.at(-1)!
  const signed = await isSignedBy(checkpoint, newest)
  const checks: Check[] = []
  const add = (name: Check['name'], state: CheckState, text: string) => checks.push({ name, state, text })
  if (signed) {
    const followed = keys.length === 1 ? '' : `, to which key ${trusted.id} was handed over by entries of the log`
    add('signature', 'good', `The checkpoint over ${count(checkpoint.size)} is signed by key ${newest.id}${followed}.`)
  } else add('signature', 'bad', unsignedText(checkpoint, newest))
  const since = new Date(sinceMs).toISOString().slice(0, 10)
  add(
    'key',
    pinned ? 'good' : 'warn',
    pinned
      ? `You vouched for key ${trusted.id} on ${since}.`
      : `Key ${trusted.id} was taken over unseen on ${since}: whoever showed it to you may have made it. Compare it with the one that the Guardians gave you, under Trust.`
  )
  let quorum = true
  if (policy === null)
    add(
      'quorum',
      pinned ? 'none' : 'warn',
      'No policy: nobody but the keeper signs, so nobody rules out that others are shown another log.'
    )
  else {
    const judgement = await judge(policy, checkpoint)
    quorum = judgement.quorum
    add('quorum', quorum ? 'good' : 'bad', quorumText(judgement))
  }
  return { signed, quorum, checks }
}

function unsignedText({ origin, signatures }: Checkpoint, key: VerifierKey): string {
  if (origin !== key.name) return `The checkpoint is of another log: ${origin}. Your key is of ${key.name}.`
  if (signatures.some(({ name, id }) => name === key.name && id === key.id))
    return `The signature under the checkpoint names key ${key.id}, and is forged or spoiled.`
  const others = signatures.filter(({ name }) => name === origin).map(({ id }) => id)
  return `The checkpoint is not signed by key ${key.id}${others.length === 0 ? '' : `, but by ${others.join(', ')}, which nobody vouches for`}.`
}

function quorumText({ witnesses, quorum }: Judgement): string {
  const signed = witnesses.filter(({ timeS }) => timeS !== null).map(({ name }) => name)
  const missing = witnesses.filter(({ timeS }) => timeS === null).map(({ name }) => name)
  const told = `${signed.length} of ${witnesses.length} witnesses cosigned it${signed.length === 0 ? '' : ` (${signed.join(', ')})`}`
  const last = Math.max(...witnesses.map(({ timeS }) => timeS ?? 0))
  const since = last > 0 ? `, the last of them ${timeText(last)}` : ''
  return `${told}${since}${missing.length === 0 ? '' : `; missing: ${missing.join(', ')}`}. ${quorum ? 'The policy asks for no more.' : 'The policy asks for more.'}`
}

/** A time in seconds since 1970, UTC. */
export function timeText(seconds: number): string {
  const date = new Date(seconds * 1000)
  return Number.isNaN(date.getTime()) ? 'at no time' : date.toISOString().replace('T', ' ').replace('.000Z', '')
}

/** So many of a thing, in words. */
export const count = (number: number, one: 'entry' | 'checkpoint' | 'call' | 'payload' = 'entry'): string =>
  `${number.toLocaleString('en')} ${number === 1 ? one : one === 'entry' ? 'entries' : `${one}s`}`

/** How checkpoints and the tree agree, as far as that is known. */
export interface Story {
  readonly altered: boolean
  readonly truncated: boolean
  readonly forked: boolean
  /** Nothing of it was changed, and something does not stand in it. */
  readonly incomplete: boolean
}

const summaries: Readonly<Record<Verdict, string>> = {
  valid: 'Every entry is in its place, under a checkpoint signed by the key you vouched for.',
  unpinned: 'All of it fits together, but under a key that you have not compared yet.',
  altered: 'The log was altered.',
  truncated: 'Entries are missing from the end.',
  forked: 'Two stories: the same key signed another log than this one.',
  unwitnessed: 'The checkpoint is not signed as it must be. Nothing below can be relied on.',
  incomplete: 'Nothing was changed, but something is missing.'
}

/** What to do about it. */
const advice: Readonly<Record<Verdict, string>> = {
  valid: '',
  unpinned: ' Compare it under Trust.',
  altered: ' Save what you see, and ask the keeper for a copy from before.',
  truncated: ' Keep the longer checkpoint: it proves that there was more. Ask the keeper for it.',
  forked: ' Keep both checkpoints: together they prove it, whatever the keeper says.',
  unwitnessed: ' Ask the keeper for the signatures, and the Guardians for key and policy.',
  incomplete: ' Ask the keeper what became of it.'
}

/** Whether the checkpoint may be of a key that took over in entries that are not shown. */
const mayBeOfLaterKey = ({ origin, signatures }: Checkpoint, keys: readonly VerifierKey[]): boolean =>
  origin === keys[0]!.name &&
  signatures.some(({ name }) => name === origin) &&
  !signatures.some(({ name, id }) => keys.some((key) => key.name === name && key.id === id))

function verdictOn(
  { signed, quorum }: HeadVerdict,
  { altered, truncated, forked, incomplete }: Story,
  pinned: boolean,
  isLater: boolean
): Verdict {
  if (altered) return 'altered'
  // what the key signed twice, or over more, it signed whoever cosigned
  if (forked && signed) return 'forked'
  if (truncated && (signed || isLater)) return 'truncated'
  if (!signed || !quorum) return 'unwitnessed'
  if (incomplete) return 'incomplete'
  return pinned ? 'valid' : 'unpinned'
}

export function conclude(
  head: HeadVerdict,
  story: Story,
  { pinned }: Trust,
  detail: string | null,
  later: { readonly checkpoint: Checkpoint; readonly keys: readonly VerifierKey[] }
): Pick<Report, 'verdict' | 'summary'> {
  const verdict = verdictOn(head, story, pinned, mayBeOfLaterKey(later.checkpoint, later.keys))
  return { verdict, summary: `${summaries[verdict]}${detail === null ? '' : ` ${detail}`}${advice[verdict]}` }
}

export const rootText = ({ root }: Checkpoint): string => hex(root)

/** Notes that can be read, oldest first. */
export function readNotes(notes: readonly string[]): Checkpoint[] {
  return notes.flatMap((note) => {
    try {
      return [parseCheckpoint(note)]
    } catch (error) {
      if (error instanceof Malformed) return []
      throw error
    }
  })
}
