/** Which keys speak for a log: the one the auditor trusts, and those it handed over to. */
import type { KnownHead } from './heads.ts'
import { type CheckpointNote, isSignedBy, readVerifierKey, type VerifierKey } from './notes.ts'
import type { Collected } from './ranges.ts'

/** An entry that says which key signs from now on. */
export interface Rotation {
  readonly index: number
  readonly key: VerifierKey
}

/** Reads the entries `key_rotated`; those that name no key of this log are left out. */
export function readRotations(entries: readonly Collected[], origin: string): Rotation[] {
  return entries.flatMap(({ index, text }) => {
    try {
      const { payload } = JSON.parse(text) as { payload?: { vkey?: unknown } }
      const key = readVerifierKey(String(payload?.vkey))
      return key.name === origin ? [{ index, key }] : []
    } catch {
      return []
    }
  })
}

export interface KeyChain {
  /** Oldest first; the last one signs now. */
  readonly keys: readonly VerifierKey[]
  /** Leaf number of the entry that brought the trusted key itself; null when the log began with it. Heads up to there are signed by keys nobody vouched for. */
  readonly broughtAt: number | null
  readonly isSigned: (note: CheckpointNote) => boolean
  readonly isSignedByNewest: (note: CheckpointNote) => boolean
}

/**
 * Follows the changes of key from the one trusted. A change counts when its entry stands in the log under a head that the key before it signed.
 *
 * @param fits whether a head agrees with the entries
 */
export function followKeys(
  trusted: VerifierKey,
  rotations: readonly Rotation[],
  heads: readonly KnownHead[],
  fits: (note: CheckpointNote) => boolean
): KeyChain {
  const keys = [trusted]
  let broughtAt: number | null = null
  for (const { index, key } of rotations) {
    const current = keys.at(-1)!
    if (keys.length === 1 && key.text === trusted.text) broughtAt = index
    else if (heads.some(({ note }) => note.size > index && fits(note) && isSignedBy(note, current))) keys.push(key)
  }
  // most heads are signed by one key, and each is asked for more than once
  const signed = new Map<CheckpointNote, boolean>()
  return {
    keys,
    broughtAt,
    isSigned: (note) => {
      const known = signed.get(note) ?? keys.some((key) => isSignedBy(note, key))
      signed.set(note, known)
      return known
    },
    isSignedByNewest: (note) => isSignedBy(note, keys.at(-1)!)
  }
}
