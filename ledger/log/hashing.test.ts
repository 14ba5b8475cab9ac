import test from 'ava'
import fc from 'fast-check'
import { compiled, sampleHash } from './compiled.ts'
import { type Hashing, marksOfEntry, plain } from './hashing.ts'
import { hashLength, leafHash, nodeHash } from './merkle.ts'
import { lengthOctets } from './segment.ts'

/** Entries `<number>…<previous hash>…` from `first` on, with so many octets between and behind, finished by `hashing`. */
function chained({ chain }: Hashing, first: number, lengths: readonly (readonly [between: number, behind: number])[]) {
  const marks: number[] = []
  let at = 0
  lengths.forEach(([between, behind], number) => {
    const begin = at + lengthOctets
    const behindNumber = begin + String(first + number).length
    at = behindNumber + between + 2 * hashLength + behind
    marks.push(begin, behindNumber, behindNumber + between, at)
  })
  const data = Buffer.alloc(at, '.')
  const previous = Buffer.alloc(2 * hashLength, '0')
  const hashes = Buffer.alloc(lengths.length * hashLength)
  chain(data, Uint32Array.from(marks), marks.length / marksOfEntry, first, previous, hashes)
  return { data, previous: previous.toString(), hashes }
}

const entries = fc.array(fc.tuple(fc.nat(20), fc.oneof(fc.nat(700), fc.constant(65_000))), { maxLength: 6 })
const firsts = fc.oneof(fc.nat(2000), fc.constantFrom(9_999_995, 4_294_967_290, 2 ** 53 - 100))

test('each entry has its number, the hash before it and its length, and is hashed with them', (t) => {
  const lengths: [number, number][] = [
    [3, 5],
    [0, 0],
    [17, 400]
  ]
  const { data, previous, hashes } = chained(plain, 99, lengths)
  let at = 0
  let before = '0'.repeat(64)
  for (const [number, [between, behind]] of lengths.entries()) {
    const text = `${99 + number}${'.'.repeat(between)}${before}${'.'.repeat(behind)}`
    t.is(data.readUInt16BE(at), text.length)
    t.is(data.toString('latin1', at + lengthOctets, at + lengthOctets + text.length), text)
    before = leafHash(Buffer.from(text)).toString('hex')
    t.is(hashes.toString('hex', number * hashLength, (number + 1) * hashLength), before)
    at += lengthOctets + text.length
  }
  t.is(previous, before)
})

test('nodes over pairs that lie side by side', (t) => {
  const leaves = [0, 1, 2, 3, 4, 5].map((n) => leafHash(Buffer.of(n)))
  const out = Buffer.alloc(3 * hashLength)
  plain.nodes(Buffer.concat(leaves), 2 * hashLength, 2, out, hashLength)
  t.deepEqual(out, Buffer.concat([Buffer.alloc(hashLength), nodeHash(leaves[2]!, leaves[3]!), nodeHash(leaves[4]!, leaves[5]!)]))
})

const quick = compiled()
const both = quick === null ? test.skip : test

both('the compiled half does the same, octet for octet', (t) => {
  fc.assert(
    fc.property(firsts, entries, (first, lengths) => {
      const [mine, theirs] = [chained(plain, first, lengths), chained(quick!, first, lengths)]
      t.true(theirs.data.equals(mine.data))
      t.true(theirs.hashes.equals(mine.hashes))
      t.is(theirs.previous, mine.previous)
    })
  )
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 8 * hashLength, maxLength: 8 * hashLength }),
      fc.nat(3),
      fc.nat(1),
      (octets, from, at) => {
        const count = Math.floor((8 - from) / 2)
        const [mine, theirs] = [plain, quick!].map(({ nodes }) => {
          const out = Buffer.alloc(5 * hashLength)
          nodes(Buffer.from(octets), from * hashLength, count, out, at * hashLength)
          return out
        })
        t.deepEqual(theirs, mine)
      }
    )
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => {
      t.deepEqual(quick!.leaf(octets), plain.leaf(octets))
      t.deepEqual(quick!.sha256(octets), plain.sha256(octets))
    })
  )
  // by this the addon is known when it is loaded
  t.is(sampleHash(quick!), sampleHash(plain))
})
