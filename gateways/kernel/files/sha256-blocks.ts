/**
 * The compression function of SHA-256, for programs of pages: WebCrypto takes no data in parts, and its promise costs more than a short hash does.
 *
 * @see FIPS 180-4 §6.2.2
 */
const primes: number[] = []
for (let number = 2; primes.length < 64; number++) if (primes.every((prime) => number % prime !== 0)) primes.push(number)
const fraction = (root: number): number => (root - Math.floor(root)) * 0x1_0000_0000

/** First 32 bits of the fractional parts of the cube roots of the first 64 primes. @see FIPS 180-4 §4.2.2 */
const rounds = Int32Array.from(primes, (prime) => fraction(Math.cbrt(prime)))

/** Of the square roots of the first 8: the state before the first block. @see FIPS 180-4 §5.3.3 */
export const sha256Start: Int32Array = Int32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime)))

const w = new Int32Array(64)

/** Takes 64 octets of `data`, from `block` on, into the eight words of `state`. */
export function compressSha256(state: Int32Array, data: Uint8Array, block: number): void {
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
