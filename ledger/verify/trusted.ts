/** What an auditor keeps of one verification, so that the next begins where it ended. */
import { InfraFabricError, messageOf } from '#kernel'
import { CompactRange } from './compact-range.ts'
import { type CheckpointNote, isSignedBy, readCheckpoint, readVerifierKey } from './notes.ts'

/** As it is kept in a file. */
export interface TrustedState {
  readonly v: 1
  /** The key that signs now. */
  readonly vkey: string
  /** The key that the auditor gave, from which changes of key led to that one; left out of states of before. */
  readonly given?: string
  /** The signed head up to which all was found in order. */
  readonly checkpoint: string
  /** Hash of the last entry under it, 64 hex digits. */
  readonly lastHash: string
  /** Hashes of the perfect subtrees that cover it, base64. */
  readonly tree: string
}

export interface Trusted {
  readonly vkey: string
  readonly checkpoint: CheckpointNote
  readonly lastHash: string
  readonly tree: CompactRange
}

/**
 * @param given the key that the auditor gives now
 * @throws {InfraFabricError} `ledger.state.malformed` for a state that does not hold together; `ledger.state.key` for one that was kept under another key
 */
export function readTrusted(state: TrustedState, given: string): Trusted {
  const fail = (problem: string, cause?: unknown): never => {
    throw new InfraFabricError('ledger.state.malformed', `state of the last verification: ${problem}`, { cause })
  }
  if (typeof state !== 'object' || state === null || state.v !== 1) fail('not of version 1')
  const { vkey, checkpoint: note, lastHash, tree: hashes } = state
  if (![vkey, note, lastHash, hashes].every((text) => typeof text === 'string')) fail('a member is missing')
  if (!/^[0-9a-f]{64}$/.test(lastHash)) fail('lastHash is not 64 hex digits')
  const asked = readVerifierKey(given).text
  if (state.given !== undefined && asked !== vkey && asked !== state.given)
    throw new InfraFabricError(
      'ledger.state.key',
      'the state of the last verification was kept under another key than the one given: verify the whole log under that one'
    )
  try {
    const checkpoint = readCheckpoint(note)
    const tree = CompactRange.of({ begin: 0, end: checkpoint.size, hashes: Buffer.from(hashes, 'base64') })
    if (Buffer.compare(tree.root(), checkpoint.root) !== 0) return fail('its tree is not that of its checkpoint')
    if (!isSignedBy(checkpoint, readVerifierKey(vkey))) return fail('its checkpoint is not signed by its key')
    return { vkey, checkpoint, lastHash, tree }
  } catch (error) {
    if (error instanceof InfraFabricError && error.code === 'ledger.state.malformed') throw error
    return fail(messageOf(error), error)
  }
}
