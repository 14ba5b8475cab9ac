/**
 * The request by which a log asks a witness for a cosignature.
 *
 *     old 20852014                         size of the checkpoint that the witness signed last
 *     PlRNCrwHpqhGrupue0L7gxbjbMiKA9te…    consistency proof, at most 63 hashes
 *                                          (empty line)
 *     example.com/behind-the-sofa          checkpoint, a signed note
 *     …
 *
 * @see C2SP tlog-witness, add-checkpoint
 */
import { InfraFabricError } from '#kernel'
import { hashLength } from './merkle.ts'
import { type CheckpointNote, longestNote, parseCheckpoint } from './note.ts'

/** Media type of the answer that tells the size which the witness has signed. */
export const sizeMediaType = 'text/x.tlog.size'

const mostHashes = 63

/** Longest request, in octets: 63 hashes and a checkpoint of the longest kind. */
export const longestRequest = longestNote + 4096

export interface AddCheckpoint {
  readonly oldSize: number
  readonly proof: readonly Uint8Array[]
  /** Signed note. */
  readonly checkpoint: string
}

export function formatAddCheckpoint({ oldSize, proof, checkpoint }: AddCheckpoint): string {
  return `old ${oldSize}\n${proof.map((hash) => `${Buffer.from(hash).toString('base64')}\n`).join('')}\n${checkpoint}`
}

/** @throws {InfraFabricError} `ledger.add-checkpoint.malformed`, `ledger.checkpoint.malformed` */
export function parseAddCheckpoint(text: string): AddCheckpoint & { readonly note: CheckpointNote } {
  const malformed = (problem: string) => new InfraFabricError('ledger.add-checkpoint.malformed', `add-checkpoint: ${problem}`)
  if (text.length > longestRequest) throw malformed(`longer than ${longestRequest} characters`)
  const split = text.indexOf('\n\n')
  if (split < 0) throw malformed('no empty line before a checkpoint')
  const [first, ...lines] = text.slice(0, split).split('\n')
  const oldSize = parseSize(/^old (.*)$/.exec(first!)?.[1] ?? '')
  if (oldSize === null) throw malformed('no old size')
  if (lines.length > mostHashes) throw malformed(`more than ${mostHashes} hashes`)
  const proof = lines.map((line) => {
    const hash = Buffer.from(line, 'base64')
    if (hash.length !== hashLength || hash.toString('base64') !== line) throw malformed('a hash is not 32 octets of base64')
    return hash
  })
  const checkpoint = text.slice(split + 2)
  return { oldSize, proof, checkpoint, note: parseCheckpoint(checkpoint) }
}

/** A size as these formats write it: decimal, no leading zero, below 2^53; null for anything else. */
export function parseSize(text: string): number | null {
  const size = /^(?:0|[1-9]\d{0,15})$/.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(size) ? size : null
}
