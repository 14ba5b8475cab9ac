/** A log in memory, made by the ledger's own code, whose source may be told to lie. */
import type { WitnessEvent } from '#kernel'
import type { OfflineData } from '../../export/offline-data.ts'
import { cosign, readCosigner } from '../../log/cosignature.ts'
import { draftEntry, draftOwnEntry, type EntryDraft, finishDraft } from '../../log/entry.ts'
import { emptyRoot, leafHash, nodeHash } from '../../log/merkle.ts'
import {
  formatVerifierKey,
  generateSigningKey,
  type NoteSigner,
  parseCheckpoint,
  readSigner,
  signCheckpoint
} from '../../log/note.ts'
import { proveInclusion, type TileReader } from '../../log/prover.ts'
import { formatTlogProof } from '../../log/tlog-proof.ts'
import { type LogSource, SourceError, tileWidth } from '../browser/source.ts'
import type { Trust } from '../browser/verdict.ts'

export const origin = 'test.example/witness'
const startMs = Date.parse('2026-01-01T00:00:00Z')

export const newSigner = (): NoteSigner => readSigner(origin, generateSigningKey())

export interface TestLog {
  readonly signer: NoteSigner
  readonly entries: Uint8Array[]
  readonly leaves: Uint8Array[]
  readonly append: (event: WitnessEvent) => void
  /** What the ledger itself tells when a key takes over. */
  readonly rotate: (next: NoteSigner) => void
  /** A checkpoint over the first entries, by default over all. */
  readonly note: (size?: number, ...signers: readonly NoteSigner[]) => string
}

/** Root of a tree, by the definition. @see RFC 6962 §2.1 */
export function rootOf(leaves: readonly Uint8Array[]): Buffer {
  if (leaves.length === 0) return emptyRoot
  if (leaves.length === 1) return Buffer.from(leaves[0]!)
  let split = 1
  while (split * 2 < leaves.length) split *= 2
  return nodeHash(rootOf(leaves.slice(0, split)), rootOf(leaves.slice(split)))
}

/** Tiles of these leaves, as the ledger's prover reads them. */
export function tilesOf(leaves: readonly Uint8Array[]): TileReader {
  const levels = [[...leaves]]
  for (let below = levels[0]!; below.length >= tileWidth; below = levels.at(-1)!) {
    const nodes = Math.floor(below.length / tileWidth)
    levels.push(Array.from({ length: nodes }, (_, at) => rootOf(below.slice(at * tileWidth, (at + 1) * tileWidth))))
  }
  return async (level, index) => Buffer.concat((levels[level] ?? []).slice(index * tileWidth, (index + 1) * tileWidth))
}

export function testLog(events: readonly WitnessEvent[] = [], signer: NoteSigner = newSigner()): TestLog {
  const entries: Uint8Array[] = []
  const leaves: Uint8Array[] = []
  const put = (draft: EntryDraft) => {
    const prev = leaves.length === 0 ? '0'.repeat(64) : Buffer.from(leaves.at(-1)!).toString('hex')
    const octets = Buffer.from(finishDraft(draft, entries.length, prev))
    entries.push(octets)
    leaves.push(leafHash(octets))
  }
  const nowMs = () => startMs + entries.length * 1000
  const append = (event: WitnessEvent) => put(draftEntry(event, nowMs()))
  for (const event of events) append(event)
  return {
    signer,
    entries,
    leaves,
    append,
    rotate: (next) => put(draftOwnEntry({ event: 'key_rotated', payload: { vkey: formatVerifierKey(next) } }, nowMs())),
    note: (size = entries.length, ...signers) =>
      signCheckpoint({ origin, size, root: rootOf(leaves.slice(0, size)) }, ...(signers.length === 0 ? [signer] : signers))
  }
}

export const plainEvents = (count: number, from = 0): WitnessEvent[] =>
  Array.from({ length: count }, (_, n) => ({
    event: 'test_event',
    component: 'IF.test',
    traceId: `trace-${Math.floor((n + from) / 10)}`,
    payload: { n: n + from, callId: `call-${Math.floor((n + from) / 10)}` }
  }))

