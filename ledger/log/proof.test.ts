import test from 'ava'
import fc from 'fast-check'
import { consistencyProof } from '../testing/consistency.ts'
import { treeHash } from '../testing/tree-hash.ts'
import { leafHash } from './merkle.ts'
import { checkConsistency, checkInclusion, inclusionProof } from './proof.ts'

const leavesOf = (count: number) => Array.from({ length: count }, (_, i) => leafHash(Buffer.from(`leaf ${i}`)))

const node = (...leaves: readonly Buffer[]) => treeHash(leaves).toString('hex')
const hex = (proof: readonly Uint8Array[]) => proof.map((hash) => Buffer.from(hash).toString('hex'))

// The tree of seven leaves d0…d6: a…f, j are its leaf hashes, g = (a,b), h = (c,d), i = (e,f), k = (g,h), l = (i,j).
test('RFC 6962 §2.1.3: the audit paths of the example', (t) => {
  const leaves = leavesOf(7)
  const [a, b, c, d, e, f, j] = leaves as [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer]
  const [g, h, i, k, l] = [node(a, b), node(c, d), node(e, f), node(a, b, c, d), node(e, f, j)]
  t.deepEqual(hex(inclusionProof(leaves, 0)), [b.toString('hex'), h, l])
  t.deepEqual(hex(inclusionProof(leaves, 3)), [c.toString('hex'), g, l])
  t.deepEqual(hex(inclusionProof(leaves, 4)), [f.toString('hex'), j.toString('hex'), k])
  t.deepEqual(hex(inclusionProof(leaves, 6)), [i, k])
})

test('RFC 6962 §2.1.3: the consistency proofs of the example', (t) => {
  const leaves = leavesOf(7)
  const [a, b, c, d, e, f, j] = leaves as [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer]
  const [g, i, k, l] = [node(a, b), node(e, f), node(a, b, c, d), node(e, f, j)]
  t.deepEqual(hex(consistencyProof(leaves, 3)), [c.toString('hex'), d.toString('hex'), g, l])
  t.deepEqual(hex(consistencyProof(leaves, 4)), [l])
  t.deepEqual(hex(consistencyProof(leaves, 6)), [i, j.toString('hex'), k])
})

test('every leaf of every small tree is proved, and is nowhere else', (t) => {
  for (let size = 1; size <= 33; size++) {
    const leaves = leavesOf(size)
    const root = treeHash(leaves)
    for (const [index, leaf] of leaves.entries()) {
      const proof = inclusionProof(leaves, index)
      t.true(checkInclusion(leaf, index, size, root, proof))
      t.false(checkInclusion(leaf, (index + 1) % (size + 1), size, root, proof))
      t.false(checkInclusion(leaf, index, size, root, [...proof, leaf]))
      if (proof.length > 0) t.false(checkInclusion(leaf, index, size, root, proof.slice(1)))
    }
  }
})

test('every small tree grew from every smaller one, and from no other', (t) => {
  for (let size = 1; size <= 33; size++) {
    const leaves = leavesOf(size)
    const root = treeHash(leaves)
    for (let old = 0; old <= size; old++) {
      const oldRoot = treeHash(leaves.slice(0, old))
      const proof = consistencyProof(leaves, old)
      t.true(checkConsistency(old, oldRoot, size, root, proof))
      t.false(checkConsistency(old, leafHash(Buffer.from('other')), size, root, proof))
      if (old > 0 && old < size) {
        t.false(checkConsistency(old, oldRoot, size, leafHash(Buffer.from('other')), proof))
        t.false(checkConsistency(old, oldRoot, size, root, [...proof, root]))
      }
    }
  }
})

test('a proof with one octet changed proves nothing', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 200 }), fc.nat(), fc.nat(), fc.integer({ min: 1, max: 255 }), (size, a, b, mask) => {
      const leaves = leavesOf(size)
      const root = treeHash(leaves)
      const spoil = (proof: readonly Uint8Array[]) => {
        const copy = proof.map((hash) => Buffer.from(hash))
        const chosen = copy[a % copy.length]!
        chosen[b % 32]! ^= mask
        return copy
      }
      const index = a % size
      t.false(checkInclusion(leaves[index]!, index, size, root, spoil(inclusionProof(leaves, index))))
      const old = 1 + (b % (size - 1))
      t.false(checkConsistency(old, treeHash(leaves.slice(0, old)), size, root, spoil(consistencyProof(leaves, old))))
    })
  )
})

test('a proof from anywhere is answered, never thrown at', (t) => {
  const bytes = fc.uint8Array({ minLength: 30, maxLength: 33 })
  fc.assert(
    fc.property(fc.double(), fc.double(), bytes, bytes, fc.array(bytes, { maxLength: 60 }), (a, b, x, y, proof) => {
      t.false(checkInclusion(x, a, b, y, proof))
      t.is(typeof checkConsistency(a, x, b, y, proof), 'boolean')
    })
  )
})

test('what no tree has cannot be asked for', (t) => {
  t.throws(() => inclusionProof(leavesOf(3), 3), { instanceOf: RangeError })
  t.throws(() => consistencyProof(leavesOf(3), 4), { instanceOf: RangeError })
})
