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

/** What an entry is that stands under the ledger's own name. */
export type OwnEntry = { readonly rotation: Rotation } | { readonly problem: string } | null

/** What else the ledger tells of itself. */
const otherEvents: ReadonlySet<string> = new Set(['checkpoint_unwitnessed', 'checkpoint_witnessed', 'payload_erased'])

/** The key that an entry brings, or why the ledger cannot have written it; null for all others: what producers write, nobody vouches for. */
export function ownEntry({ component, event, index, payload }: LedgerEntry, origin: string): OwnEntry {
  if (component !== ledgerComponent || otherEvents.has(event)) return null
  if (event !== 'key_rotated') return { problem: `Entry ${index} bears the name of the ledger, which tells no such thing.` }
  try {
    const key = parseKey(String(payload.vkey))
    if (key.name === origin) return { rotation: { index, key } }
  } catch {
    // told below
  }
  return { problem: `Entry ${index} says that the key changed, and names no key of this log.` }
}

export interface KeyChain {
  /** Oldest first; the last one signs now. */
  readonly keys: readonly VerifierKey[]
  /** A change of key that the ledger did not write. */
  readonly fault: { readonly index: number; readonly text: string } | null
}

/**
 * Follows the changes of key. The entry that tells of a change is the last one under a head that both keys signed, and the old key signs no head after that;
 * where no head is known that would tell, the change does not count.
 *
 * @param heads those that agree with the entries
 */
export async function followKeys(
  trusted: VerifierKey,
  rotations: readonly Rotation[],
  heads: readonly Checkpoint[]
): Promise<KeyChain> {
  const keys = [trusted]
  let fault: KeyChain['fault'] = null
  const broughtAt = rotations.findLast(({ key }) => key.text === trusted.text)?.index ?? -1
  for (const { index, key } of rotations) {
    if (index <= broughtAt) continue
    const current = keys.at(-1)!
    let [over, beyond, told] = [false, false, false]
    for (const head of heads) {
      if (head.size <= index || !head.signatures.some(({ id }) => id === current.id) || !(await isSignedBy(head, current)))
        continue
      over = true
      if (head.size > index + 1) beyond = true
      else told ||= await isSignedBy(head, key)
    }
    if (beyond || (over && !told))
      fault ??= {
        index,
        text: `Entry ${index} says that the key changed, and the key before it goes on signing: the ledger did not write it.`
      }
    else if (told) keys.push(key)
  }
  return { keys, fault }
}

export async function signers(checkpoint: Checkpoint, keys: readonly VerifierKey[]): Promise<VerifierKey[]> {
  const signed: VerifierKey[] = []
  for (const key of keys) if (await isSignedBy(checkpoint, key)) signed.push(key)
  return signed
}
