import { createHash } from 'node:crypto'
import test from 'ava'
import fc from 'fast-check'
import { compressSha256, sha256Start } from '../kernel.ts'

/** Pads as FIPS 180-4 §5.1.1 says. */
function hashOf(data: Uint8Array): string {
  const blocks = new Uint8Array(Math.ceil((data.length + 9) / 64) * 64)
  blocks.set(data)
  blocks[data.length] = 0x80
  new DataView(blocks.buffer).setUint32(blocks.length - 4, data.length * 8)
  const state = Int32Array.from(sha256Start)
  for (let at = 0; at < blocks.length; at += 64) compressSha256(state, blocks, at)
  return [...state].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('')
}

test('the first example of FIPS 180-4, and whatever else, is hashed as Node does', (t) => {
  t.is(hashOf(new TextEncoder().encode('abc')), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (data) => hashOf(data) === createHash('sha256').update(data).digest('hex'))
  )
  t.deepEqual([...sha256Start].slice(0, 2), [0x6a09e667, 0xbb67ae85 | 0], 'the start is left as it was')
})
