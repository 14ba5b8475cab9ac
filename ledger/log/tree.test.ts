import { createHash } from 'node:crypto'
import test from 'ava'
import fc from 'fast-check'
import { treeHash } from '../testing/tree-hash.ts'
import { compiled } from './compiled.ts'
import { plain } from './hashing.ts'
import { emptyRoot, hashLength, leafHash } from './merkle.ts'
import { GrowingTree, rootOfHashes } from './tree.ts'

// Leaves and roots of the test data that Certificate Transparency implementations share.
const leaves = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'].map((hex) =>
  leafHash(Buffer.from(hex, 'hex'))
)
const roots = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328'
]

test('an empty tree has the hash of no octets as its root', (t) => {
  t.deepEqual(new GrowingTree().root(), createHash('sha256').digest())
  t.deepEqual(rootOfHashes(Buffer.alloc(0)), emptyRoot)
})

test('roots of the shared test data, grown leaf by leaf, over all hashes at once, and by the definition', (t) => {
  const tree = new GrowingTree()
  for (const [i, leaf] of leaves.entries()) {
    tree.append(leaf)
    const known = leaves.slice(0, i + 1)
    t.is(tree.root().toString('hex'), roots[i]!)
    t.is(rootOfHashes(Buffer.concat(known)).toString('hex'), roots[i]!)
    t.is(treeHash(known).toString('hex'), roots[i]!)
  }
})

test('a tree that is put away as its last tiles and taken up again grows as one that never was', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 600 }), fc.integer({ min: 0, max: 300 }), (before, after) => {
      const all = Array.from({ length: before + after }, (_, i) => leafHash(Buffer.of(i & 255, i >> 8)))
      const first = new GrowingTree()
      for (const leaf of all.slice(0, before)) first.append(leaf)
      const tiles = new Map(first.takeTiles().map(({ level, index, hashes }) => [`${level}/${index}`, hashes]))
      const lastLeaves = Buffer.concat(all.slice(before - (before % 256), before))
      const again = GrowingTree.of(before, (level) => (level === 0 ? lastLeaves : tiles.get(`${level}/0`)!))
      for (const leaf of all.slice(before)) again.append(leaf)
      t.deepEqual(again.root(), treeHash(all))
    }),
    { numRuns: 60 }
  )
})

test('a last tile that does not fit the size is refused', (t) => {
  t.throws(() => GrowingTree.of(3, () => Buffer.alloc(32)), { instanceOf: RangeError, message: /has 3 hashes, got 32 octets/ })
})

test('leaves of a whole commit at once give the tiles and roots that they give one by one', (t) => {
  const all = Buffer.concat(Array.from({ length: 1400 }, (_, n) => leafHash(Buffer.of(n >> 8, n & 0xff))))
  for (const hashing of [plain, compiled() ?? plain]) {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.nat(3), fc.nat(600), fc.constantFrom(255, 256, 257)), { maxLength: 4 }), (counts) => {
        const [atOnce, oneByOne] = [new GrowingTree(hashing), new GrowingTree()]
        let size = 0
        for (const each of counts) {
          const count = Math.min(each, 1400 - size)
          atOnce.append(all, size * hashLength, count)
          for (let n = 0; n < count; n++) oneByOne.append(all, (size + n) * hashLength)
          size += count
          t.is(atOnce.size, size)
          t.deepEqual(atOnce.root(), rootOfHashes(all, 0, size))
          t.deepEqual(atOnce.takeTiles(), oneByOne.takeTiles())
        }
      }),
      { numRuns: 30 }
    )
  }
})
