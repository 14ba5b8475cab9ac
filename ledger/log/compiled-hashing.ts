/** All hashes of a commit in one call of `hashing.c`, built at set-up: a hash at a time most of the work is to call for it. For whoever stays and writes much: it takes milliseconds to load. */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { type Hashing, marksOfEntry, plain } from './hashing.ts'
import { hashLength } from './merkle.ts'

const file = fileURLToPath(new URL('../build/hashing.so', import.meta.url))

function load(): Hashing {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
  const library = koffi.load(file)
  const chain = library.func('void chain_entries(uint8_t *, const uint32_t *, int, double, uint8_t *, uint8_t *)')
  const nodes = library.func('void node_hashes(size_t, int, size_t)')
  const addressOf = (octets: Buffer): number => Number(koffi.address(octets))
  return {
    chain: (...values) => void chain(...values),
    nodes: (pairs, from, count, out, at) => void nodes(addressOf(pairs) + from, count, addressOf(out) + at)
  }
}

/** Two entries of little else than number and hash, and the node over them. */
function sample({ chain, nodes }: Hashing): Buffer {
  const data = Buffer.alloc(140, 'x')
  const marks = Uint32Array.of(2, 3, 4, 70, 72, 74, 75, 140)
  const previous = Buffer.alloc(2 * hashLength, '0')
  const hashes = Buffer.alloc(3 * hashLength)
  chain(data, marks, marks.length / marksOfEntry, 9, previous, hashes)
  nodes(hashes, 0, 1, hashes, 2 * hashLength)
  return Buffer.concat([data, previous, hashes])
}

/** @returns null where it was not built, not for this system, or of other sources: {@link plain} is as right */
export function compiledHashing(): Hashing | null {
  if (!existsSync(file)) return null
  try {
    const hashing = load()
    return sample(hashing).equals(sample(plain)) ? hashing : null
  } catch {
    return null
  }
}
