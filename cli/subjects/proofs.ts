/** Proofs of single entries, made of a ledger: for whoever has the log's public key and not the ledger. */
import { existsSync, readFileSync } from 'node:fs'
import type { LedgerReader, Policy } from '#ledger'
import { CommandError } from '../line/arguments.ts'
import { readInput } from './files.ts'
import { isServerAddress, type StoredEntry } from './ledger.ts'

/** Witnesses in a policy file; null where none is given. */
export async function readPolicy(path: string | undefined): Promise<Policy | null> {
  if (path === undefined) return null
  const { parsePolicy } = await import('#ledger')
  return parsePolicy(await readInput(path))
}

export interface MadeProof {
  /** Whether its head was published, and so cosigned where that is asked for. */
  readonly published: boolean
  readonly origin: string
  readonly size: number
  /** C2SP tlog-proof. */
  readonly text: string
  readonly stored: StoredEntry
}

/**
 * Proves an entry under the newest published head that covers it, else under the newest head.
 *
 * @param place as ledgerPlace gives it
 * @param given policy in place of the one in the ledger's folder
 * @throws {CommandError} `cli.not-found`
 */
export async function proveEntry(reader: LedgerReader, place: string, index: number, given: Policy | null): Promise<MadeProof> {
  const {
    bundleOfFolder,
    formatTlogProof,
    latestPublished,
    ledgerFiles,
    noPolicy,
    parseCheckpoint,
    parsePolicy,
    parseTlogProof,
    proveInclusion,
    tilesOf
  } = await import('#ledger')
  const files = isServerAddress(place) ? null : ledgerFiles(place)
  const policy = given ?? (files !== null && existsSync(files.policy) ? parsePolicy(readFileSync(files.policy)) : noPolicy)
  const [stored] = await reader.query({ afterIndex: index - 1, limit: 1 })
  if (stored?.entry.index !== index) throw new CommandError('cli.not-found', `there is no entry ${index}`)
  // the head of a bundle is the one that was exported, with its cosignatures
  const isBundle = files !== null && bundleOfFolder(place) !== null
  const published = files === null || isBundle ? null : latestPublished(files.published, policy, index + 1)
  const checkpoint = published ?? (await reader.checkpoint())!
  const { size, origin } = parseCheckpoint(checkpoint).checkpoint
  const kept = reader.keptProof?.(index)
  const proof = kept === undefined ? await proveInclusion(tilesOf(reader.log), index, size) : parseTlogProof(kept).proof
  return {
    published: published !== null || isBundle,
    origin,
    size,
    text: formatTlogProof({ index, proof, checkpoint, extra: stored.bytes }),
    stored
  }
}
