/** Which keys speak for a log: the one the auditor trusts, and those it handed over to. */
import type { KnownHead } from './heads.ts'
import { type CheckpointNote, isSignedBy, readVerifierKey, type VerifierKey } from './notes.ts'
import type { Collected, Fault } from './ranges.ts'

/** An entry that says which key signs from now on. */
export interface Rotation {
  readonly index: number
  readonly key: VerifierKey
}

/** Reads the entries `key_rotated`. Null for one that names no key of this log. */
export function readRotation({ index, text }: Collected, origin: string): Rotation | null {
  try {
    const { payload } = JSON.parse(text) as { payload?: { vkey?: unknown } }
    const key = readVerifierKey(String(payload?.vkey))
    return key.name === origin ? { index, key } : null
  } catch {
    return null
  }
}

export interface KeyChain {
  /** Oldest first; the last one signs now. */
  readonly keys: readonly VerifierKey[]
  /** Leaf number of the entry that brought the trusted key itself; null when the log began with it. Heads up to there are signed by keys nobody vouched for. */
  readonly broughtAt: number | null
  /** A change of key that is none: whoever wrote it was not the ledger. */
  readonly fault: Fault | null
  /** Leaf number of the first entry that tells of a change of key of which no head is known; null when there is none. */
  readonly untold: number | null
  readonly isSigned: (note: CheckpointNote) => boolean
  readonly isSignedByNewest: (note: CheckpointNote) => boolean
}

/**
 * Follows the changes of key from the one trusted. The entry that tells of a change is the last one under a head that both keys signed, and the old key
 * signs no head after that: an entry with which the old key goes on signing is forged. Where no head is known that would tell, the change does not count.
 *
 * @param entries those that say that the key changed, in order
 * @param fits whether a head agrees with the entries
 */
export function followKeys(
  trusted: VerifierKey,
  entries: readonly Collected[],
  heads: readonly KnownHead[],
  fits: (note: CheckpointNote) => boolean
): KeyChain {
  const notes = heads.map(({ note }) => note).filter(fits)
  const rotations: Rotation[] = []
  let fault: Fault | null = null
  const forged = (index: number, why: string) => {
    fault ??= { index, problem: `entry ${index} says that the key changed, and ${why}: the ledger did not write it` }
  }
  for (const entry of entries) {
    const rotation = readRotation(entry, trusted.name)
    if (rotation === null) forged(entry.index, 'names no key of this log')
    else rotations.push(rotation)
  }
  const brought = rotations.findLast(({ key }) => key.text === trusted.text)
  const broughtAt = brought?.index ?? null
  /** The head under which a key is brought has the signature of the key before it, too. */
  const isOfTrustedAlone = (note: CheckpointNote): boolean =>
    isSignedBy(note, trusted) && note.signatures.every(({ name, id }) => name !== trusted.name || id === trusted.id)
  if (brought !== undefined && notes.some((note) => note.size <= brought.index + 1 && isOfTrustedAlone(note)))
    forged(brought.index, 'the key it names had signed before')
  const keys = [trusted]
  let untold: number | null = null
  for (const { index, key } of rotations) {
    if (broughtAt !== null && index <= broughtAt) continue
    const current = keys.at(-1)!
    const ofOld = notes.filter((note) => note.size > index && isSignedBy(note, current))
    const told = ofOld.some((note) => note.size === index + 1 && isSignedBy(note, key))
    if (ofOld.some((note) => note.size > index + 1) || (ofOld.length > 0 && !told))
      forged(index, 'the key before it goes on signing')
    else if (told) keys.push(key)
    else untold ??= index
  }
  // most heads are signed by one key, and each is asked for more than once
  const signed = new Map<CheckpointNote, boolean>()
  return {
    keys,
    broughtAt,
    fault,
    untold,
    isSigned: (note) => {
      const known = signed.get(note) ?? keys.some((key) => isSignedBy(note, key))
      signed.set(note, known)
      return known
    },
    isSignedByNewest: (note) => isSignedBy(note, keys.at(-1)!)
  }
}