export const trustIn = ({ signer }: Pick<TestLog, 'signer'>, more: Partial<Trust> = {}): Trust => ({
  key: formatVerifierKey(signer),
  policy: null,
  pinned: true,
  sinceMs: startMs,
  seen: null,
  ...more
})

/** What a source shows instead of the truth. */
export interface Lies {
  checkpoint?: string
  history?: readonly string[]
  /** One more page of it. */
  older?: readonly string[]
  /** Entries by leaf number. */
  entries?: ReadonlyMap<number, Uint8Array>
  /** Hashes of the tiles of level 0 by leaf number. */
  leaves?: ReadonlyMap<number, Uint8Array>
  /** From here on there is nothing. */
  endsAt?: number
}

export function sourceOf(log: TestLog, lies: Lies = {}): LogSource {
  return {
    checkpoint: async () => lies.checkpoint ?? log.note(),
    bundle: async (index, width) => {
      if (index * tileWidth + width > (lies.endsAt ?? log.entries.length)) throw new SourceError(404, 'nothing there')
      return Buffer.concat(
        log.entries.slice(index * tileWidth, index * tileWidth + width).flatMap((told, at) => {
          const octets = lies.entries?.get(index * tileWidth + at) ?? told
          return [Buffer.of(octets.length >> 8, octets.length & 255), octets]
        })
      )
    },
    tile: async (level, index, width) => {
      const hashes = await tilesOf(log.leaves)(level, index)
      const told = Buffer.from(hashes.subarray(0, width * 32))
      if (level === 0)
        for (const [leaf, hash] of lies.leaves ?? [])
          if (Math.floor(leaf / tileWidth) === index) told.set(hash, (leaf % tileWidth) * 32)
      return told
    },
    rates: async () => [],
    history: async (before) =>
      before === null
        ? { checkpoints: lies.history ?? [], previous: lies.older === undefined ? null : '1' }
        : { checkpoints: lies.older ?? [], previous: null }
  }
}

/** An entry with another payload, its place and links as they were. */
export function altered(octets: Uint8Array): Uint8Array {
  return Buffer.from(Buffer.from(octets).toString('utf8').replace('"n":', '"n":9'))
}

/** Three witnesses, and the policy that asks for two of them. */
export function testWitnesses() {
  const cosigners = ['a', 'b', 'c'].map((name) => readCosigner(`${name}.example/seat`, generateSigningKey()))
  const lines = cosigners.map((cosigner, at) => `witness ${'abc'[at]} ${formatVerifierKey(cosigner)}\n`)
  return {
    policy: `${lines.join('')}group council 2 a b c\nquorum council\n`,
    /** The note with cosignatures of so many of them. */
    cosigned: (note: string, count: number): string =>
      note +
      cosigners
        .slice(0, count)
        .map((cosigner) => cosign(parseCheckpoint(note).body, cosigner, 1_767_225_600))
        .join('')
  }
}

/** What an offline page holds of a log: all of it, or these entries. */
export async function offlineData(
  log: TestLog,
  indexes: readonly number[] | null = null,
  more: Partial<OfflineData> = {}
): Promise<OfflineData> {
  const note = log.note()
  const chosen = indexes ?? log.entries.map((_, index) => index)
  const proofs: string[] = []
  for (const index of indexes ?? [])
    proofs.push(
      formatTlogProof({ index, proof: await proveInclusion(tilesOf(log.leaves), index, log.leaves.length), checkpoint: note })
    )
  return {
    origin,
    keys: [formatVerifierKey(log.signer)],
    policy: null,
    checkpoints: [note],
    whole: indexes === null,
    entries: chosen.map((index) => ({ index, bytes: Buffer.from(log.entries[index]!).toString('utf8') })),
    proofs,
    rotations: [],
    payloads: null,
    rates: [{ model: 'gpt-5', in: '50', out: '150', from: null }],
    ...more
  }
}
