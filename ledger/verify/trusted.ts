/** What an auditor keeps of one verification, so that the next begins where it ended. */
import { InfraFabricError, messageOf } from '#kernel'
import { CompactRange } from './compact-range.ts'
import { type CheckpointNote, isSignedBy, readCheckpoint, readVerifierKey } from './notes.ts'

/** As it is kept in a file. */
export interface TrustedState {
  readonly v: 1
  /** The key that signs now. */
  readonly vkey: string
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

/** @throws {InfraFabricError} `ledger.state.malformed` for a state that does not hold together */
export function readTrusted(state: TrustedState): Trusted {
  const fail = (problem: string, cause?: unknown): never => {
    throw new InfraFabricError('ledger.state.malformed', `state of the last verification: ${problem}`, { cause })
  }
  if (typeof state !== 'object' || state === null || state.v !== 1) fail('not of version 1')
  const { vkey, checkpoint: note, lastHash, tree: hashes } = state
  if (![vkey, note, lastHash, hashes].every((text) => typeof text === 'string')) fail('a member is missing')
  if (!/^[0-9a-f]{64}$/.test(lastHash)) fail('lastHash is not 64 hex digits')
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
