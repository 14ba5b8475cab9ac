/**
 * How fast proofs are made of a log of 10,000,000 entries: its tiles are built directly, in a SQLite file of their own.
 *
 *     node ledger/testing/proof-bench.ts [--json] [--entries 10000000]
 */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { parseArgs } from 'node:util'
import { jsonLines, type Metric, metricTable, quantile } from '#scripts/bench/report.ts'
import { hashLength } from '../log/merkle.ts'
import { checkConsistency, checkInclusion } from '../log/proof.ts'
import { proveConsistency, proveInclusion, rememberingNodes, rootAt, type TileReader } from '../log/prover.ts'
import { rootOfHashes, tileHashes, tileWidth } from '../log/tree.ts'

const proofs = 1000

/** Any 32 octets can be a leaf hash: what a proof costs does not hang on what was hashed. */
function leaf(index: number): Buffer {
  const octets = Buffer.alloc(8)
  octets.writeUIntBE(index, 2, 6)
  return createHash('sha256').update(octets).digest()
}

/** Fills `database` with every tile of a tree of `size` leaves, level by level. */
function buildTiles(database: DatabaseSync, size: number): void {
  database.exec(
    'PRAGMA journal_mode = OFF; CREATE TABLE tile (level INTEGER, position INTEGER, hashes BLOB, PRIMARY KEY (level, position)) WITHOUT ROWID; BEGIN'
  )
  const insert = database.prepare('INSERT INTO tile VALUES (?, ?, ?)')
  let below: Buffer[] = []
  for (let level = 0; tileHashes(size, level) > 0; level++) {
    const count = tileHashes(size, level)
    const above: Buffer[] = []
    for (let first = 0; first < count; first += tileWidth) {
      const width = Math.min(tileWidth, count - first)
      const hashes = Buffer.alloc(width * hashLength)
      for (let n = 0; n < width; n++) hashes.set(level === 0 ? leaf(first + n) : below[first + n]!, n * hashLength)
      insert.run(level, first / tileWidth, hashes)
      if (width === tileWidth) above.push(rootOfHashes(hashes))
    }
    below = above
  }
  database.exec('COMMIT')
}

/** Makes `proofs` inclusion and consistency proofs at places all over the log, each checked. */
export async function benchProof(entries = 10_000_000): Promise<Metric[]> {
  const dir = mkdtempSync(join(tmpdir(), 'proof-bench-'))
  const database = new DatabaseSync(join(dir, 'tiles.db'))
  try {
    buildTiles(database, entries)
    const read = database.prepare('SELECT hashes FROM tile WHERE level = ? AND position = ?')
    const stored: TileReader = async (level, index) =>
      (read.get(level, index) as { hashes: Uint8Array } | undefined)?.hashes ?? new Uint8Array()
    const tiles = rememberingNodes(stored)
    const root = await rootAt(tiles, entries)
    const inclusion: number[] = []
    const consistency: number[] = []
    for (let n = 0; n < proofs; n++) {
      const index = (n * 7_919_993 + 17) % entries
      let from = performance.now()
      const proof = await proveInclusion(tiles, index, entries)
      inclusion.push(performance.now() - from)
      if (!checkInclusion(leaf(index), index, entries, root, proof)) throw new Error(`the proof of entry ${index} does not hold`)
      from = performance.now()
      const grown = await proveConsistency(tiles, index + 1, entries)
      consistency.push(performance.now() - from)
      if (n % 50 === 0 && !checkConsistency(index + 1, await rootAt(tiles, index + 1), entries, root, grown)) {
        throw new Error(`the proof from ${index + 1} entries on does not hold`)
      }
    }
    const figure = (metric: string, kind: string, taken: readonly number[]): Metric => ({
      metric,
      value: quantile(taken, 0.5),
      unit: 'ms',
      note: `${kind}, median of ${proofs} at places all over the log, from tiles in SQLite, p99 ${quantile(taken, 0.99).toFixed(2)}; ${entries} entries`
    })
    return [figure('ledger.proof_ms', 'inclusion', inclusion), figure('ledger.consistency_proof_ms', 'consistency', consistency)]
  } finally {
    database.close()
    rmSync(dir, { recursive: true, force: true })
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { json: { type: 'boolean', default: false }, entries: { type: 'string', default: '10000000' } }
  })
  const metrics = await benchProof(Number(values.entries))
  console.log(values.json ? jsonLines(metrics) : metricTable(metrics))
}
