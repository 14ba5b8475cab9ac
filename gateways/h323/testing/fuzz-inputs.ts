/** Inputs of the fuzzer: known messages, changed. */

/** Octets that mean much to a PER decoder: lengths, fragments, small and large numbers. */
const telling = [0x00, 0x01, 0x7f, 0x80, 0x81, 0xbf, 0xc0, 0xc1, 0xc4, 0xc5, 0xff]

const maxOctets = 66_000

type Random = () => number

const below = (random: Random, limit: number): number => Math.floor(random() * limit)

type Change = (octets: Buffer, random: Random, other: Buffer) => Buffer

/** Octets from `from`, up to sixty-four of them, and where they end. */
function piece(octets: Buffer, random: Random): { from: number; to: number } {
  const from = below(random, octets.length + 1)
  return { from, to: Math.min(octets.length, from + 1 + below(random, 64)) }
}

const changes: readonly Change[] = [
  function flipBits(octets, random) {
    const changed = Buffer.from(octets)
    for (let i = below(random, 4); i >= 0 && changed.length > 0; i--)
      changed[below(random, changed.length)]! ^= 1 << below(random, 8)
    return changed
  },
  function setOctets(octets, random) {
    const changed = Buffer.from(octets)
    for (let i = below(random, 4); i >= 0 && changed.length > 0; i--) {
      changed[below(random, changed.length)] = telling[below(random, telling.length)]!
    }
    return changed
  },
  (octets, random) => octets.subarray(0, below(random, octets.length + 1)),
  function lengthen(octets, random) {
    const more = Buffer.alloc(1 + below(random, random() < 0.02 ? maxOctets : 200), telling[below(random, telling.length)])
    return Buffer.concat([octets, more])
  },
  function splice(octets, random, other) {
    return Buffer.concat([octets.subarray(0, below(random, octets.length + 1)), other.subarray(below(random, other.length + 1))])
  },
  function remove(octets, random) {
    const { from, to } = piece(octets, random)
    return Buffer.concat([octets.subarray(0, from), octets.subarray(to)])
  },
  function repeat(octets, random) {
    const { from, to } = piece(octets, random)
    const times = 1 + below(random, random() < 0.05 ? 400 : 6)
    return Buffer.concat([
      octets.subarray(0, to),
      ...Array.from({ length: times }, () => octets.subarray(from, to)),
      octets.subarray(to)
    ])
  },
  function insert(octets, random, other) {
    const at = below(random, octets.length + 1)
    const { from, to } = piece(other, random)
    return Buffer.concat([octets.subarray(0, at), other.subarray(from, to), octets.subarray(at)])
  },
  function noise(_, random) {
    return Buffer.from(Array.from({ length: below(random, 120) }, () => below(random, 256)))
  }
]

/** One input: a known one changed once to four times. */
export function inputFrom(corpus: readonly Buffer[], random: Random): Buffer {
  let octets = corpus[below(random, corpus.length)]!
  for (let i = below(random, 4); i >= 0; i--) {
    octets = changes[below(random, changes.length)]!(octets, random, corpus[below(random, corpus.length)]!)
  }
  return octets.subarray(0, maxOctets)
}
