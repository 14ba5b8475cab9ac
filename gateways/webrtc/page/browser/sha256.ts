/**
 * SHA-256 that takes its data in parts, which WebCrypto does not.
 *
 * @see FIPS 180-4 §6.2
 */
import { compressSha256, sha256Start } from '#kernel'

export class Sha256 {
  readonly #state = Int32Array.from(sha256Start)
  readonly #rest = new Uint8Array(64)
  #octets = 0

  update(data: Uint8Array): void {
    let at = 0
    const held = this.#octets % 64
    this.#octets += data.length
    if (held > 0) {
      at = Math.min(64 - held, data.length)
      this.#rest.set(data.subarray(0, at), held)
      if (held + at < 64) return
      compressSha256(this.#state, this.#rest, 0)
    }
    for (; at + 64 <= data.length; at += 64) compressSha256(this.#state, data, at)
    this.#rest.set(data.subarray(at))
  }

  /** 64 hex digits. Nothing may come after. */
  digest(): string {
    const bits = this.#octets * 8
    const held = this.#octets % 64
    const tail = new Uint8Array(held < 56 ? 64 : 128)
    tail.set(this.#rest.subarray(0, held))
    tail[held] = 0x80
    const view = new DataView(tail.buffer)
    view.setUint32(tail.length - 8, Math.floor(bits / 0x1_0000_0000))
    view.setUint32(tail.length - 4, bits >>> 0)
    for (let at = 0; at < tail.length; at += 64) compressSha256(this.#state, tail, at)
    return [...this.#state].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('')
  }
}
