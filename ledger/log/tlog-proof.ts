/**
 * A proof in one text: whoever has it, the log's public key and a policy can check, without asking anybody, that an entry is in the log.
 *
 *     c2sp.org/tlog-proof@v1
 *     extra eyJjb21wb25lbnQiOiJJRi5w…      here: the stored octets of the entry itself
 *     index 73894
 *     gSKyXoYZUgZ6jduWYrkDOARinOMGJveX…    inclusion proof, the leaf's sibling first
 *                                          (empty line)
 *     infrafabric.example/witness          checkpoint with its cosignatures
 *     …
 *
 * The format calls the extra data opaque and unauthenticated. Here it is the leaf, so its hash is what the proof is about: it is authenticated by the
 * same check.
 *
 * @see C2SP tlog-proof
 */
import { InfraFabricError } from '#kernel'
import { hashLength, leafHash } from './merkle.ts'
import { type CheckpointNote, isSignedBy, type NoteVerifier, parseCheckpoint } from './note.ts'
import { type Judgement, judgeCheckpoint, type Policy } from './policy.ts'
import { checkInclusion } from './proof.ts'

export interface TlogProof {
  /** Leaf number. */
  readonly index: number
  /** Hashes of 32 octets, lowest first. */
  readonly proof: readonly Uint8Array[]
  /** Signed note. */
  readonly checkpoint: string
  readonly extra?: Uint8Array
}

const header = 'c2sp.org/tlog-proof@v1'
const longestProof = 1 << 18
/** A tree of 2^53 leaves is 53 levels high. */
const mostHashes = 63

/** Octets of base64 in the one form they have; null for any other text. */
function fromBase64(text: string): Buffer | null {
  const octets = Buffer.from(text, 'base64')
  return octets.toString('base64') === text ? octets : null
}

export function formatTlogProof({ index, proof, checkpoint, extra }: TlogProof): string {
  const lines = [
    header,
    ...(extra === undefined ? [] : [`extra ${Buffer.from(extra).toString('base64')}`]),
    `index ${index}`,
    ...proof.map((hash) => Buffer.from(hash).toString('base64'))
  ]
  return `${lines.join('\n')}\n\n${checkpoint}`
}

/** @throws {InfraFabricError} `ledger.proof.malformed`, `ledger.checkpoint.malformed` */
export function parseTlogProof(text: string): TlogProof & { readonly note: CheckpointNote } {
  const malformed = (problem: string) => new InfraFabricError('ledger.proof.malformed', `proof: ${problem}`)
  if (text.length > longestProof) throw malformed(`longer than ${longestProof} characters`)
  const split = text.indexOf('\n\n')
  if (split < 0) throw malformed('no empty line before a checkpoint')
  const lines = text.slice(0, split).split('\n')
  if (lines.shift() !== header) throw malformed(`the first line is not ${header}`)
  const extra = lines[0]?.startsWith('extra ') ? fromBase64(lines.shift()!.slice(6)) : undefined
  if (extra === null) throw malformed('the extra data is not base64')
  const index = /^index (0|[1-9]\d{0,15})$/.exec(lines.shift() ?? '')?.[1]
  if (index === undefined || !Number.isSafeInteger(Number(index))) throw malformed('no index')
  if (lines.length > mostHashes) throw malformed(`more than ${mostHashes} hashes`)
  const proof = lines.map((line) => {
    const hash = fromBase64(line)
    if (hash?.length !== hashLength) throw malformed('a hash is not 32 octets of base64')
    return hash
  })
  const checkpoint = text.slice(split + 2)
  return { index: Number(index), proof, checkpoint, note: parseCheckpoint(checkpoint), ...(extra === undefined ? {} : { extra }) }
}

export interface TlogProofResult extends Judgement {
  /** Whether the leaf is in the tree of the checkpoint, at its index. */
  readonly included: boolean
  /** All of it: included, under a checkpoint that a trusted log signed and a quorum cosigned. */
  readonly good: boolean
}

/**
 * Checks a proof.
 *
 * @param leaf octets of the entry; what the proof brings as extra data when none are given
 * @param trust keys of the log, any of which may have signed, beside those the policy names
 */
export function checkTlogProof(
  { index, proof, note, extra }: ReturnType<typeof parseTlogProof>,
  trust: { readonly logs: readonly NoteVerifier[]; readonly policy: Policy },
  leaf: Uint8Array | undefined = extra
): TlogProofResult {
  const judgement = judgeCheckpoint(trust.policy, note)
  const logs = [...trust.logs, ...trust.policy.logs.map(({ verifier }) => verifier)]
  // here, unlike in a policy, naming no log means trusting none
  const logSigned = logs.some((verifier) => isSignedBy(note, verifier))
  const { size, root } = note.checkpoint
  const included = leaf !== undefined && checkInclusion(leafHash(leaf), index, size, root, proof)
  return { ...judgement, logSigned, included, good: included && logSigned && judgement.quorum }
}
