import { createHash } from 'node:crypto'
import test from 'ava'
import fc from 'fast-check'
import { emptyRoot, Frontier, leafHash } from './merkle.ts'

/** RFC 6962 §2.1, written as the standard defines it: the naive twin of Frontier. */
function treeHash(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return createHash('sha256').digest()
  if (leaves.length === 1) return createHash('sha256').update(Buffer.of(0)).update(leaves[0]!).digest()
  let k = 1
  while (k * 2 < leaves.length) k *= 2
  return createHash('sha256')
    .update(Buffer.of(1))
    .update(treeHash(leaves.slice(0, k)))
    .update(treeHash(leaves.slice(k)))
    .digest()
}

// Leaves and roots of the test data that Certificate Transparency implementations share.
const leaves = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'].map((hex) =>
  Buffer.from(hex, 'hex')
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

test('roots of the shared test data', (t) => {
  const frontier = new Frontier()
  t.is(frontier.root().toString('hex'), emptyRoot.toString('hex'))
  for (const [i, leaf] of leaves.entries()) {
    frontier.append(leafHash(leaf))
    t.is(frontier.root().toString('hex'), roots[i]!)
  }
})

test('a frontier has the root that the definition gives, also when it was put away in between', (t) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 8 }), { maxLength: 70 }), (data) => {
      const all = data.map((bytes) => Buffer.from(bytes))
      let frontier = new Frontier()
      for (const leaf of all) {
        frontier.append(leafHash(leaf))
        frontier = new Frontier(frontier.size, frontier.toBytes())
      }
      t.deepEqual(frontier.root(), treeHash(all))
    })
  )
})

test('peaks that do not fit the size are refused', (t) => {
  t.throws(() => new Frontier(3, Buffer.alloc(32)), { instanceOf: RangeError })
  t.throws(() => new Frontier(-1), { instanceOf: RangeError })
})
