import test from 'ava'
import fc from 'fast-check'
import { consistencyProof } from '../testing/consistency.ts'
import { leafHash } from './merkle.ts'
import { checkConsistency, checkInclusion, inclusionProof } from './proof.ts'
import { proveConsistency, proveInclusion, rememberingNodes, rootAt, type TileReader } from './prover.ts'
import { GrowingTree, type Tile } from './tree.ts'

const most = 70_000
const leaves = Array.from({ length: most }, (_, n) => leafHash(Buffer.from(`leaf ${n}`)))

/** A tree of `size` leaves, as a store would have kept its tiles, commit after commit. */
function grow(size: number, commit: number): { tree: GrowingTree; tiles: TileReader; stored: Map<string, Tile> } {
  const tree = new GrowingTree()
  const stored = new Map<string, Tile>()
  while (tree.size < size) {
    for (let n = 0; n < commit && tree.size < size; n++) tree.append(leaves[tree.size]!)
    for (const tile of tree.takeTiles()) stored.set(`${tile.level}/${tile.index}`, tile)
  }
  const tiles: TileReader = async (level, index) =>
    stored.get(`${level}/${index}`)?.hashes ??
    (level === 0 ? Buffer.concat(leaves.slice(index * 256, Math.min(size, (index + 1) * 256))) : new Uint8Array())
  return { tree, tiles, stored }
}

const { tree: large, tiles: largeTiles } = grow(most, 1000)

test('proofs made from tiles are those made from leaves', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 1500 }),
      fc.integer({ min: 1, max: 400 }),
      fc.nat(),
      async (size, commit, seed) => {
        const { tree, tiles } = grow(size, commit)
        const own = leaves.slice(0, size)
        const index = seed % size
        t.deepEqual(await proveInclusion(tiles, index, size), inclusionProof(own, index) as Buffer[])
        const old = seed % (size + 1)
        t.deepEqual(await proveConsistency(tiles, old, size), consistencyProof(own, old) as Buffer[])
        t.deepEqual(await rootAt(tiles, size), tree.root())
      }
    ),
    { numRuns: 60 }
  )
})

test('proofs of a tree with three levels of tiles hold, also for its earlier sizes', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: most }), fc.nat(), async (size, seed) => {
      const root = await rootAt(largeTiles, size)
      const index = seed % size
      t.true(checkInclusion(leaves[index]!, index, size, root, await proveInclusion(largeTiles, index, size)))
      t.true(checkConsistency(size, root, most, large.root(), await proveConsistency(largeTiles, size, most)))
    }),
    { numRuns: 100 }
  )
})

test('with inner hashes remembered proofs are the same, whatever was forgotten and however the log grew in between', async (t) => {
  for (const kept of [1, 3, 1000]) {
    let size = 0
    let tiles: TileReader = async () => new Uint8Array()
    let reads = 0
    const remembering = rememberingNodes((level, index) => {
      reads++
      return tiles(level, index)
    }, kept)
    for (size of [1, 255, 256, 700, 66_000]) {
      tiles = grow(size, 999).tiles
      for (let n = 0; n < 40; n++) {
        const index = (n * 7919) % size
        t.deepEqual(await proveInclusion(remembering, index, size), await proveInclusion(tiles, index, size))
        t.deepEqual(await proveConsistency(remembering, index, size), await proveConsistency(tiles, index, size))
      }
      t.deepEqual(await rootAt(remembering, size), await rootAt(tiles, size))
    }
    const before = reads
    await rootAt(remembering, 65_536 + 256)
    if (kept === 1000) t.true(reads - before <= 2, 'known nodes need no tile')
  }
})

test('a tree that was closed grows on from its unfinished tiles', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: most - 600 }), fc.integer({ min: 1, max: 600 }), (size, more) => {
      const { tree, stored } = grow(size, 5000)
      const open = (level: number) => {
        const count = Math.floor(size / 256 ** level)
        const from = count - (count % 256)
        if (level === 0) return Buffer.concat(leaves.slice(from, size))
        return stored.get(`${level}/${from / 256}`)!.hashes
      }
      const again = GrowingTree.of(size, open)
      t.deepEqual(again.root(), tree.root())
      for (let n = 0; n < more; n++) {
        again.append(leaves[size + n]!)
        tree.append(leaves[size + n]!)
      }
      t.deepEqual(again.root(), tree.root())
      t.deepEqual(again.takeTiles(), tree.takeTiles())
    }),
    { numRuns: 15 }
  )
})

test('what the tree does not have is refused', (t) => {
  t.throws(() => proveInclusion(largeTiles, 5, 5), { instanceOf: RangeError })
  t.throws(() => proveConsistency(largeTiles, 6, 5), { instanceOf: RangeError })
  t.throws(() => GrowingTree.of(300, () => new Uint8Array(32)), { instanceOf: RangeError })
})

test('a tile that is too short is no proof', async (t) => {
  await t.throwsAsync(
    proveInclusion(async () => new Uint8Array(32), 5, 300),
    { instanceOf: RangeError }
  )
})
