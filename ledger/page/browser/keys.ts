/** Which keys speak for a log: the one trusted, and those it handed over to. */
import type { LedgerEntry } from '../../log/entry.ts'
import { type Checkpoint, isSignedBy, parseKey, type VerifierKey } from './note.ts'

/** Component of what the ledger tells of itself; it takes no such entry from anybody else. */
const ledgerComponent = 'IF.witness.ledger'

/** An entry that says which key signs from now on. */
export interface Rotation {
  readonly index: number
  readonly key: VerifierKey
}

/** The key that an entry brings; null for any entry but the ledger's own `key_rotated`: what producers write, nobody vouches for. */
export function rotationOf({ component, event, index, payload }: LedgerEntry, origin: string): Rotation | null {
  if (component !== ledgerComponent || event !== 'key_rotated') return null
  try {
    const key = parseKey(String(payload.vkey))
    return key.name === origin ? { index, key } : null
  } catch {
    return null
  }
}

/**
 * Follows the changes of key. A change counts when its entry stands in the log under a head that the key before it signed.
 *
 * @param heads those that agree with the entries
 * @returns oldest first; the last one signs now
 */
export async function followKeys(
  trusted: VerifierKey,
  rotations: readonly Rotation[],
  heads: readonly Checkpoint[]
): Promise<VerifierKey[]> {
  const keys = [trusted]
  for (const { index, key } of rotations) {
    if (keys.length === 1 && key.text === trusted.text) continue
    const current = keys.at(-1)!
    for (const head of heads) {
      if (head.size <= index || !head.signatures.some(({ id }) => id === current.id) || !(await isSignedBy(head, current)))
        continue
      keys.push(key)
      break
    }
  }
  return keys
}

export async function signers(checkpoint: Checkpoint, keys: readonly VerifierKey[]): Promise<VerifierKey[]> {
  const signed: VerifierKey[] = []
  for (const key of keys) if (await isSignedBy(checkpoint, key)) signed.push(key)
  return signed
}
