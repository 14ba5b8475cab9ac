/**
 * One entry for many frames: the root of a Merkle tree over them, by which a single frame can be proved later.
 *
 *     payload.batch = { kind, count, root, first, last }     hashes as 64 hex digits
 *
 * The hash of a frame is the RFC 6962 leaf hash, SHA-256(0x00 ‖ frame); `first` and `last` are those of the first and the last frame.
 *
 * @see RFC 6962 §2.1, §2.1.1
 */
import { InfraFabricError, type JsonObject } from '#kernel'
import { hashLength, leafHash } from './merkle.ts'
import { checkInclusion, inclusionProof } from './proof.ts'
import { rootOfHashes } from './tree.ts'

/** Frames in one batch at most. */
export const longestBatch = 65_536

export interface Batch extends JsonObject {
  /** What the frames are: `video`, `rtp`, … */
  readonly kind: string
  readonly count: number
  readonly root: string
  readonly first: string
  readonly last: string
}

/** That one frame belongs to a batch. */
export interface FrameProof {
  /** Number of the frame in its batch, from 0. */
  readonly index: number
  /** Hashes of 32 octets, lowest first. */
  readonly proof: readonly Uint8Array[]
}

export const frameHash = leafHash

const hex = (hash: Uint8Array): string => Buffer.from(hash).toString('hex')

/**
 * @param hashes of the frames, 32 octets each, one behind the other
 * @throws {InfraFabricError} `ledger.batch.size` for none, too many, or a hash cut short
 */
export function batchOf(kind: string, hashes: Uint8Array): Batch {
  const count = checkHashes(hashes)
  return {
    kind,
    count,
    root: hex(rootOfHashes(hashes)),
    first: hex(hashes.subarray(0, hashLength)),
    last: hex(hashes.subarray(-hashLength))
  }
}

function checkHashes(hashes: Uint8Array): number {
  const count = hashes.length / hashLength
  if (Number.isInteger(count) && count >= 1 && count <= longestBatch) return count
  throw new InfraFabricError(
    'ledger.batch.size',
    `a batch has 1 to ${longestBatch} hashes of ${hashLength} octets, got ${hashes.length} octets`
  )
}

/**
 * @param hashes of all frames of the batch
 * @throws {InfraFabricError} `ledger.batch.size`; {RangeError} when the batch has no frame `index`
 */
export function proveFrame(hashes: Uint8Array, index: number): FrameProof {
  const count = checkHashes(hashes)
  const leaves = Array.from({ length: count }, (_, at) => hashes.subarray(at * hashLength, (at + 1) * hashLength))
  return { index, proof: inclusionProof(leaves, index) }
}

/** The batch in the payload of an entry; null when there is none of this form. */
export function batchIn({ batch }: JsonObject): Batch | null {
  if (typeof batch !== 'object' || batch === null || Array.isArray(batch)) return null
  const { kind, count, root, first, last } = batch as JsonObject
  const isHash = (value: unknown): value is string => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
  if (typeof kind !== 'string' || !Number.isSafeInteger(count) || (count as number) < 1) return null
  return isHash(root) && isHash(first) && isHash(last) ? { kind, count: count as number, root, first, last } : null
}

/** Whether `frame` is the one that the proof is about. */
export function checkFrame({ count, root }: Batch, frame: Uint8Array, { index, proof }: FrameProof): boolean {
  return checkInclusion(frameHash(frame), index, count, Buffer.from(root, 'hex'), proof)
}
