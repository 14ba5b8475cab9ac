/**
 * SHA-256 without waiting: a log is very many small hashes, and what WebCrypto's promise costs for each is more than the hash itself.
 *
 * @see FIPS 180-4 §6.2
 */
import { compressSha256, sha256Start } from '#kernel'

export const hashLength = 32

const state = new Int32Array(8)
const last = new Uint8Array(128)

/** @returns 32 octets */
export function sha256(data: Uint8Array): Uint8Array {
  return digest(data, new Uint8Array(hashLength), 0)
}

/** Writes the hash of `data` into `out` from `at` on; gives `out`. */
export function digest(data: Uint8Array, out: Uint8Array, at: number): Uint8Array {
  state.set(sha256Start)
  const whole = data.length - (data.length % 64)
  for (let block = 0; block < whole; block += 64) compressSha256(state, data, block)
  const rest = data.length - whole
  const tail = rest < 56 ? 64 : 128
  last.fill(0, 0, tail)
  last.set(data.subarray(whole), 0)
  last[rest] = 0x80
  const bits = data.length * 8
  putWord(last, tail - 8, Math.floor(bits / 0x1_0000_0000))
  putWord(last, tail - 4, bits)
  for (let block = 0; block < tail; block += 64) compressSha256(state, last, block)
  for (let word = 0; word < 8; word++) putWord(out, at + word * 4, state[word]!)
  return out
}

function putWord(octets: Uint8Array, at: number, word: number): void {
  octets[at] = word >>> 24
  octets[at + 1] = word >>> 16
  octets[at + 2] = word >>> 8
  octets[at + 3] = word
}
