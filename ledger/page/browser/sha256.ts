/**
 * SHA-256 without waiting: a log is very many small hashes, and what WebCrypto's promise costs for each is more than the hash itself.
 *
 * @see FIPS 180-4 §6.2
 */

export const hashLength = 32

/** First 32 bits of the fractional parts of the cube roots of the first 64 primes, and of the square roots of the first 8. @see FIPS 180-4 §4.2.2, §5.3.3 */
const { rounds, start } = constants()

const schedule = new Int32Array(64)
const state = new Int32Array(8)
const last = new Uint8Array(128)

/** @returns 32 octets */
export function sha256(data: Uint8Array): Uint8Array {
  return digest(data, new Uint8Array(hashLength), 0)
}

/** Writes the hash of `data` into `out` from `at` on; gives `out`. */
export function digest(data: Uint8Array, out: Uint8Array, at: number): Uint8Array {
  state.set(start)
  const whole = data.length - (data.length % 64)
  for (let block = 0; block < whole; block += 64) compress(data, block)
  const rest = data.length - whole
  const tail = rest < 56 ? 64 : 128
  last.fill(0, 0, tail)
  last.set(data.subarray(whole), 0)
  last[rest] = 0x80
  const bits = data.length * 8
  putWord(last, tail - 8, Math.floor(bits / 0x1_0000_0000))
  putWord(last, tail - 4, bits)
  for (let block = 0; block < tail; block += 64) compress(last, block)
  for (let word = 0; word < 8; word++) putWord(out, at + word * 4, state[word]!)
  return out
}

function putWord(octets: Uint8Array, at: number, word: number): void {
  octets[at] = word >>> 24
  octets[at + 1] = word >>> 16
  octets[at + 2] = word >>> 8
  octets[at + 3] = word
}

function compress(data: Uint8Array, block: number): void {
  const w = schedule
  for (let t = 0, at = block; t < 16; t++, at += 4)
    w[t] = (data[at]! << 24) | (data[at + 1]! << 16) | (data[at + 2]! << 8) | data[at + 3]!
  for (let t = 16; t < 64; t++) {
    const x = w[t - 2]!
    const y = w[t - 15]!
    const s1 = ((x >>> 17) | (x << 15)) ^ ((x >>> 19) | (x << 13)) ^ (x >>> 10)
    const s0 = ((y >>> 7) | (y << 25)) ^ ((y >>> 18) | (y << 14)) ^ (y >>> 3)
    w[t] = (s1 + w[t - 7]! + s0 + w[t - 16]!) | 0
  }
  let a = state[0]!
  let b = state[1]!
  let c = state[2]!
  let d = state[3]!
  let e = state[4]!
  let f = state[5]!
  let g = state[6]!
  let h = state[7]!
  for (let t = 0; t < 64; t++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))
    const t1 = (h + s1 + (g ^ (e & (f ^ g))) + rounds[t]! + w[t]!) | 0
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))
    const t2 = (s0 + ((a & b) | (c & (a | b)))) | 0
    h = g
    g = f
    f = e
    e = (d + t1) | 0
    d = c
    c = b
    b = a
    a = (t1 + t2) | 0
  }
  state[0] = (state[0]! + a) | 0
  state[1] = (state[1]! + b) | 0
  state[2] = (state[2]! + c) | 0
  state[3] = (state[3]! + d) | 0
  state[4] = (state[4]! + e) | 0
  state[5] = (state[5]! + f) | 0
  state[6] = (state[6]! + g) | 0
  state[7] = (state[7]! + h) | 0
}

function constants(): { readonly rounds: Int32Array; readonly start: Int32Array } {
  const primes: number[] = []
  for (let number = 2; primes.length < 64; number++) if (primes.every((prime) => number % prime !== 0)) primes.push(number)
  const fraction = (root: number): number => (root - Math.floor(root)) * 0x1_0000_0000
  return {
    rounds: Int32Array.from(primes, (prime) => fraction(Math.cbrt(prime))),
    start: Int32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime)))
  }
}
