/**
 * What `compiled.c` does, built at set-up: all hashes of a commit in one call, and Ed25519 without node:crypto, which takes a command milliseconds to load. For whoever writes a
 * log: the verifier loads none of it.
 */
import { type Hashing, marksOfDraft, plain } from './hashing.ts'
import { hashLength } from './merkle.ts'

const file = `${import.meta.dirname}/../build/compiled.node`

/** The functions of the addon. What is given as `out` has the length of what is written there. */
interface Addon extends Pick<Hashing, 'finish' | 'nodes'> {
  readonly leaf: (entry: Uint8Array, out: Buffer) => void
  readonly sha256: (octets: Uint8Array, out: Buffer) => void
  readonly publicKey: (seed: Uint8Array, out: Buffer) => boolean
  readonly sign: (seed: Uint8Array, octets: Uint8Array, out: Buffer) => boolean
  readonly verify: (publicKey: Uint8Array, octets: Uint8Array, signature: Uint8Array) => boolean
}

/** Hashes, and Ed25519 by octets: seeds and public keys of 32, signatures of 64. @see RFC 8032 §5.1 */
export interface Compiled extends Hashing {
  readonly publicKey: (seed: Uint8Array) => Buffer
  readonly sign: (seed: Uint8Array, octets: Uint8Array) => Buffer
  readonly verify: (publicKey: Uint8Array, octets: Uint8Array, signature: Uint8Array) => boolean
}

const signatureLength = 64

function load(): Compiled {
  const loaded: { exports: object } = { exports: {} }
  process.dlopen(loaded, file)
  const { finish, nodes, leaf, sha256, publicKey, sign, verify } = loaded.exports as Addon
  const hashed = (hash: (octets: Uint8Array, out: Buffer) => void) => (octets: Uint8Array) => {
    const out = Buffer.allocUnsafe(hashLength)
    hash(octets, out)
    return out
  }
  const made = (length: number, make: (out: Buffer) => boolean): Buffer => {
    const out = Buffer.allocUnsafe(length)
    if (!make(out)) throw new Error('OpenSSL has no memory, or no Ed25519')
    return out
  }
  return {
    finish,
    nodes,
    leaf: hashed(leaf),
    sha256: hashed(sha256),
    publicKey: (seed) => made(hashLength, (out) => publicKey(seed, out)),
    sign: (seed, octets) => made(signatureLength, (out) => sign(seed, octets, out)),
    verify
  }
}

/** Hash of two entries of little else than number and hash, as they are chained, with the node over them. */
export function sampleHash({ finish, nodes, leaf, sha256 }: Hashing): string {
  const drafts = Buffer.from('abcdef')
  const marks = Uint32Array.of(0, 1, 2, 3, 3, 3, 5, 6)
  const previous = Buffer.alloc(2 * hashLength, '0')
  const data = Buffer.alloc(142)
  const hashes = Buffer.alloc(3 * hashLength)
  finish(drafts, marks, marks.length / marksOfDraft, 9, previous, data, 1, hashes)
  nodes(hashes, 0, 1, hashes, 2 * hashLength)
  return sha256(Buffer.concat([leaf(data), data, previous, hashes])).toString('hex')
}

/** What it is by {@link plain}, which would load node:crypto to tell. */
const sample = '4d13783e9b8335f9d0eb8272d262180079f1d15c8235db34d8a296873e35afae'

let known: Compiled | null | undefined

/** @returns null where it was not built, not for this system, or of other sources: {@link plain} and node:crypto are as right */
export function compiled(): Compiled | null {
  if (known !== undefined) return known
  known = null
  try {
    const found = load()
    if (sampleHash(found) === sample) known = found
  } catch {
    // as if it had not been built
  }
  return known
}

/** The quickest way to hash. */
export const quickest = (): Hashing => compiled() ?? plain
