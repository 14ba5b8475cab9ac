import test from 'ava'
import fc from 'fast-check'
import { compiled, sampleHash } from './compiled.ts'
import { type Hashing, marksOfDraft, plain } from './hashing.ts'
import { hashLength, leafHash, nodeHash } from './merkle.ts'
import { lengthOctets } from './segment.ts'

/** Entries `<before><number><between><previous hash><behind>` from `first` on, of texts of so many octets, finished by `hashing` behind three octets. */
function chained({ finish }: Hashing, first: number, lengths: readonly (readonly number[])[]) {
  const marks: number[] = []
  let drafts = 1
  let octets = 3
  lengths.forEach((parts, number) => {
    marks.push(drafts)
    for (const length of parts) {
      drafts += length
      marks.push(drafts)
    }
    octets += lengthOctets + parts.reduce((sum, length) => sum + length, String(first + number).length + 2 * hashLength)
  })
  const data = Buffer.alloc(octets)
  const previous = Buffer.alloc(2 * hashLength, '0')
  const hashes = Buffer.alloc(lengths.length * hashLength)
  const text = Buffer.alloc(drafts, 'abcdefghijk')
  const end = finish(text, Uint32Array.from(marks), marks.length / marksOfDraft, first, previous, data, 3, hashes)
  return { text: text.toString(), data, previous: previous.toString(), hashes, end }
}

const entries = fc.array(fc.tuple(fc.nat(20), fc.nat(20), fc.oneof(fc.nat(700), fc.constant(65_000))), { maxLength: 6 })
const firsts = fc.oneof(fc.nat(2000), fc.constantFrom(9_999_995, 4_294_967_290, 2 ** 53 - 100))

test('each entry has its number, the hash before it and its length, and is hashed with them', (t) => {
  const lengths: [number, number, number][] = [
    [2, 3, 5],
    [0, 0, 0],
    [1, 17, 400]
  ]
  const { text, data, previous, hashes, end } = chained(plain, 99, lengths)
  t.is(end, data.length)
  let from = 1
  let at = 3
  let before = '0'.repeat(64)
  const taken = (length: number) => {
    from += length
    return text.slice(from - length, from)
  }
  for (const [number, [begin, between, behind]] of lengths.entries()) {
    const entry = `${taken(begin)}${99 + number}${taken(between)}${before}${taken(behind)}`
    t.is(data.readUInt16BE(at), entry.length)
    t.is(data.toString('latin1', at + lengthOctets, at + lengthOctets + entry.length), entry)
    before = leafHash(Buffer.from(entry)).toString('hex')
    t.is(hashes.toString('hex', number * hashLength, (number + 1) * hashLength), before)
    at += lengthOctets + entry.length
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
      t.is(theirs.end, mine.end)
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
