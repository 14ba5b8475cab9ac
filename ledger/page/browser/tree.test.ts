import { createHash } from 'node:crypto'
import test from 'ava'
import fc from 'fast-check'
import { leafHash as ledgerLeafHash } from '../../log/merkle.ts'
import { proveConsistency, proveInclusion } from '../../log/prover.ts'
import { rootOf, tilesOf } from '../testing/log.ts'
import { base64, fromBase64, hex, utf8 } from './octets.ts'
import { sha256 } from './sha256.ts'
import { checkConsistency, checkInclusion, leafHash, Tree } from './tree.ts'

const octets = (n: number) => Uint8Array.from({ length: n }, (_, at) => (at * 31 + n) & 255)

test('SHA-256 is that of FIPS 180-4, for every length around its blocks', (t) => {
  t.is(hex(sha256(utf8('abc'))), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  for (let length = 0; length <= 200; length++) {
    const data = octets(length)
    t.is(hex(sha256(data)), createHash('sha256').update(data).digest('hex'), `${length} octets`)
  }
  const large = octets(70_001)
  t.is(hex(sha256(large)), createHash('sha256').update(large).digest('hex'))
})

test('base64 is read in its one form alone', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (data) => {
      t.deepEqual(fromBase64(base64(data)), data)
    })
  )
  for (const text of ['QQ', 'QR==', 'QQ==\n', ' QQ==', 'QQ=', '*', 'Q===']) t.is(fromBase64(text), null, text)
})

test('roots of every size, and every proof, are those of the ledger', async (t) => {
  const tree = new Tree()
  const leaves: Uint8Array[] = []
  for (let n = 0; n < 70; n++) {
    const data = octets(n)
    t.deepEqual(Buffer.from(leafHash(data)), ledgerLeafHash(data))
    leaves.push(ledgerLeafHash(data))
    tree.append(leafHash(data))
  }
  for (let size = 0; size <= leaves.length; size++) t.is(hex(tree.rootAt(size)), hex(rootOf(leaves.slice(0, size))), `${size}`)
  for (let size = 1; size <= leaves.length; size += 3) {
    const root = tree.rootAt(size)
    for (let index = 0; index < size; index++) {
      const proof = tree.inclusionProof(index, size)
      t.deepEqual(proof.map(hex), (await proveInclusion(tilesOf(leaves), index, size)).map(hex))
      t.true(checkInclusion(leaves[index]!, index, size, root, proof))
      t.false(checkInclusion(leaves[(index + 1) % 70]!, index, size, root, proof))
    }
    for (let from = 0; from <= size; from++) {
      const proof = tree.consistencyProof(from, size)
      t.deepEqual(proof.map(hex), (await proveConsistency(tilesOf(leaves), from, size)).map(hex))
      t.true(checkConsistency(from, tree.rootAt(from), size, root, proof))
    }
  }
  t.throws(() => tree.rootAt(71), { instanceOf: RangeError })
})

test('a proof with anything changed is refused', (t) => {
  const tree = new Tree()
  for (let n = 0; n < 37; n++) tree.append(leafHash(octets(n)))
  const root = tree.rootAt(37)
  fc.assert(
    fc.property(fc.nat(36), fc.nat(), fc.nat(31), fc.integer({ min: 1, max: 255 }), (index, which, at, change) => {
      const proof = tree.inclusionProof(index, 37)
      const spoiled = proof.map((hash, place) =>
        place === which % proof.length ? hash.map((octet, o) => (o === at ? octet ^ change : octet)) : hash
      )
      t.false(checkInclusion(tree.node(0, index), index, 37, root, spoiled))
      t.false(checkInclusion(tree.node(0, index), index, 37, root, proof.slice(1)))
      t.false(checkInclusion(tree.node(0, index), index, 37, root, [...proof, root]))
      const from = index + 1
      const grown = tree.consistencyProof(from, 37)
      t.false(checkConsistency(from, tree.rootAt(index), 37, root, grown))
      if (grown.length > 0) t.false(checkConsistency(from, tree.rootAt(from), 37, root, grown.slice(0, -1)))
    })
  )
})
